// One text at a time: answers while it is typed, and a moment later what spoke for them.

import { answerPlace } from "./answer.js";
import { ask, askJson, isAbort, verbPath } from "./api.js";
import { bringIntoSight, exampleTitle, failureNote, make, newId } from "./dom.js";
import { explanationPlace } from "./explanation.js";
import { mixed } from "./samples.js";

const SAMPLES = 6; // shown
const ANSWER_AFTER = 150; // milliseconds without a key
const EXPLAIN_AFTER = 500;

/**
 * Make the place to try a text model. `choice()` is the version asked for; `signal` ends with the model's page.
 *
 * Returns `element` and `again()`, which asks for the same text once more.
 */
export function textTrial(model, choice, signal) {
  const answer = answerPlace(model);
  const explanation = explanationPlace(model, () => explainSoon(0));
  const trouble = make("div");
  const id = newId("text");
  const field = make("textarea", { id, rows: "4", spellcheck: "false", autocomplete: "off", input: () => later() });
  let timers = [];
  let running = new AbortController();
  let example = { text: "", about: "" }; // answered while nothing is typed
  let shown = null; // "/versions/N" of the answer on the page: the words are explained by the same

  function later(wait = ANSWER_AFTER) {
    stop();
    shown = null;
    answer.element.classList.add("stale");
    explanation.stale();
    const text = given();
    if (!text.trim()) {
      trouble.replaceChildren();
      explanation.clear();
      answer.clear("The answer appears here while you type.");
      return;
    }
    const signals = AbortSignal.any([running.signal, signal]);
    timers = [setTimeout(() => attempt(() => answered(text, signals)), wait)];
  }

  function explainSoon(wait) {
    const text = given();
    if (!explanation.method() || !text.trim() || shown === null) return;
    const signals = AbortSignal.any([running.signal, signal]);
    timers.push(setTimeout(() => attempt(() => explained(text, signals)), wait));
  }

  async function answered(text, stop) {
    const body = { instances: [text], view: true };
    const found = await askJson(verbPath(model, choice(), "answer"), { body, signal: stop });
    trouble.replaceChildren();
    answer.update(found, field.value ? "" : example.about);
    if (found.predictions[0].error !== undefined) return explanation.clear();
    shown = `/versions/${found.version}`;
    explainSoon(EXPLAIN_AFTER - ANSWER_AFTER);
  }

  async function explained(text, stop) {
    const body = { instances: [text], method: explanation.method() };
    explanation.show(await askJson(verbPath(model, shown, "explain"), { body, signal: stop }));
  }

  async function attempt(work) {
    try {
      await work();
    } catch (failure) {
      if (isAbort(failure)) return;
      explanation.clear();
      trouble.replaceChildren(failureNote(failure, () => later(0)));
      const isBusy = failure.status === 429 || failure.status === 503;
      if (isBusy) later((failure.wait || 2) * 1000); // nobody should have to press a button while typing
      else if (shown === null) answer.clear(""); // else the answer holds, without an explanation
    }
  }

  function stop() {
    timers.forEach(clearTimeout);
    running.abort();
    running = new AbortController();
  }

  signal.addEventListener("abort", stop);
  const given = () => field.value || example.text;
  const use = (text) => {
    field.value = text;
    later(0);
    bringIntoSight(answer.element);
  };
  answer.clear("The answer appears here while you type.");
  const label = make("label", { class: "title", for: id, text: "Type or paste a text" });
  const right = make("div", { class: "beside" }, trouble, answer.element); // on a phone: right below the text
  const arrive = (text, label) => {
    field.placeholder = text;
    example = { text, about: exampleTitle(label) };
    if (!field.value) later(0);
  };
  const sides = make("div", { class: "sides" }, make("div", {}, label, field), right, samplesPlace(model, { use, arrive, signal }));
  return { element: make("div", {}, sides, explanation.element), again: () => later(0) };
}

/** Make the list of samples, which calls `use(text)` for one that is pressed and `arrive(text, label)` with the first. */
function samplesPlace(model, { use, arrive, signal }) {
  if (!model.samples?.length) return null;
  const id = newId("samples");
  const list = make("ul", { class: "sentences", "aria-labelledby": id });
  const samples = mixed(model.samples, SAMPLES);
  for (const sample of samples) {
    const item = make("li");
    list.append(item);
    ask(sample.url, { signal })
      .then((response) => response.text())
      .then((text) => {
        const plain = text.trim();
        const shown = shortened(plain);
        const label = model.symbols?.[sample.label] ?? sample.label ?? "";
        const tag = make("span", { class: "muted", text: ` ${label}` });
        item.append(make("button", { type: "button", click: () => use(plain) }, shown, tag));
        if (sample === samples[0]) arrive(plain, label);
      })
      .catch((failure) => isAbort(failure) || item.remove());
  }
  return make("div", {}, make("h3", { id, text: "Or choose one from the test part" }), list);
}

function shortened(text) {
  return text.length > 90 ? `${Array.from(text).slice(0, 85).join("")} …` : text;
}
