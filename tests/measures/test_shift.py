"""Two-sample tests by group: calibrated without a difference, also for groups of unlike size, and they see one."""

import numpy as np
import pytest
from scipy.stats import ks_2samp

from keras_dl.measures import shift
from keras_dl.measures.shift import Pair


def sample(random, groups, size, width=8, mean=0.0):
    """Examples whose group says half of what they are."""
    own, each = random.normal(size=(groups, 1, width)), random.normal(size=(groups, size, width))
    return (mean + np.sqrt(0.5) * (own + each)).reshape(-1, width), np.repeat(np.arange(groups), size)


def compared(random, first, second, **shifted):
    one, groups = sample(random, *first)
    other, others = sample(random, *second, **shifted)
    pair = Pair.of(groups, others)
    return shift.features(one, other, pair), shift.scores(one[:, 0], other[:, 0], pair)


@pytest.mark.parametrize(("first", "second"), [((40, 3), (30, 3)), ((40, 6), (40, 1))])
def test_without_a_difference_p_is_below_a_tenth_in_a_tenth_of_the_cases(first, second, monkeypatch):
    monkeypatch.setattr(shift, "PERMUTATIONS", 99)
    monkeypatch.setattr(shift, "told_apart", lambda *_: None)
    random, found = np.random.default_rng(1), {"mmd": [], "ks": [], "psi": []}
    for _ in range(80):
        features, scores = compared(random, first, second)
        for name, values in found.items():
            values.append({**features, **scores}[name]["p"])
    for name, values in found.items():
        assert np.mean(np.array(values) < 0.1) < 0.2, name  # 0.2 is three standard errors above


def test_a_difference_is_seen_with_its_size():
    features, scores = compared(np.random.default_rng(0), (60, 2), (60, 2), mean=1.5)
    assert features["mmd"]["p"] < 0.01
    assert features["auroc"] > 0.9
    assert scores["ks"]["p"] < 0.01
    assert scores["psi"]["p"] < 0.01
    assert (features["size"], scores["size"]) == ("large", "large")


def test_no_difference_is_small():
    features, scores = compared(np.random.default_rng(0), (200, 2), (200, 2))
    assert (features["size"], scores["size"]) == ("small", "small")
    assert abs(features["auroc"] - 0.5) < 0.1
    assert abs(scores["psi"]["value"] - scores["psi"]["chance"]) < 0.05


def test_the_images_of_few_patients_are_few_witnesses():
    """Taken each for itself, the same numbers without a difference would mostly be called certain."""
    random, by_group, by_image = np.random.default_rng(0), [], []
    for _ in range(20):
        (one, groups), (other, others) = sample(random, 8, 30), sample(random, 8, 30)
        for found, pair in ((by_group, Pair.of(groups, others)), (by_image, Pair.of(range(240), range(240)))):
            found.append(shift.scores(one[:, 0], other[:, 0], pair)["ks"]["p"] < 0.05)
    assert sum(by_group) <= 3 < 7 <= sum(by_image)


def test_too_few_groups_have_no_p():
    random = np.random.default_rng(0)
    features, scores = compared(random, (2, 20), (2, 20), mean=3.0)
    assert features["mmd"]["p"] is None
    assert scores["psi"]["p"] is None
    assert features["auroc"] is None
    assert features["size"] is None


def test_the_gap_is_scipys():
    random = np.random.default_rng(0)
    one, other = random.normal(size=100).round(1), random.normal(0.3, size=80).round(1)
    found = shift.scores(one, other, Pair.of(range(100), range(80)))
    assert found["ks"]["value"] == pytest.approx(ks_2samp(one, other).statistic, abs=1e-6)


def test_the_discrepancy_is_that_of_its_definition():
    random = np.random.default_rng(0)
    one, other = random.normal(size=(30, 3)), random.normal(0.5, size=(20, 3))
    pair = Pair.of(range(30), range(20))
    both = np.concatenate([one, other])
    squares = ((both[:, None] - both[None]) ** 2).sum(axis=-1)
    kernel = np.exp(-squares / np.median(squares[np.triu_indices(50, 1)]))
    np.fill_diagonal(kernel, 0)
    expected = kernel[:30, :30].sum() / (30 * 29) + kernel[30:, 30:].sum() / (20 * 19) - 2 * kernel[:30, 30:].mean()
    assert shift.discrepancy(both, pair)(pair.second[None])[0] == pytest.approx(expected)


def test_groups_of_one_name_in_two_sets_are_two():
    assert len(Pair.of(["a", "b"], ["a", "c"]).second) == 4


def test_many_examples_are_thinned_by_whole_groups():
    pair = Pair.of(np.repeat(np.arange(500), 4), np.repeat(np.arange(900), 4))
    rows = pair.thinned(1000, seed=0)
    assert 1998 <= len(rows) <= 2000
    assert set(np.bincount(pair.at(rows).numbers)) == {4}


@pytest.mark.parametrize(("value", "word"), [(0.0, "small"), (0.1, "moderate"), (0.3, "large"), (None, None)])
def test_sizes_in_words(value, word):
    assert shift.size(value, shift.EDGES["psi"]) == word
