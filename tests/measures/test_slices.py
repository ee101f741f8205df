"""A slice is worse only where it is: false alarms are counted, classes are held equal, groups stay together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypergeom

from keras_dl.measures import slices
from keras_dl.measures.bootstrap import Draws
from keras_dl.measures.slices import Judged, Slice, compared, holm, orders, shuffled, too_small
from keras_dl.task.kinds import Metric

MEAN = [("accuracy", Metric("Accuracy", True))]


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Make fewer draws and orders."""
    monkeypatch.setattr(slices, "MOST_ORDERS", 1000)


def mean_of(each):
    """Prepare the mean of some rows."""

    def prepare(rows):
        return lambda weights: {"accuracy": weights @ each[rows] / weights.sum(axis=1)}

    return prepare


def found(inside, each, groups, strata=None, draws=200):
    one = Slice(np.asarray(inside), np.zeros(len(each), int) if strata is None else strata)
    return compared([one], mean_of(each), Judged(each, True), Draws(groups, 0, draws), MEAN)[0]


def p_of(inside, each, groups, strata=None, *, more_is_better=True):
    strata = np.zeros(len(each), int) if strata is None else strata
    return shuffled([Slice(np.asarray(inside), strata)], Judged(each, more_is_better), Draws(groups, 0))[0]


def test_holm_is_as_published():
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    p = np.random.default_rng(0).random(40) ** 3
    for level in (0.01, 0.05, 0.2):  # reject from the smallest on, as long as p is at most level / (tests left)
        rejected = set()
        for done, test in enumerate(np.argsort(p)):
            if p[test] > level / (len(p) - done):
                break
            rejected.add(test)
        assert set(np.flatnonzero(holm(p) <= level)) == rejected


@given(st.lists(st.floats(0, 1), max_size=30))
def test_a_corrected_p_is_no_smaller_and_keeps_the_order(values):
    p = np.array(values)
    corrected = holm(p)
    assert (corrected >= p).all()
    assert (corrected <= 1).all()
    assert (np.diff(corrected[np.argsort(p, kind="stable")]) >= 0).all()


def test_p_is_that_of_fishers_exact_test_where_each_example_is_a_group():
    each = np.array([0.0] * 12 + [1.0] * 48)
    inside = np.zeros(60, bool)
    inside[[*range(7), *range(20, 33)]] = True  # 7 of its 20 are wrong
    exact = hypergeom.sf(6, 60, 12, 20)
    assert p_of(inside, each, range(60)) == pytest.approx(exact, abs=0.02)
    assert p_of(~inside, each, range(60)) > 0.9
    assert p_of(inside, 1 - each, range(60), more_is_better=False) == p_of(inside, each, range(60))


def test_a_perfect_small_slice_does_not_make_the_rest_worse():
    each = np.array([1.0] * 12 + [0.0] * 15 + [1.0] * 273)
    rest = np.arange(300) >= 12
    assert p_of(rest, each, range(300)) > 0.3  # the bootstrap says 0: the small slice has no error in any draw


def test_the_examples_of_a_group_are_no_independent_witnesses():
    groups = np.repeat(np.arange(40), 10)
    inside, each = groups < 12, (groups >= 15).astype(float)
    each[(groups < 5) | (groups >= 37)] = [1.0] * 50 + [0.0] * 30  # wrong: 7 groups of 12, and 6 of 28
    assert p_of(inside, each, np.arange(400)) < 0.005
    assert p_of(inside, each, groups) == pytest.approx(hypergeom.sf(6, 40, 13, 12), abs=0.015)


@pytest.mark.parametrize("by_group", [False, True])
def test_false_alarms_are_as_rare_as_promised(by_group):
    alarms = 0
    for seed in range(100):
        generator = np.random.default_rng(seed)
        groups = np.repeat(np.arange(150), generator.choice([1, 1, 2, 5], 150)) if by_group else np.arange(150)
        bad = generator.beta(0.4, 1.6, 150)[groups]  # some groups are harder than others
        each = (generator.random(len(groups)) > bad).astype(float)
        cuts = [generator.choice(3, 150, p=[0.6, 0.3, 0.1])[groups] for _ in range(3)]
        cuts.append(generator.integers(0, 3, len(groups)))
        strata = np.zeros(len(groups), int)
        parts = [Slice(cut == level, strata) for cut in cuts for level in range(3)]
        p = shuffled(parts, Judged(each, True), Draws(groups, seed))
        alarms += holm(p).min() < 0.05
    assert alarms <= 10, "of 100 at 5 %: 5 are expected, more than 10 come by chance in 1 % of all cases"


