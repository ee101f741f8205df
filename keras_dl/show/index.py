"""The page of all runs: a section for each task, with its learning curves over each other and links to the reports."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd

from keras_dl import registry
from keras_dl.errors import KerasDLError, UsageError
from keras_dl.figures import plots
from keras_dl.figures.courses import Course, courses, swatch
from keras_dl.pages.templates import rendered
from keras_dl.paths import at_home
from keras_dl.runs import files, history, listing
from keras_dl.runs.listing import Row
from keras_dl.task.blocks import Chart

SHOWN = 4  # figures of a run; its report has all


def write(found: Sequence[Row], folder: str | Path, page: str | Path) -> Path:
    """Write a page of runs, with links to their reports, and return its path.

    Args:
        found: as `runs.listing.rows` gives them.
        folder: what they are in, for the heading.
        page: the file to write, .html, or a folder for index.html.

    Raises:
        UsageError: if its name does not end in .html.
    """
    target = at_home(page) / "index.html" if at_home(page).is_dir() else at_home(page)
    if target.suffix != ".html":
        raise UsageError(f"the page {target} must end in .html or be a folder")
    tasks = [section(task, group, target.parent) for task, group in listing.by_task(found)]
    with files.replacing(target) as temporary:
        temporary.write_text(rendered("index.html", tasks=tasks, count=len(found), folder=folder), encoding="utf-8")
    return target


def section(task: str, group: Sequence[Row], beside: Path) -> dict[str, Any]:
    """Return what the page shows of the runs of one task; links begin in the folder `beside`."""
    known = task in registry.TASKS
    curves = [read(row) for row in group]
    serious = any(len(one) and "tiny" not in row["marks"] for one, row in zip(curves, group, strict=True))
    looks = itertools.count()
    drawn, shown = [], []
    for one, row in zip(curves, group, strict=True):
        look = next(looks) if len(one) and not (serious and "tiny" in row["marks"]) else None
        if look is not None:
            drawn.append(Course(row["name"], one.to_dict("list"), row["kept"], look))
        report = Path(row["run"], "report.html")
        link = quote(os.path.relpath(report.resolve(), beside.resolve())) if report.is_file() else None
        shown.append({**row, "report": link, "swatch": None if look is None else swatch(look)})
    every = {name: cell for row in group for name, cell in row["metrics"].items()}
    titles = dict(list(every.items())[:SHOWN])
    return {
        "task": task or "unknown",
        "title": registry.find(task).title if known else "Runs that this version cannot read",
        "rows": shown,
        "metrics": titles,
        "first": next(iter(titles), None),
        "chart": chart(task, drawn, {name: cell["title"] for name, cell in titles.items()}),
        "passed_over": serious and any("tiny" in row["marks"] for row in group),
    }


def read(row: Row) -> pd.DataFrame:
    """Return the epochs of a run; none where its history cannot be read."""
    try:
        return history.read(Path(row["run"]))
    except KerasDLError:
        return pd.DataFrame()


def chart(task: str, drawn: Sequence[Course], titles: Mapping[str, str]) -> Chart | None:
    """Draw the courses of validation over each other: the loss, and the first of the metrics that was watched."""
    watched = list(dict.fromkeys(name for one in drawn for name in one.epochs if name.startswith("val_")))
    main = [f"val_{name}" for name in titles if f"val_{name}" in watched] or [n for n in watched if n != "val_loss"]
    columns = [name for name in ("val_loss", *main[:1]) if name in watched]
    if not columns:
        return None
    named = {name: titles.get(name.removeprefix("val_"), name.removeprefix("val_").capitalize()) for name in columns}
    name, about = f"curves-{task}", f"Validation over the epochs, {len(drawn)} runs"
    return Chart(name, plots.svg(courses(drawn, named), name, about))
