// Elements, made so that what comes from the server or a person is text and never markup.

const SEEN = 160; // pixels of an answer that are enough to notice it
let numbers = 0;

/**
 * Make an element. Properties: "text" is its text, functions listen to the event of their name, `true` and `false`
 * set or leave out an attribute, all else is an attribute. Children that are null are left out.
 */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "text") element.textContent = value;
    else if (typeof value === "function") element.addEventListener(name, value);
    else if (typeof value === "boolean") element.toggleAttribute(name, value);
    else if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Return an id that no other element has. */
export function newId(word) {
  numbers += 1;
  return `${word}-${numbers}`;
}

/** Make a section with a heading that names it. */
export function section(title, ...children) {
  const id = newId("section");
  return make("section", { "aria-labelledby": id }, make("h2", { id, text: title }), ...children);
}

/** Write a probability in percent: never "0 %" or "100 %" where it is not. */
export function percent(value) {
  if (typeof value !== "number") return "not known";
  if (value > 0 && value < 0.001) return "under 0.1 %";
  if (value < 1 && value > 0.999) return "over 99.9 %";
  const digits = value < 0.1 || value > 0.9 ? 1 : 0;
  return `${(100 * value).toFixed(digits)} %`;
}

/** Write a number with a true minus sign. */
export function decimal(value, digits = 3, signed = false) {
  const text = Math.abs(value) >= 1000 ? value.toPrecision(4) : value.toFixed(digits);
  return `${signed && value > 0 ? "+" : ""}${text}`.replace("-", "−");
}

/** Write what a person sees of a class: its symbol, if it has one, and its name. */
export function classTitle(model, name) {
  const symbol = model.symbols?.[name];
  return symbol ? `${symbol} ${plainName(name)}` : plainName(name);
}

/** Write a class's name as a person would. */
export function plainName(name) {
  return name.replaceAll("_", " ");
}

/** Say what an example is, and its true answer where that is known. */
export function exampleTitle(label) {
  return `Example from the test part${label ? `: ${plainName(label)}` : ""}`;
}

/** Scroll to an element that has appeared out of sight, as on a phone; else nothing moves under the pointer. */
export function bringIntoSight(element) {
  if (element.getBoundingClientRect().top > innerHeight - SEEN) element.scrollIntoView({ block: "nearest" });
}

/** Show a failure in words, with a button that tries again. */
export function failureNote(failure, again = null) {
  return make(
    "div",
    { class: "banner failure", role: "alert" },
    make("strong", { text: failure.title ?? "Something on this page went wrong" }),
    make("p", { text: failure.message }),
    again && make("button", { type: "button", text: "Try again", click: again }),
  );
}

/** Let a place take files that are dropped on it: `take(files)`. */
export function dropPlace(element, take) {
  const mark = (on) => (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    element.classList.toggle("over", on);
  };
  element.addEventListener("dragenter", mark(true));
  element.addEventListener("dragover", mark(true));
  element.addEventListener("dragleave", mark(false));
  element.addEventListener("drop", (event) => {
    mark(false)(event);
    if (event.dataTransfer?.files.length) take([...event.dataTransfer.files]);
  });
}

/** Make a file field that looks like a place to drop on: `take(files)`; the field itself keeps the focus. */
export function fileField(title, hint, accept, take) {
  const id = newId("file");
  const field = make("input", {
    type: "file",
    accept,
    id,
    "aria-describedby": `${id}-hint`,
    change: () => {
      const files = [...field.files];
      field.value = ""; // so that the same file can be chosen again
      if (files.length) take(files);
    },
  });
  const zone = make(
    "label",
    { class: "zone", for: id },
    field,
    make("span", { class: "action", text: title }),
    make("span", { class: "muted", id: `${id}-hint`, text: hint }),
  );
  dropPlace(zone, take);
  return zone;
}
