"""Comparisons: the right rows, tested on the same patients only, by a test that agrees with its oracle."""

from dataclasses import replace

import kept_runs
import numpy as np
import pandas as pd
import pytest
from few_draws import few_draws
from scipy.stats import norm

from keras_dl import show
from keras_dl.errors import UsageError
from keras_dl.measures.measuring import point
from keras_dl.outputs.binary import Binary
from keras_dl.runs.predictions import Predictions
from keras_dl.verbs import compare


@pytest.fixture
def make(tmp_path, monkeypatch):
    few_draws(monkeypatch, 40)  # fast
    monkeypatch.chdir(tmp_path)

    def make(name, kind="binary", seed=0):
        return kept_runs.make(tmp_path / name, kind, seed)

    return make


def test_rows_and_picture(make, tmp_path):
    result = compare.compare([make("a"), make("b", seed=1)])
    assert [(row["name"], row["model"]) for row in result["rows"]] == [
        ("a", "network"),
        ("a", "baseline"),
        ("b", "network"),
        ("b", "baseline"),
    ]
    first, baseline, *_ = result["rows"]
    assert first["difference"] is None
    found, assets = kept_runs.scored(), kept_runs.ASSETS["binary"]
    values = [
        point(Binary().measuring(found.truth, found.outputs[name], assets), kept_runs.COUNT)
        for name in ("baseline", "network")
    ]
    for metric, cell in baseline["difference"].items():
        assert cell["value"] == pytest.approx(values[0][metric] - values[1][metric], abs=1e-6, nan_ok=True)
    assert baseline["difference"]["auroc"]["low"] < baseline["difference"]["auroc"]["high"] < 0
    assert baseline["difference"]["auroc"]["p"] == pytest.approx(2 / 41, abs=1e-6), "no draw on the other side"
    assert result["picture"] == "comparison.png"
    assert (tmp_path / "comparison.png").read_bytes().startswith(b"\x89PNG")
    text = show.comparison(result)
    assert "minus the first" in text
    assert "p 0.049" in text
    assert "picture comparison.png" in text


def test_the_same_examples_in_another_order_are_the_same(make):
    runs = [make("a"), make("b")]
    table = pd.read_csv(runs[1].path / "predictions.csv")
    table[::-1].to_csv(runs[1].path / "predictions.csv", index=False)
    again = compare.compare(runs)["rows"][2]["difference"]
    assert {(cell["value"], cell["p"]) for cell in again.values()} <= {(0.0, 1.0), (None, None)}


@pytest.mark.parametrize("column", ["id", "label"])
def test_other_examples_are_not_tested(make, column):
    runs = [make("a"), make("b")]
    table = pd.read_csv(runs[1].path / "predictions.csv")
    table[column] = [f"other/{name}" for name in table["id"]] if column == "id" else 1 - table["label"]
    table.to_csv(runs[1].path / "predictions.csv", index=False)
    result = compare.compare(runs)
    assert [row["difference"] is None for row in result["rows"]] == [True, False, True, True]
    assert show.comparison(result).count("minus the first") == 1


def test_tasks_of_the_same_classes_are_compared_in_what_both_have(make):
    result = compare.compare([make("a"), make("b", "score")])
    assert list(result["rows"][0]["metrics"]) == list(kept_runs.measured("score")["network"])
    assert not {"brier", "ece"} & set(result["rows"][2]["difference"])


def test_several_classes(make):
    result = compare.compare([make("a", "classes"), make("b", "classes", seed=1)], "out.svg")
    assert "recall VIRAL" in result["rows"][2]["difference"]
    assert "out.svg" in show.comparison(result)


def test_other_classes_are_refused(make):
    with pytest.raises(
        UsageError, match=r"b has the classes NORMAL, BACTERIAL, VIRAL, .*a has the classes NORMAL, PNEUMONIA; compare"
    ):
        compare.compare([make("a"), make("b", "classes")])


def test_nothing_in_common_is_refused(make):
    runs = [make("a"), make("b")]
    runs[1].metrics["test"]["network"] = {"bleu": None}
    with pytest.raises(UsageError, match="no metric in common"):
        compare.compare(runs)


@pytest.mark.parametrize(("out", "path"), [(None, "comparison.png"), (".", "comparison.png"), ("x.pdf", "x.pdf")])
def test_where_the_picture_goes(out, path):
    assert str(compare.picture_path(out)) == path


