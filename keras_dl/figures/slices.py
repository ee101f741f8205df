"""A forest plot of slices: a line for each, below the name of what it was cut by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from keras_dl.figures.names import LETTER, shortened
from keras_dl.figures.plots import COLOURS, styled
from keras_dl.task.kinds import Metric

ROW = 0.24  # inches, the height of a line
LONGEST = 24  # letters of a name, without the count behind it
PLOT = 2.6  # inches, the width of the plot itself


@styled
def slices(rows: Sequence[Mapping[str, Any]], metric: str, record: Metric, whole: float, alpha: float) -> Figure:
    """Draw the metric that slices are compared by, with its intervals.

    Args:
        rows: of `slicing.sliced`, those that were tested; those of a column one after another.
        metric: its name.
        record: of the metric.
        whole: its value on the whole test part.
        alpha: slices whose corrected p is below it are marked.
    """
    places: list[float] = []
    heads: dict[str, float] = {}
    place = 0.0
    for row in rows:
        if row["column"] not in heads:
            place += 0.4 if heads else 0.0
            heads[row["column"]] = place
            place += 1
        places.append(place)
        place += 1
    names = [f"{shortened(row['level'], LONGEST)} ({row['examples']:,})" for row in rows]
    figure = Figure(figsize=(LETTER * LONGEST + PLOT + 0.8, ROW * place + 0.7), layout="constrained")
    axes = figure.subplots()
    axes.axvline(whole, color=COLOURS["muted"], linestyle=":", linewidth=1)
    for row, at in zip(rows, places, strict=True):
        cell, marked = row["metrics"][metric], row["corrected"] < alpha
        colour = COLOURS["baseline" if marked else "network"]
        if cell["low"] is not None:
            axes.plot([cell["low"], cell["high"]], [at, at], color=colour, linewidth=1.6, alpha=0.55)
        axes.plot(cell["value"], at, "o", color=colour, ms=5)
        text = f"{cell['value']:.{record.digits}f}{'*' if marked else ''}"
        axes.text(1.03, at, text, transform=axes.get_yaxis_transform(), va="center", fontsize=8.5)
    axes.set(ylim=(place - 0.3, -0.7), xlabel=record.title)
    axes.set_yticks([*heads.values(), *places], [*(shortened(head, LONGEST) for head in heads), *names])
    for tick in axes.get_yticklabels()[: len(heads)]:
        tick.set_fontweight("bold")
    axes.grid(False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.locator_params(axis="x", nbins=4)
    axes.margins(x=0.06)
    return figure
