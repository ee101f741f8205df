"""Results as text for people at a terminal."""

from __future__ import annotations

import ast
import dataclasses
import shlex
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_dl.pages import terminal
from keras_dl.pages.terminal import filled, harmless, shown, table
from keras_dl.runs import sources
from keras_dl.slicing import shown as slices
from keras_dl.task import settings
from keras_dl.task.blocks import Answer
from keras_dl.task.kinds import metric_of

SLICES = 6  # that are listed; --json and the report have all
WIDE = 110  # columns of a screen that shows four metrics

if TYPE_CHECKING:
    from keras_dl.runs.run import Run
    from keras_dl.task import Task
    from keras_dl.verbs.explain import Explained


def info(task: Task) -> dict[str, Any]:
    """Return what a task is, as JSON values."""
    module = sources.module(task)
    return {
        "task": task.name,
        "title": task.title,
        "input": task.input.title,
        "output": task.output.title,
        "intended_use": task.intended_use,
        "limits": task.limits,
        "data": {"title": module.TITLE, "licence": module.LICENCE, "citation": module.CITATION},
        "settings": settings.used(task.config, task),
        "meanings": settings.meanings(task.config),
        "recipes": {name: dict(values) for name, values in task.recipes.items()},
        "tiny": dict(task.tiny),
    }


def info_text(task: Task) -> str:
    """Return what a task is, as text."""
    facts = info(task)
    kinds = {field.name: field.type for field in dataclasses.fields(task.config)}
    lines = [*wrapped(f"{task.name}: {task.title}"), "", *wrapped(f"{task.intended_use} {task.limits}"), ""]
    lines += [*wrapped(f"data  {facts['data']['title']}; licence: {facts['data']['licence']}"), ""]
    lines += ["settings; change them with --set key=value:"]
    for key, value in facts["settings"].items():
        words = choices(str(kinds[key]))
        lines.append(f"  {key}={value}" + (f"  ({words})" if words else ""))
        lines += wrapped(facts["meanings"][key], "      ")
    for name, values in facts["recipes"].items():
        changes = ", ".join(f"{key}={value}" for key, value in values.items())
        lines += ["", *wrapped(f"--set recipe={name} means: {changes}")]
    return "\n".join(lines)


