"""Labelled texts: what is left out and said, copies, the test part, other texts added, files as they are found."""

import numpy as np
import pytest

from keras_dl.data import texts
from keras_dl.data.images import Skipped
from keras_dl.data.texts import Row
from keras_dl.errors import BadInput, KerasDLError

CLASSES = {"0": "ham", "1": "spam", "eggs": "spam"}


def collected(*rows, **options):
    rows = [Row(f"a.csv:{line}", *row) for line, row in enumerate(rows, 1)]
    return texts.collect(rows, CLASSES, "a.csv", **options)


def test_usable_rows_keep_the_order_of_the_file():
    found = collected(("Hi  there", "0"), ("win", "eggs"), ("win more", "1"))
    assert found.texts == ("Hi  there", "win", "win more")
    assert found.classes == ("ham", "spam")
    assert found.labels.tolist() == [0, 1, 1]
    assert found.ids == ("a.csv:1", "a.csv:2", "a.csv:3")
    assert found.parts.tolist() == ["", "", ""]
    assert (found.skipped, found.notes) == ((), {"rows": 3, "copies": 0})


def test_what_cannot_be_used_is_left_out_and_said():
    found = collected(
        ("fine", "0"), (" \n", "1"), ("x", "ham"), ("y", ""), bad_share=0.9, broken=[Skipped("a.csv:9", "torn")]
    )
    assert found.texts == ("fine",)
    assert [(one.path, one.reason) for one in found.skipped] == [
        ("a.csv:9", "torn"),
        ("a.csv:2", "empty text"),
        ("a.csv:3", "label outside the classes: 'ham' is none of 0, 1, eggs"),
        ("a.csv:4", "label outside the classes: '' is none of 0, 1, eggs"),
    ]
    assert found.notes["rows"] == 5


def test_too_many_bad_rows_name_the_commonest_fault_and_its_first_line():
    with pytest.raises(KerasDLError) as caught:
        collected(("fine", "0"), ("x", "7"), ("", "0"), ("y", "7"), bad_share=0.5)
    assert str(caught.value).startswith("a.csv: 3 of 4 rows cannot be used (2 times label outside the classes: '7'")
    assert "as at a.csv:2; 1 times empty text, as at a.csv:3)" in str(caught.value)
    assert str(caught.value).endswith("correct them, or train with --set bad_share=0.76 to accept it")
    assert len(collected(("fine", "0"), ("x", "7"), ("", "0"), ("y", "7"), bad_share=0.76)) == 1
    assert len(collected(("fine", "0"), ("", "0"), bad_share=0.5)) == 1


@pytest.mark.parametrize(("rows", "why"), [((), "it is empty"), ((("", "0"),), "1 times empty text, as at a.csv:1")])
def test_nothing_usable_is_an_error_whatever_is_allowed(rows, why):
    with pytest.raises(KerasDLError, match=rf"{why}.*; pass another file to --data"):
        collected(*rows, bad_share=1.0)


def test_copies_share_a_group_whatever_their_case_and_blanks():
    found = collected(("Win a prize", "1"), ("hello", "0"), (" win  A\tprize ", "1"), ("film", "0", "", "tt1"))
    assert found.groups[0] == found.groups[2] != found.groups[1]
    assert found.groups[3] == "tt1"
    assert found.notes["copies"] == 1


def test_a_copy_in_the_test_part_drives_the_others_out():
    rows = [("a", "0", "train"), ("A", "0", "test"), ("b", "1", "train"), ("b", "1", "train"), ("c", "0", "validation")]
    found = collected(*rows, ("d", "0", "test", "film"), ("e", "1", "validation", "film"))
    assert found.texts == ("A", "b", "b", "c", "d")
    assert [one.path for one in found.skipped] == ["a.csv:1", "a.csv:7"]
    assert {one.reason for one in found.skipped} == {"has a copy in the test part"}


def test_a_test_part_by_rows():
    found = texts.with_test_part(
        collected(("a", "0"), ("b", "1"), ("B", "1"), ("c", "0")), np.array([0, 0, 1, 0], bool)
    )
    assert found.texts == ("a", "B", "c")
    assert found.parts.tolist() == ["train", "test", "train"]
    assert found.ids == ("a.csv:1", "a.csv:3", "a.csv:4")
    assert [one.path for one in found.skipped] == ["a.csv:2"]


def test_rows_are_taken_by_number_or_mask():
    found = collected(("a", "0"), ("b", "1"), ("c", "0", "", "film"))
    assert found.take([2, 0]).texts == ("c", "a")
    assert found.take([2, 0]).groups[0] == "film"
    assert found.take(found.labels == 1).ids == ("a.csv:2",)
    assert len(found.take([])) == 0


def test_texts_of_another_set_are_added_but_for_copies():
    train, held = collected(("a", "0"), ("b", "1")), collected(("held out", "0"))
    more = collected(("B", "0"), ("new", "1"), ("HELD  out", "0"), ("newer", "0", "", "film"))
    both = texts.joined(train, more, apart_from=held)
    assert both.texts == ("a", "b", "new", "newer")
    assert both.labels.tolist() == [0, 1, 1, 0]
    assert both.ids == ("a.csv:1", "a.csv:2", "samples/a.csv:2", "samples/a.csv:4")
    assert both.groups.tolist() == [texts.key("a"), texts.key("b"), texts.key("new"), "film"]
    assert len(both.parts) == len(both)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "the text is empty"),
        (" \n\t\u3000".encode(), "the text is empty"),
        (b"caf\xe9", r"not UTF-8 at byte 3 \(0xe9\); save the text as UTF-8"),
        (b"word " * 2_000_000, "10,000,000 bytes, but a text may have at most 1,000,000; split it"),
    ],
)
def test_what_no_model_reads_is_bad_input(raw, message):
    with pytest.raises(BadInput, match=message) as caught:
        texts.check(raw)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("raw", ["see you", "你好", "שלום", "🍕", "?!", "x" * 1_000_000])
def test_whatever_has_a_sign_may_be_asked(raw):
    texts.check(raw.encode())
