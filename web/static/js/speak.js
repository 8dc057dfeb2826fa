// "Say something": asks the voice, and plays the answer.
import { call } from "./api.js";
import { play } from "./player.js";
import { keep } from "./sound.js";
import { sayProblem } from "./toasts.js";

const form = document.getElementById("speak");
const button = form.querySelector("button");
const word = form.querySelector("[data-word]");
const said = form.querySelector("[data-said]");
const known = new Set();
let under = null;

function shown() {
  form.querySelector("[data-for=rate]").textContent = `${Number(form.elements.rate.value).toFixed(2).replace(/0$/, "")}×`;
  form.querySelector("[data-for=expression]").textContent = `${Math.round(form.elements.expression.value * 100)} %`;
}

async function say() {
  const text = form.elements.text.value.trim();
  if (!text) { form.elements.text.focus(); return; }
  const body = {
    text,
    length_scale: +(1 / form.elements.rate.value).toFixed(3),
    noise_scale: +form.elements.expression.value,
    noise_w_scale: +(form.elements.expression.value * 1.2).toFixed(3),
  };
  if (form.elements.speaker) body.speaker = Number(form.elements.speaker.value);
  const key = JSON.stringify(body);
  under?.abort();
  under = new AbortController();
  button.setAttribute("aria-busy", "true");
  word.textContent = "Speaking…";
  said.textContent = "";
  const asked = performance.now();
  try {
    const name = `speech:${key}`;
    if (!known.has(key)) {
      const response = await call(form.dataset.url, { method: "POST", body, raw: true, signal: under.signal });
      keep(name, await response.arrayBuffer());
      known.add(key);
      said.textContent = `Answered in ${((performance.now() - asked) / 1000).toFixed(1)} seconds.`;
    }
    play(name, text);
  } catch (problem) {
    if (problem.name !== "AbortError") {
      said.textContent = "";
      sayProblem(problem);
    }
  } finally {
    button.removeAttribute("aria-busy");
    word.textContent = "Say it";
  }
}

form.addEventListener("submit", (event) => { event.preventDefault(); say(); });
form.addEventListener("input", shown);
form.elements.text.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); say(); }
});
shown();
// It waits for this: pressed before, the form would only reload the page.
button.disabled = false;
