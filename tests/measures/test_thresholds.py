import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_curve

from keras_dl.errors import KerasDLError
from keras_dl.measures import thresholds


def test_youden_lies_in_the_middle_of_a_clean_gap():
    labels, probabilities = np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.8, 0.9])
    assert thresholds.youden_threshold(labels, probabilities) == pytest.approx(0.5)


def test_youden_is_nearly_as_good_as_the_best():
    losses = []
    for seed in range(20):
        generator = np.random.default_rng(seed)
        labels = np.r_[0, 1, generator.integers(0, 2, 298)]
        probabilities = np.clip(0.3 * labels + generator.uniform(0, 0.7, 300), 0, 1)
        false_alarms, hits, _ = roc_curve(labels, probabilities)
        chosen = probabilities >= thresholds.youden_threshold(labels, probabilities)
        youden = chosen[labels == 1].mean() - chosen[labels == 0].mean()
        losses.append(np.max(hits - false_alarms) - youden)
    assert np.mean(losses) < 0.05, "a standard error"
    assert np.min(losses) >= -1e-12


@given(st.integers(0, 10_000))
def test_youden_is_the_middle_of_all_thresholds_that_are_as_good(seed):
    generator = np.random.default_rng(seed)
    labels, probabilities = np.r_[0, 1, generator.integers(0, 2, 18)], generator.integers(0, 9, 20) / 8
    every = np.append(np.unique(probabilities), np.inf)
    hits, alarms = (np.array([(probabilities[labels == one] >= t).mean() for t in every]) for one in (1, 0))
    index = hits - alarms
    best = len(every) - 1 - np.argmax(index[::-1])
    error = np.sqrt(
        hits[best] * (1 - hits[best]) / labels.sum() + alarms[best] * (1 - alarms[best]) / (1 - labels).sum()
    )
    good = [thresholds.between(probabilities, t) for t in every[index >= index[best] - error]]
    low, high = np.clip([min(good), max(good)], 1e-6, 1 - 1e-6)
    middle = (np.log(low / (1 - low)) + np.log(high / (1 - high))) / 2
    assert thresholds.youden_threshold(labels, probabilities) == pytest.approx(1 / (1 + np.exp(-middle)))


@given(st.floats(0.05, 1.0), st.integers(0, 10_000))
def test_the_wanted_sensitivity_is_reached_by_the_highest_such_threshold(wanted, seed):
    generator = np.random.default_rng(seed)
    labels, probabilities = np.r_[1, 0, generator.integers(0, 2, 40)], generator.uniform(size=42)
    threshold = thresholds.sensitivity_threshold(labels, probabilities, wanted)
    positives = np.sort(probabilities[labels == 1])
    assert np.mean(positives >= threshold) >= wanted - 1e-9
    next_up = positives[positives > threshold][:2]
    if len(next_up) == 2:
        assert np.mean(positives >= next_up[1]) < wanted


@pytest.mark.parametrize("count", [9, 19, 100])
def test_false_alarms_are_as_rare_as_promised(count):
    generator = np.random.default_rng(0)
    scores = generator.normal(size=(4000, count + 1)).astype("float32")
    chosen = np.array([thresholds.false_alarm_threshold(row[:-1], 0.1) for row in scores])
    promised = 1 - np.ceil((count + 1) * 0.9) / (count + 1)
    assert np.mean(scores[:, -1] >= chosen) == pytest.approx(promised, abs=0.02)


def test_of_few_scores_the_threshold_is_above_the_highest():
    scores = np.array([[0.5], [0.25]], dtype="float32")
    threshold = thresholds.false_alarm_threshold(scores, 0.01)
    assert threshold > 0.5
    assert threshold == pytest.approx(0.5)
    with pytest.raises(KerasDLError, match="no healthy example"):
        thresholds.false_alarm_threshold(scores[:0], 0.01)
