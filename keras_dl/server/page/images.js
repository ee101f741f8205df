// One image at a time: drop, choose, paste or take a sample; the answer, and what in the image spoke for it.

import { answerPlace } from "./answer.js";
import { ask, askJson, isAbort, verbPath } from "./api.js";
import { bringIntoSight, failureNote, fileField, make, newId } from "./dom.js";
import { mixed } from "./samples.js";

const SAMPLES = 6; // shown
const OPACITY = 70; // percent, of the heatmap at first
const EMPTY = "The image with its heatmap will stand here.";

/**
 * Make the place to try an image model. `choice()` is the version asked for; `signal` ends with the model's page.
 *
 * Returns `element` and `again()`, which asks for the same image once more.
 */
export function imageTrial(model, choice, signal) {
  const answer = answerPlace(model);
  const heat = heatPlace();
  const trouble = make("div");
  const doubt = make("p", { class: "muted small" });
  const preview = make("img", { class: "preview", alt: "the image you chose", hidden: true });
  let running = new AbortController();
  let last = null;

  async function take(file, name = file.name) {
    last = [file, name];
    running.abort();
    running = new AbortController();
    const stop = AbortSignal.any([running.signal, signal]);
    trouble.replaceChildren();
    heat.clear("");
    answer.clear(`Asking about ${name || "the image"} …`);
    URL.revokeObjectURL(preview.src);
    Object.assign(preview, { src: URL.createObjectURL(file), hidden: false, onerror: () => (preview.hidden = true) });
    try {
      const path = verbPath(model, choice(), "answer");
      const found = await askJson(path, { body: form(file, name), signal: stop });
      answer.update(found.predictions[0], found);
      bringIntoSight(answer.element);
      if (found.predictions[0].error !== undefined) return;
      heat.clear("Looking for what spoke for it …");
      const same = verbPath(model, `/versions/${found.version}`, "explain"); // the version that gave this answer
      heat.show(await askJson(same, { body: form(file, name), signal: stop }));
      preview.hidden = true;
    } catch (failure) {
      if (isAbort(failure)) return;
      heat.clear("");
      if (answer.element.querySelector(".full").hidden) answer.clear("");
      trouble.replaceChildren(failureNote(failure, () => take(file, name)));
    }
  }

  const takeFiles = (files) => {
    doubt.textContent = files.length > 1 ? `Only the first of ${files.length} files; for many see below.` : "";
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
  answer.clear("The answer will stand here.");
  const left = make("div", {}, zone, doubt, samplesPlace(model, take, signal));
  const middle = make("div", {}, trouble, answer.element);
  const right = make("div", {}, preview, heat.element);
  return { element: make("div", { class: "sides three" }, left, middle, right), again: () => last && take(...last) };
}

function form(file, name) {
  const data = new FormData();
  data.append("files", file, name || "image.png");
  return data;
}

function samplesPlace(model, take, signal) {
  if (!model.samples?.length) return null;
  const id = newId("samples");
  const list = make("ul", { class: "thumbnails", "aria-labelledby": id });
  for (const sample of mixed(model.samples, SAMPLES)) {
    const image = make("img", { alt: "", width: "96", height: "96" });
    const caption = make("span", { text: sample.label ?? sample.name });
    let file = null;
    const load = async () => {
      file ??= await (await ask(sample.url, { signal })).blob(); // not by <img src>: that could not send the key
      return file;
    };
    const click = () => load().then((found) => take(found, sample.name), () => fill());
    const title = `Sample ${sample.name}, ${caption.textContent}`;
    const button = make("button", { type: "button", click, "aria-label": title }, image, caption);
    const fill = () =>
      load().then(
        (found) => (image.src = URL.createObjectURL(found)),
        (failure) => isAbort(failure) || (caption.textContent = "not to be had; press to try again"),
      );
    fill();
    list.append(make("li", {}, button));
  }
  return make("div", {}, make("h3", { id, text: "Or take one from the test part" }), list);
}

function heatPlace() {
  const seen = make("img", { class: "seen", alt: "the image as the model sees it" });
  const over = make("img", { class: "over", alt: "" });
  const waiting = make("p", { class: "panel empty muted", role: "status", text: EMPTY });
  const caption = make("figcaption");
  const sliderId = newId("opacity");
  const slider = make("input", {
    type: "range",
    id: sliderId,
    min: "0",
    max: "100",
    value: String(OPACITY),
    input: () => (over.style.opacity = String(slider.value / 100)),
  });
  const toggle = make("button", {
    type: "button",
    text: "Image alone",
    "aria-pressed": "false",
    click: () => {
      over.hidden = !over.hidden;
      toggle.setAttribute("aria-pressed", String(over.hidden));
      slider.disabled = over.hidden;
    },
  });
  const controls = make("p", { class: "row" }, make("label", { for: sliderId, text: "Heatmap" }), slider, toggle);
  const stack = make("div", { class: "stack" }, seen, over);
  const figure = make("figure", { class: "heat", hidden: true }, stack, controls, caption);

  function clear(words = EMPTY) {
    figure.hidden = true;
    waiting.hidden = !words;
    waiting.textContent = words;
  }

  function show(found) {
    clear("");
    seen.src = `data:image/png;base64,${found.image}`;
    over.src = `data:image/png;base64,${found.heatmap}`;
    over.style.opacity = String(slider.value / 100);
    caption.textContent = `Colour: ${found.caption}. Coarse, and no proof of a cause.`;
    figure.hidden = false;
  }

  return { element: make("div", {}, waiting, figure), clear, show };
}
