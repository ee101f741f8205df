// How good a model is: its figures on the test part, with their intervals.

import { scrolling } from "./blocks.js";
import { decimal, make, section } from "./dom.js";

const TILES = 4;

/** Make the section of test figures, or null where the server has none. */
export function figures(model) {
  const metrics = Object.entries(model.test?.metrics ?? {}).filter(([, cell]) => typeof cell?.value === "number");
  if (!metrics.length) return null;
  const { titles = {}, digits = {}, first = [] } = model.test; // what most people ask for comes first
  const titleOf = (name) => titles[name] ?? name;
  const valueOf = (name, cell) => decimal(cell.value, digits[name]);
  const rank = ([name]) => (first.includes(name) ? first.indexOf(name) : first.length);
  metrics.sort((one, other) => rank(one) - rank(other));
  const tiles = metrics.slice(0, TILES).map(([name, cell]) =>
    make(
      "div",
      {},
      make("dt", { text: titleOf(name) }),
      make("dd", {}, make("strong", { text: valueOf(name, cell) }), make("small", { text: interval(cell, digits[name]) })),
    ),
  );
  const rows = metrics.map(([name, cell]) =>
    make(
      "tr",
      {},
      make("th", { scope: "row", text: titleOf(name) }),
      make("td", { text: valueOf(name, cell) }),
      make("td", { text: interval(cell, digits[name]) }),
    ),
  );
  const heads = ["Metric", "Value", "95 % interval"].map((text) => make("th", { scope: "col", text }));
  const table = make("table", {}, make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...rows));
  const examples = Number(model.test.examples).toLocaleString("en");
  const summary = make("summary", { text: `All ${metrics.length} figures` });
  const all = make("details", {}, summary, scrolling("All figures", table));
  return section(
    "How good it is",
    make("p", { text: `Measured on ${examples} test examples, which were not used for training or for any choice; with 95 % intervals.` }),
    make("dl", { class: "tiles" }, ...tiles),
    metrics.length > TILES ? all : null,
  );
}

function interval(cell, digits) {
  const known = typeof cell.low === "number" && typeof cell.high === "number";
  return known ? `${decimal(cell.low, digits)} to ${decimal(cell.high, digits)}` : "";
}
