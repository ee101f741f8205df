"""The bootstrap: draws of whole groups, 95 % intervals of metrics and of differences, p values.

The images of one patient are no independent witnesses; drawing patients keeps intervals from being too narrow (cluster
bootstrap; Davison, Hinkley 1997). Draw number d of G groups takes G of them at random, with replacement:
`bincount(default_rng([seed, d]).integers(0, G, G), minlength=G)` says how often each group counts, and each of its
examples counts as often. So each draw hangs on seed, d and the sorted names of the groups alone: not on the size of the
blocks, the number of threads, or the order of the examples.

The draws are never all in memory. They are made in blocks, one thread makes a block and measures all models on it, and
keeps of each draw one number per metric.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from keras_dl.errors import KerasDLError
from keras_dl.measures.measuring import point
from keras_dl.progress import bar
from keras_dl.task.kinds import Measuring, Metric, metric_of

DRAWS = 1000  # the ends of a 95 % interval then rest on 25 draws each
BLOCK = 2**18  # weights in a block, at most, if one draw has no more: what a processor keeps at hand
THREADS = 8  # at most; memory, not arithmetic, is the limit
WORKING = 2**23  # weights in work at once, over all threads; each needs some 60 bytes while it is measured

Cell = dict[str, float | None]
"""A metric's "value" with the ends of its interval, "low" and "high", rounded to 6 digits; None where not defined."""


