import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from keras_dl.measures import ranking
from keras_dl.measures.calibration import calibration_error
from keras_dl.measures.measuring import point

GRID = np.linspace(0, 1, 101)


def once(measuring, weights):
    """Measure with one set of weights, `[count]`."""
    return {name: values[0] for name, values in measuring(np.asarray(weights)[None]).items()}


def example(seed, count=300, levels=None):
    """Draw labels and probabilities, of so many different ones."""
    generator = np.random.default_rng(seed)
    labels = np.r_[0, 1, generator.integers(0, 2, count - 2)]
    probabilities = np.clip(0.3 * labels + generator.uniform(0, 0.7, count), 0, 1)
    return labels, probabilities if levels is None else np.round(probabilities * levels) / levels


@pytest.mark.parametrize("levels", [None, 7, 1])
@pytest.mark.parametrize("kind", ["once", "times", "fractions"])
def test_metrics_are_those_of_scikit_learn(levels, kind):
    labels, probabilities = example(0, levels=levels)
    generator = np.random.default_rng(1)
    weights = {"once": np.ones(300, int), "times": generator.integers(0, 4, 300), "fractions": generator.random(300)}[
        kind
    ]
    predicted, w = probabilities >= 0.4, {"sample_weight": weights}
    got = once(ranking.two_classes(labels, probabilities, 0.4), weights)
    wanted = {
        "auroc": sk.roc_auc_score(labels, probabilities, **w),
        "accuracy": sk.accuracy_score(labels, predicted, **w),
        "sensitivity": sk.recall_score(labels, predicted, **w),
        "specificity": sk.recall_score(1 - labels, ~predicted, **w),
        "ppv": sk.precision_score(labels, predicted, **w),
        "npv": sk.precision_score(1 - labels, ~predicted, **w),
        "f1": sk.f1_score(labels, predicted, **w),
        "pr_auc": sk.average_precision_score(labels, probabilities, **w),
        "brier": sk.brier_score_loss(labels, probabilities, **w),
        "ece": calibration_error(labels, probabilities, weights),
        "macro_f1": sk.f1_score(labels, predicted, average="macro", **w),
    }
    assert got == pytest.approx(wanted, abs=1e-12)
    assert list(got) == list(wanted)


def test_a_score_has_the_metrics_that_need_no_probability():
    labels, probabilities = example(0)
    got = point(ranking.scores(labels, 100 * probabilities, 40), 300)
    whole = point(ranking.binary(labels, probabilities, 0.4), 300)
    assert got == {name: value for name, value in whole.items() if name not in ("brier", "ece")}


@pytest.mark.parametrize("digits", [9, 1])
def test_metrics_of_several_classes_are_those_of_scikit_learn(digits):
    generator = np.random.default_rng(0)
    labels, names = generator.integers(0, 3, 300), ("a", "b", "c")
    probabilities = np.round(generator.dirichlet((1, 1, 1), 300) * 0.6 + 0.4 * np.eye(3)[labels], digits)
    weights, predicted = generator.integers(0, 4, 300), probabilities.argmax(axis=1)
    got = once(ranking.classes(labels, probabilities, names), weights)
    w = {"sample_weight": weights}
    recall, precision = (of(labels, predicted, average=None, **w) for of in (sk.recall_score, sk.precision_score))
    areas = [sk.roc_auc_score(labels == one, probabilities[:, one], **w) for one in range(3)]
    wanted = {
        "accuracy": sk.accuracy_score(labels, predicted, **w),
        "balanced_accuracy": sk.balanced_accuracy_score(labels, predicted, **w),
        "macro_f1": sk.f1_score(labels, predicted, average="macro", **w),
        "auroc": np.mean(areas),
        "brier": np.average(((probabilities - np.eye(3)[labels]) ** 2).sum(axis=1), weights=weights),
        "ece": calibration_error(predicted == labels, probabilities.max(axis=1), weights),
        **{f"recall {name}": value for name, value in zip(names, recall, strict=True)},
        **{f"precision {name}": value for name, value in zip(names, precision, strict=True)},
    }
    assert got == pytest.approx(wanted, abs=1e-12)
    assert list(got) == list(wanted)


