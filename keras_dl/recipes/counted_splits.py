"""Split counted images into parts with equal shares of small and large counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from keras_dl.data import splits
from keras_dl.data.counted import Counted
from keras_dl.errors import KerasDLError

STRATA = 4  # of the counts


def rows(found: Counted, source: Path, seed: int) -> dict[str, np.ndarray]:
    """Return the rows of each part: of the folder's test part and the rest, or of parts drawn from all images.

    Raises:
        KerasDLError: if there are too few images to split.
    """
    tested = found.parts == "test"
    count, few = int((~tested).sum()), 4 if tested.any() else 6  # two for each part that is drawn
    if count < few:
        where = " outside the test part" if tested.any() else ""
        raise KerasDLError(f"{source}: {count} images{where} are too few to split; use at least {few}, or better 50")
    return splits.by_group(found.groups, strata(found.counts, tested), seed=seed, parts=found.parts)


def strata(counts: np.ndarray, tested: np.ndarray) -> np.ndarray:
    """Return a stratum for each count `[images]`: quarters by size of what is to be split.

    Halves by size and name where there are fewer than 12 images, or too few different counts. Images of the test part
    are in stratum 0: they are not split.

    Args:
        counts: `[images]`.
        tested: bool `[images]`, what is in a test part already, and not split.
    """
    rest = np.flatnonzero(~tested)
    found = np.zeros(len(counts), np.int64)
    several = min(STRATA, len(rest) // 6)
    if several > 1:
        edges = np.unique(np.quantile(counts[rest], np.linspace(0, 1, several + 1)[1:-1]))
        found[rest] = np.searchsorted(edges, counts[rest])
    _, sizes = np.unique(found[rest], return_counts=True)
    if len(sizes) < 2 or sizes.min() < len(splits.NAMES):
        found[rest[np.argsort(counts[rest], kind="stable")]] = 2 * np.arange(len(rest)) // len(rest)
    return found
