"""Labelled texts of a set: rows of files or whole files, checked one by one, with what cannot be used left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from keras_dl.data import tables
from keras_dl.data.files import name_below, readable, walk
from keras_dl.data.images import Rows, Skipped, allowing
from keras_dl.data.layout import part_above, part_of
from keras_dl.errors import BadInput, KerasDLError

LARGEST_TEXT = 1_000_000  # bytes; a novel has about as many


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


def labelled(path: Path, known: Sequence[str], part: str = "") -> list[Row | Skipped]:
    """Read a table with a column of texts and one of labels, and say why a row is none.

    Cells beyond a text in the last column that has a name belong to the text: it was written without quotes.

    Args:
        path: the table.
        known: the labels, in small letters; other labels keep their case.
        part: of all its rows.

    Raises:
        KerasDLError: if it is no table, or names no such columns.
    """
    table = tables.read(path)
    if table.first is None:
        raise KerasDLError(f"{readable(str(path))}: the file is empty; pass a table of texts and labels to --data")
    text, label = table.column("text"), table.column("label")
    if text is None or label is None:
        names = {what: ", ".join(tables.NAMES[what][:4]) for what in ("text", "label")}
        raise KerasDLError(
            f"{readable(str(path))}: its first line '{table.separator.join(table.header)[:60]}', read with "
            f"{tables.SEPARATORS[table.separator]} between the columns, does not name a column of texts "
            f"({names['text']}) and one of labels ({names['label']}); name the columns in that line"
        )
    name = readable(f"{part}/{path.name}" if part else path.name)  # the tables of two parts may have one name
    nameless = [not cell or cell.startswith("unnamed") for cell in table.header]
    last = text + 1
    while last < len(nameless) and nameless[last]:
        last += 1
    torn = f"without the header's {len(nameless)} cells"
    found: list[Row | Skipped] = []
    for line, row in table.filled:
        end = len(row) if last == len(nameless) else last
        if (len(row) > len(nameless) and end != len(row)) or len(row) <= max(text, label):
            found.append(Skipped(f"{name}:{line}", torn))
        else:
            cells = row[text:end]
            while len(cells) > 1 and not cells[-1]:
                cells.pop()
            written = row[label].strip()
            written = written.casefold() if written.casefold() in known else written
            found.append(Row(f"{name}:{line}", table.separator.join(cells), written, part))
    return found


def tables_in(folder: Path, source: Path, wanted: str, absent: str = "in it are ") -> list[tuple[Path, str]]:
    """Return the one table below a folder, or several with the part that the name of each tells.

    Args:
        folder: where to look.
        source: for errors.
        wanted: what to give, for errors.
        absent: what is not there either, for errors.

    Raises:
        KerasDLError: if there is no table, or several that are not train, validation and test.
    """
    found = [path for path in walk(folder) if tables.is_table(path)]
    parts = [part_of(path.name.partition(".")[0])[0] or part_above(folder, path) for path in found]
    if len(found) == 1:
        return [(found[0], "")]
    if found and all(parts) and len(set(parts)) == len(parts):
        return list(zip(found, parts, strict=True))
    names = ", ".join(name_below(folder, path) for path in found[:5])
    seen = f"the tables {names}, whose names do not say which is train and which is test" if found else "no CSV file"
    raise KerasDLError(f"{readable(str(source))}: {absent}{seen}; give --data {wanted}")


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


def with_unread(texts: Texts, others: Sequence[Path]) -> Texts:
    """Count tables that lie next to the published one and are not read; each counts as a row that is left out."""
    unread = tuple(Skipped(readable(path.name), "another table next to the published one") for path in others)
    notes = {**texts.notes, "rows": texts.notes["rows"] + len(unread)}
    return replace(texts, skipped=texts.skipped + unread, notes=notes)


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
        + (f"correct them, or train with {allowing(len(skipped) / count)}" if good else "pass another file to --data")
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
        raise BadInput(f"{len(raw):,} bytes, but a text may have at most {LARGEST_TEXT:,}; split it")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(f"not UTF-8 at byte {error.start} ({raw[error.start]:#04x}); save the text as UTF-8") from None
    if not text.strip():
        raise BadInput("the text is empty")
