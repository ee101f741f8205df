// Answers as a CSV file that a spreadsheet can open without running anything in it.

const STARTS_FORMULA = /^[=+\-@\t\r\n＝＋－＠]/;

/** Return rows of the server's as CSV (RFC 4180, UTF-8 with its mark, so that spreadsheets show emoji). */
export function csvOf(model, rows) {
  const classes = model.value === "probabilities" ? model.classes : [];
  const value = classes.length ? "probability" : model.value;
  const each = classes.map((name) => `probability of ${name}`);
  const columns = ["input", "label", value, ...each, "of", "threshold", "note", "error"];
  const lines = rows.map((row) => [
    row.input,
    row.label,
    classes.length ? row.probabilities?.[row.label] : row[value],
    ...classes.map((name) => row.probabilities?.[name]),
    row.of,
    row.threshold,
    row.note,
    row.error,
  ]);
  return `\ufeff${[columns, ...lines].map((line) => line.map(cell).join(",")).join("\r\n")}\r\n`;
}

/** Write one cell. Text that a spreadsheet would take for a formula gets an apostrophe before it; numbers stay. */
export function cell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  const text = STARTS_FORMULA.test(value) ? `'${value}` : String(value);
  return /[",\r\n']/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
