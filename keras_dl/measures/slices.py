"""Slices of the test part: where a model is worse than on the rest, by more than chance explains.

A slice is compared with the rest *like with like*, within each class, or it would look worse wherever a hard class is
frequent. The differences of the classes are averaged with the weights of Mantel and Haenszel (1959), inside * outside /
(inside + outside), so that a class with hardly an example on one side counts little.

All slices are measured on the same draws of groups. Whether a slice is worse is tested by shuffling: within each class,
whole groups of about the same size are put in a random order, and how good their answers are is dealt out to the places
of all examples. If the slice does not matter, one order is as likely as another, so that the share of orders in which
the slice is at least as bad is a valid p value, for small slices and rare errors too, where the bootstrap is not (a
slice without an error has none in any draw). Of many slices one looks bad by chance: the p values are corrected for
their number (Holm 1979).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_dl.measures import bootstrap
from keras_dl.measures.bootstrap import Draws, interval
from keras_dl.measures.measuring import point, ratio, sums
from keras_dl.task.kinds import Measuring, Metric

EXAMPLES, GROUPS = 10, 5  # of a slice, and of the rest, at least: less is not tested
DRAWS = 400  # 10 beyond each end of a 95 % interval
MOST_ORDERS, LEAST_ORDERS = 10_000, 1_000
SHUFFLED = 2e7  # examples in all orders together, about: where there are many examples there are fewer orders
SIZES = 64  # kinds of sizes of a group, more than there are: one for each power of 2
BLOCK = 2**20  # examples in the orders that are in memory at once


@dataclass(frozen=True)
class Slice:
    """Some of the examples."""

    inside: np.ndarray  # bool [count]
    strata: np.ndarray  # [count], whole numbers from 0 on: examples of one number are compared with each other


@dataclass(frozen=True)
class Judged:
    """What slices are compared by: a metric that is the mean of one number for each example."""

    each: np.ndarray  # [count]
    more_is_better: bool


def too_small(inside: np.ndarray, groups: np.ndarray) -> str:
    """Say why a slice is not tested; "" where it is.

    Args:
        inside: bool `[count]`, which examples are in it.
        groups: `[count]`, the number of each example's group.
    """
    for part, of in ((inside, ""), (~inside, "the rest has ")):
        if part.sum() < EXAMPLES:
            return f"{of}fewer than {EXAMPLES} examples"
        if len(np.unique(groups[part])) < GROUPS:
            return f"{of}fewer than {GROUPS} groups"
    return ""


def compared(
    slices: Sequence[Slice],
    prepare: Callable[[np.ndarray], Measuring],
    judged: Judged,
    draws: Draws,
    metrics: Sequence[tuple[str, Metric]],
) -> list[dict[str, Any]]:
    """Measure slices, and compare each with the rest.

    Args:
        slices: large enough to be tested.
        prepare: from the rows of a slice, `[rows]`, to the measurement of these examples.
        judged: what they are compared by.
        draws: of the groups of all examples.
        metrics: (name, record) of what is measured.

    Returns:
        Of each slice "metrics" `{name: {"value", "low", "high"}}`; "difference" `{"value", "low", "high"}` of
        the judged mean, slice minus rest within strata; "rest", what the slice would have without that difference; "p",
        the chance that it is as bad or worse if it does not matter, and "corrected", the same for that many slices.
        What is not defined, such as the AUROC within one class, is None.
    """
    if not slices:
        return []
    models = [part(prepare, one, judged, [name for name, _ in metrics]) for one in slices]
    points, drawn = [point(model, draws.count) for model in models], bootstrap.measured(models, draws)
    p = shuffled(slices, judged, draws)
    found = []
    for values, rows, one, corrected in zip(points, drawn, p, holm(p), strict=True):
        found.append(
            {
                "metrics": {name: interval(values[name], rows[name], record.distance) for name, record in metrics},
                "rest": interval(values[MEAN] - values[DIFFERENCE], rows[DIFFERENCE])["value"],
                "difference": interval(values[DIFFERENCE], rows[DIFFERENCE]),
                "p": round(float(one), 6),
                "corrected": round(float(corrected), 6),
            }
        )
    return found


MEAN, DIFFERENCE = "mean of the slice", "slice minus rest"  # no metric is called so


def part(prepare: Callable[[np.ndarray], Measuring], one: Slice, judged: Judged, names: Sequence[str]) -> Measuring:
    """Prepare metrics of a slice, its judged mean, and how far that is from the rest."""
    rows, count = np.flatnonzero(one.inside), int(one.strata.max()) + 1
    measuring = prepare(rows)
    place = one.strata + count * one.inside
    added = sums([place, place + 2 * count], [1.0, judged.each], 4 * count)

    def measured(weights: np.ndarray) -> dict[str, np.ndarray]:
        found = measuring(np.take(weights, rows, axis=1))
        rest, inner, rest_sum, inner_sum = np.split(added(weights), 4, axis=1)  # each [draws, strata]
        shifts, shares = (ratio(one, inner + rest) for one in (inner_sum * rest - rest_sum * inner, inner * rest))
        means = {
            MEAN: ratio(inner_sum.sum(axis=1), inner.sum(axis=1)),
            DIFFERENCE: ratio(np.nansum(shifts, axis=1), np.nansum(shares, axis=1)),
        }
        return {**{name: found[name] for name in names}, **means}

    return measured


def shuffled(slices: Sequence[Slice], judged: Judged, draws: Draws) -> np.ndarray:
    """Return how likely each slice is to be at least as bad if slices do not matter, `[slices]`.

    Args:
        slices: of the examples.
        judged: what they are compared by.
        draws: for the groups of the examples, and the seed.
    """
    good = judged.each * (1 if judged.more_is_better else -1)
    kinds = {id(one.strata): one.strata for one in slices}
    p = np.empty(len(slices))
    for key, strata in kinds.items():
        rows = [row for row, one in enumerate(slices) if id(one.strata) == key]
        p[rows] = chances(np.stack([slices[row].inside for row in rows]), strata, good, draws)
    return p


def chances(inside: np.ndarray, strata: np.ndarray, good: np.ndarray, draws: Draws) -> np.ndarray:
    """Return the share of orders in which each slice has at most the sum that it has, `[slices]`.

    Args:
        inside: bool `[slices, count]`.
        strata: `[count]`; groups are shuffled within each.
        good: `[count]`, more is better.
        draws: for the groups of the examples, and the seed.
    """
    from scipy.sparse import csr_array

    _, group, sizes = np.unique(strata * draws.groups + draws.numbers, return_inverse=True, return_counts=True)
    alike = np.round(np.log2(sizes)).astype(int)[group] + SIZES * strata
    order = np.lexsort((group, alike))
    good, members = good[order], csr_array(inside[:, order].astype(float))
    begins = np.flatnonzero(np.diff(group[order], prepend=-1))
    cuts = np.append(np.flatnonzero(np.diff(alike[order][begins], prepend=-1)), len(begins))
    sizes = np.diff(begins, append=draws.count)
    most = members @ good + 1e-9 * np.abs(good).sum()  # what rounding leaves of equal sums
    count = int(np.clip(SHUFFLED // draws.count, LEAST_ORDERS, MOST_ORDERS))
    generator = np.random.default_rng([draws.seed, count])
    as_bad, done = np.zeros(len(inside), dtype=int), 0
    while done < count:
        block = min(count - done, max(1, BLOCK // draws.count))
        dealt = good[orders(sizes, cuts, block, generator)]  # [block, count]
        as_bad += (members @ dealt.T <= most[:, None]).sum(axis=1)
        done += block
    return (as_bad + 1) / (count + 1)


def orders(sizes: np.ndarray, cuts: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """Put whole groups in random orders; return which example is at each place, `[count, examples]`.

    Args:
        sizes: `[groups]`, of groups whose examples stand one after another.
        cuts: where strata of groups begin, and where the last one ends; groups stay in theirs.
        count: of the orders.
        generator: of the orders.
    """
    parts = [np.arange(low, high, dtype=np.int32) for low, high in itertools.pairwise(cuts.tolist())]
    groups = np.concatenate([generator.permuted(np.tile(part, (count, 1)), axis=1) for part in parts], axis=1)
    if sizes.max() == 1:
        return groups
    repeats = sizes[groups].ravel()
    begins = (np.cumsum(sizes) - sizes)[groups].ravel()
    places = np.arange(repeats.sum())
    return (np.repeat(begins - (np.cumsum(repeats) - repeats), repeats) + places).reshape(count, -1)


def holm(p: np.ndarray) -> np.ndarray:
    """Correct p values for their number (Holm 1979): `[tests]`, each at most 1."""
    order = np.argsort(p, kind="stable")
    rising = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(rising, 1)
    return corrected
