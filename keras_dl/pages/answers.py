"""Answers as a CSV file: a row for each input, a column for each value."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_dl.errors import UsageError

FORMULA = tuple("=+-@\t\r\n＝＋－＠")  # what a spreadsheet takes for the beginning of a formula


def write(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the rows of `predict` as CSV in UTF-8; values within values get columns such as "probabilities heart".

    A text that a spreadsheet would take for a formula gets an apostrophe in front, as on the served page.

    Raises:
        UsageError: if the file cannot be written.
    """
    flat = [flattened(row) for row in rows]
    columns = dict.fromkeys(name for row in flat for name in row)
    try:
        with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows([cell(row.get(name)) for name in columns] for row in flat)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}; choose another file for --out") from None


def flattened(row: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Return the values of a row by their way: {"probabilities": {"heart": 0.9}} gives "probabilities heart"."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, Mapping):
            found |= flattened(value, f"{above}{name} ")
        else:
            found[f"{above}{name}"] = value
    return found


def cell(value: Any) -> Any:
    """Return what is written for a value: numbers as they are, lists as JSON."""
    if value is None or isinstance(value, int | float):
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.startswith(FORMULA) else text
