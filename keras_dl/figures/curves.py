"""Figures of how models rank and how honest their probabilities are: ROC, precision-recall, reliability, with bands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from keras_dl.figures.names import shortened, widest
from keras_dl.figures.plots import COLOURS, styled
from keras_dl.measures import calibration, ranking
from keras_dl.measures.bootstrap import Draws
from keras_dl.measures.ranking import Curve

GRID = np.linspace(0, 1, 101)
INSIDE = 6  # names in a legend that have room inside
LONGEST = 26  # letters of a name in a legend
PALE: Any = {"alpha": 0.45, "markerfacecolor": "none"}
FEW = 10  # examples in a bin of the reliability diagram: fewer are no evidence, and drawn pale


@dataclass(frozen=True)
class Ranking:
    """How a model ranks the examples of one class against the rest, and which of them it answered with the class."""

    name: str  # in the legend; "" for none
    colour: str
    labels: np.ndarray  # [count], whether an example is of the class
    values: np.ndarray  # [count], higher for the class
    answers: np.ndarray  # [count], whether the model says that it is
    dashed: bool = False  # a dashed one has no band, so that six fit into a figure

    @property
    def defined(self) -> bool:
        """Whether there are examples of the class and others."""
        return len(np.unique(self.labels)) == 2


@styled
def roc(rankings: Sequence[Ranking], draws: Draws) -> Figure:
    """Draw the ROC curve of each ranking with its 95 % band over the draws, and a point at its answers."""
    figure, axes = square("false positive rate (1 - specificity)", "true positive rate (sensitivity)")
    drawable = defined(axes, rankings)
    if drawable:
        axes.plot([0, 1], [0, 1], color=COLOURS["muted"], linestyle=":", linewidth=1)
    for one in drawable:
        curve = ranking.curve(one.labels, one.values)
        with_band(axes, one, curve.roc, partial(curve.roc_on, GRID), draws)
        point(axes, one, one.answers[~one.labels].mean(), one.answers[one.labels].mean())
    if drawable:
        legend(axes, "lower right")
    return figure


@styled
def precision_recall(rankings: Sequence[Ranking], draws: Draws) -> Figure:
    """Draw precision over recall of each ranking, like `roc`; the dotted lines are the shares of the classes."""
    figure, axes = square("recall (sensitivity)", "precision (positive predictive value)")
    drawable = defined(axes, rankings)
    for share in {one.labels.mean() for one in drawable}:
        axes.axhline(share, color=COLOURS["muted"], linestyle=":", linewidth=1)
    for one in drawable:
        curve: Curve = ranking.curve(one.labels, one.values)
        with_band(axes, one, curve.precision_recall, partial(curve.precision_on, GRID), draws)
        if one.answers.any():
            point(axes, one, one.answers[one.labels].mean(), one.labels[one.answers].mean())
    if drawable:
        legend(axes, "lower left")
    return figure


@styled
def reliability(hits: np.ndarray, probabilities: np.ndarray, draws: Draws, *, ylabel: str) -> Figure:
    """Draw how often something was true over how probable the network said it was, in ten bins with 95 % bars.

    A bin of fewer than FEW examples is no evidence: it is drawn hollow and pale, without a bar.

    Args:
        hits: `[count]`, 0 or 1: whether it was true.
        probabilities: `[count]`, how probable the network said it was.
        draws: how often each example counts.
        ylabel: what is true of the share.
    """
    figure, axes = square("predicted probability", ylabel)
    axes.plot([0, 1], [0, 1], color=COLOURS["muted"], linestyle=":", linewidth=1, label="perfect")
    place = calibration.bins_of(probabilities)
    bins = np.unique(place)
    member = (place[:, None] == bins).astype(float)  # [count, bins]
    blocks = [(block @ member, block @ (member * np.asarray(hits)[:, None])) for block in draws]
    weights, sums = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    for number, rows in enumerate(member.T.astype(bool)):
        few, drawn = rows.sum() < FEW, weights[:, number] > 0
        x, y = probabilities[rows].mean(), np.asarray(hits)[rows].mean()
        if not few:
            ends = np.percentile(sums[drawn, number] / weights[drawn, number], [2.5, 97.5])
            axes.plot([x, x], ends, color=COLOURS["network"], linewidth=1.5, alpha=0.5)
        look: Any = PALE if few else {}
        axes.plot(x, y, "o", color=COLOURS["network"], **look)
        axes.annotate(f"{rows.sum()}", (x, y), (6, -4), textcoords="offset points", fontsize=8, color=COLOURS["muted"])
    axes.plot([], [], "o", color=COLOURS["network"], label="network")
    if (member.sum(axis=0) < FEW).any():
        axes.plot([], [], "o", color=COLOURS["network"], label=f"fewer than {FEW} examples", **PALE)
    axes.legend(loc="upper left")
    return figure


def legend(axes: Axes, place: Any) -> None:
    """Add a legend inside where few curves are named, else below, in columns."""
    handles, names = axes.get_legend_handles_labels()
    if len(names) <= INSIDE and widest(names) <= LONGEST // 2:
        axes.legend(loc=place)
    else:
        figure: Any = axes.get_figure()
        shown = [shortened(name, LONGEST) for name in names]
        columns = 3 if widest(shown) <= LONGEST // 2 else 2
        figure.set_figheight(figure.get_figheight() + 0.17 * -(-len(names) // columns))
        figure.legend(handles, shown, loc="outside lower center", ncols=columns, fontsize=8)


def square(xlabel: str, ylabel: str) -> tuple[Figure, Axes]:
    """Make a figure of one square from 0 to 1."""
    figure = Figure(figsize=(4.6, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel=xlabel, ylabel=ylabel, aspect="equal")
    return figure, axes


def defined(axes: Axes, rankings: Sequence[Ranking]) -> list[Ranking]:
    """Return the rankings that have a curve; where none has, the figure says so."""
    drawable = [ranking for ranking in rankings if ranking.defined]
    if not drawable:
        axes.text(0.5, 0.5, "not defined:\nall examples are of one class", ha="center", va="center")
    return drawable


def with_band(
    axes: Axes,
    one: Ranking,
    curve: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
    on_grid: Callable[[np.ndarray], np.ndarray],
    draws: Draws,
) -> None:
    """Draw a curve and the 2.5 to 97.5 percentile of the curves of the draws.

    Args:
        axes: where to draw.
        one: what is ranked.
        curve: gives x and y, each `[draws, points]`, of weights.
        on_grid: gives y at GRID, `[draws, grid]`, of weights.
        draws: how often each example counts.
    """
    if not one.dashed:
        drawn = np.concatenate([on_grid(block) for block in draws])
        drawn = drawn[np.isfinite(drawn).all(axis=1)]
        if len(drawn):
            low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
            axes.fill_between(GRID, low, high, color=one.colour, alpha=0.16, linewidth=0)
    style, width = ("--", 1.0) if one.dashed else ("-", 1.5)
    (x,), (y,) = curve(np.ones((1, len(one.labels)), dtype=np.int32))
    axes.plot(x, y, style, linewidth=width, color=one.colour, label=one.name or None)


def point(axes: Axes, one: Ranking, x: float, y: float) -> None:
    """Mark where the answers of a model stand: full, or hollow for a dashed curve."""
    fill = "none" if one.dashed else one.colour
    axes.plot(x, y, "o", color=one.colour, markerfacecolor=fill, markersize=5 if one.dashed else 7)
