// Adds a base voice: the upload's progress, then the import runs as a job.
import { csrf } from "./api.js";
import { say, sayProblem } from "./toasts.js";
import { inBytes } from "./times.js";

const form = document.getElementById("base-form");
const progress = form.querySelector("[data-progress]");
const button = form.querySelector("button.primary");
const files = form.elements.files;

files.addEventListener("change", () => {
  const model = [...files.files].find((file) => /\.(onnx|ckpt)$/.test(file.name));
  if (model && !form.elements.name.value) form.elements.name.value = model.name.replace(/\.(onnx|ckpt)$/, "");
});

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (button.disabled) return;
  button.disabled = true;
  progress.hidden = false;
  const request = new XMLHttpRequest();
  request.open("POST", form.dataset.url);
  request.setRequestHeader("X-CSRFToken", csrf());
  request.responseType = "json";
  request.upload.onprogress = ({ loaded, total }) => {
    progress.querySelector("progress").value = loaded / total;
    progress.querySelector("[data-words]").textContent = `${inBytes(loaded)} of ${inBytes(total)}`;
  };
  const failed = (problem) => {
    button.disabled = false;
    progress.hidden = true;
    sayProblem(problem);
  };
  request.onload = () => {
    if (request.status >= 300) {
      failed(request.response ?? {});
      return;
    }
    button.disabled = false;
    progress.hidden = true;
    form.reset();
    form.closest("dialog").close();
    say("Stored. A host imports it now, which takes a minute.");
    document.body.dispatchEvent(new CustomEvent("live-any"));
  };
  request.onerror = () => failed({ title: "The server can't be reached.", detail: "Check your connection and try again." });
  request.send(new FormData(form));
});

// It waits for this: pressed before, the form would only reload the page.
button.disabled = false;
