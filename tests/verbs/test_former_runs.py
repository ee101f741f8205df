"""Runs and exports that version 0.1 wrote open, evaluate, explain, export and are served as they were.

tests/former/ holds what its code wrote on embedded data, and in golden.json what it said of it, rounded:
xray-anomaly.zip, a run without checkpoints and logs; emoji-export.zip; pneumonia-baseline.zip, a baseline alone.
"""

import json
import shutil
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import requests
from live_server import serving
from served_models import b64, post

import keras_dl
from keras_dl import registry
from keras_dl.runs import baseline, sources
from keras_dl.server.models.catalogue import facts
from keras_dl.server.models.served import Version
from keras_dl.task import settings

FORMER = Path(__file__).parents[1] / "former"
GOLDEN = json.loads((FORMER / "golden.json").read_text(encoding="utf-8"))
ROUNDED = 6e-5


def unpacked(name, folder):
    with zipfile.ZipFile(FORMER / f"{name}.zip") as file:
        file.extractall(folder)
    return folder


def about(value):
    """Return JSON values to compare with, whose floats were rounded."""
    if isinstance(value, dict):
        return {key: about(one) for key, one in value.items()}
    if isinstance(value, list):
        return [about(one) for one in value]
    return pytest.approx(value, abs=ROUNDED, nan_ok=True) if isinstance(value, float) else value


@pytest.fixture
def run(tmp_path):
    """The run, to be changed."""
    return keras_dl.open_run(unpacked("xray-anomaly", tmp_path / "run"))


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    """The folder of the exported model's versions."""
    return unpacked("emoji-export", tmp_path_factory.mktemp("former") / "emoji")


def test_they_hold_no_path_of_the_machine_that_made_them():
    for path in FORMER.glob("*.zip"):
        with zipfile.ZipFile(path) as file:
            for name in file.namelist():
                assert not any(place in file.read(name) for place in (b"/work/", b"/root/", b"/home/", b"/tmp/")), name
    assert sum(path.stat().st_size for path in FORMER.iterdir()) < 600_000


def test_a_run_predicts_and_evaluates_as_before(run):
    golden = GOLDEN["xray-anomaly"]
    for name, wanted in golden["predict"].items():
        (row,) = run.predict(run.path / "examples" / name)
        assert {key: value for key, value in row.items() if key != "input"} == about(wanted)
    found = run.evaluate()
    for model, metrics in golden["test"].items():
        assert {name: cell["value"] for name, cell in found[model].items()} == about(metrics), model
    for name, cell in run.metrics["test"]["network"].items():  # the draws are others, the intervals about the same
        for end in ("low", "high"):
            assert found["network"][name][end] == pytest.approx(cell[end], abs=0.06), name
    for name in ("examples", "groups", "per_class", "thresholds"):
        assert found[name] == about(golden[name])


def test_a_run_is_explained_and_reported(run, tmp_path):
    example = run.path / "examples" / "PNEUMONIA-1.jpeg"
    result = run.explain(example, tmp_path)
    assert result["method"] == "distance"
    assert Path(result["heatmap"]).read_bytes().startswith(b"\x89PNG")
    page = run.report().read_text(encoding="utf-8")
    assert "AUROC 0.787" in " ".join(page.replace("<", " <").replace(">", "> ").split()).replace("&nbsp;", " ")
    assert "documented autoencoder" in page


def test_a_run_is_exported_and_the_export_answers_as_the_run_did(run, tmp_path):
    version = Version.of_export(run.export(tmp_path / "models"))
    golden = GOLDEN["xray-anomaly"]["predict"]
    raw = [(run.path / "examples" / name).read_bytes() for name in golden]
    answers = version.answer(raw)
    assert answers["score"].tolist() == about([row["score"] for row in golden.values()])
    assert [label.decode() for label in answers["label"]] == [row["label"] for row in golden.values()]


def test_a_run_can_be_trained_again_from_its_settings(run):
    asked = json.loads((run.path / "config.json").read_text())
    assert settings.replace(registry.find(asked["task"]).config, asked["config"]) == run.config
    assert asked["data"] is None


def test_an_export_is_served_and_answers_as_before(export):
    golden = GOLDEN["emoji"]
    examples = export / "1" / "assets.extra" / "examples"
    texts = {name: (examples / name).read_text() for name in golden["answers"]}
    with serving(export, name="emoji") as url:
        rows = post(f"{url}/v1/models/emoji:predict", {"instances": list(texts.values())}).json()["predictions"]
        (model,) = requests.get(f"{url}/v1/models", timeout=9).json()["models"]
        said = post(f"{url}/v1/models/emoji:explain", {"instances": [b64((examples / "baseball-0.txt").read_bytes())]})
    for row, wanted in zip(rows, golden["answers"].values(), strict=True):
        assert {name: row[name] for name in wanted} == about(wanted)
    assert {name: model[name] for name in golden["facts"]} == about(golden["facts"])
    assert said.ok, said.text


def test_an_export_holds_a_run_that_is_explained_as_before(export, tmp_path):
    version = Version.of_export(export / "1")
    named = facts("emoji", version)
    assert named["methods"] == GOLDEN["emoji"]["facts"]["methods"]
    run = keras_dl.open_run(shutil.copytree(export / "1" / "assets.extra", tmp_path / "run"))
    result = run.explain(run.path / "examples" / "baseball-0.txt", tmp_path)
    wanted = GOLDEN["emoji"]["explained"]
    assert {name: result[name] for name in wanted} == about(wanted)


def test_a_baseline_that_names_modules_of_before_is_read(tmp_path):
    golden = GOLDEN["pneumonia"]
    unpacked("pneumonia-baseline", tmp_path / "assets")
    loaded = baseline.load(SimpleNamespace(path=tmp_path))
    task = registry.find("pneumonia")
    config = settings.resolve(task, golden["config"], tiny=True)
    test = task.load(config, sources.module(task).synthesize(tiny=True)).test
    rows = [row for row, name in enumerate(test.ids) if name in golden["baseline"]]
    decode = task.input.decode(config, {})
    images = np.stack([decode(test.raw(row)).numpy() for row in rows])
    values = task.output.values(task.output.baseline_outputs(loaded, images), golden["assets"])
    assert values.tolist() == pytest.approx([golden["baseline"][test.ids[row]] for row in rows], rel=1e-4, abs=1e-7)
