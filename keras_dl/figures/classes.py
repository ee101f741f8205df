"""What each class gets: values of its examples, and how many examples it has in each part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from keras_dl.figures.names import LETTER, shortened, widest
from keras_dl.figures.plots import CLASSES, COLOURS, class_colour, styled

LONG_TAIL = 10.0  # a highest score of so many times the median is drawn on a logarithmic axis
STACKED = 4  # histograms at most in one column
MOST = 30  # classes at most that are named in one figure


@styled
def histograms(
    labels: np.ndarray,
    values: np.ndarray,
    answers: np.ndarray,
    classes: Sequence[str],
    *,
    xlabel: str,
    threshold: float | None = None,
    shares: bool = True,
) -> Figure:
    """Draw a histogram of the network's values for each true class; wrong answers are pale.

    More than CLASSES classes are drawn by `spread`.

    Args:
        labels: `[count]`, class index.
        values: `[count]`.
        answers: `[count]`, the class index that the network chose.
        classes: the names of the classes.
        xlabel: what the values are.
        threshold: of the values, where there is one.
        shares: whether the values lie in [0, 1]; scores that do not have an axis of their own.
    """
    if len(classes) > CLASSES:
        return spread(labels, values, answers, classes, xlabel=xlabel)
    edges = np.linspace(0, 1, 26) if shares else score_edges(values, threshold)
    if threshold is not None:  # no bar on both sides of the threshold
        edges = np.union1d(edges, [threshold])
        close = np.abs(edges - threshold) < 0.2 * np.abs(np.gradient(edges))
        edges = edges[(edges == threshold) | ~close]
    columns = 1 if len(classes) <= STACKED else 2
    rows = -(-len(classes) // columns)
    figure = Figure(figsize=(4.6, 0.8 + (1.7 if columns == 1 else 1.6) * rows), layout="constrained")
    panels = figure.subplots(rows, columns, sharex=True, squeeze=False).ravel()
    for axes in panels[len(classes) :]:
        axes.set_visible(False)
    for index, (axes, name) in enumerate(zip(panels, classes, strict=False)):
        of_class, bottom = labels == index, np.zeros(len(edges) - 1)
        for right in (True, False):
            counts, _ = np.histogram(
                np.clip(values, edges[0], edges[-1])[of_class & ((answers == index) == right)], edges
            )
            full = counts > 0
            bars = edges[:-1][full], counts[full], np.diff(edges)[full], bottom[full]
            axes.bar(*bars, align="edge", color=class_colour(index, len(classes)), alpha=1 if right else 0.45)
            bottom += counts
        if threshold is not None:
            axes.axvline(threshold, color=COLOURS["ink"], linestyle="--", linewidth=1.2)
        wrong = (of_class & (answers != index)).sum()
        told = f"{wrong:,} of {of_class.sum():,} wrong"
        title = f"{shortened(name, 40)}: {told}" if columns == 1 else f"{shortened(name, 24)}\n{told}"
        axes.set(title=title, xlim=(edges[0], edges[-1]))
        axes.set_ylabel("examples" if index % columns == 0 else "")
        axes.yaxis.get_major_locator().set_params(integer=True)
        axes.grid(False, axis="x")
    for axes in panels[max(len(classes) - columns, 0) : len(classes)]:
        axes.tick_params(labelbottom=True)
    if not shares and is_long(values):
        panels[-1].set_xscale("log")
        panels[-1].xaxis.set_major_formatter("{x:g}")
    if columns == 1:
        panels[-1].set_xlabel(xlabel)
    else:
        figure.supxlabel(xlabel, fontsize=10)
    return figure


@styled
def spread(
    labels: np.ndarray, values: np.ndarray, answers: np.ndarray, classes: Sequence[str], *, xlabel: str
) -> Figure:
    """Draw the middle of the values of each true class, the lowest median on top, of MOST classes at most.

    The dot is the median, the thick bar holds the middle half of the examples, the thin one 80 %.
    """
    marks = {index: np.percentile(values[labels == index], [10, 25, 50, 75, 90]) for index in np.unique(labels)}
    order = sorted(marks, key=lambda index: (marks[index][2], index))
    shown = order[:MOST]
    figure = Figure(figsize=(4.6, 1.3 + 0.19 * len(shown)), layout="constrained")
    axes = figure.subplots()
    for place, index in enumerate(shown):
        p10, p25, median, p75, p90 = marks[index]
        axes.plot([p10, p90], [place, place], color=COLOURS["network"], linewidth=1.2, alpha=0.6)
        axes.plot([p25, p75], [place, place], color=COLOURS["network"], linewidth=4.5, alpha=0.6)
        axes.plot(median, place, "o", color=COLOURS["network"], markersize=5)
        of_class = labels == index
        told = f"{(of_class & (answers != index)).sum():,} of {of_class.sum():,}"
        axes.text(1.03, place, told, transform=axes.get_yaxis_transform(), va="center", fontsize=8)
    axes.text(1.03, -1.2, "wrong", transform=axes.get_yaxis_transform(), va="center", fontsize=8)
    axes.set_yticks(range(len(shown)), [shortened(classes[index], 22) for index in shown], fontsize=8)
    axes.set(xlim=(-0.01, 1.01), ylim=(len(shown) - 0.4, -0.8))
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="y")
    left = [f"the {len(shown)} lowest of {len(order):,} classes"] if len(shown) < len(order) else []
    absent = len(classes) - len(order)
    left += [f"{absent:,} {'class has' if absent == 1 else 'classes have'} no examples here"] if absent else []
    if left:
        figure.suptitle("; ".join(left), fontsize=10.5)
    figure.supxlabel(f"{xlabel}\ndot: median; thick: middle half; thin: middle 80 %", fontsize=9)
    return figure


def score_edges(values: np.ndarray, threshold: float | None) -> np.ndarray:
    """Return the edges of a histogram of scores; a long tail gets edges of equal ratio, or ends in its last bar."""
    marks = values if threshold is None else np.append(values, threshold)
    if is_long(values):
        return np.geomspace(marks.min(), marks.max() * 1.001, 41)
    low, high = np.percentile(marks, [0.5, 99.5]) if len(marks) > 200 else (marks.min(), marks.max())
    if threshold is not None:  # it stands inside, not on the rim
        low, high = min(low, threshold - 0.05 * (high - low)), max(high, threshold + 0.05 * (high - low))
    return np.linspace(low, high if high > low else low + 1, 41)


def is_long(values: np.ndarray) -> bool:
    """Whether scores are positive and have so long a tail that a logarithmic axis shows more."""
    return bool(values.min() > 0 and values.max() > LONG_TAIL * np.median(values))


@styled
def balance(splits: Mapping[str, Mapping[str, int]]) -> Figure:
    """Draw the share of each class in each split, with the counts; splits: name -> {class: count}.

    More than CLASSES classes are drawn by `counts_of`, of the training part alone.
    """
    names = list(next(iter(splits.values())))
    if len(names) > CLASSES:
        return counts_of(splits.get("train", next(iter(splits.values()))))
    figure = Figure(figsize=(5.4, 0.42 * len(splits) + 0.9), layout="constrained")
    axes = figure.subplots()
    left = np.zeros(len(splits))
    for index, name in enumerate(names):
        counts = np.array([split[name] for split in splits.values()])
        shares = 100 * counts / np.maximum([sum(split.values()) for split in splits.values()], 1)
        bars = axes.barh(
            list(splits),
            shares,
            0.62,
            left,
            color=class_colour(index, len(names)),
            alpha=0.55,
            label=shortened(name, 24),
        )
        axes.bar_label(bars, [f"{count:,}" if count else "" for count in counts], label_type="center")
        left += shares
    axes.invert_yaxis()
    axes.set(xlim=(0, 100), xlabel="share of the split, %")
    axes.grid(False)
    axes.tick_params(axis="y", length=0)
    axes.spines[["left"]].set_visible(False)
    ncols = int(np.clip(5.2 / (0.45 + 0.9 * LETTER * widest([shortened(name, 24) for name in names])), 1, 4))
    figure.set_figheight(figure.get_figheight() + 0.2 * (-(-len(names) // ncols) - 1))
    figure.legend(loc="outside upper right", ncols=ncols, fontsize=9)
    return figure


@styled
def counts_of(train: Mapping[str, int]) -> Figure:
    """Draw the count of each class, the largest on top; of more than MOST classes the ends alone."""
    names = sorted(train, key=lambda name: -train[name])
    half = MOST // 2
    shown = names if len(names) <= MOST else [*names[:half], None, *names[-half:]]
    figure = Figure(figsize=(4.8, 0.9 + 0.17 * len(shown)), layout="constrained")
    axes = figure.subplots()
    bars = axes.barh(
        range(len(shown)),
        [train[name] if name is not None else 0 for name in shown],
        0.7,
        color=COLOURS["class-0"],
        alpha=0.55,
    )
    left = f"… {len(names) - 2 * half:,} more"
    axes.bar_label(bars, [f"{train[name]:,}" if name is not None else left for name in shown], padding=3, fontsize=8)
    axes.set_yticks(range(len(shown)), [shortened(name, 24) if name is not None else "" for name in shown], fontsize=8)
    axes.set(ylim=(len(shown) - 0.4, -0.6), xlim=(0, 1.15 * max(max(train.values()), 1)), xlabel="training part")
    smallest, middle, largest = (f"{value:,.0f}" for value in np.percentile(list(train.values()), [0, 50, 100]))
    figure.suptitle(f"{len(names):,} classes: smallest {smallest}, median {middle}, largest {largest}", fontsize=10.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="y")
    axes.spines[["left"]].set_visible(False)
    return figure
