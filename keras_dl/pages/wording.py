"""What the terminal, HTML and the served page say alike: shares, weights, the strongest words, places on a scale."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

from keras_dl.task.blocks import Gauge, Spans, Word

MARKS = re.compile(r"`([^`\n]+)`|\*\*(.+?)\*\*", re.DOTALL)  # code first: stars inside it stay
LONGEST = 300  # characters of what may still be a word
PALE = 0.02  # of the strongest word: a word below it gets no colour


def parts(text: str) -> Iterator[tuple[str, str]]:
    """Divide a text at its markup: gives ("strong", "code" or "", part)."""
    place = 0
    for found in MARKS.finditer(text):
        yield "", text[place : found.start()]
        yield ("code", found[1]) if found[1] is not None else ("strong", found[2])
        place = found.end()
    yield "", text[place:]


def shortened(text: str, most: int) -> str:
    """Cut a text after so many characters."""
    return text if len(text) <= most else f"{text[:most]}…"


def stretches(spans: Spans) -> Iterator[tuple[str, Word | None, float]]:
    """Divide the text that was read into words and what stands between them.

    Gives the text, the word or None, and the share of its weight in that of the strongest word, -1 to 1.
    """
    peak = max((abs(word.weight) for word in spans.words), default=0) or 1
    place = 0
    for word in spans.words:
        yield spans.text[place : word.start], None, 0.0
        yield shortened(spans.text[word.start : word.end], LONGEST), word, word.weight / peak
        place = word.end
    yield spans.text[place : spans.read], None, 0.0


def strongest(spans: Spans, most: int) -> list[tuple[str, Sequence[Word]]]:
    """Return the words with the largest weights, below a title each: those for, and those against."""
    ranked = sorted(spans.words, key=lambda word: -abs(word.weight))
    of = spans.of or "the answer"
    titles = (f"for {of}", f"against {of}") if spans.signed else ("most weight",)
    sides = [(title, [word for word in ranked if sign * word.weight > 0]) for title, sign in zip(titles, (1, -1))]  # noqa: B905 - one title where no weight is negative
    return [(title, words[:most]) for title, words in sides if words]


def place(gauge: Gauge, value: float) -> float:
    """Return where a value stands on the scale of a gauge, 0 to 1."""
    length = gauge.high - gauge.low
    share = (value - gauge.low) / length if length > 0 else 0.0
    return min(1.0, max(0.0, share)) if math.isfinite(share) else 0.0


def interval(gauge: Gauge) -> str:
    """Write the interval of a gauge; "" where there is none."""
    if gauge.interval is None:
        return ""
    return " to ".join(f"{end:,.0f}" if abs(end) >= 1000 else f"{end:.4g}" for end in gauge.interval)


def described(gauge: Gauge) -> str:
    """Say what a gauge shows, for people who do not see it."""
    between = interval(gauge)
    said = [gauge.text, between and f"interval {between}", gauge.threshold_text]
    return ", ".join(part for part in said if part)
