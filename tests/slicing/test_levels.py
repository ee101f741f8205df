"""Columns of numbers and words are cut into levels that a reader understands."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_dl.slicing.levels import MOST, levels


def sizes(values):
    return {name: int(inside.sum()) for name, inside in levels(values).items()}


def test_numbers_are_cut_at_quartiles():
    assert sizes(np.arange(1, 1001)) == {"up to 250": 250, "250 to 500": 250, "500 to 750": 250, "over 750": 250}


def test_few_different_numbers_are_levels_of_their_own():
    assert sizes([3, 1, 3, 2.5]) == {"1": 1, "2.5": 1, "3": 2}


def test_numbers_that_are_mostly_the_same_have_fewer_levels():
    assert sizes([0] * 80 + list(range(1, 21))) == {"0": 80, "over 0": 20}
    assert sizes([0] * 60 + list(range(1, 41))) == {"0": 60, "0 to 15": 15, "over 15": 25}


def test_a_text_of_numbers_is_numbers():
    texts = [str(one) for one in range(1, 101)]
    assert sizes(texts) == sizes(np.arange(1, 101))
    assert sizes([f"{one},5" for one in range(20)]) == sizes(np.arange(20) + 0.5), "a decimal comma"


@pytest.mark.parametrize("cell", ["007", "1970s", "nan", "inf", "1-2", ".", "e5", "ab"])
def test_what_is_no_number_makes_words(cell):
    assert cell in sizes([cell, *(str(one) for one in range(8))])


def test_the_rare_words_are_one_level():
    found = sizes([chr(97 + letter) for letter in range(20) for _ in range(30 - letter)])
    assert len(found) == MOST
    assert next(iter(found)) == "a"
    assert found["9 others"] == sum(30 - letter for letter in range(11, 20))


def test_empty_is_a_level_and_unknown_is_none():
    assert sizes(["a", "", None, "b", "a", " "]) == {"a": 2, "b": 1, "not given": 2}
    assert sizes(["1", "", None]) == {"1": 1, "not given": 1}
    assert sizes([1.0, np.nan, 2.0]) == {"1": 1, "2": 1}
    assert sizes([None, None]) == {}
    assert sizes([]) == {}


@given(st.lists(st.floats(-1e12, 1e12).map(lambda one: float(f"{one:.6g}")), min_size=7))
def test_each_number_is_in_one_level_and_none_is_empty(numbers):
    found = levels(np.array(numbers))
    assert (np.sum([*found.values()], axis=0) == 1).all()
    assert all(inside.any() for inside in found.values())


@given(st.lists(st.floats(0, 1000), min_size=40, unique=True))
def test_a_name_says_where_the_cut_is(numbers):
    for name, inside in levels(np.array(numbers)).items():
        words = name.replace(",", "").split()
        chosen = np.array(numbers)[inside]
        if words[0] == "over":
            assert (chosen > float(words[1])).all()
        elif words[:2] == ["up", "to"]:
            assert (chosen <= float(words[2])).all()
        elif len(words) == 3:
            assert ((chosen > float(words[0])) & (chosen <= float(words[2]))).all()
