"""All runs at a glance: a row for each, task by task. Nothing heavy is imported, and no model is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from keras_dl import registry
from keras_dl.errors import KerasDLError, UsageError
from keras_dl.paths import at_home
from keras_dl.runs import files, marks, names
from keras_dl.runs.names import Kept
from keras_dl.runs.run import Run
from keras_dl.task import settings
from keras_dl.task.kinds import metric_of

Row = dict[str, Any]
SORTS: dict[str, Callable[[Row], Any]] = {  # within a task
    "begun": lambda row: 0,  # they come so: the newest first
    "name": lambda row: row["name"].lower(),
    "data": lambda row: row["data"].lower(),
    "figure": lambda row: worth(next(iter(row["metrics"].values()), None)),
}


def rows(folder: str | Path | None = None, sort: str = "begun") -> list[Row]:
    """Return a row for each run in a folder, however deep, task by task.

    Args:
        folder: None for the folder runs.
        sort: "begun", the newest first; "name"; "data"; or "figure", the best of the task's first figure first.

    Returns:
        JSON values of each run:
        "run", "name", "call": its path, what it is called, and what to type wherever a RUN is asked for
        "task", "data", "begun": its task, "embedded" or the name of its data, ISO 8601
        "complete", "training", "epochs", "kept": whether it is, or goes on now; how many, and whose weights were kept
        "marks", "answers": as ["tiny"]; whether its task's name means it
        "settings": those that differ from the recipe's
        "metrics", "baseline": `{metric: {"title", "value", "low", "high", "more_is_better", "digits"}}`, on test
        "resume", "problem": the command that goes on, or None; why it cannot be read, or ""

    Raises:
        UsageError: if there is no such folder or sort.
    """
    if sort not in SORTS:
        raise UsageError(f"--sort {sort} must be one of: {', '.join(SORTS)}")
    if folder is not None and not at_home(folder).is_dir():
        raise UsageError(f"there is no folder '{folder}'; give a folder of runs")
    kept = names.kept(None if folder is None else at_home(folder))
    own = kept if folder is None else names.kept()  # names mean those in the folder runs
    answering = filter(None, (names.answering(task, own) for task in registry.TASKS))
    meant = {one.path.resolve() for one in answering}
    found = []
    for one in kept:
        unique = one.name not in registry.TASKS and names.answering(one.name, own, complete=one.complete) is one
        call = one.name if unique else one.place
        found.append({**row(one), "call": call, "answers": one.path.resolve() in meant})
    order = {task: number for number, task in enumerate(registry.TASKS)}
    return sorted(found, key=lambda row: (order.get(row["task"], len(order)), row["task"], SORTS[sort](row)))


def by_task(found: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    """Give the name of each task, "" where it is not known, and its rows."""
    for task, group in groupby(found, key=lambda row: row["task"]):
        yield task, list(group)


def row(kept: Kept) -> Row:
    """Return the row of one run."""
    asked = kept.asked
    found: Row = {
        "run": str(kept.path),
        "name": kept.name,
        "task": kept.task,
        "data": "embedded" if marks.synthetic(asked) else Path(asked["data"] or "").name,
        "begun": datetime.fromtimestamp(kept.begun / 1e9).astimezone().isoformat(timespec="seconds"),
        "complete": kept.complete,
        "training": not kept.complete and files.is_held(kept.path),
        "epochs": epochs(kept.path),
        "kept": None,
        "marks": marks.brief(asked) + ([] if kept.complete else ["not complete"]),
        "settings": {},
        "metrics": {},
        "baseline": {},
        "resume": None if kept.complete or kept.problem else kept.resume,
        "problem": kept.problem,
    }
    try:
        run = Run(kept.path)
        found["settings"] = settings.changed(run.config, run.task, tiny=kept.tiny)
        if kept.complete:
            found["kept"] = run.card["training"].get("best_epoch")
            found["metrics"], found["baseline"] = (figures(run, model) for model in ("network", "baseline"))
    except (KerasDLError, KeyError, TypeError) as error:
        found["problem"] = kept.problem or " ".join(str(error).split()) or "damaged"
    return found


def figures(run: Run, model: str) -> dict[str, dict[str, Any]]:
    """Return the main metrics of a model on the run's test part."""
    measured, output = run.metrics["test"][model], run.task.output
    shown = [name for name in output.first if name in measured] or list(measured)
    records = {name: metric_of(name, output.metrics) for name in shown}
    return {
        name: {
            "title": records[name].title.replace("{of}", name.partition(" ")[2]),
            **measured[name],
            "more_is_better": records[name].more_is_better,
            "digits": records[name].digits,
        }
        for name in shown
    }


def worth(figure: dict[str, Any] | None) -> tuple[bool, float]:
    """Return what sorts figures, the best first; runs without one come last."""
    if figure is None or figure["value"] is None:
        return (True, 0.0)
    return (False, -figure["value"] if figure["more_is_better"] else figure["value"])


def epochs(path: Path) -> int:
    """Count the rows of history.csv."""
    try:
        with (path / "history.csv").open("rb") as file:
            return max(0, sum(1 for _ in file) - 1)
    except OSError:
        return 0
