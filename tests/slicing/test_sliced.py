"""The slices of a test part: the bad one is found and named, for every kind of output, and shown to people."""

import json

import kept_runs
import numpy as np
import pytest

from keras_dl.figures.slices import slices as forest
from keras_dl.measures import slices
from keras_dl.outputs.binary import Binary
from keras_dl.outputs.classes import Classes
from keras_dl.outputs.number import Number
from keras_dl.pages import html, terminal
from keras_dl.slicing import shown
from keras_dl.slicing.annotations import Annotations
from keras_dl.slicing.sliced import sliced, worse
from keras_dl.task.kinds import Found

COUNT = 400
EVIL = "<script>alert('**x**')</script>"


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Make fewer draws and orders."""
    monkeypatch.setattr(slices, "MOST_ORDERS", 2000)
    monkeypatch.setattr(slices, "DRAWS", 50)


def answered(kind, generator, bad):
    """Return a kind of output and what a fair model says, which is bad where `bad` is true."""
    truth = generator.integers(0, 3 if kind == "classes" else 2, COUNT)
    wrong = generator.random(COUNT) < np.where(bad, 0.5, 0.06)
    if kind == "number":
        output = Number("cells")
        numbers = truth * 50.0 + generator.integers(1, 30, COUNT)
        assets = {**output.learned(numbers), "radius": 1.0, "coverage": 0.9}
        values = numbers + generator.normal(0, np.where(bad, 9, 2))
        return output, Found(numbers, list(range(COUNT)), {"network": values}, {"network": assets})
    assets = {"classes": ["A", "B", "C"][: truth.max() + 1], "threshold": 0.5}
    said = np.where(wrong, (truth + 1) % (truth.max() + 1), truth)
    values = said * 0.8 + 0.1 if kind == "binary" else np.eye(3)[said] * 0.7 + 0.1
    output = Binary() if kind == "binary" else Classes()
    return output, Found(truth, list(range(COUNT)), {"network": values}, {"network": assets})


def planted(kind, seed=0, own=None):
    """Slice what a model says that is bad at the site "new", or at none where seed is -1."""
    generator = np.random.default_rng(abs(seed))
    site = generator.choice(["old", "new", "far"], COUNT, p=[0.6, 0.2, 0.2])
    output, found = answered(kind, generator, (site == "new") & (seed >= 0))
    columns = {"site": site, "brightness": generator.normal(100, 20, COUNT).round(1)}
    record = output.metric(output.judged, found.assets["network"])
    return sliced(output, found, columns, 0, own or Annotations({}, ())), record


@pytest.mark.parametrize("kind", ["binary", "classes", "number"])
def test_a_planted_bad_slice_is_named(kind):
    result, record = planted(kind)
    worst = result["rows"][result["worse"][0]]
    assert (worst["column"], worst["level"]) == ("site", "new")
    said = shown.sentence(result, record, "film")
    value = worst["metrics"][result["metric"]]["value"]
    assert said.startswith(f"Worst: films with **site new**: {record.title.lower()} {value:.{record.digits}f} against ")
    assert f"after correction for {result['tested']} slices)" in said
    strata = {"binary": 2, "classes": 3, "number": 4}[kind]
    assert result["tested"] == len(result["rows"]) == strata + 3 + 4


@pytest.mark.parametrize("kind", ["binary", "classes", "number"])
def test_where_no_slice_is_worse_none_is_named(kind):
    result, record = planted(kind, seed=-1)
    others = [one for one in result["worse"] if result["rows"][one]["column"] not in ("class", "true cells")]
    assert others == []
    if not result["worse"]:
        assert "No slice is worse than the rest by more than chance explains. " in shown.sentence(
            result, record, "film"
        )


def test_a_bad_class_is_named():
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 2, COUNT)
    wrong = generator.random(COUNT) < np.where(truth == 0, 0.3, 0.02)
    found = Found(
        truth,
        list(range(COUNT)),
        {"network": np.where(wrong, 1 - truth, truth) * 0.8 + 0.1},
        {"network": {"classes": ["A", "B"], "threshold": 0.5}},
    )
    result = sliced(Binary(), found, {"size": generator.normal(size=COUNT)}, 0)
    assert [result["rows"][one]["level"] for one in result["worse"]] == ["A"]


def test_the_worst_is_that_with_the_largest_difference():
    def row(difference, corrected):
        return {"difference": {"value": difference}, "corrected": corrected}

    rows = [row(-0.1, 0.01), {"reason": "too small"}, row(-0.3, 0.04), row(-0.5, 0.06), row(-0.2, 0.001)]
    assert worse(rows, more_is_better=True) == [2, 4, 0]
    assert worse([row(2.0, 0.01), row(3.0, 0.02)], more_is_better=False) == [1, 0]


def test_all_metrics_that_people_ask_for_are_there_as_far_as_they_mean_something():
    result, _ = planted("binary")
    rows = {f"{row['column']} {row['level']}": row["metrics"] for row in result["rows"]}
    assert [*rows["site new"]] == ["accuracy", "auroc", "sensitivity", "specificity", "f1", "brier", "ece"]
    assert all(cell["low"] <= cell["value"] <= cell["high"] for cell in rows["site new"].values())
    for name in ("auroc", "f1", "sensitivity"):
        assert rows["class A"][name] == {"value": None, "low": None, "high": None}, name
    assert rows["class A"]["specificity"] == rows["class A"]["accuracy"]


def test_coverage_is_broken_down_where_there_are_intervals():
    result, _ = planted("number")
    assert 0 < result["rows"][0]["metrics"]["coverage"]["value"] < 1


def test_a_users_columns_are_sliced_too_and_what_says_nothing_is_named():
    own = Annotations(
        {
            "site": ["a" if row % 3 else "b" for row in range(COUNT)],
            "note": [f"note {row}" for row in range(COUNT)],
            "same": ["x"] * COUNT,
            "partly": ["yes" if row % 2 else "no" if row < 100 else None for row in range(COUNT)],
        },
        ["The table has a row for 7 of 400 test examples."],
    )
    result, _ = planted("binary", own=own)
    named = [(row["column"], row["level"], row["examples"]) for row in result["rows"]]
    assert ("site (yours)", "a", 266) in named
    assert ("partly", "no", 50) in named
    assert result["left_out"] == {"note": "too few examples of each value", "same": "the same for all examples"}
    assert result["notes"] == own.notes


def test_small_slices_are_listed_and_not_tested():
    own = Annotations({"device": ["rare" if row < 9 else "usual" for row in range(COUNT)]}, ())
    result, record = planted("binary", own=own)
    assert result["left_out"]["device"] == "too few examples of each value"
    own = Annotations({"device": ["rare" if row < 9 else "usual" if row % 2 else "new" for row in range(COUNT)]}, ())
    result, record = planted("binary", own=own)
    rare = next(row for row in result["rows"] if row["level"] == "rare")
    assert (rare["examples"], rare["reason"]) == (9, "fewer than 10 examples")
    assert "metrics" not in rare
    assert ["device rare", "9", "too small", "", ""] in [list(row) for row in shown.table(result, record).rows]


def test_too_few_examples_for_any_slice_is_said():
    found = kept_runs.found("binary")
    few = Found(found.truth[:12], found.groups[:12], {"network": found.values["network"][:12]}, found.assets)
    result = sliced(Binary(), few, {}, 0)
    assert (result["rows"], result["tested"], result["worse"]) == ([], 0, [])
    said = shown.sentence(result, Binary.metrics["accuracy"], "film")
    assert said == "No slice is large enough to be tested: it needs 10 films of 5 groups, and so does the rest."
    assert shown.chart(result, Binary.metrics["accuracy"]) is None


@pytest.mark.parametrize("kind", kept_runs.KINDS + kept_runs.TEXTS)
def test_every_kind_of_run_has_slices_as_json(kind):
    output = kept_runs.task(kind).output
    result = sliced(output, kept_runs.found(kind), {}, 0)
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert result["metric"] == "accuracy"


def test_slices_are_shown_everywhere_whatever_they_are_called():
    own = Annotations({EVIL: [EVIL if row % 2 else "b" * 200 for row in range(COUNT)]}, ())
    result, record = planted("binary", own=own)
    for block in (shown.table(result, record), shown.table(result, record, 3), shown.chart(result, record)):
        assert "<script" not in html.html(block)
        assert terminal.text(block) is not None
    every = shown.every_metric(result, {name: record for row in result["rows"] for name in row["metrics"]})
    assert len(every.rows) == result["tested"]
    assert len(shown.table(result, record, 3).rows) == 3
    assert shown.table(result, record, 3).rows[0][0] == "site new"


def test_the_chart_has_a_line_for_each_slice_and_marks_the_worst():
    result, record = planted("binary")
    axes = forest(result["rows"], "accuracy", record, result["value"], 0.05).axes[0]
    names = [tick.get_text() for tick in axes.get_yticklabels()]
    assert names[:3] == ["class", "site", "brightness"]
    assert {f"{row['level']} ({row['examples']})" for row in result["rows"]} <= set(names)
    assert sum("*" in text.get_text() for text in axes.texts) == len(result["worse"])


def test_p_is_written_for_people():
    assert [shown.p_value(p) for p in (0.0004, 0.0123, 1.0)] == ["p < 0.001", "p 0.012", "p 1.000"]
