"""What a user's own table says of examples: a column names the example, the others are whatever the user knows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from keras_dl.data import tables
from keras_dl.errors import KerasDLError, UsageError
from keras_dl.paths import at_home

NAMES = ("id", *tables.NAMES["file"])  # of the column that names the example
SHOWN = 2  # names in an error


@dataclass(frozen=True)
class Annotations:
    """The columns of a table, in the order of the examples."""

    columns: Mapping[str, Sequence[str | None]]  # name -> [count]; None: no row names the example
    notes: Sequence[str]  # what was not matched, a sentence each


NOTHING = Annotations({}, ())


def read(path: str | Path, ids: Sequence[str]) -> Annotations:
    """Read a table and find the example that each row is about.

    Args:
        path: a CSV or TSV file whose first line names the columns; one is called id or file.
        ids: of the examples.

    A name is an id, an id with folders before it, the end of an id, or a file name with or without its suffix; the
    first of these that any row fits counts for all rows. The table that texts were read from needs no such column.

    Raises:
        UsageError: if the table is not there, names no example, or has nothing else to say.
        KerasDLError: if it cannot be read.
    """
    file = at_home(path)
    if not file.is_file():
        raise UsageError(f"there is no table at '{path}'; give a CSV or TSV file with a column id or file")
    table = tables.read(file)
    titles = [cell.strip() for cell in table.first[1]] if table.first else []
    place = next((table.header.index(name) for name in NAMES if name in table.header), None)
    texts = place is None and any(f"{file.name}:" in one for one in ids)  # from this very table: "spam.csv:17"
    if place is None and not texts:
        raise UsageError(
            f"{path}: no column is called id or file, which names the example; its columns are: {', '.join(titles)}"
        )
    if torn := table.wide():
        raise KerasDLError(f"{path}, line {torn}: it has more cells than the first line; put such a text in quotes")
    own = {index: title for index, title in enumerate(titles) if title and index != place}
    if not own:
        raise UsageError(f"{path}: it has only the column '{', '.join(titles)}'; add one that tells examples apart")
    rows = [row for _, row in table.filled]
    names = [f"{file.name}:{line}" if place is None else cell(row, place) for line, row in table.filled]
    found = matched(names, ids)
    if not any(row is not None for row in found):
        raise UsageError(f"{path}: {no_match('line' if place is None else titles[place], names, ids)}")
    return joined(rows, found, own, len(ids))


def joined(
    rows: Sequence[Sequence[str]], found: Sequence[int | None], own: Mapping[int, str], count: int
) -> Annotations:
    """Put the cells of the rows in the order of the examples; of two rows of an example the first counts."""
    of: dict[int, Sequence[str]] = {}
    strangers, different = 0, set()
    for row, example in zip(rows, found, strict=True):
        if example is None:
            strangers += 1
        elif cells(row, own) != cells(of.setdefault(example, row), own):
            different.add(example)
    columns: dict[str, list[str | None]] = {}
    for index, title in own.items():
        name = title if title not in columns else f"{title} ({index + 1})"
        columns[name] = [cell(of[one], index) if one in of else None for one in range(count)]
    notes = [f"The table has a row for {len(of):,} of {count:,} test examples."]
    if strangers:
        notes.append(f"{strangers:,} of its rows name no test example.")
    if different:
        have = "1 example has" if len(different) == 1 else f"{len(different):,} examples have"
        notes.append(f"{have} rows that differ; the first counts.")
    return Annotations(columns, notes)


def matched(names: Sequence[str], ids: Sequence[str]) -> list[int | None]:
    """Return the example that each name means, None for those that mean none or several."""
    plain = [name.replace("\\", "/") for name in names]
    found: list[int | None] = [None] * len(names)
    for index, ways in forms(ids):
        found = [next((index[way] for way in ways(name) if index.get(way) is not None), None) for name in plain]
        if any(one is not None for one in found):
            break
    return found


def forms(ids: Sequence[str]) -> Iterator[tuple[dict[str, int | None], Callable[[str], Iterable[str]]]]:
    """Give the ways in which a name may mean an example, the strictest first: an index, and what is looked up there."""
    yield unique((one, row) for row, one in enumerate(ids)), tails
    yield unique((tail, row) for row, one in enumerate(ids) for tail in tails(one)), lambda name: [name]
    yield unique((base(one), row) for row, one in enumerate(ids)), lambda name: [base(name)]
    yield unique((stem(one), row) for row, one in enumerate(ids)), lambda name: [stem(name)]


def unique(pairs: Iterable[tuple[str, int]]) -> dict[str, int | None]:
    """Return the row of each key, None where several have it."""
    index: dict[str, int | None] = {}
    for key, row in pairs:
        index[key] = row if index.setdefault(key, row) == row else None
    return index


def tails(name: str) -> Iterator[str]:
    """Give a path, and what is left of it without its first folders."""
    while name:
        yield name
        name = name.partition("/")[2]


def base(name: str) -> str:
    """Return the name of a file without its folders."""
    return name.rpartition("/")[2]


def stem(name: str) -> str:
    """Return the name of a file without folders and suffix."""
    return base(name).rpartition(".")[0] or base(name)


def cells(row: Sequence[str], own: Iterable[int]) -> list[str]:
    """Return the cells of some columns."""
    return [cell(row, index) for index in own]


def cell(row: Sequence[str], index: int) -> str:
    """Return a cell; rows may end early."""
    return row[index].strip() if index < len(row) else ""


def no_match(title: str, names: Sequence[str], ids: Sequence[str]) -> str:
    """Say that no row means an example, and what ids look like."""
    theirs, ours = (", ".join(f"'{one}'" for one in list(some)[:SHOWN]) for some in (names, ids))
    return (
        f"no row names a test example; its column '{title}' has {theirs or 'nothing'}, but the ids of the examples are "
        f"like {ours}; splits.csv of the run lists them all"
    )
