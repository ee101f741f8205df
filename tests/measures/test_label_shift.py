import numpy as np
import pytest

from keras_dl.measures import label_shift
from keras_dl.measures.label_shift import Mixture


def scored(count, share, seed, *, healthy=0.0, groups=1):
    """Draw log-odds, as calibrated for equal shares of both classes, and labels; `healthy` moves those of class 0."""
    generator = np.random.default_rng(seed)
    labels = np.repeat(generator.random(count // groups) < share, groups).astype(int)
    noise = np.repeat(generator.normal(size=count // groups), groups) + 0.3 * generator.normal(size=count)
    return np.where(labels == 1, 2.0, -2.0 + healthy) + 2 * noise / np.hypot(1, 0.3), labels


def chances(scores):
    """Return the probability of each class: the log-odds of normal scores at 2 and -2 with variance 4 are the score."""
    positive = 1 / (1 + np.exp(-scores))
    return np.stack([1 - positive, positive], axis=1)


def reference(seed=0, groups=1):
    scores, labels = scored(600, 0.5, seed, groups=groups)
    return Mixture(scores[:, None], labels, np.repeat(np.arange(600 // groups), groups).astype(str), 2)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_em_finds_a_planted_share(share):
    scores, labels = scored(4000, share, 1)
    found = label_shift.estimated_shares(chances(scores), np.array([0.5, 0.5]))
    assert found.sum() == pytest.approx(1)
    assert found[1] == pytest.approx(labels.mean(), abs=0.03)


def test_em_starts_at_the_shares_that_the_probabilities_were_calibrated_on():
    scores, labels = scored(4000, 0.2, 2)
    elsewhere = chances(scores + np.log(0.8 / 0.2))  # the same scores, calibrated on a set with 80 % of class 1
    found = label_shift.estimated_shares(elsewhere, np.array([0.2, 0.8]))
    assert found[1] == pytest.approx(labels.mean(), abs=0.03)


@pytest.mark.parametrize("share", [0.1, 0.9])
def test_the_counts_of_the_answers_tell_the_shares_too(share):
    old, truth = scored(4000, 0.5, 3)
    new, labels = scored(4000, share, 4)
    found = label_shift.black_box_shares(truth, (old > 0).astype(int), (new > 0).astype(int), 2)
    assert found[1] == pytest.approx(labels.mean(), abs=0.04)


def test_three_classes_are_unmixed():
    generator = np.random.default_rng(5)
    parts = np.sort(generator.random((3, 40)), axis=1)
    shares = np.array([0.2, 0.7, 0.1])
    assert label_shift.mixed(parts, shares @ parts) == pytest.approx(shares, abs=1e-6)
    assert label_shift.mixed(parts[:2], 0.3 * parts[0] + 0.7 * parts[1]) == pytest.approx([0.3, 0.7])


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_other_shares_alone_are_explained_by_a_mixture(share):
    found = reference().explains(scored(400, share, 6)[0][:, None])
    assert found.p > 0.05
    assert found.shares[1] == pytest.approx(share, abs=0.07)


def test_healthy_scores_that_lie_higher_are_no_label_shift():
    scores, labels = scored(400, 0.5, 7, healthy=1.5)
    assert reference().explains(scores[:, None]).p < 0.05
    assert label_shift.estimated_shares(chances(scores), np.array([0.5, 0.5]))[1] > labels.mean() + 0.05, "EM is fooled"


def test_the_test_keeps_its_level_also_where_groups_agree():
    """In one of twenty sets that are mixtures, p is below 0.05; without groups it would be far more."""

    def rejected(groups):
        return np.mean(
            [
                reference(2 * seed, groups)
                .explains(scored(300, 0.3, 2 * seed + 1, groups=groups)[0][:, None], draws=60)
                .p
                < 0.05
                for seed in range(40)
            ]
        )

    assert rejected(1) <= 0.15
    assert rejected(5) <= 0.15


@pytest.mark.parametrize("offsets", [(0.0, 0.0), (1.5, 1.5), (2.0, 0.0), (0.0, -1.5)])
def test_how_far_the_scores_of_each_class_have_moved_is_found(offsets):
    old, new = scored(600, 0.5, 9), scored(1500, 0.4, 8)
    far = [np.where(labels == 1, scores + 3, scores - 3) for scores, labels in (old, new)]  # two heaps
    mixture = Mixture(far[0][:, None], old[1], np.arange(600).astype(str), 2)
    moved = label_shift.aligned(mixture, (far[1] + np.array(offsets)[new[1]])[:, None])
    assert moved.offsets == pytest.approx(offsets, abs=0.5)
    assert moved.slope == pytest.approx(1, abs=0.15)
    assert moved.explained.p > 0.05
    assert moved.explained.shares[1] == pytest.approx(new[1].mean(), abs=0.04)
