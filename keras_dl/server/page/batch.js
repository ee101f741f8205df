// Many inputs at once: one upload, answers as they come, a table, and all of them as a CSV file.

import { ask, Failure, isAbort, jsonLines, verbPath } from "./api.js";
import { render, scrolling } from "./blocks.js";
import { csvOf, valueOf } from "./csv.js";
import { classTitle, decimal, failureNote, fileField, make, percent, section } from "./dom.js";

const SHOWN = 200; // rows in the table; all of them are in the CSV file
const ALL = Symbol("all"); // no class can be called so
const UNUSABLE = Symbol("not usable");
const WRONG = Symbol("wrong"); // by the labels in the file
const UNUSUAL = Symbol("unusual"); // unlike the training data
const OPEN = Symbol("open"); // more than one class is possible
const TITLES = new Map([
  [ALL, "All"], [UNUSUAL, "Unusual"], [OPEN, "Several possible"], [WRONG, "Wrong"], [UNUSABLE, "Not usable"],
]);
const RARE = [UNUSUAL, OPEN, WRONG, UNUSABLE]; // shown where there are some
const STYLES = { percent, number: (value) => decimal(value, 2) };

/**
 * Make the section for many inputs: `upload` says which files it takes, `choice()` is the version asked for, and
 * `signal` ends with the model's page.
 */
export function batchSection(model, upload, choice, signal) {
  const bar = make("progress", { "aria-label": "Progress", max: "1", value: "0" });
  const state = make("span", { class: "muted" });
  const spoken = make("p", { class: "spoken", role: "status" });
  const cancel = make("button", { type: "button", text: "Cancel", click: () => running?.abort() });
  const progress = make("p", { class: "row progress", hidden: true }, bar, state, cancel);
  const trouble = make("div");
  const table = tablePlace(model);
  const click = () => save(model, rows);
  const download = make("button", { type: "button", class: "main", text: "Download all as CSV", click });
  const score = make("div", { class: "pair score" }); // where the file has labels
  const results = make("div", { hidden: true }, score, table.element, make("p", { class: "row" }, download));
  let running = null;
  let rows = [];

  async function take([file]) {
    running?.abort();
    running = new AbortController();
    const own = running;
    const stop = AbortSignal.any([own.signal, signal]);
    rows = [];
    score.replaceChildren();
    trouble.replaceChildren();
    results.hidden = true;
    progress.hidden = false;
    cancel.hidden = false;
    bar.removeAttribute("value"); // the server has not said yet how many there are
    state.textContent = `Sending ${file.name} …`;
    spoken.textContent = "";
    table.begin(rows);
    try {
      await read(file, stop, rows);
      spoken.textContent = state.textContent;
    } catch (failure) {
      if (own !== running) return; // another file has taken its place
      if (isAbort(failure)) state.textContent = `Stopped after ${rows.length} answers.`;
      else trouble.replaceChildren(failureNote(failure, () => take([file])));
      if (!isAbort(failure)) state.textContent = rows.length ? `Ended after ${rows.length} answers.` : "";
      spoken.textContent = state.textContent;
      bar.value = rows.length ? bar.value : 0;
    } finally {
      if (own === running) {
        cancel.hidden = true;
        table.draw();
        results.hidden = !rows.length;
      }
    }
  }

  async function read(file, stop, rows) {
    const data = new FormData();
    data.append("file", file, file.name);
    const response = await ask(verbPath(model, choice(), "batch"), { body: data, signal: stop });
    const started = performance.now();
    let count = 0;
    let done = null;
    for await (const line of jsonLines(response, stop)) {
      if (line.input !== undefined) rows.push(line); // first: an answer may be called "count" too
      else if (line.count !== undefined) [count, results.hidden] = [line.count, false];
      else if (line.done !== undefined) done = line;
      else throw new Failure("The server stopped", line.error ?? "It gave no reason.");
      bar.max = Math.max(1, count);
      bar.value = rows.length;
      state.textContent = `${rows.length} of ${count}${timeLeft(rows.length, count, performance.now() - started)}`;
      table.draw();
    }
    if (done?.score) score.replaceChildren(...done.score.map(render));
    if (!done) throw new Failure("The answer is incomplete", `${rows.length} of ${count} rows arrived. Try again.`);
    const errors = done.errors ? `, ${done.errors} of them could not be used` : "";
    const seconds = Math.max(0.1, (performance.now() - started) / 1000);
    state.textContent = `All ${done.done} done in ${seconds.toFixed(1)} s${errors}.`;
  }

  const holds = upload.holds + (model.choices ? upload.scored : "");
  const zone = fileField(`Choose a ${upload.file}`, `or drop one here: ${holds}`, upload.accept, take);
  return section("Many at once", zone, progress, spoken, trouble, results);
}

function timeLeft(done, count, milliseconds) {
  if (done < 5 || milliseconds < 1000 || done >= count) return "";
  const seconds = Math.ceil(((count - done) * milliseconds) / done / 1000);
  return seconds > 90 ? `, about ${Math.ceil(seconds / 60)} min left` : `, about ${seconds} s left`;
}

