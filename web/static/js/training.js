// The training form: what a choice means is asked of the server, before the click.
const form = document.getElementById("training");
// Not `form.dataset`: that is the field of this name.
const address = form.getAttribute("data-forecast");
const forecast = document.getElementById("forecast");
const bases = document.getElementById("bases");

function query() {
  const chosen = new URLSearchParams();
  for (const name of ["dataset", "preset", "base"]) {
    const value = new FormData(form).get(name);
    if (value) chosen.set(name, value);
  }
  return chosen;
}

function showBases() {
  const preset = form.querySelector("[name=preset]:checked");
  const needed = preset?.dataset.needsBase !== "no";
  bases.disabled = !needed;
  bases.hidden = !needed;
}

let asked = 0;

async function refresh() {
  showBases();
  const ticket = ++asked;
  const response = await fetch(`${address}?${query()}`, { headers: { "HX-Request": "true" } });
  if (!response.ok || response.redirected) return;
  const text = await response.text();
  // A later choice has been asked about meanwhile: its answer counts.
  if (ticket !== asked) return;
  const fresh = new DOMParser().parseFromString(text, "text/html");
  forecast.replaceChildren(...fresh.body.childNodes);
  for (const field of forecast.querySelectorAll("[data-default]")) {
    const input = document.getElementById(`p-${field.dataset.name}`);
    if (input) input.placeholder = field.dataset.default;
  }
}

form.addEventListener("change", (event) => {
  if (event.target.matches("[data-reload]")) location.search = query();
  else if (event.target.matches("[name=preset], [name=base]")) refresh();
});
// A base voice that is being imported appears by itself once it is ready.
const LOOK_MS = 5000;
async function lookForBases() {
  if (!("importing" in bases.dataset)) return;
  const response = await fetch(`${address}?${query()}`);
  if (!response.ok || response.redirected) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html").getElementById("bases");
  if (!fresh || "importing" in fresh.dataset) return;
  delete bases.dataset.importing;
  bases.replaceChildren(...fresh.childNodes);
  refresh();
}
if ("importing" in bases.dataset) setInterval(lookForBases, LOOK_MS);
showBases();
// Chosen before this was loaded, or brought back by the browser.
if (form.querySelector("[name=preset]:checked:not([checked]), [name=base]:checked:not([checked])")) refresh();
