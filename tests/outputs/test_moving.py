import numpy as np
import pytest

from keras_dl.measures.calibration import calibrated_binary, calibration_error
from keras_dl.outputs.binary import Binary
from keras_dl.outputs.classes import Classes
from keras_dl.outputs.number import Number
from keras_dl.outputs.score import Score
from keras_dl.task.kinds import Told

BINARY = {
    "classes": ["NORMAL", "PNEUMONIA"],
    "calibration": {"temperature": 2.0, "bias": 0.5},
    "threshold": 0.5,
}


def sigmoid(scores):
    return 1 / (1 + np.exp(-scores))


def drawn(count, share, seed, *, higher=(0.0, 0.0)):
    """Draw calibrated log-odds, for equal shares of both classes, and labels; `higher` moves those of each class."""
    generator = np.random.default_rng(seed)
    labels = (generator.random(count) < share).astype(int)
    return np.array([-5.0, 5.0])[labels] + np.array(higher)[labels] + generator.normal(0, np.sqrt(10), count), labels


def validation():
    scores, labels = drawn(500, 0.5, 0)
    return Told(labels, [str(row) for row in range(500)], sigmoid(scores))


def outputs(scores):
    """Return what the network gave where the calibrated log-odds are these."""
    return sigmoid((scores - BINARY["calibration"]["bias"]) * BINARY["calibration"]["temperature"])


def answered(scores, assets):
    """Return probabilities and answers with these assets."""
    probability = calibrated_binary(outputs(scores), assets["calibration"])
    return probability, probability >= assets["threshold"]


def test_other_class_shares_move_probabilities_and_threshold_together():
    scores, labels = drawn(600, 0.1, 1)
    moved = Binary().moved(validation(), sigmoid(scores), BINARY, seed=0)
    assert moved.explained
    assert moved.facts["after"][1] == pytest.approx(labels.mean(), abs=0.04)
    before, after = answered(scores, BINARY), answered(scores, BINARY | moved.assets)
    assert calibration_error(labels, after[0]) < calibration_error(labels, before[0]) - 0.02
    assert (after[1] == before[1]).mean() > 0.995, "sensitivity and specificity stay as they were chosen"


def test_a_fixed_threshold_stays_so_that_the_likelier_class_is_the_answer():
    scores, labels = drawn(600, 0.1, 1)
    fixed = BINARY | {"fixed_threshold": True}
    moved = Binary(threshold=0.5).moved(validation(), sigmoid(scores), fixed, seed=0)
    assert moved.assets["threshold"] == 0.5
    right = [np.mean(answered(scores, one)[1] == labels) for one in (fixed, fixed | moved.assets)]
    assert right[1] > right[0]


def test_a_set_that_is_as_validation_moves_nothing():
    moved = Binary().moved(validation(), sigmoid(drawn(600, 0.5, 2)[0]), BINARY, seed=0)
    assert (moved.assets, moved.explained) == ({}, True)


@pytest.mark.parametrize("higher", [(3.0, 3.0), (-3.0, -3.0), (2.5, 1.5)])
def test_scores_that_have_moved_take_threshold_and_calibration_with_them(higher):
    scores, labels = drawn(1000, 0.5, 3, higher=higher)
    moved = Binary().moved(validation(), sigmoid(scores), BINARY, seed=0)
    assert not moved.explained, "it is no label shift"
    before, after = answered(scores, BINARY), answered(scores, BINARY | moved.assets)
    assert np.mean(after[1] == labels) >= np.mean(before[1] == labels)
    assert calibration_error(labels, after[0]) < calibration_error(labels, before[0])

    def uneven(answers):
        """Return how far sensitivity and specificity are from each other."""
        return abs(np.mean(answers[labels == 1]) - np.mean(~answers[labels == 0]))

    assert uneven(after[1]) < 0.5 * uneven(before[1])


def test_what_no_explanation_fits_is_refused():
    scores = np.random.default_rng(4).choice([-1.0, 0.0, 1.0], 600)  # three heaps where validation has two
    moved = Binary().moved(validation(), sigmoid(scores), BINARY, seed=0)
    assert (moved.assets, moved.explained) == ({}, False)
    assert "not explained by those on validation" in moved.refused


def test_one_broad_heap_is_not_cut_in_two():
    """Healthy examples alone, with higher scores: as if both classes had moved towards each other."""
    scores = np.random.default_rng(7).normal(-0.5, 4, 300)
    moved = Binary().moved(validation(), sigmoid(scores), BINARY, seed=0)
    assert moved.refused


