// System, light, dark: one button goes round, and says where it is.
const ORDER = ["system", "light", "dark"];
const root = document.documentElement;

function current() {
  return root.dataset.theme ?? "system";
}

function show() {
  for (const word of document.querySelectorAll("[data-theme-word]")) {
    word.textContent = { system: "Theme: system", light: "Theme: light", dark: "Theme: dark" }[current()];
  }
}

function choose(theme) {
  if (theme === "system") delete root.dataset.theme;
  else root.dataset.theme = theme;
  try {
    if (theme === "system") localStorage.removeItem("theme");
    else localStorage.setItem("theme", theme);
  } catch { /* storage is blocked: it lasts for this page */ }
  show();
  document.dispatchEvent(new CustomEvent("theme"));
}

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-theme-toggle]")) choose(ORDER[(ORDER.indexOf(current()) + 1) % 3]);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => document.dispatchEvent(new CustomEvent("theme")));
show();
