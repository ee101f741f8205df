"""What a run, and the result of each verb, show of themselves in a notebook and at a Python prompt: blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from keras_dl.answering import answers
from keras_dl.figures import plots
from keras_dl.figures.names import shortened
from keras_dl.pages.templates import interval, number
from keras_dl.runs import history, predictions
from keras_dl.runs.run import Run
from keras_dl.slicing import shown
from keras_dl.task.blocks import Block, Chart, Prose, Table, percent
from keras_dl.task.kinds import Column
from keras_dl.verbs import drift
from keras_dl.verbs.report import best_epoch, tested, training_chart

if TYPE_CHECKING:
    from keras_dl.verbs.explain import Explained

MOST = 50  # rows of a table: nobody reads more in a cell
LONGEST = 60  # characters of an input in a table
FORMATS = {"percent": percent, "number": "{:.4g}".format}  # of columns that hold numbers
UNUSED = "cannot be used"


def of_run(run: Run) -> list[Block]:
    """Show what a run is, and its metrics on the test part."""
    if not run.complete:
        return [Prose(f"{run.path}: {run.task.name}, not complete", run.task.title), *run.marks]
    head = Prose(f"`{run.path}`", run.card["title"])
    return [head, *run.marks, measured(run, run.metrics["test"])]


def of_report(run: Run) -> list[Block]:
    """Show the head of a report and its figures; the page itself is too large for a cell."""
    found = predictions.read(run).found(run.assets)
    epochs = history.read(run.path)
    curve = training_chart(epochs, best_epoch(run, epochs))
    figures = run.task.output.figures(found, run.config, words(run))
    page = Prose(f"The full report, with the worst errors: `{run.path / 'report.html'}`")
    return [*of_run(run), *of_slices(run, run.metrics["test"]), *([curve] if curve else []), page, *figures]


def of_evaluation(run: Run, result: Mapping[str, Any], other: str = "baseline") -> list[Block]:
    """Show metrics of the network and of the other model, and their difference."""
    seen = result.get("seen")
    note = (
        f"{seen} of {result['examples']} examples were in the training or validation part, so the figures are too good."
    )
    warned = [Prose(note, warning=True)] if seen else []
    unusual = [Prose(said.capitalize())] if (said := answers.share(run, result)) else []
    about = [*unusual, *of_slices(run, result), *drift.blocks(run, result)]
    return [*run.marks, *warned, measured(run, result, other), *about]


def of_slices(run: Run, result: Mapping[str, Any]) -> list[Block]:
    """Show which slice of the test part is the worst, and all of them."""
    if "slices" not in result:
        return []
    sliced = result["slices"]
    record = run.task.output.metric(sliced["metric"], run.assets)
    said = shown.sentence(sliced, record, words(run)["example"])
    drawn = shown.chart(sliced, record)
    notes = [Prose(" ".join(sliced["notes"]))] if sliced["notes"] else []
    return [Prose(said, "Slices"), *notes, *([drawn] if drawn else []), shown.table(sliced, record, MOST)]


def of_predictions(run: Run, rows: Sequence[Mapping[str, Any]]) -> list[Block]:
    """Show one answer at length, several in a table."""
    if len(rows) == 1 and "error" not in rows[0]:
        return [*answers.view(run, rows[0]), *remarks(rows[0]), *near(rows[0])]
    columns = [column for column in run.task.output.table(run.assets) if column.shown]
    cells = [[shortened(str(row["input"]), LONGEST), *answered(row, columns)] for row in rows[:MOST]]
    numeric = [index for index, column in enumerate(columns, 1) if column.style in FORMATS]
    more = f"The first {MOST} of {len(rows):,}." if len(rows) > MOST else ""
    table = Table(["Input", *(column.title for column in columns)], cells, caption=more, numeric=numeric)
    doubts = [row for row in rows[:MOST] if row.get("unusual")]
    warned = [Prose("; ".join(map(doubtful, doubts)), "Unlike the training data", warning=True)] if doubts else []
    notes = [Prose(f"{shortened(str(row['input']), LONGEST)}: {row['note']}") for row in rows[:MOST] if "note" in row]
    return [*warned, table, *notes]


def of_explained(run: Run, explained: Explained) -> list[Block]:
    """Show the answer and what explains it."""
    row = explained.row
    return [*answers.view(run, row), *remarks(row), explained.block]


def of_comparison(result: Mapping[str, Any], figure: Figure) -> list[Block]:
    """Show the picture, the metrics of each model, and how far each is from the first one."""
    rows, digits = result["rows"], result["digits"]
    head = ["Metric", *(f"{row['name']}, {row['model']}" for row in rows)]
    values = [[name, *(cell(row["metrics"][name], digits[name]) for row in rows)] for name in digits]
    tables = [Table(head, values, caption="With 95 % intervals.")]
    tested = [row for row in rows if row["difference"]]
    if tested:
        head = ["Metric", *(f"{row['name']}, {row['model']}" for row in tested)]
        values = [[name, *(with_p(row["difference"][name], digits[name]) for row in tested)] for name in digits]
        caption = "p of the paired bootstrap by group, two-sided, not adjusted for the number of comparisons."
        tables.append(Table(head, values, f"Minus {rows[0]['name']}, {rows[0]['model']}", caption))
    chart = Chart("comparison", plots.svg(figure, "comparison", "The metrics of each model with their intervals"))
    return [chart, *tables]


# What they share


def words(run: Run) -> dict[str, str]:
    """Return what examples, groups and the baseline are called in this run."""
    return {**run.task.words, **run.card.get("words", {})}


def measured(run: Run, result: Mapping[str, Any], other: str = "baseline") -> Table:
    """Lay metrics out, a row each."""
    columns = ("network", other, "difference")
    rows = []
    for name in result["difference"]:  # what both have
        metric = run.task.output.metric(name, run.assets)
        rows.append([metric.title, *(cell(result[column][name], metric.digits) for column in columns)])
    known = {**words(run), "knn": f"{result.get('neighbours')} nearest training examples"}
    caption = f"On {tested(result, known)} of the test part, with 95 % intervals. {other.capitalize()}: {known[other]}."
    return Table(["Metric", "Network", other.capitalize(), "Difference"], rows, caption=caption)


def cell(value: Mapping[str, float | None], digits: int) -> str:
    """Write a value with its interval: "0.912 [0.880, 0.941]"."""
    return f"{number(value['value'], digits)} {interval(value, digits)}".strip()


def with_p(value: Mapping[str, float | None], digits: int) -> str:
    """Write a difference with its interval and p value."""
    return cell(value, digits) + ("" if value["p"] is None else f", p {value['p']:.3f}")


def answered(row: Mapping[str, Any], columns: Sequence[Column]) -> list[str]:
    """Write an answer in the cells of a table."""
    if "error" in row:
        return [f"{UNUSED}: {row['error']}", *[""] * (len(columns) - 1)]
    return [written(reduce(lambda value, key: value[key], column.path, row), column.style) for column in columns]


def written(value: Any, style: str) -> str:
    """Write one value as its column wants it; of several possible answers all, and one alone is the answer itself."""
    if isinstance(value, list):
        return ", ".join(value) if len(value) > 1 else ""
    return "" if value is None else FORMATS.get(style, str)(value)


def doubtful(row: Mapping[str, Any]) -> str:
    """Say of an unusual input which it is, and how unusual."""
    return f"{shortened(str(row['input']), LONGEST)} ({answers.times(row['unusualness'])} the limit)"


def remarks(row: Mapping[str, Any]) -> list[Block]:
    """Say what a reader must know of this one input."""
    return [Prose(row["note"])] if "note" in row else []


def near(row: Mapping[str, Any]) -> list[Block]:
    """Show the nearest training examples of an input, where they were asked for."""
    found = row.get("neighbours", [])
    rows = [
        [str(one["label"]), shortened(one.get("text") or one["group"], LONGEST), f"{one['distance']:.2f}"]
        for one in found
    ]
    table = (
        [Table(["Truth", "Example", "Distance"], rows, "The nearest training examples", numeric=[2])] if rows else []
    )
    return [*table, *([Prose(f"Their images: `{row['picture']}`")] if "picture" in row else [])]
