// What speaks for an answer: one block of the server's, and the choice among the ways to explain.

import { blocksPlace } from "./blocks.js";
import { make, newId } from "./dom.js";

/**
 * Make the place of an explanation below the choice of a method, which calls `change()`.
 *
 * Returns `element`, `method()`, which is undefined where the model explains nothing, `show(explanation, original)`,
 * `stale()`, and `clear(words)`; without words nothing is left to see. `original` is the address of the image that is
 * explained, which is sharper than what the model sees of it.
 */
export function explanationPlace(model, change) {
  const choice = methodField(model, change);
  const view = blocksPlace();
  const caveat = make("p", { class: "muted small", text: "An explanation is a hint. It does not prove a cause." });
  const content = make("div", {}, choice.element, view.element, caveat);
  const waiting = make("p", { class: "panel empty muted", role: "status", hidden: true });
  const element = make("div", { class: "explanation", "data-place": "explanation" }, waiting, content);

  function clear(words = "") {
    content.hidden = true;
    waiting.hidden = !words;
    waiting.textContent = words;
    element.hidden = !words;
  }

  function show(found, original) {
    view.show([{ ...found, original }]);
    element.classList.remove("stale");
    waiting.hidden = true;
    content.hidden = element.hidden = false;
  }

  clear();
  return { element, method: choice.value, clear, show, stale: () => element.classList.add("stale") };
}

/** A choice among the ways to explain, where there are several. */
function methodField(model, change) {
  const methods = model.methods ?? [];
  if (methods.length < 2) return { element: null, value: () => methods[0] };
  const id = newId("method");
  const options = methods.map((name) => make("option", { value: name, text: model.method_titles?.[name] ?? name }));
  const select = make("select", { id, change }, ...options);
  const element = make("p", { class: "row" }, make("label", { for: id, text: "Explained by" }), select);
  return { element, value: () => select.value };
}