@pytest.mark.parametrize("out", ["picture.gif", "picture"])
def test_a_picture_that_cannot_be_drawn_is_refused_at_once(out):
    with pytest.raises(UsageError, match=r"must end in \.png, \.svg, \.pdf"):
        compare.compare([], out)


def test_names_are_as_brief_as_tells_runs_apart(make):
    a, b, other = make("x/a"), make("y/b"), make("y/a")
    assert compare.names([a, b]) == ["a", "b"]
    assert compare.names([a, other]) == [str(a.path), str(other.path)]
    other.task = replace(other.task, name="xray-anomaly")
    assert compare.names([a, other]) == ["pneumonia a", "xray-anomaly a"]
    a.asked["name"] = "good"
    assert compare.names([a, other]) == ["good", "xray-anomaly a"]


def test_names_and_marks_stand_in_the_table_and_in_the_picture(make):
    a, b = make("a"), make("b", seed=1)
    a.asked.update(name="good")
    b.asked.update(name="trial", tiny=True, synthetic=True)
    result = compare.compare([a, b], "picture.svg")
    assert [row["name"] for row in result["rows"]] == ["good", "good", "trial (tiny)", "trial (tiny)"]
    assert [row["marks"] for row in result["rows"][1:3]] == [[], ["tiny", "embedded data"]]
    text = show.comparison(result)
    assert f"good: {a.path}\ntrial (tiny): {b.path}, tiny, embedded data" in text


def wins(labels, values):
    """Say of each positive and each negative example whether the positive one has the higher value."""
    return (values[labels == 1][:, None] > values[labels == 0]).astype(float)


class Areas(Binary):
    """An output that is measured by nothing but AUROC, pair by pair."""

    def measuring(self, truth, values, assets):
        won = wins(truth, values)

        def measured(weights):
            positive, negative = weights[:, truth == 1].astype(float), weights[:, truth == 0].astype(float)
            pairs = positive.sum(axis=1) * negative.sum(axis=1)
            return {"auroc": np.einsum("di,ij,dj->d", positive, won, negative, optimize=True) / pairs}

        return measured


def delong(labels, one, other):
    """Return the two-sided p value of two AUROCs (DeLong, DeLong, Clarke-Pearson 1988)."""
    both = [wins(labels, values) for values in (one, other)]
    positive, negative = (np.stack([won.mean(axis=axis) for won in both]) for axis in (1, 0))
    covariance = np.cov(positive) / positive.shape[1] + np.cov(negative) / negative.shape[1]
    contrast = np.array([1, -1])
    gap = both[0].mean() - both[1].mean()
    return 2 * norm.sf(abs(gap) / np.sqrt(contrast @ covariance @ contrast))


def p_of(run, labels, one, other, copies):
    """Return the p value of two AUROCs by `compare`, with `copies` of each example, all of one patient."""
    rows = np.repeat(np.arange(len(labels)), copies)
    table = pd.DataFrame({"id": [f"{number:06d}" for number in range(len(rows))]})
    table = table.assign(group=rows.astype(str), label=labels[rows])
    run.card["splits"]["test"]["examples"] = len(rows)
    Predictions(table, {"network": one[rows], "baseline": other[rows]}).write(run, [""])
    models = list(compare.both(run, "run"))
    return list(compare.differences(models, ["auroc"], seed=0))[1]["auroc"]["p"]


def test_the_p_value_agrees_with_delong_where_each_patient_has_one_image(make, monkeypatch):
    run, random = make("a"), np.random.default_rng(3)
    few_draws(monkeypatch, 1000)
    run.task = replace(run.task, output=Areas())
    labels = np.arange(300) % 2
    shared = labels + random.normal(size=300)
    one, other = shared + 0.5 * random.normal(size=300), shared + 0.7 * random.normal(size=300)
    p = p_of(run, labels, one, other, copies=1)
    oracle = delong(labels, one, other)
    assert 0.01 < oracle < 0.5
    assert p == pytest.approx(oracle, abs=0.04)
    copied = [np.repeat(values, 3) for values in (labels, one, other)]
    assert delong(*copied) < 0.6 * oracle, "it takes three images of a patient for three witnesses"
    assert p_of(run, labels, one, other, copies=3) == pytest.approx(p, abs=0.03)
