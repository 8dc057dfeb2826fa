// The one player: one sound at a time, space plays and pauses, all sounds equally loud.
import { audioContext, drawWave, load } from "./sound.js";
import { sayProblem } from "./toasts.js";
import { clock } from "./times.js";

const bar = document.getElementById("player");
const toggle = document.getElementById("player-toggle");
const wave = document.getElementById("player-wave");
const words = document.getElementById("player-title");
const time = document.getElementById("player-clock");

let now = null; // {url, title, sound, at (s), node, started, playing}
let wanted = 0;

export async function play(url, title = "") {
  if (now?.url === url && now.sound) {
    if (now.playing) pause();
    else start(now.at >= now.sound.buffer.duration - 0.02 ? 0 : now.at);
    return;
  }
  stopNode();
  const ticket = ++wanted;
  now = { url, title, sound: null, at: 0, playing: false };
  bar.hidden = false;
  words.textContent = title;
  mark("loading");
  drawWave(wave, null);
  const context = audioContext();
  if (context.state === "suspended") context.resume();
  try {
    const sound = await load(url);
    if (ticket !== wanted) return;
    now.sound = sound;
    start(0);
  } catch (error) {
    if (ticket !== wanted) return;
    mark("");
    bar.hidden = true;
    now = null;
    if (error.response) {
      const problem = await error.response.json().catch(() => ({}));
      sayProblem({ title: "This sound can't be played.", detail: problem.detail ?? "It may have been deleted; reload the page." });
    } else {
      playPlainly(url);
    }
  }
}

// A store on another host that forbids reading still lets an element play.
function playPlainly(url) {
  const element = new Audio(url);
  element.play().catch(() => sayProblem({ title: "This sound can't be played.", detail: "The file store does not answer, or the file is damaged." }));
}

function start(at) {
  stopNode();
  const context = audioContext();
  const node = context.createBufferSource();
  const gain = context.createGain();
  gain.gain.value = now.sound.gain;
  node.buffer = now.sound.buffer;
  node.connect(gain).connect(context.destination);
  node.onended = () => {
    if (now?.node !== node) return;
    now.at = now.sound.buffer.duration;
    now.playing = false;
    now.node = null;
    mark("");
    tick();
    document.dispatchEvent(new CustomEvent("player-ended", { detail: { url: now.url } }));
  };
  node.start(0, at);
  Object.assign(now, { node, at, started: context.currentTime - at, playing: true });
  mark("playing");
  frame();
}

export function pause() {
  if (!now?.playing) return;
  now.at = position();
  stopNode();
  mark("");
  tick();
}

function stopNode() {
  if (!now?.node) return;
  const { node } = now;
  now.node = null;
  now.playing = false;
  node.onended = null;
  node.stop();
}

function position() {
  if (!now?.sound) return 0;
  return now.playing ? Math.min(audioContext().currentTime - now.started, now.sound.buffer.duration) : now.at;
}

function mark(state) {
  for (const button of document.querySelectorAll("[data-play]")) {
    button.dataset.state = button.dataset.play === now?.url ? state : "";
  }
  toggle.dataset.state = state;
  bar.classList.toggle("is-playing", state === "playing");
}

function frame() {
  tick();
  if (now?.playing) requestAnimationFrame(frame);
}

function tick() {
  if (!now?.sound) return;
  const { duration } = now.sound.buffer;
  const played = position() / duration;
  drawWave(wave, now.sound.peaks, played);
  const label = `${clock(Math.floor(position()))} / ${clock(duration)}`;
  if (time.textContent !== label) {
    time.textContent = label;
    wave.setAttribute("aria-valuenow", String(Math.round(played * 100)));
    wave.setAttribute("aria-valuetext", label);
  }
  document.dispatchEvent(new CustomEvent("player-tick", { detail: { url: now.url, played } }));
}

function seek(seconds) {
  if (!now?.sound) return;
  const at = Math.max(0, Math.min(seconds, now.sound.buffer.duration - 0.01));
  if (now.playing) start(at);
  else { now.at = at; tick(); }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-play]");
  if (button?.dataset.play) play(button.dataset.play, button.dataset.title);
});
toggle.addEventListener("click", () => now && play(now.url, now.title));
document.getElementById("player-close").addEventListener("click", () => {
  wanted++;
  stopNode();
  mark("");
  now = null;
  bar.hidden = true;
});
wave.addEventListener("pointerdown", (event) => {
  const box = wave.getBoundingClientRect();
  if (now?.sound) seek(((event.clientX - box.left) / box.width) * now.sound.buffer.duration);
});
wave.addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (step) { seek(position() + step); event.preventDefault(); event.stopPropagation(); }
});
document.addEventListener("keydown", (event) => {
  if (event.key !== " " || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, button, a, summary, [contenteditable]")) return;
  if (!now) return;
  event.preventDefault();
  play(now.url, now.title);
});
document.addEventListener("theme", () => (now?.sound ? tick() : null));
document.addEventListener("htmx:afterSwap", () => mark(now?.playing ? "playing" : now && !now.sound ? "loading" : ""));