def test_a_set_of_one_class_is_refused():
    moved = Binary().moved(validation(), sigmoid(drawn(300, 0.0, 5)[0]), BINARY, seed=0)
    assert "nearly all inputs seem to be NORMAL" in moved.refused


def test_a_network_that_cannot_tell_the_classes_says_nothing_of_their_shares():
    generator = np.random.default_rng(6)
    told = Told(generator.integers(0, 2, 300), [str(row) for row in range(300)], generator.random(300))
    moved = Binary().moved(told, generator.random(300), BINARY, seed=0)
    assert not moved.assets
    assert not moved.refused
    assert "too badly" in moved.said[0]


def three(count, shares, seed):
    generator = np.random.default_rng(seed)
    labels = generator.choice(3, count, p=shares)
    logits = generator.normal(size=(count, 3))
    logits[np.arange(count), labels] += 3
    logits = 3 * logits  # the log-likelihood ratios of means 3 and 0 with variance 1
    shares = np.exp(logits - logits.max(1, keepdims=True))
    return shares / shares.sum(1, keepdims=True), labels


def test_other_shares_of_three_classes_move_the_biases():
    values, labels = three(600, [1 / 3] * 3, 0)
    new, truth = three(600, [0.7, 0.2, 0.1], 1)
    told = Told(labels, [str(row) for row in range(600)], values)
    assets = {"classes": ["a", "b", "c"], "calibration": {"temperature": 1.0, "biases": [0.0, 0.0, 0.0]}}
    moved = Classes().moved(told, new, assets, seed=0)
    assert moved.facts["after"] == pytest.approx(np.bincount(truth) / 600, abs=0.04)
    biases = np.array(moved.assets["calibration"]["biases"])
    assert biases[0] > biases[1] > biases[2]
    assert moved.assets["calibration"]["temperature"] == 1.0
    right = [np.mean((np.log(new + 1e-12) + one).argmax(1) == truth) for one in (0, biases)]
    assert right[1] >= right[0]


def told_of_nothing():
    return Told(np.zeros(60, int), [str(row) for row in range(60)], np.ones(60))


def test_numbers_are_not_moved_without_labels():
    moved = Number("cells").moved(told_of_nothing(), np.ones(60), {}, seed=0)
    assert (moved.assets, moved.refused, moved.explained) == ({}, "", False)


def test_a_score_of_how_unusual_inputs_are_is_not_adapted_to_them():
    output = Score(heatmap=lambda model, images: images)
    moved = output.moved(told_of_nothing(), np.ones(60), {"classes": ["NORMAL", "PNEUMONIA"]}, seed=0)
    assert "nobody says which of these inputs are NORMAL" in moved.refused


def test_a_few_labels_move_a_little_and_many_tell_all():
    scores, labels = drawn(2000, 0.5, 8, higher=(4.0, 4.0))
    before = BINARY | {"sets": None}
    errors = {}
    for count in (0, 100, 1000):
        changed = Binary().refitted(labels[:count], sigmoid(scores[:count]), before, [0.5, 0.5]) if count else {}
        probability, answers = answered(scores[1000:], before | changed)
        errors[count] = calibration_error(labels[1000:], probability), np.mean(answers == labels[1000:])
    assert errors[1000][0] < 0.05
    assert errors[0][0] > errors[100][0] > errors[1000][0]
    assert errors[1000][1] > errors[0][1] + 0.02


def test_labels_of_several_classes_move_the_biases():
    values, labels = three(600, [0.7, 0.2, 0.1], 2)
    assets = {"classes": ["a", "b", "c"], "calibration": {"temperature": 1.0, "biases": [0.0, 0.0, 0.0]}}
    changed = Classes().refitted(labels, values, assets, ())["calibration"]
    assert changed["biases"][0] > changed["biases"][2]


def test_the_limits_of_sets_keep_their_promise_for_every_class_where_shares_are_others():
    from keras_dl.outputs import sets

    told = validation()
    found = sets.fit(told.truth, Binary().chances(told.values), told.groups, 0.9, "lac")
    scores, labels = drawn(3000, 0.1, 9)
    moved = Binary().moved(told, sigmoid(scores), BINARY | found, seed=0)
    assets = BINARY | found | moved.assets
    measured = Binary().measuring(labels, answered(scores, assets)[0].astype("float32"), assets)(
        np.ones((1, 3000), int)
    )
    for name in BINARY["classes"]:
        assert measured[f"coverage {name}"][0] == pytest.approx(0.9, abs=0.05)
    still = Binary().measuring(labels, answered(scores, assets)[0].astype("float32"), assets | found)
    assert still(np.ones((1, 3000), int))["coverage NORMAL"][0] > 0.96, "the former limits do not"
