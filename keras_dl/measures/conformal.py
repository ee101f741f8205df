"""Quantiles that hold for an example of a new group: split conformal prediction where examples come in groups.

Of n scores on validation take the k-th smallest, k = ceil((n + 1) share). A new score, drawn like the n, is as likely
to come at any of the n + 1 places between them, so that it exceeds this one with a chance of at most 1 - share,
whatever the model (Vovk et al. 2005; Angelopoulos, Bates 2021).

But the images of one patient are no independent witnesses. So each group has the same weight, shared by its examples.
The new group has that weight too, at infinity: it may lie anywhere (hierarchical conformal prediction; Lee, Barber,
Willett 2023, arXiv 2306.06342). With one example per group both are the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from keras_dl.measures.measuring import ratio, sums
from keras_dl.task.kinds import Measuring

ROUNDING = 1e-9  # of sums of weights: a share that is met exactly is met


def quantile(scores: np.ndarray, groups: Iterable[Any], share: float) -> float:
    """Return a score that an example of a new group exceeds with a chance of at most 1 - `share`.

    Args:
        scores: `[count]`, of examples that nothing was fitted to.
        groups: `[count]`, the group of each.
        share: in (0, 1).

    Returns:
        The score; infinity where so few groups promise no finite one, fewer than `needed`.
    """
    scores = np.asarray(scores, dtype=float)
    _, numbers, sizes = np.unique([str(group) for group in groups], return_inverse=True, return_counts=True)
    order = np.argsort(scores, kind="stable")
    weights = (1 / sizes[numbers])[order]
    reached = np.cumsum(weights) >= (len(sizes) + 1) * share - ROUNDING
    return float(scores[order][np.argmax(reached)]) if reached.any() else float("inf")


def needed(share: float) -> int:
    """Return how many groups a finite quantile needs: 9 for a share of 0.9, 49 for 0.98."""
    return math.ceil(share / (1 - share) - ROUNDING)


def sets(labels: np.ndarray, members: np.ndarray, names: Sequence[str]) -> Measuring:
    """Prepare how good sets of classes are, on examples that they were not chosen on.

    Args:
        labels: `[count]`, class index.
        members: `[count, classes]`, whether a class is in the set of an example.
        names: of the classes.

    Returns:
        A measurement of coverage, the share of sets that contain the true class; set_size, the mean number of classes
        in a set; and of each class "coverage NAME", the same of its own examples; nan where it has none.
    """
    labels, classes = np.asarray(labels, dtype=int), len(names)
    held, sizes = members[np.arange(len(labels)), labels], members.sum(axis=1)
    places = [labels, classes + labels, np.full(len(labels), 2 * classes)]
    added = sums(places, [1.0, held, sizes], 2 * classes + 1)

    def measured(weights: np.ndarray) -> dict[str, np.ndarray]:
        true, hits, size = np.split(added(weights), [classes, 2 * classes], axis=1)
        whole = true.sum(axis=1)
        each = zip(names, ratio(hits, true).T, strict=True)
        return {
            "coverage": ratio(hits.sum(axis=1), whole),
            "set_size": ratio(size[:, 0], whole),
            **{f"coverage {name}": values for name, values in each},
        }

    return measured
