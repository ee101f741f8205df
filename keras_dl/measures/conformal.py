"""Quantiles that hold for an example of a new group: split conformal prediction where examples come in groups."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np


def quantile(scores: np.ndarray, groups: Iterable[Any], share: float) -> float:
    """Return a score that an example of a new group exceeds with a chance of at most 1 - `share`.

    The images of one patient are no independent witnesses, so each group has the same weight, shared by its examples.
    The new group has that weight too, at infinity: it may lie anywhere (hierarchical conformal prediction; Lee, Barber,
    Willett 2023, arXiv 2306.06342). With one example per group this is the k-th smallest of n scores, k = ceil((n + 1)
    share).

    Args:
        scores: `[count]`, of examples that nothing was fitted to.
        groups: `[count]`, the group of each.
        share: in (0, 1).

    Returns:
        The score; infinity where so few groups promise no finite one, groups + 1 < 1 / (1 - share).
    """
    scores = np.asarray(scores, dtype=float)
    _, numbers, sizes = np.unique([str(group) for group in groups], return_inverse=True, return_counts=True)
    order = np.argsort(scores, kind="stable")
    weights = (1 / sizes[numbers])[order]
    reached = np.cumsum(weights) >= (len(sizes) + 1) * share - 1e-9
    return float(scores[order][np.argmax(reached)]) if reached.any() else float("inf")
