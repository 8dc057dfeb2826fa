// Calls to the JSON API with the session's CSRF token; refusals become a `Problem` with sentences.
export class Problem extends Error {
  constructor({ title, detail, status, code }) {
    super(detail ?? title);
    Object.assign(this, { title, detail, status, code });
  }
}

export const csrf = () => document.body.dataset.csrf;

export async function readProblem(response) {
  try {
    return new Problem({ status: response.status, ...(await response.json()) });
  } catch {
    return new Problem({ status: response.status, title: "The server could not answer.", detail: "Try again in a moment." });
  }
}

export async function call(path, { method = "GET", body, signal, raw = false } = {}) {
  const headers = { Accept: raw ? "*/*" : "application/json" };
  if (method !== "GET") headers["X-CSRFToken"] = csrf();
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({ title: "The server can't be reached.", detail: "Check your connection and try again." });
  }
  if (!response.ok) throw await readProblem(response);
  if (raw) return response;
  return response.status === 204 ? null : response.json();
}
