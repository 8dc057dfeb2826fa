// Keeps relative times true, and puts the exact one, in the viewer's zone, on hover.
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const exact = new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeStyle: "medium" });
const UNITS = [["second", 60], ["minute", 60], ["hour", 24], ["day", 30], ["month", 12], ["year", Infinity]];

export function inWords(then, now = Date.now()) {
  let amount = (then - now) / 1000;
  if (Math.abs(amount) < 45) return amount < -5 || amount > 5 ? (amount < 0 ? "a moment ago" : "in a moment") : "now";
  for (const [unit, size] of UNITS) {
    if (Math.abs(amount) < size) return relative.format(Math.round(amount), unit);
    amount /= size;
  }
  return "";
}

export function duration(seconds) {
  if (seconds == null || seconds < 0) return "—";
  if (seconds < 90) return `${Math.round(seconds)} seconds`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `${minutes} minutes`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

export function clock(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const rest = String(whole % 60).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

export function inBytes(size) {
  for (const unit of ["bytes", "KB", "MB", "GB"]) {
    if (size < 1000) return `${size >= 10 || unit === "bytes" ? size.toFixed(0) : size.toFixed(1)} ${unit}`;
    size /= 1000;
  }
  return `${size.toFixed(1)} TB`;
}

function refresh() {
  for (const time of document.querySelectorAll("time[data-ago]")) {
    const then = new Date(time.dateTime);
    const words = inWords(then.getTime());
    if (time.textContent !== words) time.textContent = words;
    time.title = exact.format(then);
  }
  for (const box of document.querySelectorAll("[data-since]")) {
    box.textContent = clock((Date.now() - new Date(box.dataset.since)) / 1000);
  }
}

refresh();
setInterval(refresh, 1000);
document.addEventListener("htmx:afterSwap", refresh);
