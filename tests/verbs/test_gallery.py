"""The examples in the report: the surest errors, a group once, with what both models said."""

import kept_runs
import numpy as np
import pandas as pd
import pytest
from kept_runs import CLASSES, EVIL, SEVERAL

from keras_dl.explaining import heatmap
from keras_dl.runs.predictions import Predictions
from keras_dl.verbs import gallery


def test_each_kind_of_error_shows_a_group_once():
    found = kept_runs.scored()
    one = Predictions(found.table.assign(group="one"), found.outputs)
    chosen = gallery.choose(one, 0.5, CLASSES)
    assert [len(rows) for rows in chosen.values()] in ([1, 0, 1, 1], [1, 1, 1, 1])
    assert chosen["PNEUMONIA taken for NORMAL"]["id"].tolist() == [EVIL]


def test_the_surest_errors_come_first():
    values = np.array([0.9, 0.6, 0.99, 0.1, 0.4, 0.8])
    table = pd.DataFrame({"id": list("abcdef"), "group": list("abcdef"), "label": [0, 0, 0, 1, 1, 1]})
    chosen = gallery.choose(Predictions(table, {"network": values}), 0.5, CLASSES)
    assert {title: "".join(rows["id"]) for title, rows in chosen.items()} == {
        "PNEUMONIA taken for NORMAL": "de",
        "NORMAL taken for PNEUMONIA": "cab",
        "PNEUMONIA, recognised": "f",
        "NORMAL, recognised": "",
    }


def several(pairs):
    """Make predictions of (true, given) classes; each is surer than the one before."""
    table = pd.DataFrame({"id": [f"{row}" for row in range(len(pairs))], "label": [true for true, _ in pairs]})
    values = np.full((len(pairs), 3), 0.1)
    values[np.arange(len(pairs)), [given for _, given in pairs]] = np.linspace(0.5, 0.8, len(pairs))
    return Predictions(table.assign(group=table["id"]), {"network": values, "baseline": values})


def test_of_several_classes_the_errors_that_occur_are_shown_most_frequent_first():
    chosen = gallery.choose(several([(2, 1), (1, 2), (2, 1), (0, 0), (2, 1), (2, 1), (2, 1)]), None, SEVERAL)
    assert list(chosen) == [
        "VIRAL taken for BACTERIAL",
        "BACTERIAL taken for VIRAL",
        "VIRAL, recognised",
        "BACTERIAL, recognised",
        "NORMAL, recognised",
    ]
    assert chosen["VIRAL taken for BACTERIAL"]["id"].tolist() == ["6", "5", "4", "2"]
    assert chosen["VIRAL taken for BACTERIAL"]["answer"].tolist() == [1] * 4


def test_all_kinds_of_error_together_stay_a_page():
    pairs = [(true, given) for true in range(3) for given in range(3)] * 5
    chosen = gallery.choose(several(pairs), None, SEVERAL)
    assert len(chosen) == 6 + 3
    assert sum(map(len, chosen.values())) == 6 * 2 + 3 * 2


def test_nothing_wrong_is_nothing_shown():
    chosen = gallery.choose(several([(0, 0), (1, 1)]), None, SEVERAL)
    assert [len(rows) for rows in chosen.values()] == [0, 1, 1]


@pytest.mark.parametrize(
    ("kind", "text"),
    [("probability", "0.00"), ("probabilities", "VIRAL 0.95"), ("score", "1.01")],
)
def test_what_was_said(kind, text):
    found = kept_runs.scored(kind)
    said = gallery.sayings(found, "network", kept_runs.ASSETS[kind]["classes"], ".3g" if kind == "score" else ".2f")
    assert said[1] == text


@pytest.mark.parametrize(
    ("kind", "title", "text"),
    [
        ("text", "spam, recognised", 'see you at <mark class="against" style="--w:1.00" title="−1.500">lunch,</mark>'),
        ("texts", "ball, recognised", 'you won a <mark class="against" style="--w:1.00" title="'),
        ("texts", "heart, recognised", 'see you at <mark class="for" style="--w:1.00" title="'),
    ],
)
def test_texts_are_coloured_for_the_class_that_is_explained(tmp_path, kind, title, text):
    run = kept_runs.make(tmp_path / "run", kind)
    assert {path.suffix for path in (run.path / "shown").iterdir()} == {".txt"}
    shown, note = gallery.examples(run, kept_runs.scored(kind), {"network": run.assets["threshold"]})
    assert note == ""
    assert any(entry["text"].startswith(text) for entry in shown[title])
    texts = [entry["text"] for rows in shown.values() for entry in rows]
    assert all(len(one) < 2500 for one in texts)
    assert any(one.startswith("&lt;script&gt;alert") and one.endswith(" …") for one in texts)


def test_a_heatmap_explains_the_answer_of_several_classes(tmp_path, monkeypatch):

    asked = []
    monkeypatch.setattr(heatmap, "heatmaps", lambda run, images, classes: asked.extend(classes) or images[..., 0] / 255)
    run = kept_runs.make(tmp_path / "run", "probabilities")
    found = kept_runs.scored("probabilities")
    shown, note = gallery.examples(run, found, {"network": None})
    entries = [entry for rows in shown.values() for entry in rows]
    assert note == ""
    assert asked == [entry["answer"] for entry in entries]
    assert asked == [found.answers("network", None)[entry["row"]] for entry in entries]
    assert all(entry["heatmap"] != entry["picture"] for entry in entries)
