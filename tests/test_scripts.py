"""The scripts run, and print what they promise."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from keras_dl import sources

SCRIPTS = Path(__file__).parents[1] / "scripts"


def loaded(name):
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_results_are_a_table_with_the_command_and_a_row_per_model(tiny_run):
    run = tiny_run("pneumonia")
    result = CliRunner().invoke(loaded("results").main, [str(run.path), str(run.path)], catch_exceptions=False)
    rows = [line for line in result.stdout.splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[1] for row in rows[1:]] == [
        "network", "baseline", "network", "baseline", "network, mean (standard deviation)",
        "baseline, mean (standard deviation)",
    ]  # fmt: skip
    assert "`keras-dl train pneumonia --tiny" in result.stdout
    auroc = run.metrics["test"]["network"]["auroc"]
    assert f"| {auroc['value']:.3f} [{auroc['low']:.3f}, {auroc['high']:.3f}] |" in rows[1]


def test_the_benchmark_gives_ratios_of_rates_measured_in_turn(tiny_run):
    data = sources.folder(tiny_run("pneumonia"))
    arguments = ["pneumonia", "--data", str(data), "--rounds", "2", "--steps", "6", "--set", "image_size=32"]
    table = json.loads(CliRunner().invoke(loaded("benchmark").main, arguments, catch_exceptions=False).stdout)
    assert set(table["rates"]) == {"bare step", "fit", "pipeline"}
    assert all(len(rate["all"]) == 2 and min(rate["all"]) > 0 for rate in table["rates"].values())
    assert table["ratios"]["pipeline / fit"] > 1


def test_the_evaluation_script_is_the_command():
    done = subprocess.run([sys.executable, SCRIPTS / "evaluate.py", "nothing"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("Error: 'nothing' is neither a run directory nor a task")


def test_the_benchmark_of_the_cache_gives_the_seconds_of_each_way(tiny_run):
    run = tiny_run("pneumonia-inceptionv3")
    settings = [word for key, value in run.task.tiny.items() for word in ("--set", f"{key}={value}")]
    arguments = [run.task.name, "--data", str(sources.folder(run)), "--rounds", "1", "--images", "16", *settings]
    table = json.loads(CliRunner().invoke(loaded("benchmark_features").main, arguments, catch_exceptions=False).stdout)
    assert set(table["seconds"]) == {"every epoch", "cold cache", "warm cache"}
    assert all(len(seen) == 1 and seen[0] > 0 for seen in table["seconds"].values())
    assert set(table["gains"]) == {"every epoch / cold cache", "every epoch / warm cache"}
