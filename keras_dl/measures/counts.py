"""Metrics of predicted numbers, counts above all, and intervals that hold for a new example.

The radius of the intervals is the limit of the errors on validation (`measures.conformal`; Lei et al. 2018). It holds
as a mean over all examples. One radius for all is too wide for small counts and too narrow for large ones, whose errors
are larger. So errors are first divided by the square root of the predicted count, as those of a Poisson count grow
(`scaled_radius`); the promise stays the same, and then holds about as well at every count.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from keras_dl.measures import conformal
from keras_dl.measures.measuring import ratio
from keras_dl.task.kinds import Measuring


def numbers(truth: np.ndarray, predicted: np.ndarray) -> Measuring:
    """Prepare the metrics of predicted numbers.

    Args:
        truth: `[count]`, finite.
        predicted: `[count]`, finite, in the unit of `truth`.

    Returns:
        A measurement of mae and rmse (in the unit of `truth`), relative_error (mean of |error| / max(truth, 1)), bias
        (mean of predicted minus truth) and r2 (1 - squared errors / squared distances of the truth from its mean; nan
        where the truth does not vary).
    """
    truth, predicted = np.asarray(truth, dtype=float), np.asarray(predicted, dtype=float)
    error = predicted - truth
    size = np.abs(error)
    distance = truth - truth.mean() if len(truth) else truth  # r2 does not change, and rounds less
    columns = [size, error**2, size / np.maximum(truth, 1), error, distance, distance**2]
    added = np.stack(columns, axis=1)  # [count, 6]
    tiny = 1e-14 * np.max(distance**2, initial=0)  # what rounding leaves of a variance of 0

    def measured(weights: np.ndarray) -> dict[str, np.ndarray]:
        means = ratio(weights @ added, weights.sum(axis=1, dtype=float)[:, None])
        mae, squares, relative, bias, mean, spread = means.T
        variance = spread - mean**2
        r2 = 1 - ratio(squares, np.where(variance > tiny, variance, 0))
        return {"mae": mae, "rmse": np.sqrt(squares), "relative_error": relative, "bias": bias, "r2": r2}

    return measured


def scale(predicted: np.ndarray) -> np.ndarray:
    """Return how large errors are expected to be at predicted counts `[count]`: the square root, at least 1."""
    return np.sqrt(np.maximum(np.asarray(predicted, dtype=float), 1))


def scaled_radius(
    truth: np.ndarray, predicted: np.ndarray, groups: Sequence[str] | np.ndarray, coverage: float
) -> float | None:
    """Return the limit of errors divided by `scale(predicted)`; the radius at a count is that times its scale.

    Args:
        truth: `[count]`, of examples that the model was not fitted to.
        predicted: `[count]`.
        groups: `[count]`, what each example belongs to.
        coverage: in (0, 1).

    Returns:
        The radius; None where there are too few groups for one (`conformal.needed`).
    """
    errors = np.asarray(truth, dtype=float) - np.asarray(predicted, dtype=float)
    found = conformal.quantile(np.abs(errors) / scale(predicted), groups, coverage)
    return found if np.isfinite(found) else None  # it is kept as JSON, which has no infinity


def bounds(predicted: np.ndarray, radius: float | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of the interval of each predicted count, both `[count]` and included; low ones are at least 0.

    Args:
        predicted: `[count]`.
        radius: from `scaled_radius`. None: from 0 to infinity.
    """
    predicted = np.asarray(predicted, dtype=float)
    width = np.full(predicted.shape, np.inf) if radius is None else radius * scale(predicted)
    return np.maximum(predicted - width, 0), np.maximum(predicted + width, 0)


def coverage(truth: np.ndarray, low: np.ndarray, high: np.ndarray) -> Measuring:
    """Prepare how good intervals are, on examples that they were not chosen on.

    Args:
        truth: `[count]`.
        low: `[count]`, the lower ends, finite.
        high: `[count]`, the upper ends, finite.

    Returns:
        A measurement of coverage, the share of the truth that lies in its interval, ends included, and width, the mean
        width of the intervals.
    """
    truth, low, high = (np.asarray(values, dtype=float) for values in (truth, low, high))
    inside, width = ((low <= truth) & (truth <= high)).astype(float), high - low

    def measured(weights: np.ndarray) -> dict[str, np.ndarray]:
        everything = weights.sum(axis=1, dtype=float)
        return {"coverage": ratio(weights @ inside, everything), "width": ratio(weights @ width, everything)}

    return measured
