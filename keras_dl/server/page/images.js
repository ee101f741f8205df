// One image at a time: drop, choose, paste or take a sample; the answer, and what in the image spoke for it.

import { answerPlace } from "./answer.js";
import { ask, askJson, isAbort, verbPath } from "./api.js";
import { bringIntoSight, exampleTitle, failureNote, fileField, make, newId } from "./dom.js";
import { explanationPlace } from "./explanation.js";
import { mixed } from "./samples.js";

const SAMPLES = 6; // shown
const EMPTY = "The evidence in the image appears here.";

/**
 * Make the place to try an image model. `choice()` is the version asked for; `signal` ends with the model's page.
 *
 * Returns `element` and `again()`, which asks for the same image once more.
 */
export function imageTrial(model, choice, signal) {
  const answer = answerPlace(model);
  const explanation = explanationPlace(model, () => explainAnew());
  const trouble = make("div");
  const doubt = make("p", { class: "muted small" });
  const samples = samplesPlace(model, takeSample, signal);
  const preview = make("img", { class: "preview", alt: "the image you chose", hidden: true });
  let running = new AbortController();
  let last = null; // file, name, what it is, and the version that answered

  function begin() {
    running.abort();
    running = new AbortController();
    trouble.replaceChildren();
    return AbortSignal.any([running.signal, signal]);
  }

  function takeSample(file, sample, seen = true) {
    samples.choose(sample);
    return take(file, { name: sample.name, about: exampleTitle(sample.label), seen });
  }

  /** Answer and explain a file; `seen` says whether to scroll to the answer, which nobody wants who has just come. */
  async function take(file, { name = file.name, about = name, seen = true } = {}) {
    last = { file, name, about };
    const stop = begin();
    explanation.clear();
    answer.clear(`Predicting ${name || "the image"} …`);
    URL.revokeObjectURL(preview.src);
    Object.assign(preview, { src: URL.createObjectURL(file), hidden: false, onerror: () => (preview.hidden = true) });
    try {
      const path = verbPath(model, choice(), "answer");
      const found = await askJson(path, { body: form(file, name, { view: true }), signal: stop });
      answer.update(found, about);
      if (seen) bringIntoSight(answer.element);
      if (found.predictions[0].error !== undefined || !explanation.method()) return;
      last.version = found.version;
      explanation.clear("Explaining the answer …");
      await explain(last, stop);
    } catch (failure) {
      if (isAbort(failure)) return;
      explanation.clear();
      if (answer.element.querySelector(".full").hidden) answer.clear("");
      trouble.replaceChildren(failureNote(failure, () => take(file, { name, about })));
    }
  }

  async function explain({ file, name, version }, stop) {
    const path = verbPath(model, `/versions/${version}`, "explain"); // the version that gave this answer
    const body = form(file, name, { method: explanation.method() });
    explanation.show(await askJson(path, { body, signal: stop }), preview.src);
    preview.hidden = true;
  }

  async function explainAnew() {
    const stop = begin();
    explanation.stale();
    try {
      await explain(last, stop);
    } catch (failure) {
      if (!isAbort(failure)) trouble.replaceChildren(failureNote(failure, explainAnew));
    }
  }

  const takeFiles = (files) => {
    samples.choose(null);
    doubt.textContent = files.length > 1 ? `This uses only the first of ${files.length} files. To predict many, see below.` : "";
    take(files[0]);
  };
  const zone = fileField("Choose an image", "or drop one here, or paste it: PNG or JPEG", "image/*", takeFiles);
  document.addEventListener(
    "paste",
    (event) => {
      const files = [...(event.clipboardData?.files ?? [])].filter((file) => file.type.startsWith("image/"));
      if (files.length) takeFiles(files);
    },
    { signal },
  );
  answer.clear("The answer appears here.");
  explanation.clear(explanation.method() ? EMPTY : "");
  const left = make("div", {}, zone, doubt, samples.element);
  const middle = make("div", {}, trouble, answer.element);
  const right = make("div", {}, preview, explanation.element);
  samples.first((file, sample) => last ?? takeSample(file, sample, false));
  const element = make("div", { class: "sides three" }, left, middle, right);
  return { element, again: () => last && take(last.file, last) };
}

function form(file, name, fields) {
  const data = new FormData();
  for (const [key, value] of Object.entries(fields)) data.append(key, String(value));
  data.append("files", file, name || "image.png");
  return data;
}

/**
 * Make the buttons of the samples, which call `take(file, sample)`: `element`, `choose(sample)` to mark one of them, and
 * `first(use)`, which calls `use(file, sample)` with the first once it is there.
 */
function samplesPlace(model, take, signal) {
  const shown = mixed(model.samples, SAMPLES);
  if (!shown.length) return { element: null, choose() {}, first() {} };
  const buttons = new Map();
  const loads = new Map();
  const id = newId("samples");
  const list = make("ul", { class: "thumbnails", "aria-labelledby": id });
  for (const sample of shown) {
    const image = make("img", { alt: "", width: "96", height: "96" });
    const caption = make("span", { text: sample.label ?? sample.name });
    let file = null;
    const load = () => {
      file ??= ask(sample.url, { signal }) // not by <img src>: that could not send the key
        .then((response) => response.blob())
        .catch((failure) => {
          file = null; // so that it is tried again
          throw failure;
        });
      return file;
    };
    const click = () => load().then((found) => take(found, sample), () => fill());
    const title = `Sample ${sample.name}, ${caption.textContent}`;
    const named = { "aria-label": title, "aria-pressed": "false" };
    const button = make("button", { type: "button", click, ...named }, image, caption);
    buttons.set(sample, button);
    loads.set(sample, load);
    const fill = () =>
      load().then(
        (found) => (image.src = URL.createObjectURL(found)),
        (failure) => isAbort(failure) || (caption.textContent = "not loaded; press to try again"),
      );
    fill();
    list.append(make("li", {}, button));
  }
  const element = make("div", {}, make("h3", { id, text: "Or choose one from the test part" }), list);
  const mark = (sample) => (button, one) => button.setAttribute("aria-pressed", String(one === sample));
  const choose = (sample) => buttons.forEach(mark(sample));
  const [top] = shown;
  const first = (use) => loads.get(top)().then((file) => use(file, top), () => {}); // its button says that it failed
  return { element, choose, first };
}
