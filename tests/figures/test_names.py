"""Names that fit."""

import pytest

from keras_dl.figures.names import shortened, widest, width, wrapped


@pytest.mark.parametrize(
    ("text", "most", "found"),
    [
        ("heart", 5, "heart"),
        ("fork_and_knife", 10, "fork_a…ife"),
        ("number 1 of a long list", 8, "numbe…st"),
        ("肺炎肺炎肺炎", 7, "肺炎…炎"),
        ("", 3, ""),
    ],
)
def test_the_middle_is_left_out(text, most, found):
    assert shortened(text, most) == found
    assert width(found) <= most


@pytest.mark.parametrize(
    ("text", "most", "found"),
    [
        ("fork_and_knife", 9, "fork_and_\nknife"),
        ("red oak maple", 7, "red oak\nmaple"),
        ("uninterrupted", 4, "uninterrupted"),
        ("northern-cardinal", 10, "northern-\ncardinal"),
        ("_", 3, "_"),
    ],
)
def test_lines_break_behind_gaps(text, most, found):
    assert wrapped(text, most) == found


def test_the_widest_line():
    assert widest(["a\nbcd", "ef"]) == 3
    assert widest([]) == 0
