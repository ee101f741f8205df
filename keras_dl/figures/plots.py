"""The figures of a report, drawn without any global state, and the compact SVG they go into the page as.

Ranking and calibration have a module of their own, `curves`.
"""

from __future__ import annotations

import html
import io
import re
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

# After Okabe and Ito (2008), told apart by all common kinds of colour vision. In the SVG each becomes a CSS variable of
# its name, so that the page can choose other shades on a dark background.
COLOURS = {
    "network": "#0072b2",
    "baseline": "#d55e00",
    "class-0": "#009e73",
    "class-1": "#aa4499",
    "class-2": "#b58900",
    "ink": "#1c1e21",
    "muted": "#7b818a",
    "grid": "#dfe2e6",
}
STYLE: Any = {  # Any: matplotlib types each key
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": COLOURS["grid"],
    "grid.linewidth": 0.6,
    "axes.edgecolor": COLOURS["muted"],
    **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), COLOURS["ink"]),
    "legend.frameon": False,
    "text.parse_math": False,  # a class may be called "$"
    "svg.fonttype": "none",
    "svg.hashsalt": "keras-dl",  # the same figure, the same file
}
CLASSES = sum(name.startswith("class-") for name in COLOURS)
POINTS_PER_EM = 11.1  # 10-point labels come out a little smaller than the page's text
LONG_TAIL = 10.0  # a highest score of so many times the median is drawn on a logarithmic axis


def styled(plot: Callable[..., Figure]) -> Callable[..., Figure]:
    """Draw in the report's style and leave matplotlib's own settings as they were."""

    @wraps(plot)
    def inner(*arguments: Any, **options: Any) -> Figure:
        with rc_context(STYLE):
            return plot(*arguments, **options)

    return inner


def svg(figure: Figure, name: str, description: str) -> str:
    """Return a figure as an `<svg>` element for an HTML page.

    Text stays text in the page's own font, colours are CSS variables, and every id begins with `name`, so that several
    figures share a page.
    """
    file = io.StringIO()
    with rc_context(STYLE):
        figure.savefig(file, format="svg", transparent=True)
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->|<style.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r"<[^>]*>", lambda tag: re.sub(r"(\.\d\d)\d+", r"\1", tag[0]), text)
    text = re.sub(r"font-family: [^;]*; |\s*\n\s*", " ", text)
    used = set(re.findall(r'(?:url\(|href=")#([^")]+)', text))
    text = re.sub(r' id="([^"]*)"', lambda found: f' id="{name}-{found[1]}"' if found[1] in used else "", text)
    text = re.sub(r'(url\(|href=")#', rf"\1#{name}-", text)
    for colour, value in COLOURS.items():
        text = text.replace(value, f"var(--{colour})")
    box = text.split('viewBox="', 1)[1].split('"', 1)[0]
    width = f"max-width: {float(box.split()[2]) / POINTS_PER_EM:.1f}em"  # text of one size in all figures
    opening = f'<svg viewBox="{box}" style="{width}" role="img" aria-label="{html.escape(description)}">'
    return opening + text[text.index(">") + 1 :].strip()


@styled
def training(history: Mapping[str, Sequence[Any]], best: int | None = None) -> Figure:
    """Draw the loss and up to two metrics of training and validation over the epochs.

    Args:
        history: the columns of history.csv: epoch, phase, and pairs of `name` and `val_name`.
        best: the epoch whose weights were kept.
    """
    names = [name for name in history if f"val_{name}" in history]
    names = sorted(names, key=lambda name: name != "loss")[:3]
    epochs, phases = np.asarray(history["epoch"]), list(history["phase"])
    begins = [row for row in range(1, len(phases)) if phases[row] != phases[row - 1]]
    figure = Figure(figsize=(3.3 * max(len(names), 1), 2.9), layout="constrained")
    for axes, name in zip(np.ravel(figure.subplots(1, max(len(names), 1))), names, strict=False):
        marks = {"marker": "o", "markersize": 3} if len(epochs) < 30 else {}
        axes.plot(epochs, history[name], "--", color=COLOURS["muted"], label="training", **marks)
        axes.plot(epochs, history[f"val_{name}"], color=COLOURS["network"], label="validation", **marks)
        for row in begins:
            axes.axvline(epochs[row] - 0.5, color=COLOURS["muted"], linewidth=0.8)
            axes.text(epochs[row] - 0.5, 0.99, f" {phases[row]}", va="top", transform=axes.get_xaxis_transform())
        if best is not None:
            axes.axvline(best, color=COLOURS["ink"], linestyle=":", linewidth=1.2, label=f"kept: epoch {best}")
        axes.set(xlabel="epoch", title=name)
        axes.xaxis.get_major_locator().set_params(integer=True)
    if names:
        figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


