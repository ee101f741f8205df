"""Slices from end to end: what a training keeps, a user's table, the report, the terminal and notebooks."""

import json
import shutil

import click
import kept_runs
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from few_draws import few_bands, few_draws
from test_former_runs import unpacked

import keras_dl
from keras_dl.api import Run
from keras_dl.cli import main
from keras_dl.errors import UsageError
from keras_dl.inputs.image import ImageInput
from keras_dl.inputs.text import TextInput
from keras_dl.measures import slices
from keras_dl.runs import predictions
from keras_dl.show import evaluated
from keras_dl.task import Split
from keras_dl.verbs import evaluate, overview

EVIL = "<script>alert('**x**')</script>"


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Make fewer draws and orders."""
    few_bands(monkeypatch)
    few_draws(monkeypatch, 20)
    monkeypatch.setattr(slices, "MOST_ORDERS", 1000)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A run of two classes whose test part is bad at one of two sites; not to be changed."""
    run = kept_runs.make(tmp_path_factory.mktemp("kept") / "run", "binary")
    path = run.path / "predictions.csv"
    table = pd.read_csv(path)
    table["site"] = np.where(np.arange(len(table)) % 3 == 0, "bad", "good")
    table["network"] = np.where(table["site"] == "bad", 1 - table["label"], table["label"]) * 0.8 + 0.1
    table["brightness"] = np.arange(len(table)) + 100.5
    table.to_csv(path, index=False)
    return run


@pytest.fixture
def run(kept, tmp_path):
    """A copy of it, to be changed."""
    return Run(shutil.copytree(kept.path, tmp_path / "run"))


@pytest.fixture
def table(run, tmp_path):
    """A user's table of these examples, with names that are no HTML."""
    ids = predictions.read(run).table["id"]
    scanner = np.where(np.arange(len(ids)) % 3 == 0, EVIL, "B")
    path = tmp_path / "own.csv"
    pd.DataFrame({"file": ids, "scanner": scanner}).iloc[:40].to_csv(path, index=False, sep=";")
    return path


def test_a_tiny_training_keeps_what_slices_are_made_of(tiny_run):
    run = tiny_run("pneumonia")
    columns = predictions.read(run).columns
    assert {"brightness", "contrast", "shorter side (px)", "file size (kB)"} <= {*columns}
    assert run.metrics["test"]["slices"]["metric"] == "accuracy"
    assert predictions.read(run).table["label"].dtype.kind == "i"


def test_the_report_of_a_run_without_slices_measures_them(run):
    assert "slices" not in run.metrics["test"]
    page = run.report().read_text(encoding="utf-8")
    assert "Worst: radiographs with <strong>site bad</strong>: accuracy 0.000 against 1.000 of the rest" in page
    assert page.count('id="slices"') == 1
    assert "brightness" in page
    assert "All metrics of the slices" in page


def test_the_report_shows_the_slices_that_were_measured(run):
    measured = run.metrics["test"]
    result = evaluate.measure(run.task, run.assets, predictions.read(run), 0)["slices"]
    result["rows"][0]["level"] = "measured before"
    run.write("metrics.json", {"test": {**measured, "slices": result}})
    assert "measured before" in Run(run.path).report().read_text(encoding="utf-8")


def test_a_users_table_is_in_the_report(run, table):
    page = run.report(slices=table).read_text(encoding="utf-8")
    assert "The table has a row for 40 of 42 test examples." in page
    assert "scanner &lt;script&gt;" in page
    assert "<script" not in page
    assert page.count("scanner") > 3


def test_a_table_that_names_no_example_is_an_error_that_shows_ids(run, tmp_path):
    (tmp_path / "own.csv").write_text("file,scanner\nx.png,A\n")
    with pytest.raises(UsageError, match=r"no row names a test example.*'test/000.png'"):
        run.report(slices=tmp_path / "own.csv")


def test_a_former_run_without_columns_has_slices_by_class(tmp_path):
    run = keras_dl.open_run(unpacked("xray-anomaly", tmp_path / "run"))
    page = run.report().read_text(encoding="utf-8")
    assert 'id="slices"' in page
    assert {*predictions.read(run).columns} <= {"site"}


def test_evaluate_takes_a_table(tiny_run, tmp_path, monkeypatch):
    monkeypatch.setattr("keras_dl.measures.slices.EXAMPLES", 5)
    monkeypatch.setattr("keras_dl.measures.slices.GROUPS", 2)
    run = tiny_run("pneumonia")
    names = [one.rpartition("/")[2] for one in predictions.read(run).table["id"]]
    rows = [f"{name}\t{'new' if row % 2 else 'old'}" for row, name in enumerate(names)]
    (tmp_path / "own.tsv").write_text("\n".join(["filename\tscanner", *rows]))
    said = CliRunner().invoke(main, ["evaluate", str(run.path), "--slices", str(tmp_path / "own.tsv"), "--json"])
    assert said.exit_code == 0, said.output
    result = json.loads(said.stdout)["slices"]
    counts = {row["level"]: row["examples"] for row in result["rows"] if row["column"] == "scanner"}
    assert counts == {"old": (len(names) + 1) // 2, "new": len(names) // 2}
    assert result["tested"] > 4


def test_a_terminal_shows_the_worst_and_a_few_lines(run, monkeypatch):
    result = {
        **run.metrics["test"],
        "slices": evaluate.measure(run.task, run.assets, predictions.read(run), 0)["slices"],
    }
    for width in (80, 120):
        monkeypatch.setenv("COLUMNS", str(width))
        said = click.unstyle(evaluated(result, run))
        assert all(len(line) <= width for line in said.splitlines())
        assert "Worst: radiographs with site bad: accuracy" in " ".join(said.split())
        assert "*" not in said.partition("Worst:")[2].partition(").")[0]
    assert "Minus the rest" in said
    assert "Minus the rest" not in evaluated(result, run, slices=0)
    assert "Worst" not in evaluated(run.metrics["test"], run)


def test_a_notebook_shows_them(run):
    result = {
        **run.metrics["test"],
        "slices": evaluate.measure(run.task, run.assets, predictions.read(run), 0)["slices"],
    }
    blocks = overview.of_evaluation(run, result)
    assert [type(block).__name__ for block in blocks[-3:]] == ["Prose", "Chart", "Table"]
    assert len(overview.of_evaluation(run, run.metrics["test"])) == len(blocks) - 3


def test_images_are_described_by_light_and_size():
    files = [kept_runs.png(row) for row in range(3)]
    split = Split(None, ["a", "b", "c"], [], [], raw=lambda row: files[row])
    pixels = np.zeros((3, 4, 4, 1), np.uint8)
    pixels[1], pixels[2, :2] = 200, 100
    found = ImageInput().described(None, split, lambda: pixels)
    assert list(found["brightness"]) == [0, 200, 50]
    assert list(found["contrast"]) == [0, 0, 50]
    assert found["file size (kB)"] == [round(len(file) / 1000, 1) for file in files]
    assert all(side >= 32 for side in found["shorter side (px)"])


def test_texts_are_described_by_words():
    texts = ("you won a prize", "see zzz", "")
    ids = np.array([[5, 4, 3, 2, 9], [7, 1, 0, 0, 1], [0, 0, 0, 0, 8]], np.int32)  # the last is a character
    split = Split(None, ["a", "b", "c"], [], [], raw=lambda row: texts[row].encode(), texts=texts)
    config = type("Config", (), {"length": 4})
    found = TextInput().described(config, split, lambda: ids)
    assert found["length (words)"] == [4, 2, 0]
    assert list(found["unknown words (%)"]) == [0, 50, 0]