class Draws:
    """Draws of whole groups, in blocks of weights, int32 `[block, count]`: how often each example counts.

    It may be iterated again and again, and gives the same each time; `len` is the number of blocks, `draws` that of
    draws.

    Args:
        groups: `[count]`, the name of each example's group.
        seed: of the draws, at least 0.
        draws: how many.

    Raises:
        KerasDLError: if there is no example.
    """

    def __init__(self, groups: Iterable[Any], seed: int, draws: int = DRAWS) -> None:
        names = [str(name) for name in groups]
        if not names:
            raise KerasDLError("there are no examples to draw; use data that has a test part")
        numbers = {name: number for number, name in enumerate(sorted(set(names)))}
        self.groups, self.count, self.seed, self.draws = len(numbers), len(names), seed, draws
        self.numbers = np.fromiter(map(numbers.__getitem__, names), dtype=np.intp, count=len(names))
        self.size = max(1, BLOCK // self.count)  # draws in a block

    def __len__(self) -> int:
        return -(-self.draws // self.size)

    def __getitem__(self, block: int) -> np.ndarray:
        """Make one block; may be called from several threads at once."""
        if not 0 <= block < len(self):
            raise IndexError(f"no block {block} of {len(self)}")
        return np.stack([self.draw(one) for one in range(block * self.size, min((block + 1) * self.size, self.draws))])

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[block] for block in range(len(self)))

    def draw(self, number: int) -> np.ndarray:
        """Make one draw, `[count]`."""
        taken = np.random.default_rng([self.seed, number]).integers(0, self.groups, self.groups)
        return np.bincount(taken, minlength=self.groups).astype(np.int32)[self.numbers]


def measured(measuring: Sequence[Measuring], draws: Draws) -> list[dict[str, np.ndarray]]:
    """Measure models on the same draws, in threads; return of each model every metric's values, `[draws]`.

    Args:
        measuring: of each model, all of the same examples.
        draws: of the groups of these examples.
    """

    def of_block(number: int) -> list[dict[str, np.ndarray]]:
        weights = draws[number]
        return [model(weights) for model in measuring]

    blocks = []
    pool = ThreadPoolExecutor(threads(draws))
    try:
        with bar(total=draws.draws, desc="bootstrap", unit=" draws") as shown:
            for found in pool.map(of_block, range(len(draws))):
                blocks.append(found)
                shown.update(min(draws.size, shown.total - shown.n))
    finally:
        pool.shutdown(cancel_futures=True)
    models = zip(*blocks, strict=True)  # of each model its blocks
    return [{name: np.concatenate([one[name] for one in found]) for name in found[0]} for found in models]


def threads(draws: Draws) -> int:
    """Return how many blocks are in work at once: one per processor, fewer where they would take too much memory."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(processors, THREADS, len(draws), WORKING // (draws.size * draws.count)))


def paired(
    measuring: Mapping[str, Measuring], draws: Draws, metrics: Mapping[str, Metric]
) -> dict[str, dict[str, Cell]]:
    """Measure one or two models on the same examples and the same draws of groups.

    Args:
        measuring: name -> prepared measurement, of one or two models.
        draws: of the groups of the examples.
        metrics: name -> record.

    Returns:
        For each name, and of two for "difference" (first minus second): `{metric: {"value", "low", "high"}}`. The
        difference is of the metrics that both have.

    Raises:
        UnknownMetric: if a measurement gives a metric that has no record.
    """
    if not 1 <= len(measuring) <= 2:
        raise ValueError(f"{len(measuring)} models given; give one or two, or use differences()")
    points = [point(model, draws.count) for model in measuring.values()]
    distance = {name: metric_of(name, metrics).distance for values in points for name in values}
    drawn = measured(list(measuring.values()), draws)
    found = {
        row: {name: interval(value, rows[name], distance[name]) for name, value in values.items()}
        for row, values, rows in zip(measuring, points, drawn, strict=True)
    }
    if len(points) == 2:
        (first, second), (ours, theirs) = points, drawn
        found["difference"] = {
            name: interval(value - second[name], ours[name] - theirs[name], distance[name])
            for name, value in first.items()
            if name in second
        }
    return found


def differences(
    measuring: Sequence[Measuring], draws: Draws, metrics: Mapping[str, Metric], keys: Sequence[str] | None = None
) -> list[dict[str, Cell]]:
    """Measure models on the same draws, and compare each with the first.

    DeLong's test, the usual one for two AUROCs, takes the images of one patient for independent witnesses, and covers
    no other metric.

    Args:
        measuring: the first model, and the others, all of the same examples.
        draws: of the groups of the examples.
        metrics: name -> record.
        keys: the metrics to compare; None for those that all have, in the order of the first.

    Returns:
        Of each model but the first, minus the first: `{metric: {"value", "low", "high", "p"}}`.

    Raises:
        UnknownMetric: if one of the keys has no record.
    """
    if len(measuring) < 2:
        return []
    points = [point(model, draws.count) for model in measuring]
    shared = [name for name in points[0] if all(name in one for one in points)] if keys is None else keys
    distance = {name: metric_of(name, metrics).distance for name in shared}
    drawn = measured(measuring, draws)
    return [
        {
            name: interval(values[name] - points[0][name], rows[name] - drawn[0][name], distance[name])
            | {"p": p_value(values[name] - points[0][name], rows[name] - drawn[0][name], distance[name])}
            for name in shared
        }
        for values, rows in zip(points[1:], drawn[1:], strict=True)
    ]


def interval(value: float, draws: np.ndarray, distance: bool = False) -> Cell:
    """Return a metric's value with the 2.5 and 97.5 percentiles of its draws; None where it is not defined.

    A distance from perfection, such as the calibration error, grows when examples are drawn again, so that the
    percentiles may lie above the value. For these the interval is mirrored at the value (the "basic" bootstrap;
    Davison, Hinkley 1997).

    Args:
        value: of all examples, each once.
        draws: `[draws]`; those that are nan are left out.
        distance: whether the metric is a distance, or a difference of two.
    """
    defined = draws[np.isfinite(draws)]
    low, high = np.percentile(defined, [2.5, 97.5]) if len(defined) else (np.nan, np.nan)
    if distance:
        low, high = 2 * value - high, 2 * value - low
        low = max(low, 0.0) if value >= 0 and defined.min(initial=0) >= 0 else low
    return {
        key: round(float(number), 6) if np.isfinite(number) else None
        for key, number in (("value", value), ("low", low), ("high", high))
    }


def p_value(value: float, draws: np.ndarray, distance: bool = False) -> float | None:
    """Return the two-sided p value of a difference from its paired bootstrap draws; None where it is not defined.

    It is twice the smaller share of draws on either side of zero (Efron, Tibshirani 1993), so that it is below 0.05
    where the 95 % interval leaves zero out; one is added to count and draws, so that it is never zero (Davison,
    Hinkley 1997).

    Args:
        value: the difference of two models.
        draws: `[draws]`, the difference in each draw.
        distance: whether the metric is a distance; its draws are mirrored at the value, as for its interval.
    """
    defined = draws[np.isfinite(draws)]
    if not len(defined):
        return None
    defined = 2 * value - defined if distance else defined
    fewer = min((defined <= 0).sum(), (defined >= 0).sum())
    return round(min(1.0, 2 * (int(fewer) + 1) / (len(defined) + 1)), 6)
