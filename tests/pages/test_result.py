"""Results that show themselves: plain data for programs, blocks for people, in a notebook and at a prompt."""

import copy
import json
import pickle
import sys
from pathlib import Path

import kept_runs
import pytest
from blocks_to_show import EVIL
from few_draws import few_bands, few_draws

import keras_dl
from keras_dl.pages.result import Page, Record, Rows
from keras_dl.task.blocks import Answer, Prose
from keras_dl.verbs import overview

BLOCKS = [Answer(EVIL, "sure"), Prose("**so** it is")]
PLAIN = [
    (Record({"a": [1, {"b": None}]}, lambda: BLOCKS), {"a": [1, {"b": None}]}),
    (Rows([{"a": 1}, {"b": "é"}], lambda: BLOCKS), [{"a": 1}, {"b": "é"}]),
]


@pytest.mark.parametrize(("result", "plain"), PLAIN, ids=["record", "rows"])
def test_a_result_is_plain_data(result, plain):
    assert result == plain
    assert plain == result
    assert isinstance(result, type(plain))
    assert json.loads(json.dumps(result)) == plain
    for same in (pickle.loads(pickle.dumps(result)), copy.copy(result), copy.deepcopy(result)):
        assert same == plain
        assert type(same) is type(plain)


def test_a_page_is_a_path(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("whole")
    page = Page.at(path, lambda: BLOCKS)
    assert page == path
    assert isinstance(page, Path)
    assert page.read_text() == "whole"
    assert str(page) == str(path)
    assert pickle.loads(pickle.dumps(page)) == path
    assert page.parent == tmp_path
    assert "sure" in repr(page)
    assert "sure" not in repr(page.parent), "a folder shows nothing of the page"
    assert page.parent._repr_html_() is None


@pytest.mark.parametrize(("result", "plain"), PLAIN, ids=["record", "rows"])
def test_a_result_draws_its_blocks_and_escapes_them(result, plain, monkeypatch):
    shown = result._repr_html_()
    assert "<script>alert" not in shown
    assert "&lt;script&gt;" in shown
    assert "<strong>so</strong> it is" in shown
    assert "sure" in repr(result)
    assert "\x1b" not in repr(result), "no colours where nobody sees them"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[1mso" in repr(result)


# The results of the verbs


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A function from a kind to a kept run of it: made once, not to be changed."""
    folder = tmp_path_factory.mktemp("runs")
    made = {}

    def one(kind, seed=0):
        if (kind, seed) not in made:
            made[kind, seed] = kept_runs.make(folder / f"{kind}{seed}", kind, seed)
        return made[kind, seed]

    return one


def inputs(run, kind, tmp_path):
    """Return two inputs that the run can use, and one that it cannot."""
    if kind in kept_runs.TEXTS:
        return ["you won a prize", "the <b>pizza</b> of love"], ""
    good = [tmp_path / "one.png", tmp_path / "<b>two.png"]
    for number, path in enumerate(good):
        path.write_bytes(kept_runs.png(number))
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    return good, bad


@pytest.mark.parametrize("kind", [*kept_runs.KINDS, "text", "texts"])
def test_answers_and_explanations_show_themselves(run, kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = run(kind)
    (first, second), bad = inputs(found, kind, tmp_path)
    one, many = found.predict(first), found.predict(first, second, bad)
    assert one == json.loads(json.dumps(one)) == list(many[:1])
    assert found.task.output.answer(one[0]).text in repr(one)
    assert many[2]["error"] in repr(many)
    assert "['" not in repr(many), "lists are written in words"
    assert "&lt;b&gt;" in many._repr_html_()
    assert "<b>" not in many._repr_html_()
    explained = found.explain(first, tmp_path)
    assert explained == json.loads(json.dumps(explained))
    assert explained["method"] in found.explanations()
    assert found.task.output.answer(one[0]).text in explained._repr_html_()
    assert ("<img" in explained._repr_html_()) == ("heatmap" in explained)
    assert ("<mark" in explained._repr_html_()) == ("heatmap" not in explained)


@pytest.mark.parametrize("kind", [*kept_runs.KINDS, "text", "texts"])
def test_figures_of_a_run_show_themselves(run, kind, monkeypatch):
    few_bands(monkeypatch)
    found = run(kind)
    table = found._repr_html_()
    for name in found.metrics["test"]["network"]:
        assert found.task.output.metric(name, found.assets).title in table
    page = found.report()
    assert page == found.path / "report.html"
    assert page._repr_html_().count("<svg") >= 3
    assert len(page._repr_html_()) < 400_000, "a notebook keeps it"
    result = Record(found.metrics["test"], lambda: overview.of_evaluation(found, found.metrics["test"] | {"seen": 2}))
    assert "2 of 42 examples were in the training or validation part" in repr(result)


def test_a_comparison_shows_itself(run, tmp_path, monkeypatch):
    few_draws(monkeypatch, 20)
    runs = [run("binary"), run("binary", 1)]
    result = keras_dl.compare(runs[0], runs[1].path, out=tmp_path)
    assert result == json.loads(json.dumps(result))
    assert [row["run"] for row in result["rows"][::2]] == [str(one.path) for one in runs]
    assert result["picture"] == str(tmp_path / "comparison.png")
    assert "<svg" in result._repr_html_()
    assert "p of the paired bootstrap" in repr(result)
    first = [line.split("  ")[0].strip() for line in repr(result).splitlines()]
    assert all(first.count(name) == 2 for name in result["digits"])
