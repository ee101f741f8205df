"""Results as text for people at a terminal."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from keras_dl import config as settings
from keras_dl import sources

if TYPE_CHECKING:
    from keras_dl.run import Run
    from keras_dl.task import Task


def info(task: Task) -> dict[str, Any]:
    """Return what a task is, as JSON values."""
    module = sources.module(task)
    return {
        "task": task.name,
        "title": task.title,
        "intended_use": task.intended_use,
        "limits": task.limits,
        "data": {"title": module.TITLE, "licence": module.LICENCE, "citation": module.CITATION},
        "settings": settings.to_json(task.config),
        "recipes": {name: dict(values) for name, values in task.recipes.items()},
        "tiny": dict(task.tiny),
    }


def info_text(task: Task) -> str:
    """Return what a task is, as text."""
    facts = info(task)
    width = max(map(len, facts["settings"]))
    kinds = {field.name: field.type for field in dataclasses.fields(task.config)}
    lines = [f"{task.name}: {task.title}", "", task.intended_use, task.limits, ""]
    lines += [f"data  {facts['data']['title']}, {facts['data']['licence']}", ""]
    lines += ["settings, changed with --set key=value:"]
    lines += [f"  {key:{width}}  {value}  ({kinds[key]})" for key, value in facts["settings"].items()]
    for name, values in facts["recipes"].items():
        shown = ", ".join(f"{key}={value}" for key, value in values.items())
        lines.append(f"\n--set recipe={name} stands for: {shown}")
    return "\n".join(lines)


def trained(run: Run) -> str:
    """Say how a training ended and what to type next."""
    lines = [measured(run.metrics["test"])]
    if run.card["data"]["synthetic"]:
        lines.append("These figures are of SYNTHETIC images made by the package: they say nothing about patients.")
    lines += ["", f"run     {run.path}", f"report  {run.path / 'report.html'}"]
    lines += [f"next    keras-dl explain {run.path} {min((run.path / 'examples').glob('[!.]*'))}"]
    return "\n".join(lines)


def measured(result: dict[str, Any], other: str = "baseline") -> str:
    """Lay an evaluation out as a table: metric, network, the other model, difference, each with its interval."""
    counts = ", ".join(f"{count} {name}" for name, count in result["per_class"].items())
    head = f"test part: {result['examples']} examples of {result['groups']} groups ({counts})"
    rows = [("", "network", other, f"network - {other}")]
    for name in result["network"]:
        cells = [with_interval(result[column][name]) for column in ("network", other, "difference")]
        rows.append((name, *cells))
    return f"{head}\n95 % bootstrap intervals, drawn by group\n\n{table(rows)}"


def embedded(result: dict[str, Any]) -> str:
    """Lay out what the nearest-neighbour classifier is worth beside the network, and say what was written."""
    names = ("vectors.npz", "thumbnails.zip", "knn.json", "tsne.csv", "tsne-2d.png", "tsne-3d.html")
    lines = [measured(result, "knn"), "", f"knn: by the {result['neighbours']} nearest training images", ""]
    return "\n".join(lines + [f"{result['embeddings']}/{name}" for name in names])


def predictions(rows: list[dict[str, Any]]) -> str:
    """Lay predictions out, a line each."""
    lines = []
    for row in rows:
        if "error" in row:
            lines.append(f"{row['input']}  cannot be used: {row['error']}")
        else:
            lines.append(f"{row['input']}  {row['label']}  {answer(row)}")
            near = row.get("neighbours", [])
            lines += [f"  {one['distance']:6.2f}  {one['label']}  {one['group']}  {one['id']}" for one in near]
            lines += [f"  picture {row['picture']}"] if near else []
    return "\n".join(lines)


def answer(row: dict[str, Any]) -> str:
    """Say how sure a prediction is: "probability of PNEUMONIA 0.912, threshold 0.430"."""
    if "probabilities" in row:
        return ", ".join(f"{name} {value:.3f}" for name, value in row["probabilities"].items())
    what = "probability" if "probability" in row else "score"
    return f"{what} of {row['of']} {row[what]:.3f}, threshold {row['threshold']:.3f}"


def comparison(result: dict[str, Any]) -> str:
    """Lay a comparison out: a line per model, and how far each is from the first where that can be said."""
    rows = result["rows"]
    names = list(rows[0]["metrics"])[:4]  # what fits a terminal; --json has all
    lines = [("", *names)]
    for row in rows:
        lines.append((f"{row['name']}, {row['model']}", *(with_interval(row["metrics"][name]) for name in names)))
        if row["difference"]:
            lines.append(("  minus the first", *(with_p(row["difference"][name]) for name in names)))
    runs = "\n".join(dict.fromkeys(f"{row['name']}: {row['run']}" for row in rows))
    note = "p of the paired bootstrap by group, two-sided, not adjusted for the number of comparisons"
    tested = [note] if any(row["difference"] for row in rows) else []
    return "\n\n".join([table(lines), *tested, runs, f"picture {result['picture']}"])


def with_p(cell: dict[str, float | None]) -> str:
    """Write a difference with its interval and p value: "+0.012 [0.001, 0.023] p 0.034"."""
    if cell["value"] is None or cell["p"] is None:
        return "not defined"
    return f"{with_interval(cell)} p {cell['p']:.3f}"


def with_interval(cell: dict[str, float | None]) -> str:
    """Write a value with its interval: "0.912 [0.880, 0.941]"."""
    if cell["value"] is None:
        return "not defined"
    return f"{cell['value']:.3f} [{cell['low']:.3f}, {cell['high']:.3f}]"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Line up the columns of a table."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
