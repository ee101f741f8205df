"""What a prepared measurement is, and the sums that all metrics are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from keras_dl.task.kinds import Measuring

Sums = Callable[[np.ndarray], np.ndarray]
"""Takes weights `[draws, count]`; gives weighted sums `[draws, columns]`."""


def point(measuring: Measuring, count: int) -> dict[str, float]:
    """Return the metrics where each of `count` examples counts once."""
    return {name: float(values[0]) for name, values in measuring(np.ones((1, count), dtype=np.int32)).items()}


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Divide; the result is nan where `below` is 0. Both are `[draws]`, or of shapes that fit each other."""
    above, below = np.broadcast_arrays(np.asarray(above, dtype=float), np.asarray(below, dtype=float))
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below != 0)


def sums(places: Sequence[np.ndarray], values: Sequence[np.ndarray | float], columns: int) -> Sums:
    """Prepare sums in which each example adds to a few of many columns: a product with one sparse matrix.

    Args:
        places: of each part `[count]`, the column in which it adds.
        values: of each part `[count]` or one number, what an example adds there for each time that it counts.
        columns: how many there are.
    """
    from scipy.sparse import coo_array

    count = len(places[0])
    examples = np.tile(np.arange(count, dtype=np.int32), len(places))
    numbers = np.concatenate([np.broadcast_to(np.asarray(part, dtype=float), count) for part in values])
    matrix = coo_array((numbers, (np.concatenate(places).astype(np.int32), examples)), shape=(columns, count)).tocsr()

    def summed(weights: np.ndarray) -> np.ndarray:
        return np.asarray(matrix @ np.ascontiguousarray(weights.T)).T

    return summed
