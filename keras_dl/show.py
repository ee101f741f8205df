"""Results as text for people at a terminal."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from keras_dl.runs import sources
from keras_dl.task import settings

if TYPE_CHECKING:
    from keras_dl.runs.run import Run
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
        lines.append("These figures are of SYNTHETIC data of the package: they say nothing about the real world.")
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
    lines = [measured(result, "knn"), "", f"knn: by the {result['neighbours']} nearest training examples", ""]
    return "\n".join(lines + [str(path) for path in sorted(Path(result["embeddings"]).glob("[!.]*"))])


def predictions(rows: list[dict[str, Any]]) -> str:
    """Lay predictions out, a line each."""
    lines = []
    for row in rows:
        if "error" in row:
            lines.append(f"{shown(row['input'])}  cannot be used: {row['error']}")
        else:
            note = f"; {row['note']}" if "note" in row else ""
            lines.append(f"{shown(row['input'])}  {row['label']}  {answer(row)}{note}")
            for one in row.get("neighbours", []):
                what = shown(one["text"]) if "text" in one else one["group"]
                lines.append(f"  {one['distance']:6.2f}  {one['label']}  {what}  {one['id']}")
            lines += [f"  picture {row['picture']}"] if "picture" in row else []
    return "\n".join(lines)


def shown(text: str, length: int = 80) -> str:
    """Write an input in one line: the name of a file as it is, a text shortened, and harmless to a terminal."""
    with contextlib.suppress(OSError, ValueError):  # too long for a name
        if Path(text).exists():
            return text
    text = harmless(" ".join(text[: 4 * length].split()) + text[4 * length :][:1])
    return text if len(text) <= length else f"{text[: length - 1]}…"


def harmless(text: str) -> str:
    """Replace what a terminal would take for a command; line ends and tabs stay."""
    return "".join("\ufffd" if (ord(one) < 32 and one not in "\n\t") or 127 <= ord(one) < 160 else one for one in text)


def answer(row: dict[str, Any]) -> str:
    """Say how sure a prediction is: "probability of PNEUMONIA 0.912, threshold 0.430"."""
    if "of" not in row:  # from TensorFlow Serving, which does not know what the numbers are of
        numbers = {name: row.get(name) for name in ("probability", "score")}
        return ", ".join(f"{name} {value:.3f}" for name, value in numbers.items() if isinstance(value, int | float))
    if "probabilities" in row:
        return ", ".join(f"{name} {value:.3f}" for name, value in row["probabilities"].items())
    what = "probability" if "probability" in row else "score"
    return f"{what} of {row['of']} {row[what]:.3f}, threshold {row['threshold']:.3f}"


def explained(result: dict[str, Any]) -> str:
    """Show an explained text: its words coloured by weight, the strongest with their numbers, and where the page is."""
    words, text, pieces, place = result["words"], result["text"], [], 0
    peak = max((abs(word["weight"]) for word in words), default=0) or 1
    for word in words:
        pieces += [harmless(text[place : word["start"]]), coloured(harmless(word["text"]), word["weight"] / peak)]
        place = word["end"]
    pieces.append(harmless(text[place : result["read"]]))
    rest = len(text) - result["read"]
    pieces += [f" … ({rest:,} more characters, beyond the words that it reads)"] if rest else []
    lines = [predictions([result]), "", "".join(pieces)]
    signed = result["method"] != "attention"
    ranked = sorted(words, key=lambda word: -abs(word["weight"]))
    for title, sign in ((f"for {result['of']}", 1), (f"against {result['of']}", -1)):
        strongest = [word for word in ranked if sign * word["weight"] > 0][:5]
        lines += ["", title if signed else "most attention"] if strongest else []
        lines += [f"  {word['weight']:{'+' if signed else ''}7.3f}  {shown(word['text'], 40)}" for word in strongest]
    return "\n".join([*lines, "", result["html"]])


def coloured(text: str, share: float) -> str:
    """Put a colour behind a word: orange for, blue against, the deeper the nearer `share` is to 1 or -1."""
    if abs(share) < 0.05 or os.environ.get("NO_COLOR"):  # click leaves colours out where nobody sees them
        return text
    shades = (230, 222, 215, 208) if share > 0 else (195, 153, 117, 75)  # of the 256 that terminals know
    return click.style(text, fg=16, bg=shades[min(3, int(4 * abs(share)))])


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
