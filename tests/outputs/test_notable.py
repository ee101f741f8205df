"""The examples worth looking at: the surest errors, a group once."""

import kept_runs
import numpy as np
from kept_runs import CLASSES, SEVERAL

from keras_dl.outputs.binary import Binary
from keras_dl.outputs.classes import Classes
from keras_dl.task.kinds import Found, Target


def chosen(output, truth, values, assets, groups=None):
    """Return the notable examples by title."""
    groups = list(map(str, range(len(truth)))) if groups is None else groups
    found = Found(
        np.array(truth), groups, {"network": values, "baseline": values}, dict.fromkeys(("network", "baseline"), assets)
    )
    return {one.title: one for one in output.notable(found)}


def test_each_kind_of_error_shows_a_group_once():
    said = kept_runs.scored()
    one = chosen(Binary(), said.truth, said.outputs["network"], kept_runs.ASSETS["binary"], ["one"] * kept_runs.COUNT)
    assert [len(kind.rows) for kind in one.values()] == [1, 0, 1, 1]
    assert one["PNEUMONIA taken for NORMAL"].rows == [1], "the row of EVIL"
    apart = chosen(Binary(), said.truth, said.outputs["network"], kept_runs.ASSETS["binary"])
    assert [len(kind.rows) for kind in apart.values()] == [1, 0, 2, 2]


def test_the_surest_errors_come_first():
    values = np.array([0.9, 0.6, 0.99, 0.1, 0.4, 0.8])
    found = chosen(Binary(), [0, 0, 0, 1, 1, 1], values, {"classes": CLASSES, "threshold": 0.5})
    assert {title: "".join("abcdef"[row] for row in one.rows) for title, one in found.items()} == {
        "PNEUMONIA taken for NORMAL": "de",
        "NORMAL taken for PNEUMONIA": "cab",
        "PNEUMONIA, recognised": "f",
        "NORMAL, recognised": "",
    }
    targets = [target for one in found.values() for target in one.targets]
    assert targets == [Target(1, "PNEUMONIA")] * 6, "of two classes it is always the second that is explained"


def several(pairs):
    """Choose of examples of (true, given) classes; each is surer than the one before."""
    values = np.full((len(pairs), 3), 0.1)
    values[np.arange(len(pairs)), [given for _, given in pairs]] = np.linspace(0.5, 0.8, len(pairs))
    return chosen(Classes(), [true for true, _ in pairs], values, {"classes": SEVERAL})


def test_of_several_classes_the_errors_that_occur_are_shown_most_frequent_first():
    found = several([(2, 1), (1, 2), (2, 1), (0, 0), (2, 1), (2, 1), (2, 1)])
    assert list(found) == [
        "VIRAL taken for BACTERIAL",
        "BACTERIAL taken for VIRAL",
        "VIRAL, recognised",
        "BACTERIAL, recognised",
        "NORMAL, recognised",
    ]
    assert found["VIRAL taken for BACTERIAL"].rows == [6, 5, 4, 2]
    assert found["VIRAL taken for BACTERIAL"].targets == [Target(1, "BACTERIAL")] * 4, "the answer is explained"


def test_all_kinds_of_error_together_stay_a_page():
    pairs = [(true, given) for true in range(3) for given in range(3)] * 5
    found = several(pairs)
    assert len(found) == 6 + 3
    assert sum(len(one.rows) for one in found.values()) == 6 * 2 + 3 * 2


def test_nothing_wrong_is_nothing_shown():
    assert [len(one.rows) for one in several([(0, 0), (1, 1)]).values()] == [0, 1, 1]
