"""Figures of how models rank and how honest their probabilities are: ROC, precision-recall, reliability, with bands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from keras_dl.figures.plots import COLOURS, styled

BINS = 10  # of the reliability diagram, as in metrics.calibration_error
GRID = np.linspace(0, 1, 101)

Curve = Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


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
def roc(rankings: Sequence[Ranking], draws: np.ndarray) -> Figure:
    """Draw the ROC curve of each ranking with its 95 % band over the draws, and a point at its answers.

    Args:
        rankings: what is drawn.
        draws: `[draws, count]`, how often each example counts.
    """
    from sklearn.metrics import roc_curve

    def curve(labels: np.ndarray, values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return roc_curve(labels, values, sample_weight=weights)[:2]

    figure, axes = square("false positive rate (1 - specificity)", "true positive rate (sensitivity)")
    drawable = defined(axes, rankings)
    if drawable:
        axes.plot([0, 1], [0, 1], color=COLOURS["muted"], linestyle=":", linewidth=1)
    for ranking in drawable:
        with_band(axes, ranking, curve, draws)
        point(axes, ranking, ranking.answers[~ranking.labels].mean(), ranking.answers[ranking.labels].mean())
    if drawable:
        axes.legend(loc="lower right")
    return figure


@styled
def precision_recall(rankings: Sequence[Ranking], draws: np.ndarray) -> Figure:
    """Draw precision over recall of each ranking, like `roc`; the dotted lines are the shares of the classes."""
    from sklearn.metrics import precision_recall_curve

    def curve(labels: np.ndarray, values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        precision, recall, _ = precision_recall_curve(labels, values, sample_weight=weights)
        return recall[::-1], precision[::-1]

    figure, axes = square("recall (sensitivity)", "precision (positive predictive value)")
    drawable = defined(axes, rankings)
    for share in {ranking.labels.mean() for ranking in drawable}:
        axes.axhline(share, color=COLOURS["muted"], linestyle=":", linewidth=1)
    for ranking in drawable:
        with_band(axes, ranking, curve, draws)
        if ranking.answers.any():
            point(axes, ranking, ranking.answers[ranking.labels].mean(), ranking.labels[ranking.answers].mean())
    if drawable:
        axes.legend(loc="lower left")
    return figure


@styled
def reliability(hits: np.ndarray, probabilities: np.ndarray, draws: np.ndarray, *, ylabel: str) -> Figure:
    """Draw how often something was true over how probable the network said it was, in ten bins with 95 % bars.

    Args:
        hits: `[count]`, 0 or 1: whether it was true.
        probabilities: `[count]`, how probable the network said it was.
        draws: `[draws, count]`, how often each example counts.
        ylabel: what is true of the share.
    """
    figure, axes = square("predicted probability", ylabel)
    axes.plot([0, 1], [0, 1], color=COLOURS["muted"], linestyle=":", linewidth=1, label="perfect")
    place = np.minimum((probabilities * BINS).astype(int), BINS - 1)
    for number in np.unique(place):
        rows = place == number
        drawn = draws[:, rows]
        drawn = drawn[drawn.sum(axis=1) > 0]
        ends = np.percentile(drawn @ hits[rows] / drawn.sum(axis=1), [2.5, 97.5]) if len(drawn) else [np.nan] * 2
        x, y = probabilities[rows].mean(), hits[rows].mean()
        axes.plot([x, x], ends, color=COLOURS["network"], linewidth=1.5, alpha=0.5)
        axes.plot(x, y, "o", color=COLOURS["network"], label="network" if number == place.min() else None)
        axes.annotate(f"{rows.sum()}", (x, y), (6, -4), textcoords="offset points", fontsize=8, color=COLOURS["muted"])
    axes.legend(loc="upper left")
    return figure


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


def with_band(axes: Axes, ranking: Ranking, curve: Curve, draws: np.ndarray) -> None:
    """Draw a curve and the 2.5 to 97.5 percentile of the curves of the draws; `curve` gives rising x, and y."""
    labels, values = ranking.labels, ranking.values
    drawn = [
        np.interp(GRID, *curve(labels, values, weights))
        for weights in draws
        if not ranking.dashed and len(np.unique(labels[weights > 0])) == 2
    ]
    if drawn:
        low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
        axes.fill_between(GRID, low, high, color=ranking.colour, alpha=0.16, linewidth=0)
    style, width = ("--", 1.0) if ranking.dashed else ("-", 1.5)
    x, y = curve(labels, values, np.ones(len(labels)))
    axes.plot(x, y, style, linewidth=width, color=ranking.colour, label=ranking.name or None)


def point(axes: Axes, ranking: Ranking, x: float, y: float) -> None:
    """Mark where the answers of a model stand: full, or hollow for a dashed curve."""
    fill = "none" if ranking.dashed else ranking.colour
    axes.plot(x, y, "o", color=ranking.colour, markerfacecolor=fill, markersize=5 if ranking.dashed else 7)
