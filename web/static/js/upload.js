// Sends files in batches: total and per-file progress, speed, time left, and what was refused and why.
import { csrf } from "./api.js";
import { clock, inBytes } from "./times.js";

const BATCH_FILES = 40;
const BATCH_BYTES = 24 * 2 ** 20;
const SHOWN = 60;
const RETRIES_MS = [1000, 3000, 8000];

const box = document.getElementById("upload");
if (box) setUp();

function setUp() {
  const part = (name) => box.querySelector(`[data-up="${name}"]`);
  let request = null;
  let stopped = false;
  let busy = false;
  const queue = [];

  for (const kind of ["dragenter", "dragover"]) {
    box.addEventListener(kind, (event) => { event.preventDefault(); box.classList.add("over"); });
  }
  for (const kind of ["dragleave", "drop"]) {
    box.addEventListener(kind, () => box.classList.remove("over"));
  }
  // A file that misses the box must not replace the page.
  for (const kind of ["dragover", "drop"]) addEventListener(kind, (event) => event.preventDefault());
  box.addEventListener("drop", async (event) => {
    event.preventDefault();
    add(await dropped(event.dataTransfer));
  });
  for (const id of ["upload-files", "upload-folder"]) {
    const input = document.getElementById(id);
    const taken = () => { add([...input.files]); input.value = ""; };
    input.addEventListener("change", taken);
    // Chosen before this was loaded.
    if (input.files.length) setTimeout(taken);
  }
  part("stop").addEventListener("click", () => { stopped = true; request?.abort(); });
  addEventListener("beforeunload", (event) => { if (busy) event.preventDefault(); });

  function add(files) {
    const real = files.filter((file) => !/(^|\/)(\.|Thumbs\.db$|desktop\.ini$)/i.test(file.name));
    if (!real.length) return;
    queue.push(...real);
    if (!busy) run();
  }

  async function run() {
    busy = true;
    stopped = false;
    const total = { files: 0, done: 0, bytes: 0, sent: 0, started: performance.now() };
    const refused = [];
    let taken = 0;
    box.querySelector(".upload-state").hidden = false;
    part("list").replaceChildren();
    part("title").textContent = "Uploading…";
    part("stop").hidden = false;
    const rows = new Map();

    const report = (batch, loaded) => {
      const sent = total.sent + loaded;
      const all = total.bytes + queue.reduce((sum, file) => sum + file.size, 0);
      const files = total.files + queue.length;
      const seconds = (performance.now() - total.started) / 1000;
      const speed = sent / Math.max(seconds, 0.5);
      part("bar").value = all ? sent / all : 0;
      const left = speed > 0 && seconds > 1 ? ` · ${clock((all - sent) / speed)} left` : "";
      part("words").textContent =
        `${total.done} of ${files} files · ${inBytes(sent)} of ${inBytes(all)} · ${inBytes(speed)} a second${left}`;
      let before = 0;
      for (const file of batch) {
        const share = Math.max(0, Math.min(1, (loaded - before) / Math.max(1, file.size)));
        before += file.size;
        row(rows, file, share >= 1 ? "storing…" : `${Math.round(share * 100)} %`, share);
      }
    };

    while (queue.length && !stopped) {
      const batch = take(queue);
      const size = batch.reduce((sum, file) => sum + file.size, 0);
      total.files += batch.length;
      total.bytes += size;
      report(batch, 0);
      try {
        const answer = await send(batch, (loaded) => report(batch, Math.min(loaded, size)));
        taken += answer.accepted.length;
        refused.push(...answer.rejected);
        for (const file of batch) {
          const fault = answer.rejected.find((entry) => entry.name === file.name);
          row(rows, file, fault ? fault.reason : "done", 1, fault ? "bad" : "good");
        }
      } catch (problem) {
        if (stopped) break;
        for (const file of batch) row(rows, file, "not uploaded", 0, "bad");
        refused.push({ name: "", reason: `${problem.title ?? "The upload failed."} ${problem.detail ?? ""}` });
        queue.length = 0;
        break;
      }
      total.done += batch.length;
      total.sent += size;
    }
    if (stopped) queue.length = 0;
    finish(taken, refused);
    busy = false;
  }

  function send(batch, onProgress, tries = 0) {
    return new Promise((resolve, reject) => {
      const form = new FormData();
      for (const file of batch) form.append("files", file, file.name);
      request = new XMLHttpRequest();
      request.open("POST", box.dataset.url);
      request.setRequestHeader("X-CSRFToken", csrf());
      request.responseType = "json";
      request.upload.onprogress = (event) => onProgress(event.loaded);
      const again = (problem) => {
        if (stopped || tries >= RETRIES_MS.length) { reject(problem); return; }
        part("words").textContent = "The connection broke; trying this part again…";
        setTimeout(() => send(batch, onProgress, tries + 1).then(resolve, reject), RETRIES_MS[tries]);
      };
      request.onload = () => {
        if (request.status >= 200 && request.status < 300) resolve(request.response);
        else if (request.status >= 502 || request.status === 429) again(request.response ?? {});
        else if (request.response?.rejected) resolve({ accepted: [], ...request.response });
        else reject(request.response ?? { title: "The server did not take the files." });
      };
      request.onerror = () => again({ title: "The server can't be reached.", detail: "What was sent before is kept; add the rest again." });
      request.onabort = () => reject({ title: "Stopped." });
      request.send(form);
    });
  }

  function row(rows, file, words, share, tone = "") {
    let entry = rows.get(file);
    if (!entry) {
      if (part("list").childElementCount >= SHOWN) return;
      entry = document.createElement("li");
      const name = document.createElement("span");
      const state = document.createElement("span");
      name.className = "grow wrap-anywhere";
      name.textContent = file.name;
      entry.append(name, state);
      part("list").prepend(entry);
      rows.set(file, entry);
    }
    entry.lastChild.textContent = words;
    entry.lastChild.className = tone || "muted";
    entry.classList.toggle("under-way", share > 0 && share < 1);
  }

  function finish(taken, refused) {
    part("stop").hidden = true;
    part("title").textContent = stopped
      ? `Stopped: ${taken} file${taken === 1 ? " was" : "s were"} stored before.`
      : `${taken} file${taken === 1 ? "" : "s"} stored${refused.length ? `, ${refused.length} not taken` : ""}.`;
    part("words").textContent = refused.length ? "" : "Add more, or have the recordings checked.";
    if (!stopped && !refused.length) part("bar").value = 1;
    if (refused.length) {
      const entries = refused.map(({ name, reason }) => {
        const entry = document.createElement("li");
        const what = document.createElement("strong");
        what.textContent = name ? `${name}: ` : "";
        const why = document.createElement("span");
        why.className = "bad grow";
        why.append(what, reason);
        entry.append(why);
        return entry;
      });
      part("list").replaceChildren(...entries);
    }
    document.body.dispatchEvent(new CustomEvent("uploaded"));
  }
}

function take(queue) {
  const batch = [];
  let size = 0;
  while (queue.length && batch.length < BATCH_FILES && (!batch.length || size + queue[0].size <= BATCH_BYTES)) {
    size += queue[0].size;
    batch.push(queue.shift());
  }
  return batch;
}

// Folders that are dropped are walked through.
async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files];
  const found = [];
  const walk = async (entry) => {
    if (entry.isFile) {
      found.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
      return;
    }
    const reader = entry.createReader();
    for (;;) {
      const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (!some.length) return;
      for (const child of some) await walk(child);
    }
  };
  for (const entry of entries) await walk(entry);
  return found;
}