@styled
def confusion(name: str, labels: np.ndarray, answers: np.ndarray, classes: Sequence[str]) -> Figure:
    """Draw the confusion matrix of a model: counts, and shares of the true class.

    Args:
        name: "network" or "baseline".
        labels: `[count]`, class index.
        answers: `[count]`, the class index that the model chose.
        classes: the names of the classes.
    """
    count, side = len(classes), max(3.0, 1.0 + 0.8 * len(classes))
    figure = Figure(figsize=(side + 0.1, side), layout="constrained")
    axes = figure.subplots()
    counts = np.zeros((count, count), int)
    np.add.at(counts, (labels, answers), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    for true, given in np.ndindex(count, count):
        strength = 0.06 + 0.5 * shares[true, given]
        axes.fill_between([given, given + 1], true, true + 1, color=COLOURS[name], alpha=strength, linewidth=0)
        text = f"{counts[true, given]:,}\n{shares[true, given]:.0%}"
        axes.text(given + 0.5, true + 0.5, text, ha="center", va="center", fontsize=12)
    axes.set_xticks(np.arange(count) + 0.5, classes)
    axes.set_yticks(np.arange(count) + 0.5, classes, rotation=90, va="center")
    axes.set(xlim=(0, count), ylim=(count, 0), aspect="equal", title=name, xlabel="predicted", ylabel="true")
    axes.tick_params(length=0)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    return figure


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

    Args:
        labels: `[count]`, class index.
        values: `[count]`.
        answers: `[count]`, the class index that the network chose.
        classes: the names of the classes.
        xlabel: what the values are.
        threshold: of the values, where there is one.
        shares: whether the values lie in [0, 1]; scores that do not have an axis of their own.
    """
    edges = np.linspace(0, 1, 26) if shares else score_edges(values, threshold)
    if threshold is not None:  # no bar on both sides of the threshold
        edges = np.union1d(edges, [threshold])
        close = np.abs(edges - threshold) < 0.2 * np.abs(np.gradient(edges))
        edges = edges[(edges == threshold) | ~close]
    figure = Figure(figsize=(4.6, 0.8 + 1.7 * len(classes)), layout="constrained")
    panels = np.atleast_1d(figure.subplots(len(classes), 1, sharex=True))
    for index, (axes, name) in enumerate(zip(panels, classes, strict=True)):
        of_class, bottom = labels == index, np.zeros(len(edges) - 1)
        for right in (True, False):
            counts, _ = np.histogram(
                np.clip(values, edges[0], edges[-1])[of_class & ((answers == index) == right)], edges
            )
            full = counts > 0
            bars = edges[:-1][full], counts[full], np.diff(edges)[full], bottom[full]
            axes.bar(*bars, align="edge", color=class_colour(index), alpha=1 if right else 0.45)
            bottom += counts
        if threshold is not None:
            axes.axvline(threshold, color=COLOURS["ink"], linestyle="--", linewidth=1.2)
        wrong = (of_class & (answers != index)).sum()
        axes.set(title=f"{name}: {wrong:,} of {of_class.sum():,} wrong", ylabel="examples", xlim=(edges[0], edges[-1]))
        axes.yaxis.get_major_locator().set_params(integer=True)
        axes.grid(False, axis="x")
    if not shares and is_long(values):
        panels[-1].set_xscale("log")
        panels[-1].xaxis.set_major_formatter("{x:g}")
    panels[-1].set_xlabel(xlabel)
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
    """Draw the share of each class in each split, with the counts; splits: name -> {class: count}."""
    figure = Figure(figsize=(5.4, 0.42 * len(splits) + 0.9), layout="constrained")
    axes = figure.subplots()
    left = np.zeros(len(splits))
    for index, name in enumerate(next(iter(splits.values()))):
        counts = np.array([split[name] for split in splits.values()])
        shares = 100 * counts / np.maximum([sum(split.values()) for split in splits.values()], 1)
        bars = axes.barh(list(splits), shares, 0.62, left, color=class_colour(index), alpha=0.55, label=name)
        axes.bar_label(bars, [f"{count:,}" if count else "" for count in counts], label_type="center")
        left += shares
    axes.invert_yaxis()
    axes.set(xlim=(0, 100), xlabel="share of the split, %")
    axes.grid(False)
    axes.tick_params(axis="y", length=0)
    axes.spines[["left"]].set_visible(False)
    figure.legend(loc="outside upper right", ncols=4)
    return figure


def class_colour(index: int, count: int = 0) -> str:
    """Return the colour of a class; they come again where there are more classes than colours."""
    return COLOURS[f"class-{index % CLASSES}"]
