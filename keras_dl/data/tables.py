"""Tables as people have them: CSV files with commas, semicolons or tabs, packed with gzip or not, of any encoding.

Training, `evaluate`, `predict` and the server read tables here, so that a file means the same everywhere.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from keras_dl.data.files import readable
from keras_dl.errors import BadInput, KerasDLError

LARGEST_FILE = 2_000_000_000  # bytes, unpacked
LONGEST_CELL = 1_000_000  # characters
SUFFIXES = (".csv", ".tsv", ".tab", ".csv.gz", ".tsv.gz", ".tab.gz")
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
SAMPLE = 20  # lines that tell the separator
SNIFFED = 1 << 16  # bytes that tell whether it is text
NAMES: Mapping[str, tuple[str, ...]] = {  # what a column holds -> what people call it, in small letters
    "text": (
        *("text", "message", "review", "sentence", "sms", "tweet", "comment", "content", "body", "post", "document"),
        *("review_text", "text_message", "reviewtext", "v2", "description", "utterance", "email", "mail", "texts"),
    ),
    "label": (
        *("label", "sentiment", "category", "class", "target", "labels", "v1", "tag", "emoji", "polarity", "spam"),
        *("type", "label_num", "classification", "y"),
    ),
    "count": ("count", "counts", "cells", "cell_count", "number", "n"),
    "file": ("file", "filename", "file_name", "image", "path", "image_path", "filepath", "image_name", "img"),
}
UNCLOSED = (
    "a quote is opened, but not closed at the end of its cell; close it, or double the quotes inside a quoted text"
)
Line = tuple[int, list[str]]  # the number of the line where a row begins, from 1; the cells of the row


@dataclass(frozen=True)
class Table:
    """The rows of a table, the first one that is not blank apart: it may name the columns, or not."""

    separator: str
    first: Line | None  # None: the table is empty
    rows: Sequence[Line]

    @property
    def header(self) -> list[str]:
        """The cells of the first line, in small letters, without blanks around them."""
        return [cell.strip().casefold() for cell in self.first[1]] if self.first else []

    @property
    def filled(self) -> list[Line]:
        """The rows after the first that are not blank: spreadsheets write blank ones at the end."""
        return [line for line in self.rows if not is_blank(line)]

    def column(self, what: str) -> int | None:
        """Return where the column of texts, labels or files is, by the names of NAMES; None where none is called so."""
        return next((self.header.index(name) for name in NAMES[what] if name in self.header), None)

    def wide(self) -> int:
        """Return the line of the first row with more cells than the first line names, or 0."""
        return next((line for line, row in self.rows if any(cell.strip() for cell in row[len(self.header) :])), 0)


def is_blank(line: Line) -> bool:
    """Whether a row has nothing in its cells."""
    return not any(cell.strip() for cell in line[1])


def is_table(path: Path) -> bool:
    """Whether a file is called like a table."""
    return path.name.lower().endswith(SUFFIXES)


def read(path: Path) -> Table:
    """Read a file.

    Raises:
        KerasDLError: if it is too large, or no table; see `parse`.
    """
    try:
        return parse(path.read_bytes())
    except BadInput as error:
        where = "," if str(error).startswith("line") else ":"
        raise KerasDLError(f"{readable(str(path))}{where} {error}") from None
    except OSError as error:
        raise KerasDLError(f"{readable(str(path))}: {error.strerror}; check the file's permissions") from None


def parse(data: bytes, *, largest: int = LARGEST_FILE, longest: int = LONGEST_CELL) -> Table:
    """Read the bytes of a file.

    Args:
        data: the file, packed with gzip or not.
        largest: bytes that it may have, unpacked.
        longest: characters that a cell may have.

    Raises:
        BadInput: if it is too large, not text, or has quotes that swallow lines, with the number of the line.
    """
    text = text_of(data, largest)
    sign = separator(text)
    rows = unquoted(text) if sign == "\t" else []
    rows = rows or list(records(text, sign, longest))
    start = next((place for place, line in enumerate(rows) if not is_blank(line)), len(rows))
    return Table(sign, rows[start] if start < len(rows) else None, rows[start + 1 :])


def text_of(data: bytes, largest: int = LARGEST_FILE) -> str:
    """Decode a file: UTF-8 or UTF-16, with or without a byte-order mark, or else cp1252 as older files have it.

    Raises:
        BadInput: if it has more than `largest` bytes, unpacked, is damaged, or no text.
    """
    if data.startswith(b"\x1f\x8b"):
        try:
            with gzip.open(io.BytesIO(data)) as file:
                data = file.read(largest + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise BadInput(f"a damaged gzip file: {error}") from None
    if len(data) > largest:
        raise BadInput(f"it has more than {largest:,} bytes; split the file")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    if data.count(b"\0", 0, SNIFFED) * 100 > len(data[:SNIFFED]):  # one by accident is no reason
        raise BadInput("not a text file, because it has zero bytes; use a CSV file in UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace").replace("\x00", "")


def separator(text: str) -> str:
    """Return what parts the columns: the sign that parts known names in the first line, or as many cells in each."""
    lines = [line for line in text[: 1 << 20].splitlines()[: 2 * SAMPLE] if line.strip()][:SAMPLE]
    known = {name for names in NAMES.values() for name in names}
    for sign in SEPARATORS:
        first = [cell.strip(' "').casefold() for cell in lines[0].split(sign)] if lines else []
        if len(first) > 1 and known.intersection(first):
            return sign
    even = [sign for sign in SEPARATORS if len(counts := {_cells(line, sign) for line in lines}) == 1 and counts != {1}]
    return even[0] if len(even) == 1 else ","


def _cells(line: str, sign: str) -> int:
    try:
        return len(next(csv.reader([line], delimiter=sign), []))
    except csv.Error:
        return 1


def records(text: str, separator: str = ",", longest: int = LONGEST_CELL) -> Iterator[Line]:
    """Give the records of a CSV text that are not empty, each with the number of the line where it begins (from 1).

    Args:
        text: of the file.
        separator: of the cells.
        longest: cell, in characters.

    Raises:
        BadInput: if a record is too long, or a quote that opens is not closed where a cell ends: Python's reader takes
            all lines up to the next quote for one cell.
    """
    csv.field_size_limit(longest)
    lines = list(io.StringIO(text, newline=""))
    reader = csv.reader(lines, delimiter=separator)
    line = 1
    try:
        for row in reader:
            if reader.line_num > line and not explained(lines[line - 1 : reader.line_num], separator):
                raise BadInput(f"line {line}: {UNCLOSED}")
            if row:
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise BadInput(f"line {line}: {UNCLOSED if reader.line_num > line else error}") from None


def explained(lines: Sequence[str], separator: str, *, many: bool = False) -> bool:
    """Whether the quotes of a record explain that it goes over several lines; with `many` of any number of records."""
    try:
        count = len(list(csv.reader(lines, delimiter=separator, strict=True)))
        return many or count == 1
    except csv.Error:
        return False


def unquoted(text: str) -> list[Line]:
    """Return the lines of a table with tabs if its quotes mean nothing, as in many such files; else nothing.

    They do if they are no quotes of CSV, and no line has fewer cells than the first.
    """
    if explained(list(io.StringIO(text, newline="")), "\t", many=True):
        return []
    lines = [(number, line.split("\t")) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    return lines if min(len(row) for _, row in lines) == len(lines[0][1]) else []
