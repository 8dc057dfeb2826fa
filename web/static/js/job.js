// The page of a job: what changes every second is written into its boxes; what changes rarely is fetched anew.
import { call } from "./api.js";
import { Charts } from "./charts.js";
import { live } from "./live.js";
import { play } from "./player.js";
import { duration } from "./times.js";
import { sayProblem } from "./toasts.js";

const page = document.getElementById("job");
const path = `/api/v1/jobs/${page.dataset.job}`;
const log = document.getElementById("log");
const chartBox = document.getElementById("charts");
const KEEP_LINES = 500;

const charts = chartBox ? new Charts(chartBox, document.getElementById("charts-empty")) : null;
const announce = (name) => document.body.dispatchEvent(new CustomEvent(name));
const number = new Intl.NumberFormat("en", { useGrouping: true });
let shape = null;

function box(name) {
  return page.querySelector(`[data-live="${name}"]`);
}

function write(name, words) {
  const place = box(name);
  if (place && place.textContent !== words) place.textContent = words;
}

function show(job) {
  // Buttons, timeline and errors depend on these alone.
  const now = [job.state, job.stage, job.attempt, job.finish_requested, job.queue_position, job.voice_id].join();
  if (shape !== null && shape !== now) announce("job-changed");
  shape = now;
  if (job.state === "running") {
    write("left", job.eta_seconds == null ? "—" : duration(job.eta_seconds));
    write("note", job.note ?? "");
  }
  write("percent", `${Math.round(job.progress * 100)} %`);
  write("step", number.format(job.step).replaceAll(",", "\u202f"));
  const bar = box("bar");
  if (bar) bar.value = job.progress;
  document.title = job.state === "running" ? `${Math.round(job.progress * 100)} % · ${job.name} · Syrinx` : `${job.name} · Syrinx`;
}

const soon = new Map();
function once(name) {
  clearTimeout(soon.get(name));
  soon.set(name, setTimeout(() => announce(name), 300));
}

function addLines(lines) {
  const last = Number(log.querySelector("[data-line]:last-child")?.dataset.line ?? 0);
  const fresh = lines.filter((line) => line.id > last);
  if (!fresh.length) return;
  log.querySelector("[data-empty]")?.remove();
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  for (const line of fresh) {
    const row = document.createElement("p");
    row.dataset.line = line.id;
    row.className = line.level;
    const time = document.createElement("time");
    time.dateTime = line.at;
    time.textContent = new Date(line.at).toLocaleTimeString("en-GB");
    row.append(time, line.text);
    log.append(row);
  }
  while (log.childElementCount > KEEP_LINES) log.firstElementChild.remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

async function fetchMetrics() {
  if (!charts) return;
  try {
    charts.addSeries((await call(`${path}/metrics?after_step=${charts.lastStep}`)).series);
  } catch (problem) {
    if (problem.title) sayProblem(problem);
    else throw problem;
  }
}

function start() {
  const close = live(page.dataset.events, {
    job: show,
    metrics: (points) => charts?.addPoints(points),
    log: addLines,
    sample: () => once("samples-changed"),
    checkpoint: () => once("checkpoints-changed"),
    end: () => {
      close();
      announce("job-changed");
      once("samples-changed");
      once("checkpoints-changed");
    },
  }, { onBack: () => { announce("job-changed"); fetchMetrics(); } });
}

// The log's times in the viewer's zone, like those that arrive later.
for (const time of log.querySelectorAll("time")) time.textContent = new Date(time.dateTime).toLocaleTimeString("en-GB");
log.scrollTop = log.scrollHeight;
document.getElementById("smooth")?.addEventListener("change", (event) => charts.setSmooth(event.target.checked));
fetchMetrics();
if (page.dataset.events) start();

// Arrow keys walk over the grid of samples and play what they reach.
document.addEventListener("keydown", (event) => {
  const by = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
  const cell = event.target.closest?.("#grid td");
  if (!by || !cell) return;
  const row = cell.parentElement;
  const target = row.parentElement.rows[row.rowIndex - 1 + by[0]]?.cells[cell.cellIndex + by[1]]?.querySelector("[data-play]");
  event.preventDefault();
  if (!target) return;
  target.focus();
  play(target.dataset.play, target.dataset.title);
});
