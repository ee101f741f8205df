"""The score of answers to inputs that came with labels, for every kind of output."""

import numpy as np
import pytest

from keras_dl.errors import BadInput
from keras_dl.outputs.binary import Binary
from keras_dl.outputs.classes import Classes
from keras_dl.outputs.number import Number
from keras_dl.task.blocks import Prose, Table
from keras_dl.verbs.scoring import Scores

TWO = {"classes": ["ham", "spam"], "threshold": 0.4}
THREE = {"classes": ["red", "deep_blue", "green"], "threshold": None}


def scored(output, assets, answers):
    """Score (row, label) pairs; return the truths in words and the blocks."""
    scores = Scores(output, assets)
    return [scores.add(row, [label]) for row, label in answers], scores.blocks()


def cells(table):
    return {row[0]: list(row[1:]) for row in table.rows}


def test_two_classes():
    answers = [({"probability": p}, label) for p, label in [(0.9, "spam"), (0.1, "HAM "), (0.5, "0"), (0.2, "1")]]
    truths, (figures, confusion) = scored(Binary(), TWO, answers)
    assert truths == ["spam", "ham", "ham", "spam"]
    assert cells(figures)["Accuracy"][0] == "0.500"
    assert all(" to " in between or between == "" for _, between in cells(figures).values())
    assert cells(confusion) == {"ham": ["1", "1", "50 %"], "spam": ["1", "1", "50 %"]}
    assert confusion.columns == ["True \\ answered", "ham", "spam", "right"]


def test_several_classes_and_labels_that_are_none():
    def row(*shares):
        return {"probabilities": dict(zip(THREE["classes"], shares, strict=True)), "label": "as it is"}

    answers = [(row(0.8, 0.1, 0.1), "red"), (row(0.2, 0.7, 0.1), "Deep  blue"), (row(0.2, 0.7, 0.1), "elephant"),
               (row(0.2, 0.7, 0.1), ""), ({"error": "too long"}, "red")]  # fmt: skip
    truths, (_, confusion, prose) = scored(Classes(), THREE, answers)
    assert truths == ["red", "deep_blue", None, None, "red"]
    assert cells(confusion) == {"red": ["1", "0", "0", "100 %"], "deep_blue": ["0", "1", "0", "100 %"],
                                "green": ["0", "0", "0", ""]}  # fmt: skip
    assert prose.text.startswith("2 inputs have no label that this model knows: 'elephant' (1), '' (1).")


def test_numbers_have_errors():
    assets = {"radius": None, "edges": [50, 100], "most": 200.0}
    answers = [({"number": 40.0}, "44"), ({"number": 120.0}, "118 cells"), ({"number": 3.0}, "many")]
    truths, (figures, confusion, _) = scored(Number("cells"), assets, answers)
    assert truths == ["44 cells", "118 cells", None]
    assert "3.0" in cells(figures)["Mean absolute error"][0]
    assert cells(confusion)["over 100"][2] == "1"


def test_without_a_label_that_is_understood_there_is_no_score():
    assert scored(Binary(), TWO, []) == ([], [])
    _, (prose,) = scored(Binary(), TWO, [({"probability": 0.5}, "images")])
    assert isinstance(prose, Prose)


def test_of_several_folders_the_nearest_that_is_a_class_counts():
    scores = Scores(Binary(), TWO)
    assert scores.add({"probability": 0.9}, ["person 7", "spam", "ham"]) == "spam"
    assert isinstance(scores.blocks()[0], Table)


def test_a_name_comes_before_a_number():
    turned = {"classes": ["1", "0"], "threshold": 0.5}
    assert [Binary().understood(label, turned) for label in ("1", "0")] == [0, 1]
    with pytest.raises(BadInput, match="must be one of: ham, spam"):
        Binary().understood("2", TWO)


def test_many_answers_are_scored_in_a_moment():
    rng = np.random.default_rng(0)
    scores = Scores(Binary(), TWO)
    for truth, value in zip(rng.integers(0, 2, 20_000), rng.random(20_000), strict=True):
        scores.add({"probability": float(value)}, [TWO["classes"][truth]])
    assert len(scores.blocks()) == 2
