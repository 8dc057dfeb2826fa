// Curves of a training with uPlot: smoothed line in front, the raw one faint behind, named at its end.
const GROUPS = [
  { id: "mel", title: "Likeness of sound (mel)", series: [["mel", "training", "--line-a"], ["val_mel", "held back", "--line-b"]] },
  { id: "loss_g", title: "Loss of the generator", series: [["loss_g", "", "--line-a"]] },
  { id: "loss_d", title: "Loss of the discriminators", series: [["loss_d", "", "--line-b"]] },
  { id: "text", title: "Text and timing", series: [["kl", "KL", "--line-a"], ["dur", "duration", "--line-c"]] },
  { id: "speed", title: "Speed", unit: "steps a second", series: [["steps_per_second", "", "--line-c"]] },
  { id: "lr", title: "Learning rate", series: [["lr", "", "--line-d"]] },
  { id: "gpu", title: "GPU memory", unit: "GiB", series: [["gpu_memory", "", "--line-b"]] },
];
const SPARSE = new Set(["val_mel"]);
const HEIGHT = 170;
const LABEL_ROOM = 74;

export class Charts {
  constructor(box, empty) {
    this.box = box;
    this.empty = empty;
    this.points = new Map();
    this.plots = new Map();
    this.smooth = true;
    this.due = 0;
    new ResizeObserver(() => this.resize()).observe(box);
    document.addEventListener("theme", () => { this.clear(); this.draw(); });
  }

  get lastStep() {
    return this.points.size ? Math.max(...this.points.keys()) : -1;
  }

  /** series: {name: [[step, value], …]} as the API answers. */
  addSeries(series) {
    for (const [name, pairs] of Object.entries(series)) {
      for (const [step, value] of pairs) this.put(step, name, value);
    }
    this.later();
  }

  /** points: [{step, values}] as events bring them. */
  addPoints(points) {
    for (const { step, values } of points) {
      for (const [name, value] of Object.entries(values)) this.put(step, name, value);
    }
    this.later();
  }

  put(step, name, value) {
    if (!Number.isFinite(value)) return;
    if (!this.points.has(step)) this.points.set(step, {});
    this.points.get(step)[name] = value;
  }

  setSmooth(on) {
    this.smooth = on;
    this.draw();
  }

  later() {
    if (this.due) return;
    this.due = setTimeout(() => { this.due = 0; this.draw(); }, 250);
  }

  clear() {
    for (const plot of this.plots.values()) plot.chart.destroy();
    this.plots.clear();
    this.box.replaceChildren();
  }

  draw() {
    const steps = [...this.points.keys()].sort((a, b) => a - b);
    this.empty.hidden = steps.length > 0;
    for (const group of GROUPS) {
      const present = group.series.filter(([name]) => steps.some((step) => name in this.points.get(step)));
      if (!present.length) continue;
      const data = [steps];
      for (const [name] of present) {
        const raw = steps.map((step) => this.points.get(step)[name] ?? null);
        data.push(raw, smoothed(raw, SPARSE.has(name) || !this.smooth ? 0 : weightFor(steps.length)));
      }
      const known = this.plots.get(group.id);
      const key = `${present.map(([name]) => name).join()}|${this.smooth}`;
      if (known?.key === key) known.chart.setData(data);
      else this.make(group, present, data, key);
    }
  }

