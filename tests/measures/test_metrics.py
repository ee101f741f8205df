import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from keras_dl.measures import metrics


@pytest.fixture
def scored():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, 300)
    probabilities = np.clip(0.3 * labels + generator.uniform(0, 0.7, 300), 0, 1)
    return labels, probabilities


def test_metrics_are_those_of_scikit_learn(scored):
    labels, probabilities = scored
    predicted = probabilities >= 0.4
    got = metrics.binary_metrics(labels, probabilities, 0.4)
    wanted = {
        "auroc": sk.roc_auc_score(labels, probabilities),
        "accuracy": sk.accuracy_score(labels, predicted),
        "sensitivity": sk.recall_score(labels, predicted),
        "specificity": sk.recall_score(1 - labels, ~predicted),
        "ppv": sk.precision_score(labels, predicted),
        "npv": sk.precision_score(1 - labels, ~predicted),
        "f1": sk.f1_score(labels, predicted),
        "pr_auc": sk.average_precision_score(labels, probabilities),
        "brier": sk.brier_score_loss(labels, probabilities),
    }
    assert {name: got[name] for name in wanted} == pytest.approx(wanted)
    assert list(got) == [*wanted, "ece"]


def test_a_score_has_the_metrics_that_need_no_probability(scored):
    labels, probabilities = scored
    got = metrics.score_metrics(labels, 100 * probabilities, 40)
    whole = metrics.binary_metrics(labels, probabilities, 0.4)
    assert got == {name: value for name, value in whole.items() if name not in ("brier", "ece")}


@pytest.fixture
def of_three():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, 300)
    return labels, generator.dirichlet((1, 1, 1), 300) * 0.6 + 0.4 * np.eye(3)[labels]


def test_metrics_of_several_classes_are_those_of_scikit_learn(of_three):
    labels, probabilities = of_three
    predicted, names = probabilities.argmax(axis=1), ("a", "b", "c")
    got = metrics.multiclass_metrics(labels, probabilities, classes=names)
    recall, precision = (of(labels, predicted, average=None) for of in (sk.recall_score, sk.precision_score))
    wanted = {
        "accuracy": sk.accuracy_score(labels, predicted),
        "balanced_accuracy": sk.balanced_accuracy_score(labels, predicted),
        "macro_f1": sk.f1_score(labels, predicted, average="macro"),
        "auroc": sk.roc_auc_score(labels, probabilities, multi_class="ovr"),
        "brier": sk.brier_score_loss(labels, probabilities, scale_by_half=False),
        **{f"recall {name}": value for name, value in zip(names, recall, strict=True)},
        **{f"precision {name}": value for name, value in zip(names, precision, strict=True)},
    }
    assert {name: got[name] for name in wanted} == pytest.approx(wanted)
    assert set(got) == {*wanted, "ece"}


def test_weights_of_several_classes_are_repetitions(of_three):
    labels, probabilities = of_three
    weights, names = np.random.default_rng(1).integers(0, 4, len(labels)), ("a", "b", "c")
    repeated = metrics.multiclass_metrics(
        np.repeat(labels, weights), np.repeat(probabilities, weights, axis=0), classes=names
    )
    assert metrics.multiclass_metrics(labels, probabilities, None, weights, classes=names) == pytest.approx(repeated)


def test_weights_are_repetitions(scored):
    labels, probabilities = scored
    weights = np.random.default_rng(1).integers(0, 4, len(labels))
    repeated = metrics.binary_metrics(np.repeat(labels, weights), np.repeat(probabilities, weights), 0.5)
    assert metrics.binary_metrics(labels, probabilities, 0.5, weights) == pytest.approx(repeated)


def test_calibration_error_of_a_hand_made_case():
    labels, probabilities = np.array([1, 0, 1, 1]), np.array([0.95, 0.95, 0.25, 0.25])
    # two bins of two: predicted .95 against .5 observed, .25 against 1
    assert metrics.calibration_error(labels, probabilities, np.ones(4)) == pytest.approx((0.45 + 0.75) / 2)


def test_a_class_that_is_missing_gives_nan_not_a_crash():
    got = metrics.binary_metrics(np.ones(3), np.array([0.1, 0.6, 0.9]), 0.5)
    assert np.isnan(got["auroc"])
    assert np.isnan(got["specificity"])
    assert got["sensitivity"] == pytest.approx(2 / 3)


def test_youden_lies_in_the_middle_of_a_clean_gap():
    labels, probabilities = np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.8, 0.9])
    assert metrics.youden_threshold(labels, probabilities) == pytest.approx(0.5)


def test_youden_is_as_good_as_the_best_within_its_error(scored):
    labels, probabilities = scored

    def youden(threshold):
        found = metrics.binary_metrics(labels, probabilities, threshold)
        return found["sensitivity"] + found["specificity"] - 1

    best = max(youden(threshold) for threshold in np.unique(probabilities))
    assert youden(metrics.youden_threshold(labels, probabilities)) > best - 0.06  # twice a standard error


@given(st.floats(0.05, 1.0), st.integers(0, 10_000))
def test_the_wanted_sensitivity_is_reached_by_the_highest_such_threshold(wanted, seed):
    generator = np.random.default_rng(seed)
    labels, probabilities = np.r_[1, 0, generator.integers(0, 2, 40)], generator.uniform(size=42)
    threshold = metrics.sensitivity_threshold(labels, probabilities, wanted)
    positives = np.sort(probabilities[labels == 1])
    assert np.mean(positives >= threshold) >= wanted - 1e-9
    next_up = positives[positives > threshold][:2]
    if len(next_up) == 2:
        assert np.mean(positives >= next_up[1]) < wanted
