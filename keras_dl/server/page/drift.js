// Drift: whether what is asked of a model still looks like its validation part, for whoever runs the server.

import { askJson, isAbort } from "./api.js";
import { blocksPlace } from "./blocks.js";
import { failureNote, make, section } from "./dom.js";

const AGAIN = 5000; // milliseconds until an open section is brought up to date

/** Make the section, or null where no version keeps anything of its validation part; it asks only while it is open. */
export function driftSection(model, signal) {
  if (!model.watched) return null;
  const place = blocksPlace();
  const failure = make("div");
  let timer;

  async function update() {
    clearTimeout(timer);
    if (!details.open || signal.aborted) return;
    try {
      place.show((await askJson(`/v1/models/${encodeURIComponent(model.name)}/drift`, { signal })).blocks);
      failure.replaceChildren();
      timer = setTimeout(update, AGAIN);
    } catch (error) {
      if (!isAbort(error)) failure.replaceChildren(failureNote(error, update));
    }
  }

  const summary = make("summary", { text: "Compare all answers so far with the validation part" });
  const details = make("details", { toggle: update }, summary, place.element, failure);
  return section("In service", details);
}
