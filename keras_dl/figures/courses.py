"""Learning curves of several runs over each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter

from keras_dl.figures.plots import CLASSES, COLOURS, class_colour, styled

DASHES: tuple[tuple[int, ...], ...] = ((), (6, 2), (2, 2))  # with the colours: so many looks
LOOKS = CLASSES * len(DASHES)
WIDE = 30.0  # the largest value over the smallest, from which on the axis is logarithmic


@dataclass(frozen=True)
class Course:
    """How the training of one run went."""

    name: str
    epochs: Mapping[str, Sequence[Any]]  # the columns that `runs.history.read` gives
    kept: int | None  # the epoch whose weights were kept
    look: int  # number of colour and line; from LOOKS on all look alike, pale


@styled
def courses(drawn: Sequence[Course], columns: Mapping[str, str]) -> Figure:
    """Draw each column, which has a title, over the epochs: a line for each run, with a point at what was kept.

    A line is broken where a phase begins: its loss may be another one.
    """
    figure = Figure(figsize=(4.6 * len(columns), 3.1), layout="constrained")
    for axes, (column, title) in zip(np.ravel(figure.subplots(1, len(columns))), columns.items(), strict=True):
        for course in reversed(drawn):  # the first lies on top
            if column in course.epochs:
                draw(axes, course, column)
        values = [value for course in drawn for value in course.epochs.get(column, ()) if np.isfinite(value)]
        if values and 0 < WIDE * min(values) < max(values):
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set(xlabel="epoch", title=f"{title}, validation")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def draw(axes: Axes, course: Course, column: str) -> None:
    """Draw the line of one run."""
    colour, dashes = look(course.look)
    epochs, values = np.asarray(course.epochs["epoch"]), np.asarray(course.epochs[column], dtype=float)
    phases = np.asarray(course.epochs["phase"])
    for part in np.split(np.arange(len(epochs)), np.flatnonzero(phases[1:] != phases[:-1]) + 1):
        (line,) = axes.plot(epochs[part], values[part], color=colour, linewidth=1.6 if course.look < LOOKS else 0.8)
        if dashes:
            line.set_dashes(dashes)
        if len(part) == 1:
            line.set_marker(".")
    kept = epochs == course.kept
    axes.plot(epochs[kept], values[kept], "o", color=colour, markersize=4.5)


def look(number: int) -> tuple[str, tuple[int, ...]]:
    """Return colour and dashes of a line."""
    if number >= LOOKS:
        return COLOURS["muted"], ()
    return class_colour(number % CLASSES), DASHES[number // CLASSES]


def swatch(number: int) -> Markup:
    """Return a short piece of a line as SVG, for the row of its run in a table; its colour is the page's."""
    colour, dashes = look(number)
    name = next(name for name, value in COLOURS.items() if value == colour)
    return Markup(
        '<svg class="swatch" viewBox="0 0 28 6" aria-hidden="true"><line x1="0" x2="28" y1="3" y2="3" '
        'stroke="var(--{})" stroke-width="3" stroke-dasharray="{}"/></svg>'
    ).format(name, " ".join(map(str, dashes)))
