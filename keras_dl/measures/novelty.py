"""How far vectors are from those of the training part: a Gaussian for each stage of a network.

The squared Mahalanobis distance is that of Lee et al. 2018 (arXiv 1807.03888), but without classes: for reviews, a
centre for each class told unusual inputs no better. A stage may have thousands of channels, so the Gaussian keeps its
main directions and gives all others one variance (probabilistic PCA; Tipping, Bishop 1999). What is left of a vector in
the other directions is what betrays an input of another kind (Wang et al. 2022, arXiv 2203.10807).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

DIRECTIONS = 64  # of a stage, at most
NUMBERS = 200_000  # in the directions of all stages, 4 bytes each: an export must not grow by 1 MB
PRIOR = 10  # examples: each channel's variance is mixed with the average one, as if so many had it


@dataclass(frozen=True)
class Gaussian:
    """How the vectors of one stage are spread. Arrays, or tensors, of float32."""

    mean: Any  # [width]
    scale: Any  # [width], of each channel
    directions: Any  # [width, kept]
    inner: Any  # [kept, 1]: 1 / variance of each direction, over the width
    other: Any  # [width, 1]: the same of what is left

    def squared(self, vectors: Any, transpose: Callable[[Any], Any] = np.transpose) -> Any:
        """Return the squared distances `[count, 1]` of vectors `[count, width]`, over the width.

        They are about 1 in the training part, or less where the covariance was shrunk much.

        Args:
            vectors: NumPy arrays as the Gaussian's own, or tensors.
            transpose: the function of their library.
        """
        centred = (vectors - self.mean) / self.scale
        inside = centred @ self.directions
        outside = centred - inside @ transpose(self.directions)  # a difference of squares would lose digits
        return (outside * outside) @ self.other + (inside * inside) @ self.inner

    def whitened(self, vectors: np.ndarray) -> np.ndarray:
        """Return the part of vectors in the main directions, `[count, kept]`, with variance 1 in the training part."""
        return ((vectors - self.mean) / self.scale) @ self.directions * np.sqrt(self.inner * len(self.mean)).T


NAMES = tuple(one.name for one in fields(Gaussian))


def fit(stages: Sequence[np.ndarray]) -> list[Gaussian]:
    """Fit a Gaussian to the training vectors `[count, width]` of each stage.

    The covariance is shrunk as Ledoit and Wolf (2004) say, so that few examples of many channels are enough.
    """
    width = sum(stage.shape[1] for stage in stages)
    most = max(1, min(DIRECTIONS, NUMBERS // max(width, 1)))
    return [gaussian(stage.astype("float64"), most) for stage in stages]


def gaussian(vectors: np.ndarray, most: int) -> Gaussian:
    """Fit one Gaussian with at most so many directions."""
    from sklearn.covariance import ledoit_wolf

    count, width = vectors.shape
    mean, variance = vectors.mean(axis=0), vectors.var(axis=0)
    average = max(variance.mean(), 1e-12)
    scale = np.sqrt((count * variance + PRIOR * average) / (count + PRIOR))
    centred = (vectors - mean) / scale
    covariance, _ = ledoit_wolf(centred, assume_centered=True)
    values, directions = np.linalg.eigh(covariance)
    values = np.maximum(values, 1e-6)
    kept = min(most, width)
    main, rest = values[width - kept :], values[: width - kept]
    left = rest.mean() if len(rest) else main[0]
    return Gaussian(
        mean.astype("float32"),
        scale.astype("float32"),
        directions[:, width - kept :].astype("float32"),
        (1 / (main * width))[:, None].astype("float32"),
        np.full((width, 1), 1 / (left * width), "float32"),
    )
