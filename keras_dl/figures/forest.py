"""The picture of a comparison: a forest plot, a line per model, and the ROC curves of the networks beside it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from keras_dl.figures.names import shortened
from keras_dl.figures.plots import COLOURS, styled
from keras_dl.task.kinds import Metric

# One per run, after Okabe and Ito (2008), darkened where a line on white would be too pale; then again, dashed.
RUNS = ("#0072b2", "#d55e00", "#009e73", "#aa4499", "#b58900", "#1c1e21", "#4aa3d8", "#8a5a2b")
STYLES = [(colour, line) for line in ("-", "--", ":") for colour in RUNS]
LONGEST = 36  # characters of a run's name; the middle of a longer one is left out
ROW, INDENT, CURVES = 0.27, 0.08, 3.9  # inches: the height of a line, the width of a letter, the side of the ROC plot
CORNERS = (0.1, 0.25, 0.5)  # what of the ROC plot is shown where all curves lie in its upper left corner
ALPHA = 0.05


@styled
def forest(
    rows: Sequence[Mapping[str, Any]],
    metrics: Mapping[str, Metric],
    curves: Mapping[str, tuple[np.ndarray, np.ndarray]],
) -> Figure:
    """Draw each metric of each model with its interval, and the ROC curve of each network.

    Args:
        rows: as `compare.compare` returns them: "name", "model", "metrics", "difference".
        metrics: what is drawn, name -> record.
        curves: run name -> (labels `[count]` of 0 and 1, values `[count]`); may be empty.
    """
    names = list(dict.fromkeys(row["name"] for row in rows))
    styles = dict(zip(names, itertools.cycle(STYLES), strict=False))
    places = np.cumsum([0.0, *(1.0 if same else 1.5 for same in same_run(rows))])
    height, side = 0.5 + ROW * (places[-1] + 1.6), CURVES if curves else 0.0
    lines = 2 if 2 * height < side else 1  # few models leave room for two lines of panels beside the curves
    columns = -(-len(metrics) // lines)
    ratios = [*[1.9] * columns, *([side] if curves else [])]
    figure = Figure(
        figsize=(
            1.2 + INDENT * max(len(label(row)) for row in rows) + 1.05 * sum(ratios),
            max(lines * height, side) + 0.4,
        ),
        layout="constrained",
    )
    spare = max(side - lines * height, 0.01)
    grid = figure.add_gridspec(lines + 1, len(ratios), width_ratios=ratios, height_ratios=[*[height] * lines, spare])
    for number, (metric, record) in enumerate(metrics.items()):
        axes = figure.add_subplot(grid[divmod(number, columns)])
        draw_metric(axes, rows, places, metric, styles, record.digits)
        axes.set(title=record.title, ylim=(places[-1] + 0.8, -0.8), yticks=places)
        axes.set_yticklabels([label(row) if number % columns == 0 else "" for row in rows])
        for tick, row in zip(axes.get_yticklabels(), rows, strict=True):
            tick.set_color(styles[row["name"]][0] if row["model"] == "network" else COLOURS["muted"])
    if curves:
        draw_curves(figure.add_subplot(grid[:, -1]), curves, styles)
    figure.supxlabel(legend(rows), fontsize=8.5, color=COLOURS["muted"], x=0.01, ha="left")
    return figure


def same_run(rows: Sequence[Mapping[str, Any]]) -> list[bool]:
    """Say for each row but the first whether it is of the same run as the one before."""
    return [row["name"] == before["name"] for before, row in itertools.pairwise(rows)]


def draw_metric(
    axes: Axes,
    rows: Sequence[Mapping[str, Any]],
    places: np.ndarray,
    metric: str,
    styles: Mapping[str, tuple[str, str]],
    digits: int,
) -> None:
    """Draw one metric of all models: the value, its interval as a bar, and the first row's value as a line."""
    first = rows[0]["metrics"][metric]["value"]
    if first is not None:
        axes.axvline(first, color=COLOURS["muted"], linestyle=":", linewidth=1)
    for row, place in zip(rows, places, strict=True):
        cell, colour = row["metrics"][metric], styles[row["name"]][0]
        if cell["value"] is None:
            axes.text(1.03, place, "–", transform=axes.get_yaxis_transform(), va="center", fontsize=8.5)
            continue
        if cell["low"] is not None:
            axes.plot([cell["low"], cell["high"]], [place, place], color=colour, linewidth=1.6, alpha=0.55)
        network = row["model"] == "network"
        axes.plot(cell["value"], place, "o" if network else "s", color=colour, mfc=colour if network else "white", ms=5)
        text = f"{cell['value']:.{digits}f}{'*' if differs(row, metric) else ''}"
        axes.text(1.03, place, text, transform=axes.get_yaxis_transform(), va="center", fontsize=8.5)
    axes.grid(False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.locator_params(axis="x", nbins=3)
    axes.margins(x=0.08)


def differs(row: Mapping[str, Any], metric: str) -> bool:
    """Whether a row was tested against the first one and differs from it in a metric."""
    p = row["difference"][metric]["p"] if row["difference"] else None
    return p is not None and p < ALPHA


def draw_curves(
    axes: Axes, curves: Mapping[str, tuple[np.ndarray, np.ndarray]], styles: Mapping[str, tuple[str, str]]
) -> None:
    """Draw the ROC curves of the networks, in the runs' colours; only the corner where they all are."""
    from sklearn.metrics import roc_curve

    drawn = {name: roc_curve(*curve)[:2] for name, curve in curves.items() if len(np.unique(curve[0])) == 2}
    for name, (x, y) in drawn.items():
        axes.plot(x, y, color=styles[name][0], linestyle=styles[name][1], linewidth=1.4)
    axes.plot([0, 1], [0, 1], color=COLOURS["muted"], linestyle=":", linewidth=1)
    fits = (side for side in CORNERS if all(np.interp(side, x, y) > 1 - side / 4 for x, y in drawn.values()))
    side = next(fits, 1.0) if drawn else 1.0
    title = "ROC of the networks" if side == 1 else "ROC of the networks: the upper left corner"
    axes.set(xlabel="1 - specificity", ylabel="sensitivity", title=title, box_aspect=1, anchor="N")
    axes.set(xlim=(-0.01 * side, side * 1.01), ylim=(1 - side * 1.01, 1 + 0.01 * side))


def legend(rows: Sequence[Mapping[str, Any]]) -> str:
    """Say what the marks mean."""
    text = "●  network   □  its baseline   bars: 95 % intervals, drawn by group   dotted: the value of the first line"
    if any(row["difference"] for row in rows):
        text += f"\n*  differs from the first line on the same examples, p < {ALPHA}, paired bootstrap by group;"
        text += " not adjusted for the number of comparisons"
    return text


def label(row: Mapping[str, Any]) -> str:
    """Name a line: a network by its run, with the middle of a long name left out, what follows it by what it is."""
    name = row["name"] if row["model"] == "network" else row["model"]
    return shortened(name, LONGEST)
