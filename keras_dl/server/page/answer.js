// One answer of a model, as the blocks that the server gives, and the question whether it was right.

import { askJson, Failure, verbPath } from "./api.js";
import { answerOf, blocksPlace, inWords } from "./blocks.js";
import { classTitle, failureNote, make, newId, plainName } from "./dom.js";

const HANDFUL = 5; // classes that get a button each, when one is asked which was right

/**
 * Make the place of a model's answers. It is built once and updated, so that bars move instead of jumping.
 *
 * Returns `element`, `update(found, about)` for what the server answered to one input, which `about` tells in words,
 * and `clear(words)`.
 */
export function answerPlace(model) {
  const view = blocksPlace();
  const spoken = make("p", { class: "spoken", role: "status" }); // always there: only what changes in it is read out
  const source = make("p", { class: "muted small", dir: "auto" });
  const note = make("p", { class: "note" });
  const version = make("p", { class: "muted small" });
  const warning = isMedical(model)
    ? make("p", { class: "medical", text: "Not a medical device. This is an exercise, not a diagnosis. Do not use it on patients." })
    : null;
  const feedback = model.feedback === false ? null : feedbackPlace(model); // a server without a journal stores none
  const full = make("div", { class: "full" }, source, view.element, note, version, warning, feedback?.element);
  const empty = make("p", { class: "empty muted", role: "status" });
  const element = make("div", { class: "panel", "data-place": "answer" }, empty, spoken, full);

  function clear(words) {
    full.hidden = true;
    empty.hidden = false;
    empty.textContent = words;
    spoken.textContent = "";
    element.classList.remove("stale");
  }

  function update(found, about = "") {
    const [row] = found.predictions;
    element.classList.remove("stale");
    if (row.error !== undefined) {
      clear(`This cannot be used: ${row.error}`);
      return;
    }
    empty.hidden = true;
    full.hidden = false;
    const [blocks] = found.views;
    view.show(blocks);
    source.textContent = about;
    source.hidden = !about;
    const words = inWords(blocks);
    if (spoken.textContent !== words) spoken.textContent = words;
    note.textContent = row.note ? `Note: ${row.note}.` : "";
    note.hidden = !row.note;
    version.textContent = (model.versions ?? []).length > 1 ? `Answered by version ${found.version}.` : "";
    feedback?.ask(answerOf(blocks)?.text, found.request_id);
  }

  return { element, update, clear };
}

/** Whether a model's limits say that it is no medical device. */
export function isMedical(model) {
  return /medical device/i.test(model.limits ?? "");
}

/** Ask whether an answer was right: one of the choices, or the right number where there are none. */
function feedbackPlace(model) {
  const said = make("p", { class: "muted small", role: "status" });
  let count = 0; // of answers: what is sent for one is not said of the next

  async function send(request, label, done) {
    const own = count;
    said.textContent = "Sending …";
    try {
      await askJson(verbPath(model, "", "feedback"), { body: { request_id: request, index: 0, label } });
      if (own !== count) return;
      done();
      said.textContent = `Thank you. Stored: ${plainName(label)}.`;
    } catch (failure) {
      if (own !== count) return;
      const why = failure.status === 404 ? new Failure("This was not stored", failure.said) : failure;
      said.replaceChildren(failureNote(why, () => send(request, label, done)));
    }
  }

  const field = model.choices ? choiceField(model, send) : numberField(model, send);
  function ask(answer, request) {
    count += 1;
    said.textContent = "";
    field.ask(answer, request);
  }
  return { element: make("div", { class: "feedback" }, ...field.elements, said), ask };
}

function choiceField(model, send) {
  return model.choices.length > HANDFUL ? choiceOfMany(model, send) : choiceOfFew(model, send);
}

function choiceOfFew(model, send) {
  const buttons = make("div", { class: "choices", role: "group", "aria-label": "Was it right?" });
  function ask(answer, request) {
    const first = model.choices.filter((name) => name === answer);
    const others = model.choices.filter((name) => name !== answer);
    buttons.replaceChildren(
      ...[...first, ...others].map((name) => {
        const text = `${name === answer ? "Yes" : "No"}, ${classTitle(model, name)}`;
        const press = () => {
          for (const other of buttons.children) other.setAttribute("aria-pressed", String(other === button));
        };
        const click = () => send(request, name, press);
        const button = make("button", { type: "button", text, "aria-pressed": "false", click });
        return button;
      }),
    );
  }
  return { elements: [make("p", { class: "question", text: "Was it right?" }), buttons], ask };
}

/** Make a button for the answer, and a list of all other classes. */
function choiceOfMany(model, send) {
  const id = newId("right");
  const yes = make("button", { type: "button", "aria-pressed": "false" });
  const select = make("select", { id, required: true });
  let asked = { answer: "", request: null };
  const press = (isRight) => () => yes.setAttribute("aria-pressed", String(isRight));
  yes.addEventListener("click", () => send(asked.request, asked.answer, press(true)));
  const submit = (event) => {
    event.preventDefault(); // not with the choice itself: from the keyboard one passes many on the way
    send(asked.request, select.value, press(false));
  };
  function ask(answer, request) {
    asked = { answer, request };
    yes.textContent = `Yes, ${classTitle(model, answer)}`;
    yes.setAttribute("aria-pressed", "false");
    const others = model.choices.filter((name) => name !== answer);
    const options = others.map((name) => make("option", { value: name, text: classTitle(model, name) }));
    select.replaceChildren(make("option", { value: "", text: "choose" }), ...options);
  }
  const label = make("label", { for: id, text: "No, it is" });
  const row = make("form", { class: "row", submit }, yes, label, select, make("button", { type: "submit", text: "Send" }));
  return { elements: [make("p", { class: "question", text: "Was it right?" }), row], ask };
}

function numberField(model, send) {
  const id = newId("right");
  const field = make("input", { id, type: "number", step: "any", required: true, "aria-describedby": `${id}-unit` });
  const unit = make("span", { id: `${id}-unit`, text: model.unit ?? "" });
  let asked = null;
  const submit = (event) => {
    event.preventDefault(); // nothing leaves the page: what was typed goes with `send`
    if (field.value !== "") send(asked, field.value, () => {});
  };
  const label = make("label", { for: id, class: "question", text: "The right number is" });
  const form = make("form", { class: "row", submit }, label, field, unit, make("button", { type: "submit", text: "Send" }));
  function ask(answer, request) {
    asked = request;
    field.value = "";
  }
  return { elements: [form], ask };
}
