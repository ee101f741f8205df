"""What an evaluation says of another set: whether it differs from validation, and whether its figures do."""

import json
import shutil

import numpy as np
import pytest

from keras_dl.answering import reference
from keras_dl.api import Run
from keras_dl.outputs.binary import Binary
from keras_dl.pages import terminal
from keras_dl.runs import predictions
from keras_dl.runs.predictions import Predictions
from keras_dl.task.kinds import Found
from keras_dl.verbs import drift


def found(count=300, accuracy=0.9, seed=0):
    """Binary answers of which so many are right, each of its own group."""
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, 2, count)
    values = np.where(generator.random(count) < accuracy, truth, 1 - truth) * 0.8 + 0.1
    return Found(truth, list(range(count)), {"network": values}, {"network": {"threshold": 0.5}})


def test_figures_that_differ_have_a_small_p_and_others_have_none():
    same = drift.figures(Binary(), found(), found(seed=1), 0)
    assert same["accuracy"]["low"] < 0 < same["accuracy"]["high"]
    assert same["accuracy"]["p"] > 0.05
    worse = drift.figures(Binary(), found(), found(accuracy=0.7, seed=1), 0)["accuracy"]
    assert worse["value"] == pytest.approx(-0.2, abs=0.08)
    assert worse["low"] < worse["value"] < worse["high"] < 0
    assert worse["p"] < 0.01


def test_the_two_parts_are_drawn_independently():
    """Of the same part twice, paired draws would have no spread."""
    cell = drift.figures(Binary(), found(), found(), 0)["accuracy"]
    assert cell["value"] == 0
    assert cell["high"] - cell["low"] > 0.05


@pytest.fixture(scope="module")
def compared(tiny_run):
    """What is said of the run's own validation part, as it was and moved."""
    run = tiny_run("spam")
    kept, table = reference.read(run), predictions.read(run).table
    rows = np.arange(len(kept.truth))
    own = table.iloc[np.resize(np.arange(len(table)), len(rows))].assign(label=kept.truth, group=kept.groups)

    def said(move=0.0, values=kept.values):
        new = Predictions(own, {"network": values, "baseline": values}, kept.features + move)
        return drift.compared(run, new, own=False)

    return said, kept


def test_inputs_may_differ_where_the_scores_do_not(compared):
    said, _ = compared
    result = said(move=5.0)
    assert result["features"]["mmd"]["p"] < 0.05
    assert result["features"]["verdict"].endswith("large")
    assert result["scores"]["verdict"].startswith("no difference is shown")
    assert said()["features"]["verdict"].startswith("no difference is shown")


def test_scores_may_differ_where_the_inputs_do_not(compared):
    said, kept = compared
    result = said(values=1 - kept.values / 2)
    assert result["scores"]["ks"]["p"] < 0.05
    assert result["scores"]["verdict"].endswith("large")
    assert result["features"]["verdict"].startswith("no difference is shown")


def test_an_evaluation_says_it_in_json_at_a_terminal_and_in_a_notebook(tiny_run, tmp_path):
    run = tiny_run("spam")
    source = tmp_path / "spam.csv"
    labels = "ham,how are you tonight\nspam,win a prize call now\nham,see you at the station later\n"
    source.write_text("label,text\n" + labels.replace("\n", " {0}\n").format("today") + labels)
    result = run.evaluate(source)
    assert set(result["drift"]) == {"features", "scores", "figures"}
    assert result["drift"]["features"]["verdict"]
    assert set(result["drift"]["figures"]) <= set(result["network"])
    json.dumps(result["drift"])
    page = result._repr_html_()
    for text in ("Compared with the validation part", "Compared with the run&#39;s own test part"):
        assert text in page
    shown = "\n".join(terminal.text(block) for block in drift.blocks(run, result))
    assert "Features" in shown
    assert "Scores" in shown


def test_the_runs_own_test_part_has_no_other_figures(tiny_run):
    result = tiny_run("spam").evaluate()
    assert result["drift"]["figures"] is None
    assert result["drift"]["scores"]["verdict"]


def test_a_run_of_an_earlier_version_is_evaluated_and_says_what_it_lacks(tiny_run, tmp_path):
    path = tmp_path / "run"
    shutil.copytree(tiny_run("spam").path, path)
    for name in (reference.FILE, "assets/novelty.npz"):
        (path / name).unlink()
    result = Run(path).evaluate()
    assert result["network"]
    assert result["drift"] == {"features": None, "scores": None, "figures": None}
    (block,) = drift.blocks(Run(path), result)
    assert "an earlier version made it" in block.text


def test_few_groups_are_said_to_be_too_few():
    assert drift.in_words(None, None) == "too few groups to tell"
    assert drift.in_words(0.01, "small") == "they differ, p 0.010: small"
    assert drift.in_words(0.2, "large") == "no difference is shown, p 0.200"
