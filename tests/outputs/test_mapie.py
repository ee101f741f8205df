"""Prediction sets and intervals are those of MAPIE, an independent implementation of split conformal prediction."""

import numpy as np
import pytest
import tensorflow as tf
from mapie.classification import SplitConformalClassifier
from mapie.regression import SplitConformalRegressor
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from test_sets import simulated

from keras_dl.outputs import interval, sets


class Said(ClassifierMixin, BaseEstimator):
    """A classifier that says the probabilities it is given."""

    def __init__(self, classes):
        self.classes = classes
        self.classes_, self.fitted_ = np.arange(classes), True

    def fit(self, x, y):
        return self

    def predict_proba(self, x):
        return np.asarray(x)

    def predict(self, x):
        return np.asarray(x).argmax(axis=1)


class Regressor(RegressorMixin, BaseEstimator):
    """A regressor that says the number it is given."""

    def __init__(self):
        self.fitted_ = True

    def fit(self, x, y):
        return self

    def predict(self, x):
        return np.asarray(x)[:, 0]


def mapie(labels, shares, kind):
    """Return the sets by MAPIE of the second half of examples, its limit and its scores from the first half."""
    half = len(labels) // 2
    model = SplitConformalClassifier(Said(shares.shape[1]), confidence_level=0.9, conformity_score=kind, prefit=True)
    members = model.conformalize(shares[:half], labels[:half]).predict_set(shares[half:])[1][..., 0]
    fitted = model._mapie_classifier  # it shows its limit nowhere else
    return members, float(fitted.quantiles_[0]), fitted.conformity_scores_.ravel()


def test_the_limit_of_probabilities_is_that_of_mapie():
    labels, shares = simulated(600, prior=[0.6, 0.4, 0.002])
    wanted, limit, _ = mapie(labels, shares, "lac")
    ours = sets.fit(labels[:300], shares[:300], range(300), 0.9, "lac")["sets"]
    assert not ours["by_class"], "a rare class has too few"
    assert ours["limits"] == pytest.approx([limit] * 3, abs=2 * sets.MARGIN)
    found = sets.members(shares[300:], shares[300:].argmax(axis=1), {"sets": ours})["set"].numpy()
    wanted[range(300), shares[300:].argmax(axis=1)] = True  # ours always holds the answer
    assert np.array_equal(found, wanted)


def test_cumulative_sets_are_those_of_mapie_but_for_its_random_part():
    labels, shares = simulated(600, classes=5)
    wanted, limit, said = mapie(labels, shares, "aps")
    own = sets.scores(tf.constant(shares[:300]), "aps").numpy()[range(300), labels[:300]]
    width = shares[:300][range(300), labels[:300]]
    assert (own - 1e-6 <= said).all()
    assert (said <= own + width + 1e-6).all(), "it adds a random share of the class's own probability"
    fitted = {"limits": [limit] * 5, "method": "aps"}
    found = sets.members(shares[300:], shares[300:].argmax(axis=1), {"sets": fitted})
    assert np.array_equal(found["set"], wanted)


def test_the_radius_of_numbers_is_that_of_mapie():
    generator = np.random.default_rng(0)
    said = generator.gamma(3, 30, 200)
    truth = generator.poisson(said)
    model = SplitConformalRegressor(Regressor(), confidence_level=0.9, prefit=True)
    model.conformalize(np.zeros((200, 1)), (truth - said) / np.sqrt(said))  # errors as ours are scaled
    low, high = model.predict_interval(np.zeros((1, 1)))[1][0, :, 0]
    assert interval.fit(truth, said, range(200), 0.9)["radius"] == pytest.approx((high - low) / 2)
