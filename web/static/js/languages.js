// Says "American English" where the page has `en-us`; an unknown code stays as it is.
const names = new Intl.DisplayNames(["en"], { type: "language", fallback: "code" });

function refresh() {
  for (const place of document.querySelectorAll("[data-language]:not([title])")) {
    const code = place.textContent.trim();
    try {
      const name = names.of(code.split("-x-")[0]);
      place.title = code;
      if (name) place.textContent = name;
    } catch { /* not a language tag: espeak-ng has a few of its own */ }
  }
}

refresh();
document.addEventListener("htmx:afterSwap", refresh);
