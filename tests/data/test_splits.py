"""Splits by group: disjoint, stratified, repeatable."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_dl.data.splits import by_group
from keras_dl.errors import KerasDLError


def patients(seed: int = 0, people: int = 900, sick: float = 0.6):
    """Realistic: one class per patient, one to twelve images each, more of the sick."""
    random = np.random.default_rng(seed)
    label = (random.random(people) < sick).astype(int)
    count = np.minimum(1 + random.geometric(np.where(label, 0.4, 0.8)), 12)
    groups = np.repeat([f"p{number}" for number in range(people)], count)
    return groups, np.repeat(label, count)


def assert_sound(split, groups, labels):
    everything = np.concatenate(list(split.values()))
    assert sorted(everything) == list(range(len(groups)))
    people = [set(groups[index]) for index in split.values()]
    assert sum(map(len, people)) == len(set.union(*people))
    assert all(np.all(np.diff(index) > 0) for index in split.values())


@pytest.mark.parametrize("seed", range(5))
def test_shares_are_met_overall_and_in_every_class(seed):
    groups, labels = patients(seed)
    split = by_group(groups, labels, seed=seed)
    assert_sound(split, groups, labels)
    for name, share in {"train": 0.75, "validation": 0.1, "test": 0.15}.items():
        for mask in (labels == 0, labels == 1):
            assert abs(mask[split[name]].sum() / mask.sum() - share) < 0.02


def test_the_seed_decides_and_the_order_does_not():
    groups, labels = patients()
    first, again, other = (by_group(groups, labels, seed=seed) for seed in (1, 1, 2))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["test"], other["test"])
    order = np.random.default_rng(0).permutation(len(groups))
    shuffled = by_group(groups[order], labels[order], seed=1)
    assert {name: set(groups[order][index]) for name, index in shuffled.items()} == {
        name: set(groups[index]) for name, index in first.items()
    }


def test_large_groups_are_not_kept_out_of_the_test_split():
    """Giving the big patients to the big split would make the test set easier than the world."""
    groups, labels = patients(people=3000)
    split = by_group(groups, labels, seed=0)
    mean = {name: len(index) / len(set(groups[index])) for name, index in split.items()}
    assert abs(mean["test"] - mean["train"]) < 0.15


def test_the_official_test_part_is_kept_and_validation_comes_from_the_rest():
    groups, labels = patients()
    parts = np.where(np.isin(groups, [f"p{number}" for number in range(100)]), "test", "train").astype("U10")
    parts[parts == "train"] = np.where(np.arange((parts == "train").sum()) < 16, "validation", "train")
    split = by_group(groups, labels, seed=0, parts=parts)
    assert_sound(split, groups, labels)
    assert np.array_equal(split["test"], np.flatnonzero(parts == "test"))
    rest = len(groups) - len(split["test"])
    assert abs(len(split["validation"]) / rest - 0.1) < 0.02


def test_a_group_on_both_sides_of_the_official_test_part_is_refused():
    with pytest.raises(KerasDLError, match=r"1 groups .* such as 'b'"):
        by_group(["a", "b", "b", "c"], [0, 1, 1, 0], seed=0, parts=["train", "train", "test", "train"])


def test_a_class_with_too_few_groups_is_named():
    groups, labels = ["a", "a", "b", *"cdefgh"], [1, 1, 1, *[0] * 6]
    with pytest.raises(KerasDLError, match=r"class 'PNEUMONIA' has 2 groups .*train, validation, test"):
        by_group(groups, labels, seed=0, classes=("NORMAL", "PNEUMONIA"))
    split = by_group(groups, labels, seed=0, validation=0)
    assert len(split["validation"]) == 0
    assert_sound(split, np.array(groups), np.array(labels))


@pytest.mark.parametrize(("groups", "labels"), [([], []), (list("abcdef"), [1] * 6)])
def test_fewer_than_two_classes_are_an_error(groups, labels):
    with pytest.raises(KerasDLError, match="at least two classes"):
        by_group(groups, labels, seed=0)


def test_only_a_test_part_leaves_nothing_to_train_on():
    with pytest.raises(KerasDLError, match="outside the test part, found none"):
        by_group(list("abcd"), [0, 1, 0, 1], seed=0, parts=["test"] * 4)


@pytest.mark.parametrize("shares", [(-0.1, 0.2), (0.5, 0.5), (0.9, 0.3)])
def test_impossible_shares_are_an_error(shares):
    groups, labels = patients(people=50)
    with pytest.raises(KerasDLError, match="cannot be shares"):
        by_group(groups, labels, seed=0, validation=shares[0], test=shares[1])


def test_a_class_without_any_example_is_named():
    groups, labels = [f"g{number}" for number in range(20)], [number % 2 for number in range(20)]
    with pytest.raises(KerasDLError, match=r"class 'smile' has 0 groups .* for train, validation, test"):
        by_group(groups, labels, seed=0, classes=["heart", "fork", "smile"])


def test_three_groups_of_a_class_go_one_to_each_split():
    groups = np.array(["a", "b", "c", *(f"n{number}" for number in range(40))])
    labels = np.array([1, 1, 1, *[0] * 40])
    for seed in range(20):
        split = by_group(groups, labels, seed=seed)
        assert all(labels[index].sum() == 1 for index in split.values())


def test_a_rare_class_that_shares_its_groups_still_reaches_each_split():
    groups = np.array(["a", "b", "c", "a", "b", "c", *(f"n{number}" for number in range(40))])
    labels = np.array([1, 1, 1, *[0] * 43])
    for seed in range(20):
        split = by_group(groups, labels, seed=seed)
        assert all(labels[index].sum() == 1 for index in split.values())


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 25), st.integers(0, 3)), max_size=120),
    st.integers(0, 99),
    st.floats(0, 0.4),
    st.floats(0, 0.4),
)
def test_any_layout_gives_a_sound_split_or_an_error(rows, seed, validation, test):
    """Groups may hold several classes here."""
    groups = np.array([f"g{group}" for group, _ in rows], dtype=str)
    labels = np.array([label for _, label in rows], dtype=int)
    try:
        split = by_group(groups, labels, seed=seed, validation=validation, test=test)
    except KerasDLError:
        return
    assert_sound(split, groups, labels)
    wanted = [name for name, share in (("train", 1), ("validation", validation), ("test", test)) if share > 0]
    assert all(set(labels[split[name]]) == set(labels) for name in wanted)
