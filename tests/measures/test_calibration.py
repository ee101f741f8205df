import numpy as np
import pytest

from keras_dl.measures import calibration


def likelihood(labels, probabilities):
    return -np.mean(np.log(np.where(labels == 1, probabilities, 1 - probabilities)))


def test_binary_undoes_overconfidence_and_a_shifted_prior():
    generator = np.random.default_rng(0)
    logit = generator.normal(0, 2, 20_000)
    labels = generator.random(20_000) < 1 / (1 + np.exp(-logit))
    outputs = 1 / (1 + np.exp(-(logit - 0.5) * 3))
    found = calibration.fit_binary(labels, outputs[:, None])
    assert found == pytest.approx({"temperature": 3, "bias": 0.5}, abs=0.15)
    assert calibration.fit_binary(labels, outputs) == found
    calibrated = calibration.calibrated_binary(outputs, found)
    assert calibration.calibration_error(labels, calibrated) < 0.02
    assert likelihood(labels, calibrated) < likelihood(labels, np.clip(outputs, 1e-6, 1 - 1e-6))


def test_a_perfect_separation_has_a_finite_fit():
    labels = np.repeat([0, 1], 50)
    found = calibration.fit_binary(labels, labels.astype("float32"))
    assert np.isfinite(list(found.values())).all()
    assert found["temperature"] > 0
    calibrated = calibration.calibrated_binary(labels, {"temperature": 1e-5, "bias": 0.0})
    assert calibrated.tolist() == labels.tolist()


def test_classes_undo_overconfidence():
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 1.5, (10_000, 3))
    truth = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (truth.cumsum(axis=1) < generator.random((10_000, 1))).sum(axis=1)
    sharp = np.exp(2 * logits + [0, 1, 0])
    outputs = (sharp / sharp.sum(axis=1, keepdims=True)).astype("float32")
    found = calibration.fit_classes(labels, outputs)
    assert found["temperature"] == pytest.approx(2, abs=0.1)
    assert np.subtract(found["biases"], found["biases"][0]) == pytest.approx([0, -0.5, 0], abs=0.1)
    assert calibration.fit_classes(labels, outputs, biases=False)["biases"] == [0, 0, 0]


def test_calibration_error_of_a_hand_made_case():
    labels, probabilities = np.array([1, 0, 1, 1]), np.array([0.95, 0.95, 0.25, 0.25])
    # two bins of two: predicted .95 against .5 observed, .25 against 1
    assert calibration.calibration_error(labels, probabilities) == pytest.approx((0.45 + 0.75) / 2)
    assert calibration.calibration_error(labels, probabilities, np.array([1, 1, 0, 0])) == pytest.approx(0.45)
    assert np.isnan(calibration.calibration_error(labels, probabilities, np.zeros(4)))


def test_the_last_bin_holds_one():
    assert calibration.bins_of(np.array([0, 0.05, 0.1, 0.99, 1])).tolist() == [0, 0, 1, 9, 9]
