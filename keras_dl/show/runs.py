"""What `runs` says at a terminal."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from keras_dl.figures.names import shortened
from keras_dl.pages.terminal import columns, harmless, styled, table
from keras_dl.runs.listing import Row, by_task
from keras_dl.show import wrapped

ENDS = ("value", "low", "high")
DIRECTIONS = {True: "more is better", False: "less is better"}


def listed(rows: Sequence[Row], folder: Path | None) -> str:
    """List runs, a table for each task, and say what may be typed: names, and how to go on with those that stopped.

    Args:
        rows: as `runs.listing.rows` gives them.
        folder: what they are in; None for the folder runs, whose runs go by name.
    """
    if not rows:
        return f"no run in {folder or 'runs'}; keras-dl train TASK makes one"
    tables = "\n\n".join(task_table(task, group, folder) for task, group in by_task(rows))
    return "\n\n".join([tables, *notes(rows, tables)])


def task_table(task: str, rows: Sequence[Row], folder: Path | None) -> str:
    """Lay out the runs of one task: name, data, when it was begun, as many figures as fit, and marks."""
    room = shutil.get_terminal_size().columns
    titles = {name: cell["title"] for row in rows for name, cell in row["metrics"].items()}
    first, *others = [[title, *figures(rows, name)] for name, title in titles.items()] or [[""] * (len(rows) + 1)]
    first = [figure or (state(row) if row else "") for figure, row in zip(first, [None, *rows], strict=True)]
    tiny = ["", *("tiny" if "tiny" in row["marks"] else "" for row in rows)]
    for most in ((40, 20), (24, 12)):  # of a name and of data, where there is room for long ones and where not
        cells = [*beginnings(rows, folder, *most), first]
        if width([*cells, tiny]) <= room:
            break
    for column in others:
        if width([*cells, column, tiny]) > room:
            break
        cells.append(column)
    lined_up = table(list(zip(*cells, tiny, strict=True)))
    return f"{styled(task or 'not readable', bold=True)}\n{lined_up}"


def beginnings(rows: Sequence[Row], folder: Path | None, name: int, data: int) -> list[list[str]]:
    """Return the first columns: name, data and when it was begun; at most so many letters of the first two."""
    marked = [f"{'*' if row['answers'] else ' '} {shortened(harmless(named(row, folder)), name - 2)}" for row in rows]
    return [
        ["run", *marked],
        ["data", *(shortened(harmless(row["data"]), data) for row in rows)],
        ["begun", *(when(row["begun"]) for row in rows)],
    ]


def named(row: Row, folder: Path | None) -> str:
    """Return what to call a run: as it may be typed, or of those in another folder its path there."""
    if folder is None:
        return row["call"]
    path = Path(row["run"])
    return str(path.relative_to(folder)) if path != folder else str(path)


def figures(rows: Sequence[Row], name: str) -> list[str]:
    """Write a figure of each run with its interval, the points below each other; "" where it has none."""
    cells = [row["metrics"].get(name) for row in rows]
    ends = [[f"{cell[end]:.{cell['digits']}f}" for end in ENDS if cell and cell[end] is not None] for cell in cells]
    wide = max((len(number) for numbers in ends for number in numbers), default=0)
    said = []
    for cell, numbers in zip(cells, ends, strict=True):
        padded = [number.rjust(wide) for number in numbers]
        said.append("" if cell is None else "not defined")
        if len(padded) == len(ENDS):
            said[-1] = f"{padded[0]} [{padded[1]}, {padded[2]}]"
        elif cell and cell["value"] is not None:
            said[-1] = padded[0]
    return said


def state(row: Row) -> str:
    """Say how far a run came that is not complete."""
    if row["problem"]:
        return "not readable"
    if row["complete"]:
        return ""
    return ("training" if row["training"] else "stopped") + (f", epoch {row['epochs']}" if row["epochs"] else "")


def width(cells: Sequence[Sequence[str]]) -> int:
    """Return how many columns a table of these columns takes."""
    return sum(max(map(columns, one)) for one in cells) + 2 * (len(cells) - 1)


def when(begun: str) -> str:
    """Write a time as `ls -l` does: "28 Nov 02:46", of other years "28 Nov 2025"."""
    time = datetime.fromisoformat(begun)
    this_year = time.year == datetime.now().year
    return f"{time.day:2} {time:%b %H:%M}" if this_year else f"{time.day:2} {time:%b  %Y}"


def notes(rows: Sequence[Row], tables: str) -> list[str]:
    """Say what the tables mean, and what to type next."""
    directions: dict[str, dict[str, Any]] = {}
    tables = click.unstyle(tables)
    for row in rows:
        for cell in row["metrics"].values():
            if cell["more_is_better"] in DIRECTIONS and f"  {cell['title']}" in tables:
                directions.setdefault(DIRECTIONS[cell["more_is_better"]], {})[cell["title"]] = None
    about = [f"{way}: {', '.join(titles)}" for way, titles in directions.items()]
    said = wrapped(f"On the test part, with 95 % intervals; {'; '.join(about)}.") if about else []
    if any(row["answers"] for row in rows):
        said += wrapped(
            "* marks the run that the task's name means. You can use every name here as RUN in other commands."
        )
    paragraphs = ["\n".join(said)] if said else []
    resume = [f"  {row['resume']}" for row in rows if row["resume"] and not row["training"] and not row["problem"]]
    paragraphs += ["\n".join(["stopped; resume with:", *resume])] if resume else []
    bad = [f"  {row['run']}: {harmless(row['problem'])}" for row in rows if row["problem"]]
    paragraphs += ["\n".join(["not readable:", *bad])] if bad else []
    return paragraphs
