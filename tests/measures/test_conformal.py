"""The limit of split conformal prediction: its rank, its groups, its promise for an example of a new group."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_dl.measures import conformal
from keras_dl.measures.measuring import point


def test_the_limit_is_the_smallest_score_that_promises_the_coverage():
    scores = np.array([5.0, 1, 4, 2, 3, 9, 8, 7, 6])
    assert conformal.quantile(scores, range(9), 0.8) == 8
    assert conformal.quantile(scores, range(9), 0.9) == 9
    assert conformal.quantile(scores, range(9), 0.91) == np.inf
    assert conformal.quantile([], [], 0.5) == np.inf


@given(st.integers(1, 300), st.floats(0.5, 0.99))
def test_of_too_few_groups_there_is_no_limit(count, coverage):
    limit = conformal.quantile(np.repeat(np.arange(1, count + 1), 2), np.repeat(np.arange(count), 2), coverage)
    assert (limit == np.inf) == (count < (count + 1) * coverage - 1e-6)
    assert (limit == np.inf) == (count < conformal.needed(coverage))
    if limit < np.inf:
        assert limit >= (count + 1) * coverage - 1e-6, "the k-th of 1, 2, 3 ... is k"


@pytest.mark.parametrize(("coverage", "needed"), [(0.5, 1), (0.8, 4), (0.9, 9), (0.95, 19), (0.98, 49), (0.99, 99)])
def test_how_many_groups_a_coverage_needs(coverage, needed):
    assert conformal.needed(coverage) == needed


def test_each_group_has_the_same_weight():
    scores, groups = np.r_[np.full(1000, 9.0), np.arange(9.0)], np.r_[np.full(1000, "large"), np.arange(9).astype(str)]
    assert conformal.quantile(scores, groups, 0.8) == 8, "the thousand are one tenth of the groups"
    assert conformal.quantile(scores, range(len(scores)), 0.8) == 9
    order = np.random.default_rng(0).permutation(len(scores))
    assert conformal.quantile(scores[order], groups[order], 0.8) == 8


def patients(generator, count):
    """Return scores and groups: some patients have 40 films, the others one; the level is the patient's own."""
    sizes = np.where(generator.random(count) < 0.1, 40, 1)
    groups = np.repeat(np.arange(count), sizes)
    level = generator.exponential(1, count) * np.where(sizes > 1, 0.2, 1)  # who is well known is easier
    return level[groups] + generator.exponential(0.1, len(groups)), groups


def test_the_limit_holds_for_a_film_of_a_new_patient_and_not_if_groups_are_ignored():
    held = {True: [], False: []}
    for seed in range(400):
        generator = np.random.default_rng(seed)
        scores, groups = patients(generator, 60)
        fresh, whose = patients(generator, 300)
        one = fresh[np.unique(whose, return_index=True)[1]]  # a film of each new patient
        for by_group in held:
            limit = conformal.quantile(scores, groups if by_group else range(len(scores)), 0.9)
            held[by_group].append(np.mean(one <= limit))
    error = {by_group: 4 * np.std(shares) / 20 for by_group, shares in held.items()}
    assert 0.9 - error[True] <= np.mean(held[True]) <= 0.9 + 1 / 61 + error[True]
    assert np.mean(held[False]) < 0.85 - error[False]


def test_sets_are_measured_as_weights_say():
    labels, members = np.array([0, 0, 1, 1]), np.array([[1, 0], [0, 1], [1, 1], [0, 1]], bool)
    measuring = conformal.sets(labels, members, ["ham", "spam"])
    assert point(measuring, 4) == {"coverage": 0.75, "set_size": 1.25, "coverage ham": 0.5, "coverage spam": 1}
    some = {name: values[0] for name, values in measuring(np.array([[0, 3, 1, 0]])).items()}
    assert some == {"coverage": 0.25, "set_size": 1.25, "coverage ham": 0, "coverage spam": 1}
    assert np.isnan(measuring(np.array([[1, 0, 0, 0]]))["coverage spam"]).all()
