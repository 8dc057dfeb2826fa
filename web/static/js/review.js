// The review list: one recording is open at a time; keys go through them.
import { call } from "./api.js";
import { pause, play } from "./player.js";
import { drawWave, load } from "./sound.js";
import { sayProblem } from "./toasts.js";

const list = document.getElementById("review");
const dataset = list.dataset.dataset;
const mayEdit = "edit" in list.dataset;
let open = null;

const rows = () => [...list.querySelectorAll(".utterance")];
const url = (row) => row.querySelector("[data-play]")?.dataset.play;
const box = (row) => row.querySelector("textarea");

function select(row, { focus = true } = {}) {
  if (!row || row === open) return;
  if (open) {
    save(open);
    open.querySelector(".u-open").hidden = true;
    open.removeAttribute("aria-current");
  }
  open = row;
  row.querySelector(".u-open").hidden = false;
  row.setAttribute("aria-current", "true");
  if (focus) row.focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest" });
  paint(row);
}

async function paint(row, played = 0) {
  const wave = row.querySelector(".u-wave");
  drawWave(wave, row.peaks ?? null, played);
  if (row.peaks || !url(row)) return;
  try {
    row.peaks = (await load(url(row))).peaks;
    if (row === open) drawWave(wave, row.peaks, 0);
  } catch { /* pressing play says why */ }
}

function say(row, words) {
  const place = row.querySelector("[data-said]");
  if (place) place.textContent = words;
}

async function change(row, body) {
  say(row, "Saving…");
  try {
    const now = await call(`/api/v1/datasets/${dataset}/utterances/${row.dataset.utterance}`, { method: "PATCH", body });
    show(row, now);
    say(row, "Saved.");
    return true;
  } catch (problem) {
    say(row, "Not saved.");
    sayProblem(problem);
    return false;
  }
}

function show(row, now) {
  row.querySelector(".u-text").textContent = now.text || "(no text)";
  const include = row.querySelector("[data-include]");
  if (include) include.checked = now.included;
  row.toggleAttribute("data-out", !now.included);
  const text = box(row);
  if (text && document.activeElement !== text) text.value = now.text;
  if (text) text.defaultValue = now.text;
}

async function save(row) {
  const text = box(row);
  if (!mayEdit || !text || text.value.trim() === text.defaultValue.trim()) return true;
  return change(row, { text: text.value.trim() });
}

function step(by) {
  const all = rows();
  const next = all[Math.max(0, Math.min(all.length - 1, all.indexOf(open) + by))];
  if (next && next !== open) { pause(); select(next); return next; }
  // Past the end the next page opens, so that one can go on without the mouse.
  if (by > 0) document.querySelector(".pager [rel=next]")?.click();
  if (by < 0) document.querySelector(".pager [rel=prev]")?.click();
  return null;
}

function listen(row) {
  if (row && url(row)) play(url(row), row.querySelector("[data-play]").dataset.title);
}

list.addEventListener("click", (event) => {
  const row = event.target.closest(".utterance");
  if (!row) return;
  if (event.target.closest("[data-save]")) { save(row); return; }
  if (event.target.closest("[data-undo]")) { box(row).value = box(row).defaultValue; return; }
  if (event.target.closest(".u-line") && !event.target.closest("label, input")) {
    select(row, { focus: !event.target.closest("button") });
  }
});
list.addEventListener("change", async (event) => {
  const row = event.target.closest(".utterance");
  if (!event.target.matches("[data-include]")) return;
  const wanted = event.target.checked;
  row.toggleAttribute("data-out", !wanted);
  if (!(await change(row, { included: wanted }))) {
    event.target.checked = !wanted;
    row.toggleAttribute("data-out", wanted);
  }
});
list.addEventListener("focusin", (event) => {
  const row = event.target.closest(".utterance");
  if (row && row !== open) select(row, { focus: false });
});
document.addEventListener("player-tick", (event) => {
  if (open && event.detail.url === url(open)) drawWave(open.querySelector(".u-wave"), open.peaks ?? null, event.detail.played);
});

document.addEventListener("keydown", async (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.target.matches("textarea")) {
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      const row = open;
      event.target.blur();
      if (await save(row)) listen(step(1));
    } else if (event.key === "Escape") {
      event.target.value = event.target.defaultValue;
      open.focus();
    }
    return;
  }
  if (event.target.closest("input:not([type=checkbox]), select")) return;
  const key = event.key.toLowerCase();
  if (key === "j") step(1);
  else if (key === "k") step(-1);
  else if (key === " " && !event.target.closest("button, a, summary, input")) listen(open ?? rows()[0]);
  else if (key === "e" && open && box(open)) { box(open).focus(); box(open).select(); }
  else if (key === "x" && open) open.querySelector("[data-include]:not(:disabled)")?.click();
  else if (key === "enter" && !event.target.closest("button, a, summary, input")) listen(step(1));
  else return;
  event.preventDefault();
});
addEventListener("beforeunload", (event) => {
  if (rows().some((row) => box(row) && box(row).value !== box(row).defaultValue)) event.preventDefault();
});
document.addEventListener("theme", () => open && paint(open));
if (rows().length) select(rows()[0], { focus: false });
