"""The scripts run, and print what they promise."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

SCRIPTS = Path(__file__).parents[1] / "scripts"


@pytest.fixture
def script(monkeypatch):
    """Give a function that imports a script, or a part of the benchmark, as its own folder does."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return importlib.import_module


def test_results_are_a_table_with_the_command_and_a_row_per_model(script, tiny_run, tmp_path):
    run = tiny_run("pneumonia")
    measured = {"hardware": {"processor": "P", "cores": 2, "memory": "8 GiB"}, "versions": {"keras": "3"}}
    measured |= {"commit": "abc", "rounds": 5, "rows": [["start", "list", "ms", 50, "import", 25, 0.5, 0.4, 0.6, None]]}
    file = tmp_path / "benchmark.json"
    file.write_text(json.dumps(measured))
    arguments = [str(run.path), str(run.path), "--benchmark", str(file)]
    result = CliRunner().invoke(script("results").main, arguments, catch_exceptions=False)
    runs, _, speed = result.stdout.partition("## Speed")
    rows = [line for line in runs.splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[1] for row in rows[1:]] == [
        "network", "baseline", "network", "baseline", "network, mean (standard deviation) [95 % of the mean, by t]",
        "baseline, mean (standard deviation) [95 % of the mean, by t]",
    ]  # fmt: skip
    assert "`keras-dl train pneumonia --tiny" in runs
    auroc = run.metrics["test"]["network"]["auroc"]
    assert f"| {auroc['value']:.3f} [{auroc['low']:.3f}, {auroc['high']:.3f}] |" in rows[1]
    assert "P, 2 cores, 8 GiB; keras 3; commit abc" in speed
    assert "| start | list | ms | 50.0 | import | 25.0 | 0.500 [0.400, 0.600] |  |" in speed


def test_results_refuse_what_is_no_benchmark(script, tmp_path):
    file = tmp_path / "config.json"
    file.write_text("{}")
    refused = CliRunner().invoke(script("results").main, ["run", "--benchmark", str(file)])
    assert "is not of scripts/benchmark.py" in str(refused.exception)


def test_measurements_alternate_and_the_first_round_only_warms_up(script):
    measuring, seen = script("benchmarks.measuring"), []
    works = {name: lambda name=name: float(seen.append(name) or len(seen)) for name in "ab"}
    assert measuring.alternating(works, 2) == {"a": [3, 6], "b": [4, 5]}
    assert seen == ["b", "a", "a", "b", "b", "a"]


def test_a_ratio_is_of_two_measurements_of_one_round_and_above_one_where_ours_is_better(script):
    measuring = script("benchmarks.measuring")
    values = {"ours": [1.0, 10.0, 4.0], "other": [2.0, 40.0, 2.0]}
    rate = measuring.compared("section", "case", "images/s", values, "ours", "other", bar=0.6)
    time = measuring.compared("section", "case", "ms", values, "ours", "other", bar=0.6)
    assert (rate.ours, rate.theirs, rate.ratio, rate.low, rate.high) == (4, 2, 0.5, 0.25, 2)
    assert (time.ratio, time.low, time.high) == (2, 0.5, 4)
    assert measuring.missed([rate, time]) == ["section, case, beside other: 0.500 where 0.6 is asked for"]
    assert [line.split("|")[-2].strip() for line in measuring.table([rate, time]).splitlines()[2:]] == [
        "0.6, missed", "0.6, met",
    ]  # fmt: skip


def test_the_benchmark_is_one_command_that_leaves_a_table_and_a_file(tmp_path):
    out = tmp_path / "benchmark.json"
    command = [sys.executable, SCRIPTS / "benchmark.py", "start", "--rounds", "2", "--quick", "--out", out]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result = json.loads(out.read_text())
    assert {"hardware", "versions", "commit", "rounds", "rows"} <= set(result)
    assert [row[1] for row in result["rows"]] == ["keras-dl --help", "keras-dl list", "import keras_dl"]
    assert done.stdout.count("| start |") == 3
    assert done.stderr.startswith("start: 3 rows in ")


