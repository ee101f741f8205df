// How good a model is: its figures on the test part, with their intervals.

import { decimal, make, section } from "./dom.js";

const TITLES = {
  auroc: "AUROC",
  pr_auc: "PR AUC",
  macro_f1: "Macro F1",
  f1: "F1",
  ppv: "Positive predictive value",
  npv: "Negative predictive value",
  brier: "Brier score",
  ece: "Calibration error",
};
const FIRST = ["auroc", "accuracy", "macro_f1", "sensitivity", "specificity", "f1", "ece"]; // what most people ask for
const TILES = 4;

/** Make the section of test figures, or null where the server has none. */
export function figures(model) {
  const metrics = Object.entries(model.test?.metrics ?? {}).filter(([, cell]) => typeof cell?.value === "number");
  if (!metrics.length) return null;
  const rank = ([name]) => (FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length);
  metrics.sort((one, other) => rank(one) - rank(other));
  const tiles = metrics.slice(0, TILES).map(([name, cell]) =>
    make(
      "div",
      {},
      make("dt", { text: titleOf(name) }),
      make("dd", {}, make("strong", { text: decimal(cell.value) }), make("small", { text: interval(cell) })),
    ),
  );
  const rows = metrics.map(([name, cell]) =>
    make(
      "tr",
      {},
      make("th", { scope: "row", text: titleOf(name) }),
      make("td", { text: decimal(cell.value) }),
      make("td", { text: interval(cell) }),
    ),
  );
  const heads = ["Metric", "Value", "95 % interval"].map((text) => make("th", { scope: "col", text }));
  const table = make("table", {}, make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...rows));
  const examples = Number(model.test.examples).toLocaleString("en");
  const summary = make("summary", { text: `All ${metrics.length} figures` });
  const all = make("details", {}, summary, make("div", { class: "scroll" }, table));
  return section(
    "How good it is",
    make("p", { text: `On ${examples} examples that neither training nor any choice has seen; with 95 % intervals.` }),
    make("dl", { class: "tiles" }, ...tiles),
    metrics.length > TILES ? all : null,
  );
}

function titleOf(name) {
  const plain = name.replaceAll("_", " ").replace(/^(recall|precision) /, "$1 of ");
  return TITLES[name] ?? plain.charAt(0).toUpperCase() + plain.slice(1);
}

function interval(cell) {
  const known = typeof cell.low === "number" && typeof cell.high === "number";
  return known ? `${decimal(cell.low)} to ${decimal(cell.high)}` : "";
}
