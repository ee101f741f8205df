"""The figures of a report, drawn without any global state, and the compact SVG they go into the page as."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# After Okabe and Ito (2008), told apart by all common kinds of colour vision. In the SVG each becomes a CSS variable of
# its name, so that the page can choose other shades on a dark background.
COLOURS = {
    "network": "#0072b2",
    "baseline": "#d55e00",
    "class-0": "#009e73",
    "class-1": "#aa4499",
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
BINS = 10  # of the reliability diagram, as in metrics.calibration_error
POINTS_PER_EM = 11.1  # 10-point labels come out a little smaller than the page's text
GRID = np.linspace(0, 1, 101)

Outputs = Mapping[str, np.ndarray]  # model -> probabilities of class 1, [count]
Curve = Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


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
def curves(history: Mapping[str, Sequence[Any]], best: int | None = None) -> Figure:
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
def confusion(
    name: str, labels: np.ndarray, outputs: Outputs, thresholds: Mapping[str, float], classes: Sequence[str]
) -> Figure:
    """Draw the confusion matrix of the model `name`: counts, and shares of the true class.

    Args:
        name: "network" or "baseline".
        labels: `[count]`, 0 or 1.
        outputs: the models' probabilities of class 1.
        thresholds: model -> threshold; class 1 is predicted from it on.
        classes: names of class 0 and 1.
    """
    figure = Figure(figsize=(3.1, 3.0), layout="constrained")
    axes = figure.subplots()
    counts = np.zeros((2, 2), int)
    np.add.at(counts, (labels, (outputs[name] >= thresholds[name]).astype(int)), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    for true, given in np.ndindex(2, 2):
        strength = 0.06 + 0.5 * shares[true, given]
        axes.fill_between([given, given + 1], true, true + 1, color=COLOURS[name], alpha=strength, linewidth=0)
        text = f"{counts[true, given]:,}\n{shares[true, given]:.0%}"
        axes.text(given + 0.5, true + 0.5, text, ha="center", va="center", fontsize=12)
    axes.set_xticks([0.5, 1.5], classes)
    axes.set_yticks([0.5, 1.5], classes, rotation=90, va="center")
    axes.set(xlim=(0, 2), ylim=(2, 0), aspect="equal", title=name, xlabel="predicted", ylabel="true")
    axes.tick_params(length=0)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    return figure


@styled
def roc(labels: np.ndarray, outputs: Outputs, thresholds: Mapping[str, float], draws: np.ndarray) -> Figure:
    """Draw the ROC curve of each model with its 95 % band over the draws, and a point at its threshold.

    Arguments as for `confusion`; draws: `[draws, count]`, how often each example counts.
    """
    from sklearn.metrics import roc_curve

    def curve(labels: np.ndarray, values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return roc_curve(labels, values, sample_weight=weights)[:2]

    figure, axes = square("false positive rate (1 - specificity)", "true positive rate (sensitivity)")
    if not two_classes(axes, labels):
        return figure
    axes.plot([0, 1], [0, 1], color=COLOURS["muted"], linestyle=":", linewidth=1)
    for name, values in outputs.items():
        with_band(axes, name, curve, labels, values, draws)
        chosen = values >= thresholds[name]
        axes.plot(chosen[labels == 0].mean(), chosen[labels == 1].mean(), "o", color=COLOURS[name], markersize=7)
    axes.legend(loc="lower right")
    return figure


@styled
def precision_recall(
    labels: np.ndarray, outputs: Outputs, thresholds: Mapping[str, float], draws: np.ndarray
) -> Figure:
    """Draw precision over recall of each model, like `roc`; the dotted line is the share of class 1."""
    from sklearn.metrics import precision_recall_curve

    def curve(labels: np.ndarray, values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        precision, recall, _ = precision_recall_curve(labels, values, sample_weight=weights)
        return recall[::-1], precision[::-1]

    figure, axes = square("recall (sensitivity)", "precision (positive predictive value)")
    if not two_classes(axes, labels):
        return figure
    axes.axhline(labels.mean(), color=COLOURS["muted"], linestyle=":", linewidth=1)
    for name, values in outputs.items():
        with_band(axes, name, curve, labels, values, draws)
        chosen = values >= thresholds[name]
        if chosen.any():
            axes.plot(chosen[labels == 1].mean(), labels[chosen].mean(), "o", color=COLOURS[name], markersize=7)
    axes.legend(loc="lower left")
    return figure


@styled
def reliability(labels: np.ndarray, probabilities: np.ndarray, draws: np.ndarray) -> Figure:
    """Draw how often class 1 was true over how probable the network said it was, in ten bins with 95 % bars."""
    figure, axes = square("predicted probability", "share that is of the class")
    axes.plot([0, 1], [0, 1], color=COLOURS["muted"], linestyle=":", linewidth=1, label="perfect")
    place = np.minimum((probabilities * BINS).astype(int), BINS - 1)
    for number in np.unique(place):
        rows = place == number
        drawn = draws[:, rows]
        drawn = drawn[drawn.sum(axis=1) > 0]
        ends = np.percentile(drawn @ labels[rows] / drawn.sum(axis=1), [2.5, 97.5]) if len(drawn) else [np.nan] * 2
        x, y = probabilities[rows].mean(), labels[rows].mean()
        axes.plot([x, x], ends, color=COLOURS["network"], linewidth=1.5, alpha=0.5)
        axes.plot(x, y, "o", color=COLOURS["network"], label="network" if number == place.min() else None)
        axes.annotate(f"{rows.sum()}", (x, y), (6, -4), textcoords="offset points", fontsize=8, color=COLOURS["muted"])
    axes.legend(loc="upper left")
    return figure


@styled
def scores(labels: np.ndarray, outputs: Outputs, thresholds: Mapping[str, float], classes: Sequence[str]) -> Figure:
    """Draw the histogram of the network's probabilities of class 1 for each true class; wrong answers are pale."""
    probabilities, threshold = outputs["network"], thresholds["network"]
    edges = np.union1d(np.linspace(0, 1, 26), [threshold])  # no bar on both sides of the threshold
    edges = edges[(edges == threshold) | (np.abs(edges - threshold) > 0.008)]
    figure = Figure(figsize=(4.6, 4.2), layout="constrained")
    panels = figure.subplots(len(classes), 1, sharex=True)
    for index, (axes, name) in enumerate(zip(panels, classes, strict=True)):
        counts, _ = np.histogram(probabilities[labels == index], edges)
        right = (edges[:-1] >= threshold) == bool(index)
        bars = axes.bar(edges[:-1], counts, np.diff(edges), align="edge", color=COLOURS[f"class-{index}"])
        for bar, correct in zip(bars, right, strict=True):
            bar.set_alpha(1 if correct else 0.45)
        axes.axvline(threshold, color=COLOURS["ink"], linestyle="--", linewidth=1.2)
        axes.set(title=f"{name}: {counts[~right].sum()} of {counts.sum()} wrong", ylabel="examples", xlim=(0, 1))
        axes.yaxis.get_major_locator().set_params(integer=True)
        axes.grid(False, axis="x")
    panels[-1].set_xlabel(f"probability of {classes[1]}; dashed: threshold {threshold:.2f}")
    return figure


