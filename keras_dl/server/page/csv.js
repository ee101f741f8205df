// Answers as a CSV file that a spreadsheet can open without running anything in it.

const VERDICT = ["unusual", "unusualness"]; // a model of an earlier version gives none
const STARTS_FORMULA = /^[=+\-@\t\r\n＝＋－＠]/;

/** Return rows of the server's as CSV (RFC 4180, UTF-8 with its mark, so that spreadsheets show emoji). */
export function csvOf(model, rows) {
  const columns = model.columns ?? [];
  const truths = rows.some((row) => row.truth !== undefined) ? ["truth"] : [];
  const names = ["input", ...truths];
  const verdict = VERDICT.filter((name) => rows.some((row) => row[name] !== undefined));
  const heads = [...names, ...columns.map(({ path }) => path.join(" ")), ...verdict, "note", "error"];
  const cells = (row) => [...names.map((name) => row[name]), ...columns.map((column) => valueOf(row, column))];
  const lines = rows.map((row) => [...cells(row), ...verdict.map((name) => row[name]), row.note, row.error]);
  return `\ufeff${[heads, ...lines].map((line) => line.map(cell).join(",")).join("\r\n")}\r\n`;
}

/** Return what stands in a column of a row; undefined where the row has no such value. */
export function valueOf(row, { path }) {
  return path.reduce((value, key) => value?.[key], row);
}

/** Write one cell. Text that a spreadsheet would take for a formula gets an apostrophe before it; numbers stay. */
export function cell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  const plain = typeof value === "object" ? JSON.stringify(value) : String(value);
  const text = STARTS_FORMULA.test(plain) ? `'${plain}` : plain;
  return /[",\r\n']/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
