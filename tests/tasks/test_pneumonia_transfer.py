"""Transfer: what cannot work is said in one line and leaves nothing behind; the real weights are worth having."""

import json
import os
import shutil
from pathlib import Path

import h5py
import pandas as pd
import pytest

from keras_dl import api, registry
from keras_dl.errors import KerasDLError
from keras_dl.task import settings as settings_of

REAL = Path(os.environ.get("KERAS_DL_REAL_DATA", Path(__file__).parents[3] / "shared" / "data"))
WEIGHTS = REAL / "mobilenet_v2_0.35_224_imagenet_notop.weights.h5"
TASK = "pneumonia-mobilenetv2"


def test_the_documents_recipe_is_as_written_there():
    task = registry.find(TASK)
    settings = settings_of.to_json(settings_of.resolve(task, {"recipe": "original"}))
    wanted = {"epochs": 10, "fine_epochs": 15, "unfreeze": 100, "learning_rate": 1e-4, "batch_size": 32}
    assert {name: settings[name] for name in wanted} == wanted
    data_as_it_is = ("rotation", "zoom", "shift", "flip", "gamma", "contrast", "brightness", "sharpness", "noise")
    assert not any(settings[name] for name in data_as_it_is)


@pytest.fixture
def file_of_another_network(tmp_path):
    with h5py.File(tmp_path / "other.weights.h5", "w") as file:
        file["layers/dense/vars/0"] = [[1.0]]
    return tmp_path / "other.weights.h5"


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"weights": "nowhere.h5"}, r"nowhere\.h5.*no such file.*imagenet, none, or"),
        ({"weights": "imagenet", "alpha": 0.42}, r"0\.42.*0\.35"),
        ({"image_size": 31 + 1, "crop": 0.5}, r"image_size=32 is too small for MobileNetV2.*--set image_size=64"),
        ({"backbone": "VGG19", "alpha": 0.5}, r"alpha=0\.5: VGG19 has only one width"),
        ({"unfreeze": 1000}, r"unfreeze=1000.*--set unfreeze=0"),
        ({"weights": "a file of another network"}, r"other\.weights\.h5 does not fit MobileNetV2"),
    ],
)
def test_what_cannot_work_is_one_line_and_leaves_no_run(settings, named, file_of_another_network, tmp_path):
    if settings.get("weights", "").startswith("a file"):
        settings = {**settings, "weights": str(file_of_another_network)}
    with pytest.raises(KerasDLError, match=named) as caught:
        api.train(TASK, tiny=True, out=tmp_path / "run", **settings)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists(), "corrected, the same command must work"


def test_without_network_and_file_the_choices_are_named(tmp_path):
    with pytest.raises(KerasDLError) as caught:  # the tests' own guard lets no socket out of this machine
        api.train(TASK, tiny=True, weights="imagenet", out=tmp_path / "run")
    assert all(choice in str(caught.value) for choice in ("weights=imagenet", "weights=PATH", "weights=none"))
    assert not (tmp_path / "run").exists()


def test_a_finished_run_needs_its_first_weights_no_more(tiny_run, tmp_path):
    path = shutil.copytree(tiny_run(TASK).path, tmp_path / "run")
    asked = json.loads((path / "config.json").read_text())
    asked["config"]["weights"] = "gone.h5"
    (path / "config.json").write_text(json.dumps(asked))
    assert api.open_run(path).evaluate()["examples"] == tiny_run(TASK).metrics["test"]["examples"]


def test_the_card_names_the_weights(tiny_run):
    assert tiny_run(TASK).card["data"]["notes"]["weights to begin with"].startswith("MobileNetV2, random")


@pytest.mark.real
@pytest.mark.skipif(not WEIGHTS.exists() and "CI" not in os.environ, reason="no real data here")
def test_real_weights_are_loaded_and_better_than_random_ones_on_drawn_radiographs(tmp_path):
    settings = {"alpha": 0.35, "image_size": 96, "fine_epochs": 0, "epochs": 10}
    runs = [
        api.train(TASK, tiny=True, out=tmp_path / name, weights=name if name == "none" else str(WEIGHTS), **settings)
        for name in ("real", "none")
    ]
    assert "sha256" in runs[0].card["data"]["notes"]["weights to begin with"]
    losses = [pd.read_csv(run.path / "history.csv")["loss"].iloc[-1] for run in runs]
    assert losses[0] < losses[1]
