"""The Gaussian of a stage against scikit-learn's Mahalanobis distance, and what it keeps of many channels."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.covariance import LedoitWolf

from keras_dl.measures import novelty


def vectors(count: int, width: int, rank: int, seed: int = 0) -> np.ndarray:
    """Return vectors that vary in a few directions much, and in all others a little."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).normal(size=(rank, width))
    return rng.normal(size=(count, rank)) @ mixing + 0.1 * rng.normal(size=(count, width)) + 3


def test_distance_is_mahalanobis_where_all_directions_are_kept() -> None:
    """It is that of scikit-learn's estimate in scaled channels, divided by their number."""
    train, new = vectors(400, 12, 12), vectors(50, 12, 12, seed=1)
    fitted = novelty.gaussian(train, most=64)
    scaled = (train - fitted.mean) / fitted.scale
    expected = LedoitWolf(assume_centered=True).fit(scaled).mahalanobis((new - fitted.mean) / fitted.scale) / 12
    np.testing.assert_allclose(fitted.squared(new)[:, 0], expected, rtol=1e-4)


def test_mean_distance_of_the_training_part_is_one() -> None:
    """So the stages can be compared, also where most directions share one variance."""
    for most in (4, 64):
        train = vectors(2000, 20, 20)
        assert novelty.gaussian(train, most).squared(train).mean() == pytest.approx(1, abs=0.1)


def test_what_is_left_in_the_other_directions_counts() -> None:
    """A vector that leaves the main directions is far, though it is no longer than the others."""
    train = vectors(2000, 100, 5)
    fitted = novelty.gaussian(train, most=5)
    aside = np.random.default_rng(3).normal(size=(20, 100))
    aside = train.mean(axis=0) + aside * np.linalg.norm(train - train.mean(axis=0), axis=1).mean() / 10
    assert fitted.squared(aside).min() > 5 * fitted.squared(train).max()


def test_a_channel_that_never_varied_does_not_rule() -> None:
    """A small set of texts may know no unknown word: one is news, but no proof."""
    train = vectors(40, 6, 6)
    train[:, 2] = -5.0
    new = vectors(200, 6, 6, seed=1)
    new[:, 2] = -4.5
    fitted = novelty.gaussian(train, most=64)
    assert np.median(fitted.squared(new)) < 5


def test_the_directions_stay_within_their_budget() -> None:
    """However many channels the stages have, an export does not grow by a megabyte."""
    rng = np.random.default_rng(0)
    stages = [rng.normal(size=(30, width)) for width in (2048, 1024, 1024, 512)]
    assert sum(one.directions.size for one in novelty.fit(stages)) <= novelty.NUMBERS


def test_whitened_vectors_have_variance_one() -> None:
    """Drift is measured on them."""
    train = vectors(3000, 20, 20)
    white = novelty.gaussian(train, most=8).whitened(train)
    assert white.shape == (3000, 8)
    np.testing.assert_allclose(np.cov(white.T), np.eye(8), atol=0.15)


def test_few_digits_are_lost_in_float32() -> None:
    """An export that rounds otherwise must answer the same: a difference of squares once differed by 4e-5."""
    train = 50 * vectors(500, 64, 8)
    fitted = novelty.gaussian(train, most=8)
    exact = novelty.Gaussian(**{name: getattr(fitted, name).astype("float64") for name in novelty.NAMES})
    near = train.mean(axis=0) + 0.999 * (train - train.mean(axis=0))
    given = near.astype("float32")
    np.testing.assert_allclose(fitted.squared(given), exact.squared(given.astype("float64")), rtol=2e-5)
