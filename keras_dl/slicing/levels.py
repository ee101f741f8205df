"""What is known of examples, cut into levels: numbers at their quartiles, words by how frequent they are."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_dl.measures.slices import EXAMPLES

FEW = 6  # different numbers: each is a level of its own
MOST = 12  # levels of words; the rare ones together are the last
DIGITS = 15  # of a number, at most: so many are kept
MOVED = 0.02  # share of the examples that rounding an edge may move to another level
EMPTY = "not given"
NUMBER = re.compile(r"[+-]?((0|[1-9]\d*)([.,]\d+)?|[.,]\d+)([eE][+-]?\d+)?")  # "007" is a code


def levels(values: Sequence[Any] | np.ndarray) -> dict[str, np.ndarray]:
    """Cut a column into levels.

    Args:
        values: `[count]`, numbers or texts; "" where an example has none, None where nothing was said of the example,
            which is then in no level.

    Returns:
        Of each level, by its name, which examples are in it, bool `[count]`: numbers in rising order, words with the
        most frequent first.
    """
    array = np.asarray(values)
    if array.dtype.kind in "iuf":
        return of_numbers(array.astype(float))
    texts = ["" if one is None else str(one).strip() for one in values]
    asked = np.fromiter((one is not None for one in values), bool, len(texts))
    empty = np.fromiter((one == "" for one in texts), bool, len(texts)) & asked
    numbers = parsed(texts)
    found = of_words(texts) if numbers is None else of_numbers(numbers)
    return {**found, EMPTY: empty} if empty.any() else found


def parsed(texts: Sequence[str]) -> np.ndarray | None:
    """Read texts as numbers, nan where there is none; None where one is a word."""
    known = {text: number_of(text) for text in set(texts) if text}
    if not known or None in known.values():
        return None
    return np.fromiter((known.get(text, np.nan) for text in texts), float, len(texts))


def number_of(text: str) -> float | None:
    """Read a number as people write it, with a point or a comma."""
    return float(text.replace(",", ".")) if NUMBER.fullmatch(text) else None


def of_numbers(numbers: np.ndarray) -> dict[str, np.ndarray]:
    """Cut numbers at their quartiles, as far as these differ; few different ones are levels as they are."""
    finite = numbers[np.isfinite(numbers)]
    distinct = np.unique(finite)
    if len(distinct) <= FEW:
        return {written(one): numbers == one for one in distinct}
    edges = rounded(np.quantile(finite, (0.25, 0.5, 0.75)), finite)
    place = np.searchsorted(edges, numbers, side="left")  # an edge is in the lower level, as its name says
    first = written(edges[0]) if edges[0] == distinct[0] else f"up to {written(edges[0])}"
    between = [f"{written(low)} to {written(high)}" for low, high in itertools.pairwise(edges)]
    names = [first, *between, f"over {written(edges[-1])}"]
    each = {name: (place == index) & np.isfinite(numbers) for index, name in enumerate(names)}
    return {name: inside for name, inside in each.items() if inside.any()}


def rounded(edges: np.ndarray, numbers: np.ndarray) -> list[float]:
    """Round edges to as few digits as part the numbers about as well: names are short, and say where the cut is."""
    for digits in range(2, DIGITS + 1):
        short = [float(f"{edge:.{digits}g}") for edge in edges]
        pairs = zip(edges, short, strict=True)
        if max(abs(np.mean(numbers <= near) - np.mean(numbers <= edge)) for edge, near in pairs) < MOVED:
            break
    return sorted(set(short))


def written(number: float) -> str:
    """Write a number for people: "0.02", "1,250"."""
    return f"{number:,.{DIGITS}g}"


def of_words(texts: Sequence[str]) -> dict[str, np.ndarray]:
    """Make a level of each frequent text, and one of the others together; "" is in none."""
    counts = Counter(text for text in texts if text)
    ranked = sorted(counts, key=lambda text: (-counts[text], text))
    kept = ranked if len(ranked) <= MOST else ranked[: MOST - 1]
    level_of = {text: index for index, text in enumerate(kept)}
    place = np.fromiter((level_of.get(text, len(kept)) if text else -1 for text in texts), int, len(texts))
    several = len(kept) < len(ranked) and counts[ranked[0]] >= EXAMPLES  # else each is another: remarks, names
    names = [*kept, f"{len(ranked) - len(kept):,} others"] if several else kept
    return {name: place == index for index, name in enumerate(names)}