def wrapped(text: str, indent: str = "") -> list[str]:
    """Break a text into lines that a terminal shows whole."""
    return textwrap.wrap(
        text,
        terminal.screen(),
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def choices(kind: str) -> str:
    """Return the words that a setting may have, of its type as written; "" where any value will do."""
    return (
        ", ".join(word or '""' for word in ast.literal_eval(f"({kind[8:-1]},)")) if kind.startswith("Literal[") else ""
    )


def trained(run: Run) -> str:
    """Say how a training ended and what to type next."""
    lines = [evaluated(run.metrics["test"], run, slices=0), ""]
    lines += [f"name    {run.name}"] if run.asked.get("name") else []
    lines += [f"run     {run.path}", f"report  {run.path / 'report.html'}"]
    example = min((run.path / "examples").glob("[!.]*"))
    lines += [f"next    {command('keras-dl', 'explain', str(run.path), str(example))}"]
    return "\n".join(lines)


def adapted(run: Run) -> str:
    """Say what was adapted and what to type next."""
    facts, output = run.card["adapted"], run.task.output
    lines = [*(filled(line) for line in facts["said"]), ""]
    if others := facts.get("others"):
        rows = [("", "adapted", "former", "adapted - former")]
        for name in others["adapted"]:
            digits = metric_of(name, output.metrics).digits
            cells = [with_interval(others[column][name], digits) for column in ("adapted", "former")]
            rows.append((name, *cells, with_interval(others["difference"][name], digits, sign="+")))
        lines += [f"the {others['examples']} other labelled examples:", "", table(rows, (1, 2, 3)), ""]
    lines += [f"name    {run.name}"] if run.asked.get("name") else []
    lines += [f"run     {run.path}", f"report  {run.path / 'report.html'}"]
    labelled = command("keras-dl", "evaluate", str(run.path), "--data", "LABELLED")
    return "\n".join([*lines, f"next    {labelled}"])


def command(*words: str) -> str:
    """Write a command to type, in several lines where the screen is narrow; it can be copied all the same."""
    line = " ".join(shlex.quote(word).replace(" ", "\0") for word in words)  # a word with blanks stays in one line
    lines = textwrap.wrap(line, terminal.room() - 10, break_long_words=False, break_on_hyphens=False)
    return " \\\n        ".join(lines).replace("\0", " ")


def evaluated(result: dict[str, Any], run: Run, slices: int = SLICES) -> str:
    """Lay an evaluation of a run out, and say what a reader must know of its figures; list so many slices."""
    from keras_dl.answering import answers
    from keras_dl.verbs import drift

    unusual = answers.share(run, result)
    drifted = [line for block in drift.blocks(run, result) for line in ("", terminal.text(block))]
    about = [*(["", filled(unusual)] if unusual else []), *sliced(result, run, slices), *drifted, *warned(run)]
    return "\n".join([measured(result, run.task), *about])


def sliced(result: dict[str, Any], run: Run, most: int) -> list[str]:
    """Name the worst slice of the test part, and lay out those that are worst; nothing where none was measured."""
    if "slices" not in result:
        return []
    found = result["slices"]
    record = run.task.output.metric(found["metric"], run.assets)
    example = {**run.task.words, **run.card.get("words", {})}["example"]
    said = [*found["notes"], terminal.plain(slices.sentence(found, record, example))]
    lines = ["", *(line for one in said for line in wrapped(harmless(one)))]
    block = slices.table(found, record, most)
    if block.rows:
        rest = found["tested"] - len(block.rows)
        rows = [[harmless(one) for one in row] for row in (block.columns, *block.rows)]
        lines += ["", table(rows, block.numeric), *([f"and {rest} more: --json, or the report"] if rest else [])]
    return lines


def warned(run: Run) -> list[str]:
    """Return the marks of a run as lines that fit, a paragraph each."""
    return [line for mark in run.marks for line in ["", *wrapped(f"{mark.title}: {terminal.plain(mark.text)}")]]


def measured(result: dict[str, Any], task: Task, other: str = "baseline") -> str:
    """Lay an evaluation out as a table: metric, network, the other model, difference, each with its interval."""
    holds = task.output.holds(result)
    head = f"test part: {result['examples']} examples of {result['groups']} groups ({holds})"
    rows, better = [("", "network", other, f"network - {other}")], set()
    for row, name in enumerate(result["difference"], 1):  # what both have
        metric = metric_of(name, task.output.metrics)
        cells = [with_interval(result[column][name], metric.digits) for column in ("network", other)]
        rows.append((name, *cells, with_interval(result["difference"][name], metric.digits, sign="+")))
        if column := better_one(result["difference"][name], metric.more_is_better):
            better.add((row, column))
    first, digits = next(iter(result["network"])), metric_of(next(iter(result["network"])), task.output.metrics).digits
    also = [f"{title}: {first} {with_interval(c[first], digits)}" for title, c in result.get("others", {}).items()]
    said = "95 % bootstrap intervals, drawn by group"
    star = ["* better: the interval of the difference excludes 0"] if better else []
    return "\n\n".join(["\n".join([*map(filled, (head, said)), *star]), table(rows, (1, 2, 3), better), *also])


def better_one(difference: dict[str, float | None], more_is_better: bool | None) -> int:
    """Return which of two columns is better, 1 or 2, by the first minus the second; 0 if it is open."""
    low, high = difference["low"], difference["high"]
    if low is None or high is None or low <= 0 <= high or more_is_better is None:
        return 0
    return 1 if (low > 0) == more_is_better else 2


def embedded(result: dict[str, Any], task: Task) -> str:
    """Lay out what the nearest-neighbour classifier is worth beside the network, and say what was written."""
    lines = [
        measured(result, task, "knn"),
        "",
        f"knn: a vote of the {result['neighbours']} nearest training examples",
        "",
    ]
    return "\n".join(lines + [str(path) for path in sorted(Path(result["embeddings"]).glob("[!.]*"))])


def predictions(rows: list[dict[str, Any]], answer: Callable[[dict[str, Any]], Answer]) -> str:
    """Lay predictions out, a line each; `answer` says a row in a few words, as `Output.answer` does."""
    lines = []
    for row in rows:
        if "error" in row:
            lines.append(filled(f"{shown(row['input'])}  cannot be used: {harmless(row['error'])}", "    "))
        else:
            note = f"; {harmless(row['note'])}" if "note" in row else ""
            doubt = "UNUSUAL INPUT, do not trust the answer: " if row.get("unusual") else ""
            lines.append(filled(f"{shown(row['input'])}  {doubt}{terminal.line(answer(row))}{note}", "    "))
            for one in row.get("neighbours", []):
                what = shown(one.get("text") or one["group"])
                lines.append(f"  {one['distance']:6.2f}  {harmless(str(one['label']))}  {what}  {harmless(one['id'])}")
            lines += [f"  picture {row['picture']}"] if "picture" in row else []
    return "\n".join(lines)


def explained(result: Explained, run: Run) -> str:
    """Show an explained input, and say where the page or the picture is."""
    answered = predictions([result.row], run.task.output.answer)
    block = terminal.text(result.block)
    return "\n".join([answered, *(["", block, ""] if block else []), str(result.path)])


def comparison(result: dict[str, Any]) -> str:
    """Lay a comparison out: a line per model, and how far each is from the first where that can be said."""
    rows = result["rows"]
    names = list(rows[0]["metrics"])[: 4 if terminal.room() >= WIDE else 3]  # what fits; --json has all
    lines, digits = [("", *names)], result["digits"]
    for row in rows:
        cells = [with_interval(row["metrics"][name], digits[name]) for name in names]
        lines.append((f"{row['name']}, {row['model']}", *cells))
        if row["difference"]:
            lines.append(("  minus the first", *(with_p(row["difference"][name], digits[name]) for name in names)))
    said = [", ".join([row["run"], *row["marks"]]) for row in rows]
    runs = "\n".join(dict.fromkeys(f"{row['name']}: {about}" for row, about in zip(rows, said, strict=True)))
    note = "p of the paired bootstrap by group, two-sided, not adjusted for the number of comparisons"
    tested = [note] if any(row["difference"] for row in rows) else []
    return "\n\n".join([table(lines, range(1, len(names) + 1)), *tested, runs, f"picture {result['picture']}"])


def with_p(cell: dict[str, float | None], digits: int = 3) -> str:
    """Write a difference with its interval and p value: "+0.012 [0.001, 0.023] p 0.034"."""
    if cell["value"] is None or cell["p"] is None:
        return "not defined"
    return f"{with_interval(cell, digits, sign='+')} p {cell['p']:.3f}"


def with_interval(cell: dict[str, float | None], digits: int = 3, sign: str = "") -> str:
    """Write a value with its interval: "0.912 [0.880, 0.941]", or with `sign` "+" "+0.012 [-0.010, +0.031]"."""
    if cell["value"] is None:
        return "not defined"
    value, *ends = (f"{one:{sign}.{digits}f}" for one in (cell["value"], cell["low"], cell["high"]) if one is not None)
    return f"{value} [{', '.join(ends)}]" if len(ends) == 2 else value
