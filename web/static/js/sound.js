// Fetches and decodes sounds, measures how loud they are, and draws them.
const LOUDNESS_DB = -20;
const CEILING = 0.89;
const KEEP = 40;
const cache = new Map();
let context = null;

export function audioContext() {
  context ??= new AudioContext();
  return context;
}

/** {buffer, gain, peaks} of a URL; rejects where the sound can't be fetched or decoded. */
export function load(url) {
  if (!cache.has(url)) {
    const entry = decode(url);
    entry.catch(() => cache.delete(url));
    cache.set(url, entry);
    if (cache.size > KEEP) cache.delete(cache.keys().next().value);
  }
  return cache.get(url);
}

/** Takes bytes that are here already under a name, which `load` then knows. */
export function keep(name, bytes) {
  cache.set(name, measure(bytes));
}

async function decode(url) {
  const response = await fetch(url);
  if (!response.ok) throw Object.assign(new Error("fetch"), { response });
  return measure(await response.arrayBuffer());
}

async function measure(bytes) {
  // Decoding needs no running context, which browsers only allow after a click.
  const buffer = await new OfflineAudioContext(1, 1, 44100).decodeAudioData(bytes);
  const data = buffer.getChannelData(0);
  return { buffer, gain: gainOf(data, buffer.sampleRate), peaks: peaksOf(data, 240) };
}

// Louder always sounds better, so all sounds are brought to one level: the mean power of
// blocks of 0.1 s that are within 30 dB of the loudest one, so that pauses don't count.
function gainOf(data, rate) {
  const block = Math.max(1, Math.round(rate / 10));
  const powers = [];
  let peak = 0;
  for (let start = 0; start + block <= data.length; start += block) {
    let sum = 0;
    for (let i = start; i < start + block; i++) {
      sum += data[i] * data[i];
      peak = Math.max(peak, Math.abs(data[i]));
    }
    powers.push(sum / block);
  }
  const loudest = Math.max(...powers, 0);
  const heard = powers.filter((power) => power > loudest / 1000);
  const mean = heard.reduce((sum, power) => sum + power, 0) / heard.length;
  if (!(mean > 1e-8)) return 1;
  return Math.min(10 ** (LOUDNESS_DB / 20) / Math.sqrt(mean), CEILING / peak, 8);
}

function peaksOf(data, count) {
  const peaks = new Float32Array(count);
  const size = data.length / count;
  for (let bar = 0; bar < count; bar++) {
    let peak = 0;
    const end = Math.min(data.length, Math.ceil((bar + 1) * size));
    for (let i = Math.floor(bar * size); i < end; i++) peak = Math.max(peak, Math.abs(data[i]));
    peaks[bar] = peak;
  }
  return peaks;
}

/** Draws bars into the canvas inside `box`; those before `played` (0..1) in the accent colour. */
export function drawWave(box, peaks, played = 0) {
  const canvas = box.querySelector("canvas");
  const ratio = devicePixelRatio || 1;
  const width = box.clientWidth;
  const height = box.clientHeight;
  if (!width) return;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  const style = getComputedStyle(box);
  const bars = Math.max(1, Math.floor(width / 4));
  const highest = Math.max(0.05, ...(peaks ?? [0]));
  for (let bar = 0; bar < bars; bar++) {
    let peak = 0;
    if (peaks) {
      const from = Math.floor((bar / bars) * peaks.length);
      const to = Math.max(from + 1, Math.floor(((bar + 1) / bars) * peaks.length));
      for (let i = from; i < to; i++) peak = Math.max(peak, peaks[i]);
    }
    const size = Math.max(2, (peak / highest) * (height - 2));
    pen.fillStyle = peaks && (bar + 0.5) / bars <= played ? style.accentColor : style.color;
    pen.beginPath();
    pen.roundRect(bar * 4, (height - size) / 2, 2.5, size, 1.25);
    pen.fill();
  }
}