  make(group, present, data, key) {
    let figure = this.box.querySelector(`[data-chart="${group.id}"]`);
    if (!figure) {
      figure = document.createElement("figure");
      figure.dataset.chart = group.id;
      figure.className = "card chart";
      const caption = document.createElement("figcaption");
      const value = document.createElement("span");
      value.className = "muted small";
      value.dataset.value = "";
      caption.append(group.unit ? `${group.title}, ${group.unit}` : group.title, value);
      figure.append(caption);
      this.box.append(figure);
    }
    this.plots.get(group.id)?.chart.destroy();
    const style = getComputedStyle(document.documentElement);
    const colour = (token) => resolved(style, token);
    const ink = colour("--ink-3");
    const axis = {
      stroke: ink,
      grid: { stroke: colour("--line"), width: 1 },
      ticks: { show: false },
      font: "12px system-ui, sans-serif",
    };
    const caption = figure.querySelector("[data-value]");
    const options = {
      width: figure.clientWidth,
      height: HEIGHT,
      padding: [8, present.some(([, word]) => word) ? LABEL_ROOM : 14, 0, 0],
      legend: { show: false },
      cursor: { y: false, points: { size: 6 }, drag: { x: true, y: false } },
      scales: { x: { time: false } },
      axes: [
        { ...axis, space: 70, size: 28, values: (_, ticks) => ticks.map(short) },
        { ...axis, space: 36, size: 56, values: (_, ticks) => ticks.map(short) },
      ],
      series: [{}, ...present.flatMap(([name, , token]) => {
        const stroke = colour(token);
        const points = SPARSE.has(name) || data[0].length < 3;
        return [
          { stroke: faint(stroke), width: 1, spanGaps: true, show: this.smooth && !points, points: { show: false } },
          { stroke, width: 2, spanGaps: true, points: { show: points, size: 5, fill: stroke } },
        ];
      })],
      hooks: {
        draw: [(plot) => labels(plot, present)],
        setCursor: [(plot) => { caption.textContent = reading(plot, present); }],
      },
    };
    const chart = new window.uPlot(options, data, figure);
    chart.root.setAttribute("role", "img");
    chart.root.setAttribute("aria-label", `${group.title}: curve over steps`);
    this.plots.set(group.id, { chart, key });
  }

  resize() {
    for (const { chart } of this.plots.values()) {
      const width = chart.root.parentElement.clientWidth;
      if (width && width !== chart.width) chart.setSize({ width, height: HEIGHT });
    }
  }
}

// A twenty-fifth of what there is: a few points are shown as they are, thousands get calm.
function weightFor(count) {
  const span = count / 25;
  return span <= 1 ? 0 : Math.min(0.97, 1 - 2 / (span + 1));
}

// Exponential smoothing with the start's bias taken out, as in Adam.
function smoothed(values, weight) {
  if (!weight) return values;
  let mean = 0;
  let mass = 0;
  return values.map((value) => {
    if (value === null) return null;
    mean = weight * mean + (1 - weight) * value;
    mass = weight * mass + (1 - weight);
    return mean / mass;
  });
}

// A name at the end of each line instead of a legend; names that would touch move apart.
function labels(plot, present) {
  const { ctx } = plot;
  const ratio = devicePixelRatio;
  const right = plot.bbox.left + plot.bbox.width;
  const found = [];
  present.forEach(([, word], place) => {
    if (!word) return;
    const line = plot.data[place * 2 + 2];
    for (let i = line.length - 1; i >= 0; i--) {
      if (line[i] === null) continue;
      found.push({ word, y: plot.valToPos(line[i], "y", true), x: Math.min(right, plot.valToPos(plot.data[0][i], "x", true)), stroke: plot.series[place * 2 + 2].stroke() });
      break;
    }
  });
  found.sort((a, b) => a.y - b.y);
  ctx.save();
  ctx.font = `600 ${11 * ratio}px system-ui, sans-serif`;
  ctx.textBaseline = "middle";
  ctx.textAlign = "left";
  let floor = -Infinity;
  for (const { word, y, stroke } of found) {
    const at = Math.max(y, floor + 13 * ratio);
    floor = at;
    ctx.fillStyle = stroke;
    ctx.fillText(word, right + 6 * ratio, Math.min(at, plot.bbox.top + plot.bbox.height - 5 * ratio));
  }
  ctx.restore();
}

function reading(plot, present) {
  const place = plot.cursor.idx;
  if (place === null || place === undefined) return "";
  const parts = present.flatMap(([, word], index) => {
    const value = plot.data[index * 2 + 2][place];
    return value === null || value === undefined ? [] : [`${word} ${short(value)}`.trim()];
  });
  return parts.length ? `step ${plot.data[0][place]}: ${parts.join(", ")}` : "";
}

function short(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 10_000) return `${+(value / 1000).toFixed(1)}k`;
  if (size < 0.001) return value.toExponential(1);
  return String(+value.toPrecision(4));
}

// Canvas knows no light-dark(): the browser resolves it on an element.
function resolved(style, token) {
  const probe = document.createElement("span");
  probe.style.color = style.getPropertyValue(token);
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

function faint(colour) {
  return colour.replace(/^rgb\((.*)\)$/, "rgba($1, 0.3)");
}
