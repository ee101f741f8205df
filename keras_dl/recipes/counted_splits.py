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
        where = " outside of the test part" if tested.any() else ""
        raise KerasDLError(f"{source}: {count} images{where} are too few to split; count {few} at least, better 50")
    return splits.by_group(found.groups, strata(found.counts, tested), seed=seed, parts=found.parts)


def strata(counts: np.ndarray, tested: np.ndarray) -> np.ndarray:
    """Return a stratum for each count `[images]`: quarters by size, or halves by chance where there are few images.

    Where these leave hardly anything to split, as many counts are equal, say: halves by size and name.

    Args:
        counts: `[images]`.
        tested: bool `[images]`, what is in a test part already, and not split.
    """
    several = min(STRATA, len(counts) // 6)
    edges = np.unique(np.quantile(counts, np.linspace(0, 1, several + 1)[1:-1])) if several > 1 else np.empty(0)
    found = np.searchsorted(edges, counts) if len(edges) else np.arange(len(counts)) % 2
    _, sizes = np.unique(found[~tested], return_counts=True)
    if len(sizes) < 2 or sizes.min() < len(splits.NAMES):
        rest = np.flatnonzero(~tested)
        found[rest[np.argsort(counts[rest], kind="stable")]] = 2 * np.arange(len(rest)) // max(1, len(rest))
    return found