def test_a_slice_is_not_worse_for_having_more_of_a_hard_class():
    generator = np.random.default_rng(0)
    strata = generator.integers(0, 2, 600)
    each = (generator.random(600) > np.where(strata == 1, 0.4, 0.05)).astype(float)
    inside = generator.random(600) < np.where(strata == 1, 0.8, 0.1)
    assert p_of(inside, each, range(600)) < 0.005
    assert p_of(inside, each, range(600), strata) > 0.05
    like = found(inside, each, range(600), strata)["difference"]
    assert like["low"] < 0 < like["high"]
    assert found(inside, each, range(600))["difference"]["high"] < 0


def test_the_difference_is_that_of_mantel_and_haenszel():
    each = np.array([1, 0, 1, 1, 1, 0, 0, 0, 1, 0.0] * 4)
    strata = np.array([0, 0, 0, 1, 0, 0, 1, 1, 1, 1] * 4)
    inside = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0] * 4, bool)
    one = found(inside, each, range(40), strata)
    first, second = 3 * 2 / 5, 1 * 4 / 5
    expected = (first * (2 / 3 - 1 / 2) + second * (1 - 1 / 4)) / (first + second)
    assert one["difference"]["value"] == pytest.approx(expected, abs=1e-6)
    assert one["rest"] == pytest.approx(0.75 - expected, abs=1e-6)


def test_a_class_that_the_rest_hardly_has_says_little():
    strata = np.array([0] * 100 + [1] * 101)
    inside = strata == 1
    inside[:50] = True
    inside[-1] = False
    each = np.ones(201)
    each[:30] = each[-1] = 0  # 30 of its 50 are wrong where the rest has none, and the rest's only one of the other
    cell = found(inside, each, range(201), strata)["difference"]
    assert cell["high"] < 0, "unlike the mean of the rest at the slice's share of each class"


def test_a_slice_that_is_a_whole_class_is_not_compared_within_it():
    each, strata = np.tile([1.0, 0.0], 20), np.tile([0, 1], 20)
    one = found(strata == 1, each, range(40), strata)
    assert (one["difference"]["value"], one["rest"], one["p"]) == (None, None, 1)


def test_the_interval_of_the_difference_is_about_that_of_two_shares():
    generator = np.random.default_rng(1)
    each, inside = (generator.random(400) < 0.8).astype(float), np.arange(400) < 100
    cell = found(inside, each, range(400), draws=1000)["difference"]
    assert cell["value"] == pytest.approx(each[:100].mean() - each[100:].mean(), abs=1e-6)
    half = 1.96 * np.sqrt(each[:100].var() / 100 + each[100:].var() / 300)
    assert cell["high"] - cell["low"] == pytest.approx(2 * half, rel=0.12)


def test_orders_keep_groups_together_and_in_their_stratum():
    sizes, cuts = np.array([2, 3, 2, 1, 1]), np.array([0, 3, 5])
    made = orders(sizes, cuts, 500, np.random.default_rng(0))
    assert made.shape == (500, 9)
    for order in made:
        assert sorted(order) == list(range(9))
        assert set(order[7:]) == {7, 8}
        for begin, size in ((0, 2), (2, 3), (5, 2)):
            place = list(order).index(begin)
            assert list(order[place : place + size]) == list(range(begin, begin + size))
    assert len({tuple(order) for order in made}) == 12


def test_small_slices_are_not_tested_and_say_why():
    groups = np.arange(40)
    assert too_small(groups < 10, groups) == ""
    assert too_small(groups < 9, groups) == "fewer than 10 examples"
    assert too_small(groups >= 9, groups) == "the rest has fewer than 10 examples"
    assert too_small(np.arange(40) < 20, groups // 5) == "fewer than 5 groups"
    assert too_small(np.arange(40) >= 20, groups // 5) == "fewer than 5 groups"
    assert compared([], mean_of(groups), Judged(groups, True), Draws(groups, 0), MEAN) == []
