// One event stream a page. It says when it is lost, comes back by itself, and rests while nobody looks.
//
// Lists hear `changed` and fetch themselves anew: `hx-trigger="live-any from:body"`.
// A page with a stream of its own adds handlers by the events' names.
const RETRY_MS = [500, 1000, 2000, 4000, 8000];
const REST_MS = 60_000;
const LOST_MS = 2500;
const note = document.getElementById("connection");

export function live(url, handlers = {}, { onBack = () => {} } = {}) {
  let source = null;
  let tries = 0;
  let lost = false;
  let timer = 0;
  let resting = 0;
  let done = false;

  function open() {
    clearTimeout(timer);
    source?.close();
    source = new EventSource(url);
    source.onopen = () => {
      clearTimeout(timer);
      tries = 0;
      if (lost) {
        lost = false;
        shown("Connected again", true);
        // What was missed meanwhile is asked for.
        changed();
        onBack();
      }
    };
    source.onerror = () => {
      if (done) return;
      setTimeout(() => {
        if (!done && source?.readyState !== EventSource.OPEN && !document.hidden) {
          lost = true;
          shown("Connection lost: trying again…");
        }
      }, LOST_MS);
      // The browser tries again by itself, except after an answer that is not a stream.
      if (source.readyState === EventSource.CLOSED) {
        timer = setTimeout(open, RETRY_MS[Math.min(tries++, RETRY_MS.length - 1)]);
      }
    };
    source.addEventListener("changed", changed);
    for (const [name, handler] of Object.entries(handlers)) {
      source.addEventListener(name, (event) => handler(JSON.parse(event.data)));
    }
  }

  function close() {
    done = true;
    clearTimeout(timer);
    source?.close();
    source = null;
  }

  document.addEventListener("visibilitychange", () => {
    clearTimeout(resting);
    if (document.hidden) {
      // Browsers allow six connections a server: forgotten tabs must not use them up.
      resting = setTimeout(() => { done = true; clearTimeout(timer); source?.close(); source = null; }, REST_MS);
    } else if (source === null && !closedForGood) {
      done = false;
      lost = false;
      open();
      changed();
      onBack();
    }
  });
  let closedForGood = false;
  addEventListener("pagehide", () => source?.close());
  open();
  return () => { closedForGood = true; close(); };
}

let waiting = 0;

// At most two refreshes a second, and never a lost last one.
function changed() {
  waiting ||= setTimeout(() => {
    waiting = 0;
    document.body.dispatchEvent(new CustomEvent("live-any"));
  }, 500);
}

let hide = 0;
function shown(words, good = false) {
  clearTimeout(hide);
  note.textContent = words;
  note.classList.toggle("good", good);
  note.hidden = false;
  if (good) hide = setTimeout(() => { note.hidden = true; }, 2500);
}
