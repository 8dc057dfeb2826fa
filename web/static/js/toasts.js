// Sentences that answer an action; errors stay until they are closed.
const GOOD_MS = 6000;
const box = document.getElementById("toasts");

export function say(sentence, { bad = false, detail = "" } = {}) {
  const note = document.getElementById(bad ? "toast-bad" : "toast-good").content.firstElementChild.cloneNode(true);
  for (const line of [sentence, detail].filter(Boolean)) {
    const paragraph = document.createElement("p");
    paragraph.textContent = line;
    note.querySelector(".grow").append(paragraph);
  }
  box.append(note);
  if (!bad) setTimeout(() => note.remove(), GOOD_MS);
}

export function sayProblem(problem) {
  say(problem.title ?? "That did not work.", { bad: true, detail: problem.detail ?? "" });
}

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-dismiss]")) event.target.closest(".toast")?.remove();
});
for (const note of box.querySelectorAll(".toast.good")) setTimeout(() => note.remove(), GOOD_MS);

document.addEventListener("htmx:responseError", (event) => {
  try {
    sayProblem(JSON.parse(event.detail.xhr.responseText));
  } catch {
    sayProblem({ title: "The server could not answer.", detail: "Nothing was changed. Reload the page and try again." });
  }
});
document.addEventListener("htmx:sendError", () => {
  sayProblem({ title: "The server can't be reached.", detail: "Nothing was changed. Check your connection and try again." });
});
