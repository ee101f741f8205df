"""Scores: the threshold is that of the healthy, and the label that of the threshold."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from keras_dl.errors import KerasDLError
from keras_dl.outputs.score import Score

RANDOM = np.random.default_rng(0)
SCORE = Score(heatmap=lambda model, images: images[..., 0] / 255)


def threshold(scores: np.ndarray, false_alarms: float = 0.05) -> float:
    outputs = np.asarray(scores, "float32")[:, None]
    fitted = SCORE.fit(np.zeros(len(scores)), outputs, SimpleNamespace(false_alarms=false_alarms), range(len(scores)))
    assert fitted["calibration"] is None
    return fitted["threshold"]


@given(
    arrays("float32", st.integers(1, 60), elements=st.floats(0, 8, width=16)),
    st.sampled_from([0.01, 0.05, 0.1, 0.5]),
)
def test_few_enough_healthy_scores_are_above_the_threshold(scores, false_alarms):
    above = np.sum(scores >= np.float32(threshold(scores, false_alarms)))
    assert above <= max(0, false_alarms * (len(scores) + 1) - 1 + 1e-9)


def test_a_new_healthy_score_is_above_it_no_more_often_than_asked():
    for count in (19, 39, 134):
        alarms = [np.mean(RANDOM.normal(size=400) >= threshold(RANDOM.normal(size=count))) for _ in range(800)]
        assert np.mean(alarms) == pytest.approx(np.floor(0.05 * (count + 1) + 1e-9) / (count + 1), abs=0.006)


def test_it_is_just_above_one_of_the_scores():
    assert 38 < threshold(np.arange(1, 40)) < 38.001  # 38 = 0.95 * (39 + 1)
    assert 10 < threshold(np.arange(1, 11)) < 10.001  # ten cannot promise one in twenty
    assert 3 < threshold(np.full(50, 3.0)) < 3.001


def test_it_does_not_see_the_sick():
    healthy, config = RANDOM.random(30).astype("float32"), SimpleNamespace(false_alarms=0.1)
    labels = np.r_[np.zeros(30), np.ones(9)]
    fitted = [SCORE.fit(labels, np.r_[healthy, np.full(9, sick)][:, None], config, range(39)) for sick in (-5, 5)]
    assert fitted[0] == fitted[1]
    assert fitted[0]["threshold"] == threshold(healthy, 0.1)


def test_without_healthy_examples_there_is_no_threshold():
    with pytest.raises(KerasDLError, match="the validation part has no healthy example"):
        SCORE.fit(np.ones(3), np.ones((3, 1)), SimpleNamespace(false_alarms=0.1), range(3))


def test_the_label_is_that_of_the_threshold():
    answer = SCORE.respond(np.float32([[0.5], [2], [3]]), {"classes": ["NORMAL", "PNEUMONIA"], "threshold": 2.0})
    assert answer["score"].numpy().tolist() == [0.5, 2, 3]
    assert answer["label"].numpy().tolist() == [b"NORMAL", b"PNEUMONIA", b"PNEUMONIA"]
