import json
import shutil

import numpy as np
import pandas as pd
import pytest

from keras_dl.api import Run
from keras_dl.errors import KerasDLError, UsageError
from keras_dl.outputs import sets
from keras_dl.outputs.binary import Binary
from keras_dl.runs import baseline, sources
from keras_dl.task.kinds import Found
from keras_dl.training import pipeline
from keras_dl.verbs import evaluate


def scored(count):
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, count)
    return labels, 1 / (1 + np.exp(-generator.normal(6.0 * labels - 3.0, 3.0)))


def pair(labels, network, baseline, groups):
    """Measure two models with the threshold 0.5."""
    values = {"network": network, "baseline": baseline}
    found = Found(labels, list(groups), values, {name: {"threshold": 0.5} for name in values})
    return evaluate.measure_pair(Binary(), found, seed=0)


def test_intervals_by_group_are_wider_where_a_groups_examples_agree():
    generator = np.random.default_rng(0)
    labels = np.repeat(generator.integers(0, 2, 40), 10)
    values = np.clip(np.repeat(generator.normal(0.2 * labels[::10] + 0.4, 0.15), 10), 0.01, 0.99)

    def width(groups):
        cell = pair(labels, values, 1 - values, groups)["network"]["accuracy"]
        assert cell["low"] < cell["value"] < cell["high"]
        return cell["high"] - cell["low"]

    assert width(np.repeat(np.arange(40), 10)) > 2 * width(np.arange(400))


def test_the_difference_is_that_of_the_same_draws():
    labels, values = scored(200)
    difference = pair(labels, values, values, range(200))["difference"]
    assert all(cell == {"value": 0, "low": 0, "high": 0} for cell in difference.values())


def test_what_is_measured_is_what_the_kind_of_output_has_records_of():
    labels, values = scored(200)
    found = pair(labels, values, values, np.arange(200) // 2)
    assert set(found) == {"network", "baseline", "difference", "examples", "groups", "thresholds"}
    assert (found["examples"], found["groups"]) == (200, 100)
    assert found["thresholds"] == {"network": 0.5, "baseline": 0.5}
    without = {"macro_f1", *sets.METRICS}  # neither asked for here: no class is as good as the other, and no sets
    assert [*found["network"]] == [name for name in Binary.metrics if name not in without]


def test_threshold_and_calibration_are_those_of_the_validation_part(tiny_run, tmp_path):
    run = tiny_run("pneumonia")
    data = sources.load(run)
    points = {}
    for name, split in data.splits().items():
        examples = pipeline.decoded(split, run.config, tmp_path / name, name=name)
        raw = run.answering.network.see(examples).outputs
        points[name] = run.task.output.fit(examples.truth, raw, run.config, split.groups)
    assert run.assets["threshold"] == pytest.approx(points["validation"]["threshold"], abs=1e-4)
    assert run.assets["calibration"] == pytest.approx(points["validation"]["calibration"], rel=1e-3)
    assert points["test"]["calibration"] != pytest.approx(points["validation"]["calibration"], rel=1e-3)


def test_the_interval_of_a_distance_holds_its_value():
    labels, values = scored(300)
    cell = pair(labels, values, values / 2, range(300))["network"]["ece"]
    assert 0 <= cell["low"] <= cell["value"] <= cell["high"]


def test_training_examples_in_another_set_are_counted(tiny_run, tmp_path):
    run = tiny_run("pneumonia")
    folder = tmp_path / "other"
    shutil.copytree(sources.folder(run), folder)
    result = run.evaluate(folder)
    table = pd.read_csv(run.path / "splits.csv")
    assert result["seen"] == (table["split"] != "test").sum()


def test_evaluating_the_runs_own_test_part_again_gives_its_metrics(tiny_run):
    run = tiny_run("pneumonia")
    again = run.evaluate()
    stored = run.metrics["test"]
    assert again["examples"] == stored["examples"]
    for name, cell in stored["network"].items():
        assert again["network"][name]["value"] == pytest.approx(cell["value"], abs=1e-5), name


def test_another_set_with_a_test_part_alone_is_evaluated_with_the_stored_threshold(tiny_run, tmp_path):
    run = tiny_run("pneumonia")
    source = sources.folder(run)
    shutil.copytree(source / "chest_xray" / "train" if (source / "chest_xray").exists() else source / "train",
                    tmp_path / "other" / "test")  # fmt: skip
    result = run.evaluate(tmp_path / "other")
    assert result["examples"] == len(pd.read_csv(run.path / "splits.csv"))
    assert result["thresholds"]["network"] == run.assets["threshold"]


def test_a_baseline_file_that_names_foreign_code_is_refused(tiny_run, tmp_path):
    import pathlib

    import skops.io

    run = tiny_run("pneumonia")
    copy = tmp_path / "run"
    shutil.copytree(run.path, copy)
    skops.io.dump({"harmless": pathlib.PurePosixPath("x").__class__}, copy / "assets" / "baseline.skops")
    with pytest.raises(KerasDLError, match="contains types that no baseline"):
        baseline.load(Run(copy))


def test_a_damaged_json_file_of_a_run_is_named(tiny_run, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(tiny_run("pneumonia").path, copy)
    (copy / "assets" / "assets.json").write_text("{")
    with pytest.raises(KerasDLError, match=r"assets\.json is damaged"):
        _ = Run(copy).assets


def test_data_that_is_not_there_is_an_error_with_the_next_step(tiny_run, tmp_path):
    with pytest.raises(UsageError, match="keras-dl data pneumonia"):
        tiny_run("pneumonia").evaluate(tmp_path / "nothing")


def copied(run, tmp_path, **asked):
    """Copy a run, with other words in its config.json."""
    path = tmp_path / "run"
    shutil.copytree(run.path, path)
    values = json.loads((path / "config.json").read_text()) | asked
    (path / "config.json").write_text(json.dumps(values))
    return Run(path)


def test_another_set_is_evaluated_where_the_runs_own_is_gone(tiny_run, tmp_path):
    run = copied(tiny_run("pneumonia"), tmp_path, data=str(tmp_path / "gone"))
    assert run.evaluate(sources.folder(tiny_run("pneumonia")))["examples"] > 0


def test_a_run_without_its_splits_is_not_evaluated_on_its_own_data(tiny_run, tmp_path):
    run = copied(tiny_run("pneumonia"), tmp_path)
    (run.path / "splits.csv").unlink()
    with pytest.raises(UsageError, match=r"has no splits\.csv; if it is part of an export, use the run"):
        run.evaluate()
    assert not (run.path / "splits.csv").exists(), "only a training writes it"


def test_a_damaged_baseline_is_named(tiny_run, tmp_path):
    run = copied(tiny_run("pneumonia"), tmp_path)
    (run.path / "assets" / "baseline.skops").write_bytes(b"PK")
    with pytest.raises(KerasDLError, match=r"baseline\.skops is damaged or missing .*; train again"):
        baseline.load(run)


def test_metrics_json_is_strict_json(tiny_run):
    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    json.loads((tiny_run("pneumonia").path / "metrics.json").read_text(), parse_constant=refuse)
