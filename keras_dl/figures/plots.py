"""The style of all figures, the compact SVG that goes into a page, and the curves of the training.

All figures are drawn without any global state. Those of the answers stand in `confusion`, `classes`, `curves`, `crowd`.
"""

from __future__ import annotations

import html
import io
import re
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

import numpy as np
from matplotlib import colormaps, rc_context, rcParamsDefault
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

# After Okabe and Ito (2008): any two colours of classes differ by 11 or more (CIEDE2000) for all common kinds of colour
# vision. In the SVG each becomes a CSS variable of its name, so that the page can choose other shades on dark paper.
COLOURS = {
    "network": "#0072b2",
    "baseline": "#d55e00",
    "class-0": "#009e73",
    "class-1": "#aa4499",
    "class-2": "#b58900",
    "class-3": "#0070e0",
    "class-4": "#660c11",
    "class-5": "#75650b",
    "class-6": "#1f5756",
    "class-7": "#441d69",
    "ink": "#1c1e21",
    "muted": "#7b818a",
    "grid": "#dfe2e6",
}
STYLE: Any = {  # of matplotlib's own settings, not of a user's matplotlibrc; Any: matplotlib types each key
    **{
        name: value
        for name, value in rcParamsDefault.items()
        if not name.startswith(("backend", "webagg.", "date.epoch"))
    },
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
CLASSES = sum(name.startswith("class-") for name in COLOURS)  # so many have a colour of their own
SCALE = (0.3, 0.75)  # of viridis: what is seen on white and on dark paper
TICKS = 8  # at most about so many epochs are numbered on an axis
POINTS_PER_EM = 11.1  # 10-point labels come out a little smaller than the page's text


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
        history: the columns that `runs.history.read` gives: epoch, phase, phase_epoch, pairs of `name` and `val_name`.
        best: the epoch whose weights were kept, as the running number over all phases.
    """
    names = [name for name in history if f"val_{name}" in history]
    names = sorted(names, key=lambda name: name != "loss")[:3]
    phases, own = list(history["phase"]), list(history["phase_epoch"])
    epochs = np.arange(1, len(phases) + 1)
    begins = [row for row in range(len(phases)) if row == 0 or phases[row] != phases[row - 1]]
    several = len(begins) > 1
    figure = Figure(figsize=(3.3 * max(len(names), 1), 2.9), layout="constrained")
    for axes, name in zip(np.ravel(figure.subplots(1, max(len(names), 1))), names, strict=False):
        marks = {"marker": "o", "markersize": 3} if len(epochs) < 30 else {}
        axes.plot(epochs, history[name], "--", color=COLOURS["muted"], label="training", **marks)
        axes.plot(epochs, history[f"val_{name}"], color=COLOURS["network"], label="validation", **marks)
        for number, row in enumerate(begins if several else ()):
            if row:
                axes.axvline(epochs[row] - 0.5, color=COLOURS["muted"], linewidth=0.8)
            height = 1.01 + 0.08 * (number % 2)  # names of short phases do not run into each other
            axes.text(epochs[row] - 0.5, height, phases[row], fontsize=9, transform=axes.get_xaxis_transform())
        if best in list(history["epoch"]):
            row = list(history["epoch"]).index(best)
            kept = f"kept: epoch {own[row]}" + (f" of '{phases[row]}'" if several else "")
            axes.axvline(epochs[row], color=COLOURS["ink"], linestyle=":", linewidth=1.2, label=kept)
        axes.set_xlabel("epoch of the phase" if several else "epoch")
        axes.set_title(name, pad=28 if several else None)
        rows = ticks(own, begins)
        axes.set_xticks(epochs[rows], [str(own[row]) for row in rows])
    if names:
        figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def ticks(own: Sequence[int], begins: Sequence[int]) -> list[int]:
    """Return which rows have a tick: round numbers of the phase's own count, and the end of a phase too short for one.

    Args:
        own: number of each epoch in its phase.
        begins: rows that begin a phase.
    """
    steps = (step * 10**power for power in range(9) for step in (1, 2, 5))
    step = next(step for step in steps if len(own) <= TICKS * step)
    ends = [row - 1 for row in [*begins[1:], len(own)] if row]
    return [row for row, number in enumerate(own) if number % step == 0 or (row in ends and number < step)]


def class_colour(index: int, count: int = 0) -> str:
    """Return the colour of a class as "#rrggbb".

    Up to CLASSES classes have colours that all common kinds of colour vision tell apart, on white and on dark paper.
    More classes share a scale from blue to green, in the order of their index: neighbours are hard to tell apart, so
    what is drawn needs a name or a mark besides.

    Args:
        index: of the class.
        count: of all classes.
    """
    if max(count, index + 1) <= CLASSES:
        return COLOURS[f"class-{index}"]
    return to_hex(colormaps["viridis"](SCALE[0] + (SCALE[1] - SCALE[0]) * index / max(count - 1, index)))
