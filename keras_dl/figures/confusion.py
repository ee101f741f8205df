"""Which classes are taken for which: a matrix of counts, or for many classes a map and a list of what happens most."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, PathPatch
from matplotlib.path import Path

from keras_dl.figures.names import LETTER, shortened, widest, wrapped
from keras_dl.figures.plots import COLOURS, styled

CELLS = 9  # classes at most whose cells have room for numbers
MAPPED = 25  # classes at most of a map whose names can be read
LISTED = 12  # kinds of error at most in the list
NAME, LINE, SHORT, PAIRED = 24, 15, 20, 17  # letters of a name below the matrix, in a line left of it, of map and list
SMALL = 7.0  # points, of the names beside the map
LEVELS = {0.01: 0.12, 0.05: 0.24, 0.1: 0.38, 0.25: 0.56, 0.5: 0.78, 0.75: 1.0}  # from this share on: so opaque


@styled
def confusion(name: str, labels: np.ndarray, answers: np.ndarray, classes: Sequence[str]) -> Figure:
    """Draw the confusion matrix of a model.

    Up to CELLS classes: counts, and shares of the true class. More: a map of the shares, in which classes that are
    taken for one another stand together, and a list of the most frequent errors.

    Args:
        name: "network" or "baseline".
        labels: `[count]`, class index.
        answers: `[count]`, the class index that the model chose.
        classes: the names of the classes.
    """
    size = len(classes)
    counts = np.bincount(np.asarray(labels) * size + answers, minlength=size**2).reshape(size, size)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    if size <= CELLS:
        return matrix(name, counts, shares, classes)
    pairs = errors(counts)
    rows = min(max(len(pairs), 2), LISTED)
    figure = Figure(figsize=(4.8, 5.6 + 0.2 * rows), layout="constrained")
    halves = figure.subfigures(2, 1, squeeze=False, height_ratios=[5.1, 0.5 + 0.2 * rows])
    upper, lower = halves[0, 0], halves[1, 0]  # each has margins of its own
    chosen = grouped(shares, involved(pairs, size))
    draw_map(upper.subplots(), name, shares[np.ix_(chosen, chosen)], [classes[one] for one in chosen])
    left = f": {len(chosen)} of {size:,} classes, those of the most frequent errors" if len(chosen) < size else ""
    upper.suptitle(f"{name}{left}", fontsize=10.5)
    draw_list(lower.subplots(), name, [(counts[pair], shares[pair], *pair) for pair in pairs[:LISTED]], classes)
    lower.suptitle("Most frequent errors: true → predicted", fontsize=10.5)
    return figure


def matrix(name: str, counts: np.ndarray, shares: np.ndarray, classes: Sequence[str]) -> Figure:
    """Draw counts and shares `[true, given]` as numbers in cells."""
    size = len(classes)
    cell = float(np.clip(3.6 / size, 0.55, 1.0))
    across = [wrapped(one, int(cell / LETTER)) for one in classes]
    fits = widest(across) * LETTER <= cell and max(text.count("\n") for text in across) < 3
    if not fits:  # slanted, they have the room that lines need
        across = [shortened(one, NAME) for one in classes]
    lines = [wrapped(shortened(one, 2 * LINE), LINE).split("\n") for one in classes]
    down = ["\n".join(shortened(line, LINE + 5) for line in several) for several in lines]
    beside, below = 0.5 + LETTER * widest(down), 0.7 if fits else 0.5 + 0.65 * LETTER * widest(across)
    figure = Figure(figsize=(beside + cell * size + 0.2, 0.4 + cell * size + below), layout="constrained")
    axes = figure.subplots()
    for true, given in np.ndindex(size, size):
        strength = 0.06 + 0.5 * shares[true, given]
        axes.fill_between([given, given + 1], true, true + 1, color=COLOURS[name], alpha=strength, linewidth=0)
        text = f"{counts[true, given]:,}\n{shares[true, given]:.0%}"
        axes.text(given + 0.5, true + 0.5, text, ha="center", va="center", fontsize=12 if cell > 0.75 else 9)
    axes.set_xticks(np.arange(size) + 0.5, across)
    if not fits:
        for label in axes.get_xticklabels():
            label.set(rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(np.arange(size) + 0.5, down)
    framed(axes, size)
    axes.set_title(name)
    return figure


def framed(axes: Axes, size: int) -> None:
    """Set the axes of a matrix: the first class is on top."""
    axes.set(xlim=(0, size), ylim=(size, 0), aspect="equal", xlabel="predicted", ylabel="true")
    axes.tick_params(length=0)
    axes.grid(False)
    axes.spines[:].set_visible(False)


def errors(counts: np.ndarray) -> list[tuple[int, int]]:
    """Return (true, given) of every kind of error, most frequent first."""
    wrong = counts * ~np.eye(len(counts), dtype=bool)
    true, given = np.nonzero(wrong)
    order = np.argsort(-wrong[true, given], kind="stable")
    return list(zip(true[order].tolist(), given[order].tolist(), strict=True))


def involved(pairs: Sequence[tuple[int, int]], size: int) -> list[int]:
    """Return all classes, or where there are more than MAPPED those of the most frequent errors."""
    if size <= MAPPED:
        return list(range(size))
    seen = dict.fromkeys(one for pair in pairs for one in pair)
    return list(dict.fromkeys([*seen, *range(size)]))[:MAPPED]


def grouped(shares: np.ndarray, chosen: Sequence[int]) -> list[int]:
    """Return the chosen classes in the order of a hierarchical clustering: those taken for one another are neighbours.

    Args:
        shares: `[classes, classes]`, of the true class.
        chosen: class indices.
    """
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    alike = shares[np.ix_(chosen, chosen)]
    alike = (alike + alike.T) / 2
    distance = 1 - alike / max(float((alike * ~np.eye(len(alike), dtype=bool)).max()), 1e-9)
    np.fill_diagonal(distance, 0)
    tree = linkage(squareform(distance, checks=False), "average", optimal_ordering=True)
    return [chosen[leaf] for leaf in leaves_list(tree)]


def draw_map(axes: Axes, name: str, shares: np.ndarray, classes: Sequence[str]) -> None:
    """Draw shares `[true, given]` as cells, the darker the larger. All cells of one level are one path: it is small."""
    size, bounds = len(classes), [*LEVELS, np.inf]
    for (low, alpha), high in zip(LEVELS.items(), bounds[1:], strict=True):
        true, given = np.nonzero((shares >= low) & (shares < high))
        if len(true):
            squares = [square(x, y) for x, y in zip(given.tolist(), true.tolist(), strict=True)]
            path = Path.make_compound_path(*squares)
            axes.add_patch(PathPatch(path, facecolor=COLOURS[name], alpha=alpha, linewidth=0))
    for place in range(size + 1):
        axes.axhline(place, color=COLOURS["grid"], linewidth=0.4, zorder=0)
        axes.axvline(place, color=COLOURS["grid"], linewidth=0.4, zorder=0)
    names = [shortened(one, SHORT) for one in classes]
    axes.set_xticks(np.arange(size) + 0.5, names, rotation=90, fontsize=SMALL)
    axes.set_yticks(np.arange(size) + 0.5, names, fontsize=SMALL)
    framed(axes, size)
    keys = [
        Patch(facecolor=COLOURS[name], alpha=alpha, label=f"{low:.0%}" + ("" if high < np.inf else " or more"))
        for (low, alpha), high in zip(LEVELS.items(), bounds[1:], strict=True)
    ]
    axes.get_figure().legend(  # type: ignore[union-attr]
        handles=keys,
        loc="outside lower center",
        ncols=len(keys),
        fontsize=8,
        title="share of the true class, from",
        title_fontsize=8,
        columnspacing=1.0,
        handlelength=1.2,
    )


def square(x: float, y: float) -> Path:
    """Return a cell of the map."""
    return Path([(x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1), (x, y)], closed=True)


def draw_list(axes: Axes, name: str, pairs: Sequence[tuple[int, float, int, int]], classes: Sequence[str]) -> None:
    """Draw the most frequent errors as bars: count, and share of the true class; a pair: count, share, true, given."""
    axes.spines[:].set_visible(False)
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    if not pairs:
        axes.text(0.5, 0.5, "no answer was wrong", ha="center", va="center", transform=axes.transAxes)
        return
    counts = [count for count, *_ in pairs]
    names = [f"{shortened(classes[true], PAIRED)} → {shortened(classes[given], PAIRED)}" for _, _, true, given in pairs]
    bars = axes.barh(range(len(pairs)), counts, 0.7, color=COLOURS[name], alpha=0.55)
    axes.bar_label(bars, [f"{count:,} ({share:.0%})" for count, share, *_ in pairs], padding=3, fontsize=8)
    axes.set_yticks(range(len(pairs)), names, fontsize=8)
    axes.tick_params(length=0)
    axes.set(xlim=(0, 1.6 * max(counts)), ylim=(len(pairs) - 0.4, -0.6))
