"""ROC and precision-recall curves of many classes: the worst by name, the others as an area, the mean of all.

Up to `plots.CLASSES` classes are drawn by `curves`, each with its band.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from keras_dl.figures.curves import GRID, square
from keras_dl.figures.names import shortened
from keras_dl.figures.plots import COLOURS, class_colour, styled

WORST = 8  # classes that are named
LINES = ("-", "--", "-.", ":")  # with eight colours: nobody has to tell lines apart by colour alone
NAME = 16  # letters of a name in the legend


@dataclass(frozen=True)
class Crowd:
    """The curves of each class against the rest, for one model; classes without examples, or without others, left out.

    All arrays have one row per class that is drawn.
    """

    classes: np.ndarray  # [drawn], class index
    areas: np.ndarray  # [drawn], AUROC
    roc: np.ndarray  # [drawn, grid], true positive rate at GRID
    precision: np.ndarray  # [drawn, grid], precision at GRID


def crowd(truth: np.ndarray, values: np.ndarray) -> Crowd:
    """Rank the examples for each class.

    Args:
        truth: `[count]`, class index.
        values: `[count, classes]`, higher for the class.
    """
    counts = np.bincount(truth, minlength=values.shape[1])
    drawn = np.flatnonzero((counts > 0) & (counts < len(truth)))
    columns = np.sort(values.T, axis=1)  # all at once: ten times faster than a curve of all examples for each class
    roc, precision = np.empty((2, len(drawn), len(GRID)))
    areas = np.empty(len(drawn))
    for row, index in enumerate(drawn):
        areas[row], roc[row], precision[row] = lines_of(columns[index], values[truth == index, index])
    return Crowd(drawn, areas, roc, precision)


def lines_of(ranked: np.ndarray, own: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Return the area under the ROC curve, the true positive rate and the precision at GRID.

    Only the scores of the class itself are corners of the curves: between them the ROC curve is level.

    Args:
        ranked: `[count]`, the scores of all examples, rising.
        own: `[of the class]`, the scores of its examples.
    """
    scores, hits = np.unique(-own, return_counts=True)  # falling, as -score
    above, until = (len(ranked) - np.searchsorted(ranked, -scores, side) for side in ("right", "left"))
    hits_until = np.cumsum(hits)
    hits_above = hits_until - hits
    x = np.stack([above - hits_above, until - hits_until], axis=1).ravel() / (len(ranked) - len(own))
    y = np.stack([hits_above, hits_until], axis=1).ravel() / len(own)
    x, y = np.concatenate([[0], x, [1]]), np.concatenate([[0], y, [1]])
    recall, found = hits_until / len(own), hits_until / until
    precision = np.interp(GRID, np.append(0, recall), np.append(found[0], found))
    return float(np.trapezoid(y, x)), np.interp(GRID, x, y), precision


@styled
def roc(network: Crowd, baseline: Crowd, classes: Sequence[str]) -> Figure:
    """Draw the ROC curves of the network's worst classes, and the mean of all classes of both models."""
    figure, axes = square("false positive rate (1 - specificity)", "true positive rate (sensitivity)")
    axes.plot([0, 1], [0, 1], color=COLOURS["muted"], linestyle=":", linewidth=1)
    draw(figure, network, network.roc, baseline.roc, classes)
    return figure


@styled
def precision_recall(network: Crowd, baseline: Crowd, classes: Sequence[str]) -> Figure:
    """Draw precision over recall of the same classes as `roc`."""
    figure, _ = square("recall (sensitivity)", "precision (positive predictive value)")
    draw(figure, network, network.precision, baseline.precision, classes)
    return figure


def draw(figure: Figure, network: Crowd, lines: np.ndarray, others: np.ndarray, classes: Sequence[str]) -> None:
    """Draw lines `[drawn, grid]` over GRID, and those of the baseline as their mean alone."""
    axes = figure.axes[0]
    if not len(lines):
        axes.text(0.5, 0.5, "not defined:\nall examples are of one class", ha="center", va="center")
        return
    order = np.argsort(network.areas, kind="stable")
    worst, rest = order[:WORST], order[WORST:]
    if len(rest):
        low, high = lines[rest].min(axis=0), lines[rest].max(axis=0)
        named = f"the other {len(rest):,} classes" if len(rest) > 1 else "the other class"
        axes.fill_between(GRID, low, high, color=COLOURS["muted"], alpha=0.22, linewidth=0, label=named)
    for place, row in enumerate(worst):
        name, line = shortened(classes[network.classes[row]], NAME), LINES[place % len(LINES)]
        axes.plot(GRID, lines[row], line, linewidth=1.2, color=class_colour(place, WORST), label=name)
    axes.plot(GRID, lines.mean(axis=0), color=COLOURS["ink"], linewidth=2.4, label="mean of all classes")
    if len(others):
        axes.plot(GRID, others.mean(axis=0), "--", color=COLOURS["baseline"], linewidth=1.8, label="mean, baseline")
    figure.set_figheight(5.0)
    figure.legend(loc="outside lower center", ncols=2, fontsize=8)