@pytest.mark.parametrize("number", [1, 4])  # an image family with PyTorch beside it, a text family
def test_training_is_compared_with_a_bare_step_and_plain_keras(script, number):
    training = script("benchmarks.training")
    family = training.FAMILIES[number]
    rows = training.measure_family(family, 1, quick=True)
    others = {row.other for row in rows if row.case.endswith("training")}
    assert others >= {"bare step", "plain Keras"}
    assert all(row.ours > 0 and row.low <= row.ratio <= row.high for row in rows)
    bars = {row.other: row.bar for row in rows if row.bar}
    assert bars.get("bare step") == family.bare_bar
    assert (bars.get("PyTorch as written", 1.5), bars.get("PyTorch, channels last", 1.2)) == (1.5, 1.2)


def test_operations_are_counted_from_the_kernels_and_the_pixels_they_meet(script):
    import keras

    layers = [keras.layers.Conv2D(4, 3, padding="same"), keras.layers.Flatten(), keras.layers.Dense(5)]
    model = keras.Sequential([keras.Input((8, 8, 2)), *layers])
    wanted = 2 * (8 * 8 * 3 * 3 * 2 * 4 + 8 * 8 * 4 * 5)
    assert script("benchmarks.training").forward_operations(model) == wanted


def test_the_pipeline_is_compared_with_files_and_memory(script):
    measuring, pipeline = script("benchmarks.measuring"), script("benchmarks.pipeline")
    rows = measuring.apart(pipeline.measure_cold, "224 px, RGB", 1, True)  # PyTorch's workers fork: before TensorFlow
    assert {row.case for row in rows} == {"cold, 224 px, RGB"}
    assert all(row.ours > 0 and row.theirs > 0 for row in rows)


def test_a_head_is_trained_on_cached_features(script, tmp_path):
    from keras_dl import api

    run = api.begin("pneumonia-inceptionv3", tiny=True, out=tmp_path / "run", settings={"epochs": 1})
    assert script("benchmarks.features").head_phase(run, str(tmp_path / "cache"), cached=True) > 0
    assert any((tmp_path / "cache").rglob("*"))


def test_cached_features_are_compared_with_a_backbone_in_every_epoch(script, monkeypatch):
    features, caches = script("benchmarks.features"), []

    def head_phase(run, cache, *, cached):
        caches.append(cache)
        return 2.0 if cached else 6.0

    monkeypatch.setattr(features, "head_phase", head_phase)
    rows = features.measure(2, quick=True)
    assert [row.case.rpartition(", ")[2] for row in rows] == ["cold cache", "warm cache"]
    assert [(row.ours, row.theirs, row.ratio) for row in rows] == [(2, 6, 3)] * 2
    assert len(set(caches)) == 4  # the first, and one for each cold cache of three rounds


def test_growth_says_time_and_memory_of_a_process(script, tmp_path):
    growth = script("benchmarks.growth")
    growth.write(tmp_path / "images", 80)
    taken = growth.grow(tmp_path / "images", 0.0)
    assert taken.seconds > 0
    assert taken.megabytes > 100
    seen = {"1": [growth.Taken(1, 100.0)], "4": [growth.Taken(5, 150.0)], "16": [growth.Taken(16, 155.0)]}
    found = {(row.case, row.unit): (round(row.ratio, 2), row.bar) for row in growth.rows_of("spilled", 10, seen)}
    assert found["spilled, 16x", "MB"] == (0.97, growth.STAYS)
    assert found["spilled, 4x", "images/s"] == (0.8, None)


def test_the_recurrent_networks_are_those_of_the_tasks(script):
    recurrent = script("benchmarks.recurrent")
    rows = recurrent.measure_network("emoji", recurrent.SHAPES["emoji"]._replace(batches=8), 1)
    assert {row.case for row in rows} == {"emoji: training", "emoji: prediction"}
    assert all(row.ours > 0 for row in rows)


def test_the_evaluation_script_is_the_command():
    done = subprocess.run([sys.executable, SCRIPTS / "evaluate.py", "nothing"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("Error: 'nothing' is not a run directory, a task or the name of a run")