@styled
def balance(splits: Mapping[str, Mapping[str, int]]) -> Figure:
    """Draw the share of each class in each split, with the counts; splits: name -> {class: count}."""
    figure = Figure(figsize=(5.4, 0.42 * len(splits) + 0.9), layout="constrained")
    axes = figure.subplots()
    left = np.zeros(len(splits))
    for index, name in enumerate(next(iter(splits.values()))):
        counts = np.array([split[name] for split in splits.values()])
        shares = 100 * counts / np.maximum([sum(split.values()) for split in splits.values()], 1)
        colour = COLOURS.get(f"class-{index}", COLOURS["muted"])
        bars = axes.barh(list(splits), shares, 0.62, left, color=colour, alpha=0.55, label=name)
        axes.bar_label(bars, [f"{count:,}" if count else "" for count in counts], label_type="center")
        left += shares
    axes.invert_yaxis()
    axes.set(xlim=(0, 100), xlabel="share of the split, %")
    axes.grid(False)
    axes.tick_params(axis="y", length=0)
    axes.spines[["left"]].set_visible(False)
    figure.legend(loc="outside upper right", ncols=4)
    return figure


def square(xlabel: str, ylabel: str) -> tuple[Figure, Axes]:
    """Make a figure of one square from 0 to 1."""
    figure = Figure(figsize=(4.6, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel=xlabel, ylabel=ylabel, aspect="equal")
    return figure, axes


def two_classes(axes: Axes, labels: np.ndarray) -> bool:
    """Whether there is a curve to draw; where not, the figure says so."""
    if len(np.unique(labels)) == 2:
        return True
    axes.text(0.5, 0.5, "not defined:\nall examples are of one class", ha="center", va="center")
    return False


def with_band(axes: Axes, name: str, curve: Curve, labels: np.ndarray, values: np.ndarray, draws: np.ndarray) -> None:
    """Draw a curve and the 2.5 to 97.5 percentile of the curves of the draws; `curve` gives rising x, and y."""
    drawn = [
        np.interp(GRID, *curve(labels, values, weights))
        for weights in draws
        if len(np.unique(labels[weights > 0])) == 2
    ]
    if drawn:
        low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
        axes.fill_between(GRID, low, high, color=COLOURS[name], alpha=0.16, linewidth=0)
    axes.plot(*curve(labels, values, np.ones(len(labels))), color=COLOURS[name], label=name)
