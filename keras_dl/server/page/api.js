// Requests to the server, its failures in words, and the key it may ask for.

const KEY = "keras-dl key"; // in sessionStorage: this tab, until it is closed
const SERVER = new URL("..", import.meta.url); // where a reverse proxy shows the server, which need not know it

/**
 * What went wrong: a `title`, a `message` with what to do, the HTTP `status` (0: no answer), seconds to `wait`, and
 * what the server `said`.
 */
export class Failure extends Error {
  constructor(title, message, { status = 0, wait = 0, said = "" } = {}) {
    super(message);
    Object.assign(this, { title, status, wait, said });
  }
}

/**
 * Send a request and return the response, which is a success. The path is the server's own: "/v1/models".
 *
 * With a body it is a POST: FormData as it is, all else as JSON. Asks for a key where the server wants one. Throws a
 * Failure, or an AbortError when `signal` says so.
 */
export async function ask(path, { body, signal } = {}) {
  for (;;) {
    const used = sessionStorage.getItem(KEY);
    const response = await sent(path, body, used, signal);
    if (response.ok) return response;
    if (response.status !== 401) throw await failure(response);
    await keyOtherThan(used);
    signal?.throwIfAborted();
  }
}

/** Send a request and return the JSON value of its answer. */
export async function askJson(path, options = {}) {
  const response = await ask(path, options);
  try {
    return await response.json();
  } catch (error) {
    throw stopped(error, options.signal);
  }
}

/** Give the JSON values of a response that has one in each line, as they come. */
export async function* jsonLines(response, signal) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value = "", done } = await reader.read();
      const lines = (rest + value).split("\n");
      rest = done ? "" : lines.pop();
      for (const line of lines) if (line.trim()) yield JSON.parse(line);
      if (done) return;
    }
  } catch (error) {
    throw stopped(error, signal);
  }
}

/** Return the path of a model's verb; `choice` is "", "/versions/N" or "/labels/LABEL". */
export function verbPath(model, choice, verb) {
  return `/v1/models/${encodeURIComponent(model.name)}${choice}:${verb}`;
}

/** Whether an error only says that nobody waits any more. */
export function isAbort(error) {
  return error?.name === "AbortError";
}

async function sent(path, body, key, signal) {
  const headers = { Accept: "application/json" };
  if (key) headers.Authorization = `Bearer ${key}`;
  if (body !== undefined && !(body instanceof FormData)) headers["Content-Type"] = "application/json";
  const content = body === undefined || body instanceof FormData ? body : JSON.stringify(body);
  try {
    const method = body === undefined ? "GET" : "POST";
    return await fetch(new URL(path.slice(1), SERVER), { method, body: content, headers, signal });
  } catch (error) {
    throw stopped(error, signal, body instanceof FormData ? ", or the file is too large for it" : "");
  }
}

function stopped(error, signal, more = "") {
  if (isAbort(error) || signal?.aborted) return isAbort(error) ? error : signal.reason;
  return new Failure(
    "The server does not answer",
    `It was stopped, or the connection was lost${more}. Check that it is running, then try again.`,
  );
}

async function failure(response) {
  const { status } = response;
  const wait = Number(response.headers.get("Retry-After")) || 0;
  const said = await response.json().then((body) => String(body.error ?? ""), () => "");
  const later = wait ? `Try again in ${wait} s.` : "Try again in a moment.";
  const id = response.headers.get("X-Request-Id");
  const words = {
    400: ["The server cannot use this", "Change it and try again."],
    404: ["This is no longer served", "Choose another version, or reload the page."],
    408: ["It took too long to arrive", "Try again, with a smaller file or a better connection."],
    413: ["This is too large for the server", "Use a smaller file or a shorter text."],
    415: ["The server does not accept this kind of file", "Use one of the kinds named next to the button."],
    429: ["The server is too busy", later],
    503: ["The server is not ready", `It is loading its models or shutting down. ${later}`],
  };
  const [title, advice] = words[status] ?? [
    "The server failed",
    `The reason is in the server's log${id ? ` under ${id}` : ""}.`,
  ];
  const sentence = said && !/[.!?]$/.test(said) ? `${said}.` : said;
  return new Failure(title, [sentence, advice].filter(Boolean).join(" "), { status, wait, said });
}

let asking = null; // one question at a time, however many requests wait for it

async function keyOtherThan(used) {
  if (sessionStorage.getItem(KEY) !== used) return; // given while this request was under way
  asking ??= new Promise((resolve) => {
    const form = document.getElementById("key");
    const field = document.getElementById("key-value");
    if (used) document.getElementById("key-why").textContent = "The server did not accept this key. Try another.";
    form.hidden = false;
    form.onsubmit = (event) => {
      event.preventDefault();
      sessionStorage.setItem(KEY, field.value.trim());
      field.value = "";
      form.hidden = true;
      asking = null;
      resolve();
    };
    field.focus();
  });
  await asking;
}