function save(model, rows) {
  const address = URL.createObjectURL(new Blob([csvOf(model, rows)], { type: "text/csv;charset=utf-8" }));
  const link = make("a", { href: address, download: `${model.name}-answers.csv` });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 60_000); // the browser may still be writing it
}

/** The table of rows with a button for each answer that shows these alone: `element`, `begin(rows)`, `draw()`. */
function tablePlace(model) {
  const columns = (model.columns ?? []).filter((column) => column.shown);
  const answers = columns.find((column) => column.style === "text");
  const isWrong = (row) => Boolean(answers) && row.truth !== undefined && valueOf(row, answers) !== row.truth;
  const shown = new Map([[ALL, () => true], [UNUSUAL, (row) => row.unusual], [OPEN, isOpen], [WRONG, isWrong]]);
  const shows = (row) => (shown.get(chosen) ?? ((one) => kindOf(one) === chosen))(row);
  const kindOf = (row) => (row.error !== undefined ? UNUSABLE : answers && valueOf(row, answers));
  const filters = make("div", { class: "choices", role: "group", "aria-label": "Show" });
  const titles = columns.map(({ title, style }) => make("th", { scope: "col", text: title, class: side(style) }));
  const truth = make("th", { scope: "col", class: "truth", text: "Truth" });
  const heads = [make("th", { scope: "col", text: "Input" }), truth, ...titles];
  const body = make("tbody");
  const table = make("table", { class: "wide" }, make("thead", {}, make("tr", {}, ...heads)), body);
  const more = make("p", { class: "muted small" });
  const region = scrolling("Answers", table, "tall");
  const buttons = new Map(); // by what they show
  let rows = [];
  let chosen = ALL;
  let pending = false;

  function begin(all) {
    rows = all;
    chosen = ALL;
    body.replaceChildren();
    filters.replaceChildren();
    buttons.clear();
  }

  function draw() {
    if (pending) return; // once per frame, however fast the rows come
    pending = true;
    requestAnimationFrame(() => {
      pending = false;
      redraw();
    });
  }

  function redraw() {
    const names = (model.choices ?? []).map((name) => [name, 0]);
    const counts = new Map([[ALL, rows.length], ...names, ...RARE.map((kind) => [kind, 0])]);
    const count = (kind) => counts.has(kind) && counts.set(kind, counts.get(kind) + 1);
    for (const row of rows) {
      count(kindOf(row));
      if (isWrong(row)) count(WRONG);
      if (row.unusual) count(UNUSUAL);
      if (isOpen(row)) count(OPEN);
    }
    table.classList.toggle("told", rows.some((row) => row.truth !== undefined));
    for (const [kind, count] of counts) button(kind, count);
    const found = rows.filter(shows);
    for (const row of found.slice(body.rows.length, SHOWN)) body.append(line(model, columns, row, isWrong(row)));
    const rest = `This table shows the first ${SHOWN} of ${found.length}. The CSV file has all.`;
    more.textContent = found.length > SHOWN ? rest : "";
  }

  function button(kind, count) {
    let found = buttons.get(kind);
    if (!found) {
      const click = () => {
        chosen = kind;
        body.replaceChildren();
        redraw();
      };
      found = make("button", { type: "button", click });
      buttons.set(kind, found);
      filters.append(found);
    }
    const title = TITLES.get(kind) ?? classTitle(model, kind);
    found.textContent = `${title}: ${count}`;
    found.setAttribute("aria-pressed", String(kind === chosen));
    found.hidden = RARE.includes(kind) && !count;
  }

  return { element: make("div", {}, filters, region, more), begin, draw };
}

function isOpen(row) {
  return row.set?.length > 1;
}

function side(style) {
  return style === "text" ? null : "right";
}

function line(model, columns, row, isWrong) {
  const input = make("td", { class: "input", dir: "auto", text: Array.from(row.input ?? "").slice(0, 300).join("") });
  const truth = make("td", { class: "truth", text: row.truth === undefined ? "" : classTitle(model, row.truth) });
  if (row.error !== undefined) {
    const error = make("td", { colspan: String(Math.max(1, columns.length)), text: row.error });
    return make("tr", { class: "bad" }, input, truth, error);
  }
  const cells = columns.map((column) => {
    return make("td", { class: side(column.style), text: written(model, valueOf(row, column), column.style) });
  });
  if (row.unusual) input.append(make("strong", { class: "doubt", text: " unusual" }));
  if (row.note) (cells[0] ?? input).append(make("small", { class: "muted", text: ` ${row.note}` }));
  return make("tr", { class: isWrong ? "wrong" : null }, input, truth, ...cells);
}

function written(model, value, style) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return (STYLES[style] ?? String)(value);
  if (Array.isArray(value)) return value.length > 1 ? value.map((name) => classTitle(model, name)).join(", ") : "";
  return typeof value === "string" ? classTitle(model, value) : JSON.stringify(value);
}
