"""Labelled texts of a set: rows of files or whole files, checked one by one, with what cannot be used left out."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from keras_dl.data.images import Rows, Skipped, allowing
from keras_dl.errors import BadInput, KerasDLError

LARGEST_TEXT = 1_000_000  # bytes; a novel has about as many
LARGEST_FILE = 2_000_000_000  # bytes


@dataclass(frozen=True)
class Texts(Rows):
    """The usable texts of a set; all fields share one order, that of the files."""

    texts: tuple[str, ...]
    labels: np.ndarray  # int64, index into `classes`
    classes: tuple[str, ...]
    ids: tuple[str, ...]  # "spam.csv:17" (line of the file) or "train/pos/0_9.txt": what a person would look up; unique
    groups: np.ndarray  # str: texts of one group belong in one split; copies of a text share theirs
    parts: np.ndarray  # str: "train", "validation" or "test" as the files said, "" where they said nothing
    skipped: tuple[Skipped, ...] = ()
    notes: Mapping[str, Any] = field(default_factory=dict)  # counts a reader wants to see in card and report

    EACH = ("texts", "ids", "labels", "groups", "parts")


@dataclass(frozen=True)
class Row:
    """One labelled text as a file had it."""

    id: str
    text: str
    label: str  # as written in the file, without surrounding blanks
    part: str = ""
    group: str = ""  # a document, a film; "" makes the text its own group, shared with its copies


def collect(
    rows: Iterable[Row],
    classes: Mapping[str, str],
    source: Path,
    *,
    bad_share: float = 0.05,
    broken: Sequence[Skipped] = (),
) -> Texts:
    """Check rows and put the usable ones together.

    Left out are empty texts, labels outside `classes`, and, where there is a test part, the texts outside it that
    have a copy (or another text of their group) in it. Copies within a part stay, in one group.

    Args:
        rows: in the order of the files.
        classes: label as the file has it -> name of the class; the order of the names is that of the indices.
        source: for errors.
        bad_share: the largest share of unusable rows that is only reported.
        broken: what the reader could not even make a row of.

    Raises:
        KerasDLError: if no row can be used, or more than `bad_share` of them cannot.
    """
    names = tuple(dict.fromkeys(classes.values()))
    kept, skipped = [], list(broken)
    for row in rows:
        reason = fault(row, classes)
        if reason:
            skipped.append(Skipped(row.id, reason))
        else:
            kept.append(row)
    refuse_too_many(source, skipped, len(kept), bad_share)
    found = Texts(
        texts=tuple(row.text for row in kept),
        labels=np.array([names.index(classes[row.label]) for row in kept], dtype=np.int64),
        classes=names,
        ids=tuple(row.id for row in kept),
        groups=np.array([row.group or key(row.text) for row in kept], dtype=str),
        parts=np.array([row.part for row in kept], dtype=str),
        skipped=tuple(skipped),
        notes={"rows": len(kept) + len(skipped), "copies": len(kept) - len({key(row.text) for row in kept})},
    )
    return apart(found)


def with_test_part(texts: Texts, test: np.ndarray) -> Texts:
    """Name the test part by a boolean mask `[count]`, and leave out what has a copy in it."""
    return apart(replace(texts, parts=np.where(test, "test", "train")))


def joined(texts: Texts, more: Texts, apart_from: Texts) -> Texts:
    """Add texts of another set with the same classes, but for those that have a copy in `texts` or `apart_from`."""
    known = {key(one) for one in (*texts.texts, *apart_from.texts)}
    more = more.take([row for row, one in enumerate(more.texts) if key(one) not in known])
    return replace(
        texts,
        texts=texts.texts + more.texts,
        ids=texts.ids + tuple(f"samples/{name}" for name in more.ids),
        labels=np.concatenate([texts.labels, more.labels]),
        groups=np.concatenate([texts.groups, more.groups]),
        parts=np.concatenate([texts.parts, more.parts]),
    )


def apart(texts: Texts) -> Texts:
    """Leave out of the other parts what shares a group with the test part, and say so."""
    test = texts.parts == "test"
    leaks = ~test & np.isin(texts.groups, texts.groups[test])
    gone = tuple(Skipped(name, "has a copy in the test part") for name in texts.take(leaks).ids)
    return replace(texts.take(~leaks), skipped=texts.skipped + gone)


def fault(row: Row, classes: Mapping[str, str]) -> str:
    """Say why a row cannot be used, or nothing."""
    if not row.text.strip():
        return "empty text"
    if row.label not in classes:
        known = ", ".join(classes)
        return f"label outside the classes: '{row.label[:30]}' is none of {known}"
    return ""


def refuse_too_many(source: Path, skipped: Sequence[Skipped], good: int, bad_share: float) -> None:
    """Raise KerasDLError if nothing is left, or more was left out than may be."""
    count = good + len(skipped)
    if good and len(skipped) <= bad_share * count:
        return
    reasons = Counter(one.reason for one in skipped).most_common(3)
    why = (
        "; ".join(f"{count} times {reason}, as at {first(skipped, reason)}" for reason, count in reasons)
        or "it is empty"
    )
    raise KerasDLError(
        f"{source}: {len(skipped)} of {count} rows cannot be used ({why}); "
        + (f"mend them, or train with {allowing(len(skipped) / count)}" if good else "give --data another file")
    )


def first(skipped: Sequence[Skipped], reason: str) -> str:
    """Return the first place where a reason was given."""
    return next(one.path for one in skipped if one.reason == reason)


def key(text: str) -> str:
    """Return what copies of a text share: its words, whatever the case and the blanks."""
    import hashlib

    return hashlib.sha256(" ".join(text.casefold().split()).encode()).hexdigest()[:16]


def check(raw: bytes) -> None:
    """Raise BadInput for bytes that are no text this package reads: not UTF-8, without any letter or sign, too long."""
    if len(raw) > LARGEST_TEXT:
        raise BadInput(f"{len(raw):,} bytes are more than the {LARGEST_TEXT:,} a text may have; cut it into parts")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(f"not UTF-8 at byte {error.start} ({raw[error.start]:#04x}); save the text as UTF-8") from None
    if not text.strip():
        raise BadInput("the text is empty")


def text_of(path: Path) -> str:
    """Read a whole file of UTF-8 (with or without a byte-order mark), or else of latin-1 as older sets have it.

    Raises:
        KerasDLError: if the file is too large.
    """
    if path.stat().st_size > LARGEST_FILE:
        raise KerasDLError(f"{path} has more than {LARGEST_FILE:,} bytes; that is no set this package knows")
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace").replace("\x00", "")


def csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Give the rows of a CSV file that are not blank, each with the number of the line where it begins (from 1).

    Raises:
        KerasDLError: if it is no CSV file; see `records`.
    """
    try:
        for line, row in records(text_of(path)):
            if any(cell.strip() for cell in row):
                yield line, row
    except BadInput as error:
        raise KerasDLError(f"{path}, {error}") from None


def records(text: str, separator: str = ",", longest: int = LARGEST_TEXT) -> Iterator[tuple[int, list[str]]]:
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
    unclosed = (
        "a quote is opened and not closed where its cell ends; close it, or double quotes inside of a quoted text"
    )
    try:
        for row in reader:
            if reader.line_num > line and not explained(lines[line - 1 : reader.line_num], separator):
                raise BadInput(f"line {line}: {unclosed}")
            if row:
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise BadInput(f"line {line}: {unclosed if reader.line_num > line else error}") from None


def explained(lines: Sequence[str], separator: str) -> bool:
    """Whether the quotes of a record explain that it goes over several lines."""
    try:
        return len(list(csv.reader(lines, delimiter=separator, strict=True))) == 1
    except csv.Error:
        return False
