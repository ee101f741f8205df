"""Texts in the columns of an uploaded CSV file."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from keras_dl.data.texts import records
from keras_dl.errors import BadInput, TooMuch

COLUMNS = ("text", "message", "sentence", "review")  # that the texts may stand in
CELLS = 5_000_000  # of a file
LONGEST = 10_000_001  # characters of a cell
NAMES = {",": "commas", ";": "semicolons", "\t": "tabs"}


def in_columns(data: bytes, most: int) -> tuple[int, Iterator[tuple[str, bytes]]]:
    """Return the count of the texts of a CSV file, and name and bytes of each.

    Args:
        data: a CSV file in UTF-8: the texts stand in its only column, or in one called text.
        most: rows that are wanted; of a longer file two more are read at most, for the caller to see that it is longer.

    Raises:
        BadInput: if it cannot be read.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"the CSV file is not UTF-8 at byte {error.start}; save it as UTF-8") from None
    sign = separator(text)
    if text.count(sign) > CELLS:
        raise TooMuch(f"more than {CELLS:,} cells are too many; cut the file into parts")
    try:
        found = list(islice(records(text, sign, LONGEST), most + 2))  # one line more than can be
    except BadInput as error:
        raise BadInput(f"the CSV file cannot be read: {error}") from None
    if not found:
        raise BadInput("the CSV file is empty")
    rows = [row for _, row in found]
    header = [cell.strip().lower() for cell in rows[0]]
    place = next((header.index(name) for name in COLUMNS if name in header), None)
    most_cells = max(map(len, rows))
    if place is None and most_cells > 1:
        raise BadInput(
            f"the CSV file has up to {most_cells} columns and none is called 'text'; name the column of the texts in "
            "the first line, or put each text in double quotes"
        )
    torn = next((line for line, row in found if any(row[len(header) :])), None)
    if place is not None and torn:
        raise BadInput(
            f"line {torn} of the CSV file has more cells than the first line names; put a text that holds "
            f"{NAMES[sign]} in double quotes"
        )
    rows = rows if place is None else rows[1:]
    texts = [row[place or 0] if len(row) > (place or 0) else "" for row in rows]
    return len(texts), ((text, text.encode("utf-8", "replace")) for text in texts)


def separator(text: str) -> str:
    """Return what parts the columns: a tab or a semicolon where the first line has these and no comma."""
    first = text.split("\n", 1)[0]
    return next((sign for sign in "\t;" if sign in first and "," not in first), ",")
