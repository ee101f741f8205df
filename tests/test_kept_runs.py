"""The hand-made runs hold what real ones hold, so that what is tested on them is true of real ones."""

import json

import kept_runs
import pandas as pd
import pytest

# Hand-made runs are as an earlier version made them: they know neither what is usual nor slices.
LATER = {"drift", "unusual", "unusualness", "slices", "novelty.npz", "reference.npz"}
KINDS = ("binary", "classes", "score", "text", "texts")  # "attention" differs from "text" in the network alone


@pytest.fixture(scope="module", params=KINDS)
def both(request, tiny_run, tmp_path_factory):
    """The hand-made run of a kind, and a real one of the same task."""
    made = kept_runs.make(tmp_path_factory.mktemp("kept") / "run", request.param)
    return made, tiny_run(kept_runs.TASK[request.param])


def general(name, classes):
    """Return a name with "CLASS" in place of that of a class: runs may have others."""
    return next((name.removesuffix(one) + "CLASS" for one in classes if name.endswith(f" {one}")), name)


def test_the_json_files_hold_what_real_ones_hold(both):
    made, real = both
    assert set(made.asked) == set(real.asked)
    assert set(made.asked["config"]) <= set(real.asked["config"])
    assert made.assets.keys() == real.assets.keys() - LATER
    assert made.assets["baseline"].keys() == real.assets["baseline"].keys()
    for assets in (made.assets, made.assets["baseline"]):
        assert (assets["calibration"] or {}).keys() == (real.assets["calibration"] or {}).keys()
        assert type(assets["threshold"]) is type(real.assets["threshold"])


def test_the_cards_say_what_real_ones_say(both):
    made, real = both[0].card, both[1].card
    assert made.keys() == real.keys()
    for name in ("inputs", "outputs", "data", "splits", "versions"):
        assert made[name].keys() == real[name].keys() - LATER, name
    assert made["training"].keys() == real["training"].keys() - {"best_epoch"}
    assert made["words"].keys() <= real["words"].keys()
    assert made["data"]["notes"].keys() <= real["data"]["notes"].keys()
    assert made["splits"]["test"].keys() == real["splits"]["test"].keys()
    for name, given in (*real["outputs"].items(), *real["inputs"].items()):
        if name in LATER:
            continue
        other = (made["outputs"] | made["inputs"])[name]
        assert (other["dtype"], len(other["shape"])) == (given["dtype"], len(given["shape"])), name


def test_the_metrics_are_those_of_real_ones(both):
    made, real = (run.metrics["test"] for run in both)
    assert made.keys() == real.keys() - LATER
    assert made["thresholds"].keys() == real["thresholds"].keys()
    for row in ("network", "baseline", "difference"):
        names = [{general(name, run.assets["classes"]) for name in run.metrics["test"][row]} for run in both]
        assert names[0] == names[1]
        assert all(cell.keys() == {"value", "low", "high"} for cell in (*made[row].values(), *real[row].values()))


@pytest.mark.parametrize("name", ["predictions.csv", "splits.csv"])
def test_the_tables_have_the_columns_of_real_ones(both, name):
    columns = [
        list(dict.fromkeys(general(title, run.assets["classes"]) for title in pd.read_csv(run.path / name)))
        for run in both
    ]
    described = {"brightness", "contrast", "shorter side (px)", "file size (kB)", "length (words)", "unknown words (%)"}
    assert columns[0] == [name for name in columns[1] if name not in LATER | described]


def test_the_history_has_the_columns_of_real_ones(both):
    made, real = (set(pd.read_csv(run.path / "history.csv")) for run in both)
    assert {"epoch", "phase", "phase_epoch"} <= made & real
    assert made <= real | {"loss", "val_loss"}, "which a phase that is fitted at once has not"


def test_the_files_are_there_that_tests_read(both):
    made, real = both
    extra = LATER | {"checkpoints", "logs", "examples", "report.html", ".lock", "baseline.skops"}
    names = [{path.name for path in (run.path, run.path / "assets") for path in path.iterdir()} for run in both]
    assert names[0] == names[1] - extra
    json.dumps(made.card, allow_nan=False)
    assert real.complete
    assert made.complete