@given(st.integers(0, 10_000), st.integers(2, 40), st.sampled_from([None, 2, 5]))
def test_weights_are_repetitions(seed, count, levels):
    labels, probabilities = example(seed, count, levels)
    weights = np.random.default_rng(seed).integers(0, 4, count)
    weights[:2] = 1  # both classes remain
    repeated = [np.repeat(values, weights) for values in (labels, probabilities)]
    got = once(ranking.binary(labels, probabilities, 0.5), weights)
    assert got == pytest.approx(point(ranking.binary(*repeated, 0.5), weights.sum()), nan_ok=True, abs=1e-12)


@given(st.integers(0, 10_000), st.sampled_from([None, 3]))
def test_the_auroc_is_the_share_of_pairs_in_the_right_order(seed, levels):
    labels, probabilities = example(seed, 30, levels)
    gaps = probabilities[labels == 1][:, None] - probabilities[labels == 0]
    share = np.mean((gaps > 0) + 0.5 * (gaps == 0))
    assert point(ranking.binary(labels, probabilities, 0.5), 30)["auroc"] == pytest.approx(share, abs=1e-12)


@given(st.integers(0, 10_000), st.sampled_from([None, 3]))
def test_many_draws_at_once_are_the_draws_one_by_one(seed, levels):
    labels, probabilities = example(seed, 25, levels)
    weights = np.random.default_rng(seed).integers(0, 3, (6, 25))
    several = np.stack([probabilities, 1 - probabilities], axis=1)
    for measuring in (ranking.two_classes(labels, probabilities, 0.5), ranking.classes(1 - labels, several, "ab")):
        alone = [list(once(measuring, row).values()) for row in weights]
        np.testing.assert_allclose(list(measuring(weights).values()), np.transpose(alone), rtol=0, atol=1e-12)


@given(st.integers(0, 10_000))
def test_the_order_of_the_examples_does_not_matter(seed):
    labels, probabilities = example(seed, 40, 5)
    generator = np.random.default_rng(seed)
    weights, order = generator.integers(0, 3, 40), generator.permutation(40)
    one = once(ranking.binary(labels, probabilities, 0.5), weights)
    other = once(ranking.binary(labels[order], probabilities[order], 0.5), weights[order])
    assert one == pytest.approx(other, nan_ok=True, abs=1e-12)


def test_whole_weights_of_every_kind_give_the_same():
    labels, probabilities = example(0, 50)
    weights = np.random.default_rng(0).integers(0, 3, 50)
    measuring = ranking.two_classes(labels, probabilities, 0.5)
    wanted = once(measuring, weights.astype(float))
    for factor, kind in ((1, "uint8"), (1, "int32"), (10**9, "int64")):
        assert once(measuring, weights.astype(kind) * factor) == pytest.approx(wanted, abs=1e-12)


@given(st.integers(0, 10_000), st.sampled_from([None, 1, 4, 20]), st.integers(1, 40))
def test_tiles_of_any_size_give_the_same(seed, levels, tile):
    labels, probabilities = example(seed, 60, levels)
    weights = np.random.default_rng(seed).integers(0, 3, (3, 60))
    wanted = ranking.two_classes(labels, probabilities, 0.5)(weights)
    curve = np.array(ranking.curve(labels, probabilities).roc(weights))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking, "TILE", tile)
        got = ranking.two_classes(labels, probabilities, 0.5)(weights)
        np.testing.assert_allclose(list(got.values()), list(wanted.values()), rtol=0, atol=1e-12)
        np.testing.assert_array_equal(ranking.curve(labels, probabilities).roc(weights), curve)


def test_a_perfect_answer_scores_perfect_and_a_shuffled_one_worse():
    labels = np.random.default_rng(0).integers(0, 3, 300)
    perfect, shuffled = np.eye(3)[labels], np.random.default_rng(1).permutation(np.eye(3)[labels])
    for found in (
        point(ranking.classes(labels, perfect, "abc"), 300),
        point(ranking.two_classes(labels == 1, perfect[:, 1], 0.5), 300),
    ):
        assert {name: value for name, value in found.items() if name in ("brier", "ece")} == {"brier": 0, "ece": 0}
        assert all(value == 1 for name, value in found.items() if name not in ("brier", "ece"))
    worse = point(ranking.classes(labels, shuffled, "abc"), 300)
    assert all(value > 0.1 if name in ("brier", "ece") else value < 0.7 for name, value in worse.items())


