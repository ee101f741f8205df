"""Figures of predicted numbers: against the true ones, the errors over the size, and what the splits hold."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from keras_dl.figures.plots import COLOURS, styled

MANY = 300  # points from which on they are small and pale


@styled
def predicted_against_true(
    truth: np.ndarray, values: Mapping[str, np.ndarray], interval: tuple[np.ndarray, np.ndarray], unit: str
) -> Figure:
    """Draw the answers of network and baseline over the truth, with the network's intervals.

    Args:
        truth: `[count]`.
        values: "network" and "baseline" -> `[count]`.
        interval: low and high ends, each `[count]`, of the network's answers; infinite ones are not drawn.
        unit: of the numbers.
    """
    figure = Figure(figsize=(4.6, 4.2), layout="constrained")
    axes = figure.subplots()
    network = np.asarray(values["network"], dtype=float)
    low, high = interval
    if np.isfinite(high).all() and len(truth) <= MANY:
        axes.vlines(truth, low, high, color=COLOURS["network"], alpha=0.25, linewidth=2)
    size = 26 if len(truth) <= MANY else 6
    axes.scatter(
        truth, values["baseline"], size, color=COLOURS["baseline"], marker="s", alpha=0.5, label="baseline", lw=0
    )
    axes.scatter(truth, network, size, color=COLOURS["network"], alpha=0.9, label="network", lw=0)
    everything = np.concatenate([truth, network])  # a baseline that fails altogether leaves the frame
    ends = everything.min(), everything.max()
    margin = 0.08 * (ends[1] - ends[0] or 1)
    ends = max(ends[0] - margin, 0), ends[1] + margin
    axes.plot(ends, ends, color=COLOURS["muted"], linestyle=":", linewidth=1)
    beyond = int(((values["baseline"] < ends[0]) | (values["baseline"] > ends[1])).sum())
    axes.set(xlim=ends, ylim=ends, aspect="equal", xlabel=f"true {unit}", ylabel=f"predicted {unit}")
    if beyond:
        axes.plot([], [], " ", label=f"({beyond} of the baseline outside)")
    axes.legend(loc="upper left")
    return figure


@styled
def bland_altman(truth: np.ndarray, predicted: np.ndarray, unit: str) -> Figure:
    """Draw predicted minus true over their mean, with the mean error and the limits of agreement (Bland, Altman 1986).

    Args:
        truth: `[count]`.
        predicted: `[count]`.
        unit: of both.
    """
    figure = Figure(figsize=(4.6, 4.2), layout="constrained")
    axes = figure.subplots()
    error, middle = np.asarray(predicted, dtype=float) - truth, (np.asarray(predicted, dtype=float) + truth) / 2
    mean, spread = error.mean(), error.std(ddof=1) if len(error) > 1 else 0.0
    axes.scatter(middle, error, 26 if len(truth) <= MANY else 6, color=COLOURS["network"], alpha=0.8, lw=0)
    axes.axhline(0, color=COLOURS["muted"], linestyle=":", linewidth=1)
    for height, style in ((mean, "-"), (mean - 1.96 * spread, "--"), (mean + 1.96 * spread, "--")):
        axes.axhline(height, color=COLOURS["ink"], linestyle=style, linewidth=1.1)
        text = f" {height:+.1f}".replace("-", "−")
        axes.text(1.01, height, text, transform=axes.get_yaxis_transform(), va="center", fontsize=8.5)
    axes.margins(y=0.15)
    axes.set(xlabel=f"mean of predicted and true {unit}", ylabel=f"predicted − true {unit}")
    return figure


@styled
def ranges(splits: Mapping[str, Mapping[str, float]], unit: str) -> Figure:
    """Draw the least, mean and largest number of each split; splits: name -> {"least", "mean", "most"}."""
    figure = Figure(figsize=(5.4, 0.42 * len(splits) + 0.9), layout="constrained")
    axes = figure.subplots()
    for place, found in enumerate(splits.values()):
        if found:
            axes.plot([found["least"], found["most"]], [place, place], color=COLOURS["class-0"], linewidth=5, alpha=0.4)
            axes.plot(found["mean"], place, "o", color=COLOURS["class-0"])
    axes.set(yticks=range(len(splits)), yticklabels=list(splits), xlabel=f"true {unit}", ylim=(len(splits) - 0.5, -0.5))
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="y")
    axes.spines[["left"]].set_visible(False)
    return figure
