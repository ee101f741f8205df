"""Slices for people: which one is the worst in a sentence, all of them in tables, and a chart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from keras_dl.measures.slices import EXAMPLES, GROUPS
from keras_dl.slicing.sliced import ALPHA
from keras_dl.task.blocks import Chart, Table
from keras_dl.task.kinds import Metric

NAMED = 3  # of the slices that are worse, after the worst
Sliced = Mapping[str, Any]
Metrics = Mapping[str, Metric]


def sentence(sliced: Sliced, record: Metric, example: str) -> str:
    """Name the worst slice, or say that none is worse than chance explains.

    Args:
        sliced: as `sliced.sliced` gives it.
        record: of the metric that slices are compared by.
        example: what an example is called.
    """
    tested = sliced["tested"]
    if not tested:
        return (
            f"No slice is large enough to be tested: it needs {EXAMPLES} {example}s of {GROUPS} groups, and so does "
            "the rest."
        )
    title, rows = record.title.lower() if record.title[1:].islower() else record.title, sliced["rows"]
    if not sliced["worse"]:
        least = p_value(min(row["corrected"] for row in rows if "corrected" in row)).replace("p ", "p is ", 1)
        were = "1 slice was" if tested == 1 else f"{tested} slices were"
        return (
            f"No slice is worse than the rest by more than chance explains. {were} tested by {title}, and the smallest "
            f"{least} after correction for their number."
        )
    worst, *others = (rows[number] for number in sliced["worse"])
    value, rest = (f"{one:.{record.digits}f}" for one in (worst["metrics"][sliced["metric"]]["value"], worst["rest"]))
    text = (
        f"Worst: {example}s with **{named(worst)}**: {title} {value} against {rest} of the rest "
        f"({p_value(worst['corrected'])} after correction for {tested} slices)."
    )
    if others:
        more = f", and {len(others) - NAMED} more" if len(others) > NAMED else ""
        text += f" Also worse than chance explains: {'; '.join(map(named, others[:NAMED]))}{more}."
    return text


def named(row: Mapping[str, Any]) -> str:
    """Name a slice: "brightness up to 92"."""
    return f"{row['column']} {row['level']}"


def p_value(p: float) -> str:
    """Write a p value."""
    return "p < 0.001" if p < 0.001 else f"p {p:.3f}"


def table(sliced: Sliced, record: Metric, most: int | None = None) -> Table:
    """Lay slices out, a row each; with `most` only so many, those with the smallest p."""
    rows = list(sliced["rows"])
    if most is not None:
        rows = sorted((row for row in rows if "p" in row), key=lambda row: (row["corrected"], row["p"]))[:most]
    cells = [[named(row), f"{row['examples']:,}", *compared(row, sliced, record)] for row in rows]
    columns = ["Slice", "Examples", record.title, "Minus the rest", "p, corrected"]
    return Table(columns, cells, numeric=[1, 2, 3, 4])


def compared(row: Mapping[str, Any], sliced: Sliced, record: Metric) -> list[str]:
    """Write what a slice has, how far that is from the rest, and p; or why it was not tested."""
    if "reason" in row:
        return ["too small", "", ""]
    star = "*" if row["corrected"] < ALPHA else ""
    return [
        cell(row["metrics"][sliced["metric"]], record.digits),
        cell(row["difference"], record.digits, sign="+"),
        f"{star}{p_value(row['corrected']).removeprefix('p ')}",
    ]


def every_metric(sliced: Sliced, metrics: Metrics) -> Table:
    """Lay all metrics of the slices out."""
    tested = [row for row in sliced["rows"] if "metrics" in row]
    names = list(tested[0]["metrics"]) if tested else []
    rows = [[named(row), *(cell(row["metrics"][name], metrics[name].digits) for name in names)] for row in tested]
    return Table(["Slice", *(metrics[name].title for name in names)], rows, numeric=range(1, len(names) + 1))


def cell(value: Mapping[str, float | None], digits: int, sign: str = "") -> str:
    """Write a value with its interval: "0.912 [0.880, 0.941]"; "–" where it is not defined."""
    if value["value"] is None:
        return "–"
    middle, *ends = (
        f"{one:{sign}.{digits}f}".replace("-", "−")
        for one in (value["value"], value["low"], value["high"])
        if one is not None
    )
    return f"{middle} [{', '.join(ends)}]" if len(ends) == 2 else middle


def chart(sliced: Sliced, record: Metric) -> Chart | None:
    """Draw the slices that were tested; None where there is none."""
    from keras_dl.figures import plots
    from keras_dl.figures.slices import slices

    tested: Sequence[Mapping[str, Any]] = [row for row in sliced["rows"] if "metrics" in row]
    if not tested:
        return None
    figure = slices(tested, sliced["metric"], record, sliced["value"], ALPHA)
    description = f"{record.title} of each slice with its interval"
    caption = (
        "Points: the slices; bars: 95 % intervals; in brackets: how many examples. Dotted: the whole test part. "
        "Orange, with a star: worse than the rest by more than chance explains."
    )
    return Chart("slices", plots.svg(figure, "slices", description), f"{record.title} by slice", caption)
