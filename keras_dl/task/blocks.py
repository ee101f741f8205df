"""Blocks: how anything is shown to people.

A kind of input or output says *what* is shown, as a list of blocks. `pages.terminal` renders each block as text,
`pages.html` as HTML for reports and notebooks, and the served page renders what `pages.wire` gives it. So a new kind
needs no template and no JavaScript.

In texts, `**strong**` and `` `code` `` are marked up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Answer:
    """The answer to one input in a few words: "PNEUMONIA", and how sure it is."""

    text: str
    certainty: str = ""
    symbol: str = ""  # a sign that stands for the answer, an emoji say


@dataclass(frozen=True)
class Bar:
    """One class and its share."""

    name: str
    share: float  # 0 to 1
    symbol: str = ""
    chosen: bool = False


@dataclass(frozen=True)
class Bars:
    """Shares of classes that add up to 1."""

    rows: Sequence[Bar]
    title: str = ""


@dataclass(frozen=True)
class Gauge:
    """A value on a scale, against a threshold or with an interval around it."""

    value: float
    low: float  # ends of the scale
    high: float
    text: str  # the value as people write it: "probability 91 %"
    threshold: float | None = None
    threshold_text: str = ""
    interval: tuple[float, float] | None = None
    ends: tuple[str, str] = ("", "")  # what stands at the ends of the scale
    note: str = ""  # what a reader must know to understand the value


@dataclass(frozen=True)
class Word:
    """A stretch of a text and its weight: positive speaks for, negative against."""

    start: int  # of characters
    end: int
    weight: float


@dataclass(frozen=True)
class Spans:
    """A text with marked words."""

    text: str
    words: Sequence[Word]  # in the order of the text, without overlap
    read: int  # characters up to which the model reads
    of: str  # what the weights speak for: the name of a class
    meaning: str  # of a weight
    signed: bool = True  # False: a weight is a share, never negative
    numbers: bool = True  # whether the legend and the strongest words follow


@dataclass(frozen=True)
class Panel:
    """One image of a picture."""

    title: str
    pixels: np.ndarray  # uint8 [height, width, 1 or 3]


@dataclass(frozen=True)
class Picture:
    """Images side by side; with `heat` the last image is the first one under a map."""

    panels: Sequence[Panel]
    caption: str = ""
    heat: np.ndarray | None = None  # [height, width] in [0, 1]
    heat_title: str = ""
    alt: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of text below a header."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""
    caption: str = ""
    numeric: Sequence[int] = ()  # columns that are set flush right


@dataclass(frozen=True)
class Chart:
    """A figure, as SVG."""

    name: str  # unique on a page: letters, digits, "-"
    svg: str
    title: str = ""
    caption: str = ""


@dataclass(frozen=True)
class Prose:
    """A paragraph."""

    text: str
    title: str = ""
    warning: bool = False


Block = Answer | Bars | Gauge | Spans | Picture | Table | Chart | Prose


def percent(share: float) -> str:
    """Write a share in percent: never "0 %" or "100 %" where it is not."""
    if not math.isfinite(share):
        return "not known"
    if 0 < share < 0.001:
        return "under 0.1 %"
    if 0.999 < share < 1:
        return "over 99.9 %"
    return f"{100 * share:.{1 if share < 0.1 or share > 0.9 else 0}f} %"


def exactly(share: float) -> str:
    """Write a share that somebody chose in percent, with the digits it has: "98 %", "99.5 %"."""
    return f"{100 * share:.4g} %"
