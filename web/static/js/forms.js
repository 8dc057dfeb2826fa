// Small manners of forms: answer at once, ask before destroying, copy, dialogs, closing menus.
import { say } from "./toasts.js";

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.getAttribute("data-confirm") && !form.hasAttribute("data-sure")) {
    event.preventDefault();
    ask(form);
    return;
  }
  if (event.defaultPrevented || form.method === "dialog" || form.hasAttribute("hx-post")) return;
  const button = event.submitter ?? form.querySelector("button:not([type=button])");
  if (!button) return;
  if (button.getAttribute("aria-busy") === "true") {
    event.preventDefault();
    return;
  }
  // Not `disabled`: that would drop the button's own name and value.
  button.setAttribute("aria-busy", "true");
  if (button.dataset.busy) button.textContent = button.dataset.busy;
});
// Back from the cache of pages, nothing is under way any more.
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});

document.addEventListener("click", async (event) => {
  const opener = event.target.closest("[data-open]");
  if (opener) {
    document.getElementById(opener.dataset.open)?.showModal();
    return;
  }
  if (event.target.closest("[data-close]")) {
    event.target.closest("dialog")?.close();
    return;
  }
  const copier = event.target.closest("[data-copy]");
  if (copier) {
    const text = document.getElementById(copier.dataset.copy).textContent;
    try {
      await navigator.clipboard.writeText(text);
      say("Copied.");
    } catch {
      getSelection().selectAllChildren(document.getElementById(copier.dataset.copy));
      say("Press Ctrl+C: it is selected.");
    }
  }
  for (const menu of document.querySelectorAll("details.more-nav[open], details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.more-nav[open], details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-submit-on-change]");
  if (form) form.requestSubmit();
});

// One dialog asks for all small forms that destroy something; it says what will be gone.
function ask(form) {
  const dialog = document.getElementById("confirm");
  dialog.querySelector("p").textContent = form.getAttribute("data-confirm");
  dialog.querySelector("[data-yes]").onclick = () => {
    dialog.close();
    form.setAttribute("data-sure", "");
    form.requestSubmit();
  };
  dialog.showModal();
}

// A fragment that says the same as before is not swapped: nothing jumps, no focus is lost.
const VOLATILE = "time[data-ago], [data-since], [data-language]";
function plain(root) {
  const copy = root.cloneNode(true);
  for (const node of copy.querySelectorAll(VOLATILE)) { node.textContent = ""; node.removeAttribute("title"); }
  for (const node of copy.querySelectorAll("[name=csrfmiddlewaretoken]")) { node.removeAttribute("value"); }
  for (const node of copy.querySelectorAll("[data-state]")) node.removeAttribute("data-state");
  for (const node of copy.querySelectorAll("*")) {
    node.classList.remove("htmx-request", "htmx-settling", "htmx-swapping", "htmx-added");
    if (!node.className || node.getAttribute("class") === "") node.removeAttribute("class");
  }
  return copy.innerHTML.replace(/\s+/g, " ").trim();
}
document.addEventListener("htmx:beforeSwap", (event) => {
  const { target, xhr } = event.detail;
  if (xhr.status !== 200 || !target?.childNodes) return;
  const fresh = document.createElement("div");
  fresh.innerHTML = xhr.responseText;
  // An open menu or a dialog inside would close under the person's hands.
  if (plain(fresh) === plain(target) || target.querySelector("dialog[open]")) event.detail.shouldSwap = false;
});
// Open folds stay open over a swap.
let opened = [];
document.addEventListener("htmx:beforeSwap", ({ detail: { target } }) => {
  opened = [...(target?.querySelectorAll?.("details[open] > summary") ?? [])].map((node) => node.textContent);
});
document.addEventListener("htmx:afterSwap", ({ detail: { target } }) => {
  for (const node of target.querySelectorAll("details > summary")) {
    if (opened.includes(node.textContent)) node.parentElement.open = true;
  }
});