def test_a_class_without_weight_gives_nan_not_a_crash():
    labels, probabilities = np.array([1, 1, 1, 0]), np.array([0.1, 0.6, 0.9, 0.4])
    got = once(ranking.two_classes(labels, probabilities, 0.5), [1, 1, 1, 0])
    assert {name for name, value in got.items() if np.isnan(value)} == {"auroc", "specificity", "pr_auc"}
    assert got["macro_f1"] == got["f1"] / 2, "class 0 was answered and never true: its F1 is 0, as scikit-learn has it"
    assert got["sensitivity"] == pytest.approx(2 / 3)
    assert got["npv"] == 0
    one_answer = np.array([0, 1, 1]), np.array([0.9, 0.9, 0.9])
    assert once(ranking.two_classes(*one_answer, 0.5), [1, 1, 1])["macro_f1"] == pytest.approx(0.4)
    nothing = once(ranking.two_classes(labels, probabilities, 0.5), [0, 0, 0, 0])
    assert all(np.isnan(value) for value in nothing.values())


def test_a_class_that_is_missing_among_several_gives_nan():
    got = once(ranking.classes(np.array([0, 1, 2]), np.eye(3), "abc"), [1, 1, 0])
    undefined = {"auroc", "balanced_accuracy", "macro_f1", "recall c", "precision c"}
    assert {name for name, value in got.items() if np.isnan(value)} == undefined
    assert got["accuracy"] == 1


def test_no_example_gives_nan():
    nothing = np.zeros(0)
    found = point(ranking.two_classes(nothing, nothing, 0.5), 0)
    assert all(np.isnan(value) for value in found.values())


@pytest.mark.parametrize("levels", [None, 6])
@pytest.mark.parametrize("fractions", [False, True])
def test_curves_are_those_of_scikit_learn(levels, fractions):
    labels, probabilities = example(0, 200, levels)
    generator = np.random.default_rng(2)
    weights = generator.random((5, 200)) if fractions else generator.integers(0, 3, (5, 200))
    curve = ranking.curve(labels, probabilities)
    roc, precise = curve.roc_on(GRID, weights), curve.precision_on(GRID, weights)
    for row, drawn in enumerate(weights):
        false_alarms, hits, _ = sk.roc_curve(labels, probabilities, sample_weight=drawn)
        precision, recall, _ = sk.precision_recall_curve(labels, probabilities, sample_weight=drawn)
        clear = np.abs(GRID[:, None] - np.r_[false_alarms, recall]).min(axis=1) > 1e-9  # no jump beside the grid
        clear |= not fractions
        assert clear.sum() > 50
        np.testing.assert_allclose(roc[row][clear], np.interp(GRID, false_alarms, hits)[clear], atol=1e-9)
        wanted = np.interp(GRID, recall[::-1], precision[::-1])
        np.testing.assert_allclose(precise[row][clear], wanted[clear], atol=1e-9)


def test_points_of_the_curves_are_those_of_scikit_learn():
    labels, probabilities = example(0, 100, 9)
    curve, ones = ranking.curve(labels, probabilities), np.ones((1, 100))
    np.testing.assert_allclose(
        np.concatenate(curve.roc(ones)), sk.roc_curve(labels, probabilities, drop_intermediate=False)[:2]
    )
    precision, recall, _ = sk.precision_recall_curve(labels, probabilities)
    np.testing.assert_allclose(np.concatenate(curve.precision_recall(ones)), [recall[::-1], precision[::-1]])


def test_a_curve_without_a_class_is_nan():
    curve = ranking.curve([1, 1, 0], np.array([0.1, 0.5, 0.3]))
    assert np.isnan(curve.roc_on(GRID, np.array([[1, 1, 0]]))).all()
    assert np.isnan(curve.precision_on(GRID, np.array([[0, 0, 1]]))).all()
    assert curve.roc_on(GRID, np.zeros((0, 3))).shape == (0, 101)


@pytest.mark.parametrize("kind", ["uint8", "bool", "int64"])
def test_whole_numbers_are_scores_too(kind):
    labels, scores = np.array([0, 1, 1, 0]), np.array([0, 1, 1, 0])
    assert point(ranking.scores(labels, scores.astype(kind), 1), 4)["auroc"] == 1
