// One answer of a model: its class, how sure it is, and the question whether it was right.

import { askJson, Failure, verbPath } from "./api.js";
import { classTitle, decimal, failureNote, make, percent, plainName } from "./dom.js";

/**
 * Make the place of a model's answers. It is built once and updated, so that bars move instead of jumping.
 *
 * Returns `element`, `update(row, found)` for a row of the server's and the whole answer that it came with, and
 * `clear(words)`.
 */
export function answerPlace(model) {
  const symbol = make("p", { class: "symbol", "aria-hidden": "true" });
  const label = make("span", { class: "answer" });
  const value = make("span", { class: "certainty" });
  const headline = make("p", { class: "headline", role: "status" }, label, value);
  const bars = model.value === "probabilities" ? classBars(model) : thresholdBar(model);
  const note = make("p", { class: "note" });
  const version = make("p", { class: "muted small" });
  const warning = isMedical(model)
    ? make("p", { class: "medical", text: "Not a medical device: this is an exercise, no finding. Not for patients." })
    : null;
  const feedback = model.feedback === false ? null : feedbackPlace(model); // a server without a journal stores none
  const below = [note, version, warning, feedback?.element];
  const full = make("div", { class: "full" }, symbol, headline, bars.element, ...below);
  const empty = make("p", { class: "empty muted", role: "status" });
  const element = make("div", { class: "panel", "data-place": "answer" }, empty, full);

  function clear(words) {
    full.hidden = true;
    empty.hidden = false;
    empty.textContent = words;
    label.textContent = value.textContent = "";
    element.classList.remove("stale");
  }

  function update(row, found) {
    element.classList.remove("stale");
    if (row.error !== undefined) {
      clear("");
      empty.textContent = `This cannot be used: ${row.error}`;
      return;
    }
    empty.hidden = true;
    full.hidden = false;
    symbol.textContent = model.symbols?.[row.label] ?? "";
    symbol.hidden = !symbol.textContent;
    setText(label, plainName(row.label));
    setText(value, certainty(model, row));
    bars.update(row);
    note.textContent = row.note ? `Note: ${row.note}.` : "";
    note.hidden = !row.note;
    version.textContent = (model.versions ?? []).length > 1 ? `Answered by version ${found.version}.` : "";
    feedback?.ask(row.label, found.request_id);
  }

  return { element, update, clear };
}

/** Whether a model's limits say that it is no medical device. */
export function isMedical(model) {
  return /medical device/i.test(model.limits ?? "");
}

/** Say in a few words how sure an answer is. */
export function certainty(model, row) {
  if (model.value === "score") return `score ${decimal(row.score, 2)} (threshold ${decimal(row.threshold, 2)})`;
  if (model.value === "probabilities") return `probability ${percent(row.probabilities[row.label])}`;
  return `probability of ${row.of}: ${percent(row.probability)}`;
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text; // what did not change is not read out again
}

function classBars(model) {
  const rows = model.classes.map((name) => {
    const fill = make("span", { class: "fill" });
    const number = make("span", { class: "number" });
    const title = make("span", { class: "class", text: classTitle(model, name) });
    return { name, fill, number, element: make("li", {}, title, make("span", { class: "track" }, fill), number) };
  });
  return {
    element: make("ul", { class: "bars", "aria-label": "Probabilities" }, ...rows.map((row) => row.element)),
    update(answer) {
      for (const { name, fill, number, element } of rows) {
        const share = answer.probabilities?.[name] ?? 0;
        fill.style.width = `${100 * share}%`;
        number.textContent = percent(share);
        element.classList.toggle("chosen", name === answer.label);
      }
    },
  };
}

function thresholdBar(model) {
  const isScore = model.value === "score";
  const of = model.of ?? model.classes.at(-1);
  const fill = make("span", { class: "fill" });
  const mark = make("span", { class: "mark" });
  const caption = make("span", { class: "caption" });
  const track = make("div", { class: "track" }, fill, mark);
  const element = make(
    "div",
    { class: "scale", role: "img" },
    make("p", { class: "ends" }, make("span", { text: model.classes[0] }), make("span", { text: of })),
    track,
    make("p", { class: "under" }, caption),
  );
  const why = make("p", {
    class: "muted small",
    text: isScore
      ? `A score is no probability: the higher, the less it looks like ${model.classes[0]}.`
      : `Calibrated: of such cases given 80 %, about 80 in 100 are ${of}.`,
  });
  return {
    element: make("div", {}, element, why),
    update(row) {
      const threshold = row.threshold ?? model.threshold ?? 0.5;
      const shown = isScore ? row.score : row.probability;
      const [low, high] = isScore ? scoreSpan(shown, threshold) : [0, 1];
      const place = (number) => Math.min(100, Math.max(0, (100 * (number - low)) / (high - low)));
      fill.style.width = `${place(shown)}%`;
      mark.style.left = `${place(threshold)}%`;
      caption.style.left = `${place(threshold)}%`;
      caption.style.transform = `translateX(-${place(threshold)}%)`; // stays inside at both ends
      caption.textContent = `threshold ${isScore ? decimal(threshold, 2) : percent(threshold)}`;
      track.classList.toggle("above", shown >= threshold);
      element.setAttribute("aria-label", `${certainty(model, row)}, ${caption.textContent}`);
    },
  };
}

function scoreSpan(score, threshold) {
  const low = Math.min(0, score, threshold);
  const high = Math.max(score, threshold);
  return [low, low + Math.max(high - low, 1e-9) * (score > threshold ? 1.1 : 1.6)];
}

function feedbackPlace(model) {
  const said = make("p", { class: "muted small", role: "status" });
  const buttons = make("div", { class: "choices", role: "group", "aria-label": "Was it right?" });
  const question = make("p", { class: "question", text: "Was it right?" });
  const element = make("div", { class: "feedback" }, question, buttons, said);

  async function send(button, name, request) {
    said.textContent = "Sending …";
    try {
      await askJson(verbPath(model, "", "feedback"), { body: { request_id: request, index: 0, label: name } });
      if (!button.isConnected) return; // there is another answer by now
      for (const other of buttons.children) other.setAttribute("aria-pressed", String(other === button));
      said.textContent = `Thank you. Stored: ${plainName(name)}.`;
    } catch (failure) {
      const why = failure.status === 404 ? new Failure("This was not stored", failure.said) : failure;
      said.replaceChildren(failureNote(why, () => send(button, name, request)));
    }
  }

  function ask(label, request) {
    said.textContent = "";
    const others = model.classes.filter((name) => name !== label);
    buttons.replaceChildren(
      ...[label, ...others].map((name) => {
        const text = name === label ? `Yes, ${classTitle(model, name)}` : `No, ${classTitle(model, name)}`;
        const click = () => send(button, name, request);
        const button = make("button", { type: "button", text, "aria-pressed": "false", click });
        return button;
      }),
    );
  }

  return { element, ask };
}
