"""Texts in the columns of a table: of a file to predict, or of an upload."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keras_dl.data import tables
from keras_dl.errors import BadInput, TooMuch

CELLS = 5_000_000  # of a file
LONGEST = 10_000_001  # characters of a cell: a text that is too long is refused in its row
LARGEST = 200_000_000  # bytes of a file, unpacked


@dataclass(frozen=True)
class Listed:
    """The texts of a table, and the labels where it has them; all in the order of the rows."""

    texts: Sequence[str]
    lines: Sequence[int]  # where each row begins, from 1
    labels: Sequence[str] | None  # as written; None: the table has no column of labels


def listed(data: bytes) -> Listed:
    """Read the texts of a table: they stand in its only column, or in one called text (see `tables.NAMES`).

    Args:
        data: a file as `tables.parse` takes it.

    Raises:
        BadInput: if it cannot be read, or it is not clear which column has the texts.
        TooMuch: if it has more than CELLS cells.
    """
    text = tables.text_of(data, LARGEST)
    if text.count(sign := tables.separator(text)) > CELLS:
        raise TooMuch(f"it has more than {CELLS:,} cells; split the file")
    try:
        table = tables.parse(text.encode("utf-8", "surrogatepass"), longest=LONGEST)
    except BadInput as error:
        raise BadInput(f"the CSV file cannot be read: {error}") from None
    if table.first is None:
        raise BadInput("the CSV file is empty")
    place, label = table.column("text"), table.column("label")
    most = max(len(row) for _, row in (table.first, *table.rows))
    if place is None and most > 1:
        raise BadInput(
            f"the CSV file has up to {most} columns, read with {tables.SEPARATORS[sign]} between them, and none is "
            "called 'text'; name the text column in the first line, or put each text in double quotes"
        )
    if place is not None and (torn := table.wide()):
        raise BadInput(
            f"line {torn} of the CSV file has more cells than the header; put a text that contains "
            f"{tables.SEPARATORS[sign]} in double quotes"
        )
    rows = [table.first, *table.rows] if place is None else table.rows
    return Listed(
        [_cell(row, place or 0) for _, row in rows],
        [line for line, _ in rows],
        None if place is None or label is None else [_cell(row, label).strip() for _, row in rows],
    )


def _cell(row: Sequence[str], place: int) -> str:
    return row[place] if place < len(row) else ""
