import numpy as np
import pytest
import tensorflow as tf

from keras_dl.measures.calibration import calibration_error
from keras_dl.measures.measuring import point
from keras_dl.outputs.binary import Binary
from keras_dl.outputs.classes import Classes
from keras_dl.task import Config


def scores(count, shift, seed=0):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, count)
    logit = generator.normal(3.0 * labels - 1.5 + shift, 1.5)
    return labels, (1 / (1 + np.exp(-2 * logit))).astype("float32")[:, None]  # twice too sure, and shifted


def calibrated(outputs, fitted):
    logit = np.log(outputs[:, 0]) - np.log1p(-outputs[:, 0])
    return 1 / (1 + np.exp(-(logit / fitted["calibration"]["temperature"] + fitted["calibration"]["bias"])))


def test_calibration_takes_back_overconfidence_and_a_shifted_prior():
    labels, outputs = scores(4000, shift=1.0)
    outputs = np.clip(outputs, 1e-6, 1 - 1e-6)
    fitted = Binary().fit(labels, outputs, Config(), range(len(labels)))
    before = calibration_error(labels, outputs[:, 0])
    after = calibration_error(labels, calibrated(outputs, fitted))
    assert before > 0.1
    assert after < 0.03
    assert fitted["calibration"]["temperature"] > 1.2
    assert fitted["calibration"]["bias"] < -0.5


def test_a_wanted_sensitivity_sets_the_threshold():
    labels, outputs = scores(1000, shift=0.0)
    outputs = np.clip(outputs, 1e-6, 1 - 1e-6)
    fitted = Binary().fit(labels, outputs, Config(target_sensitivity=0.99), range(len(labels)))
    found = point(
        Binary().measuring(labels, calibrated(outputs, fitted), {**fitted, "classes": ["ham", "spam"]}), len(labels)
    )
    assert 0.99 <= found["sensitivity"] < 1.0


def test_a_fixed_threshold_is_kept_and_only_a_wanted_sensitivity_stands_before_it():
    labels, outputs = scores(1000, shift=1.0)
    outputs = np.clip(outputs, 1e-6, 1 - 1e-6)
    chosen, fixed = (Binary(threshold=one).fit(labels, outputs, Config(), range(len(labels))) for one in (None, 0.5))
    assert fixed["threshold"] == 0.5 != chosen["threshold"]
    assert fixed["calibration"] == chosen["calibration"]
    wanted = Config(target_sensitivity=0.99)
    assert Binary(threshold=0.5).fit(labels, outputs, wanted, range(len(labels))) == Binary().fit(
        labels, outputs, wanted, range(len(labels))
    )


def test_scores_that_separate_perfectly_are_calibrated_to_numbers():
    labels, outputs = np.array([0] * 20 + [1] * 20), np.array([[1e-9]] * 20 + [[1 - 1e-9]] * 20)
    fitted = Binary().fit(labels, outputs, Config(), range(len(labels)))
    assert 0.01 < fitted["calibration"]["temperature"] < 100
    assert 0 < fitted["threshold"] < 1


def several(count, seed=0):
    """Labels of three classes and outputs that are twice too sure, with a prior that is not theirs."""
    generator = np.random.default_rng(seed)
    labels = generator.choice(3, count, p=(0.2, 0.5, 0.3))
    truth = np.log([0.2, 0.5, 0.3]) + generator.normal(0, 1.5, (count, 3))
    shares = np.exp(truth) / np.exp(truth).sum(axis=1, keepdims=True)
    labels = (generator.random((count, 1)) > shares.cumsum(axis=1)).sum(axis=1)
    wrong = 2 * truth + [1.0, 0.0, -1.0]
    return labels, (np.exp(wrong) / np.exp(wrong).sum(axis=1, keepdims=True)).astype("float32"), shares


def test_several_classes_get_their_probabilities_back():
    labels, outputs, shares = several(4000)
    fitted = Classes().fit(labels, outputs, Config(), range(len(labels)))
    assert fitted["threshold"] is None
    answers = Classes().respond(outputs, {**fitted, "classes": ["a", "b", "c"]})
    assert np.abs(outputs - shares).mean() > 0.1
    assert np.abs(answers["probabilities"].numpy() - shares).mean() < 0.03
    assert fitted["calibration"]["temperature"] == pytest.approx(2, abs=0.25)


def test_the_answer_of_several_classes_is_the_likeliest():
    _, outputs, _ = several(50)
    assets = {"calibration": {"temperature": 1.0, "biases": [0.0, 0.0, 0.0]}, "classes": ["a", "b", "c"]}
    answers = {name: value.numpy() for name, value in Classes().respond(tf.constant(outputs), assets).items()}
    np.testing.assert_allclose(answers["probabilities"], outputs, atol=1e-5)
    assert answers["label"].tolist() == [b"abc"[index : index + 1] for index in outputs.argmax(axis=1)]
    np.testing.assert_allclose(answers["probability"], answers["probabilities"].max(axis=1))
