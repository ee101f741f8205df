"""What is particular to counting cells: images of several sizes in one call, maps, refused sizes, a number as truth."""

import base64
import io
import json
import sqlite3
import zipfile

import numpy as np
import pytest
import requests
import tensorflow as tf
from counted_images import numbered, pairs, picture, tabled
from few_draws import few_draws
from live_server import serving
from PIL import Image

import keras_dl
from keras_dl.errors import BadInput, KerasDLError, UsageError
from keras_dl.runs import sources
from keras_dl.verbs.predict import answer

SIZES = ((64, 64), (40, 96), (64, 64))  # width and height
CLOSE = 1e-4  # relative, of counts that were added up otherwise


@pytest.fixture(scope="module", name="run")
def unet(tiny_run):
    return tiny_run("cells-unet")


@pytest.fixture(scope="module", name="original")
def document_c(tmp_path_factory):
    """The document's network, trained on 64 x 64 px."""
    path = tmp_path_factory.mktemp("runs") / "original"
    return keras_dl.train("cells-cnn", recipe="original", whole_steps=4, tiny=True, out=path)


@pytest.fixture(scope="module", name="pictures")
def of_several_sizes(tmp_path_factory):
    """Files of several sizes, the last one of a size that does not fit; in all the formats people have."""
    folder = tmp_path_factory.mktemp("pictures")
    for number, (width, height) in enumerate(SIZES):
        kind, mode = (("PNG", "RGB"), ("JPEG", "RGB"), ("PNG", "L"))[number]
        (folder / f"{number}.{kind.lower()}").write_bytes(picture(number, width, height, kind, mode))
    (folder / "odd.png").write_bytes(picture(9, 60, 44))
    return folder


def alone(run, path):
    """The number for one file, by the network itself."""
    with Image.open(path) as image:
        return float(answer(run, np.asarray(image.convert("RGB"))[None])["number"][0])


# Answers


def test_images_of_several_sizes_are_answered_in_one_call(run, pictures):
    *rows, odd = run.predict(pictures)
    assert [row["input"] for row in rows] == [str(pictures / f"{name}") for name in ("0.png", "1.jpeg", "2.png")]
    for row in (rows[0], rows[2]):  # JPEGs are decoded otherwise by others
        assert row["number"] == pytest.approx(alone(run, row["input"]), rel=CLOSE)
        assert set(row) == {"input", "number", "low", "high", "coverage", "unit", "unusual", "unusualness"}
        assert row["unit"] == "cells"
    assert odd["error"] == "it is 60 x 44 px, but both sides must be multiples of 8; crop it, or add a dark margin"
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows


def test_grey_and_colour_of_the_same_light_are_the_same(run, tmp_path):
    grey = np.random.default_rng(0).integers(0, 256, (48, 48), dtype=np.uint8)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(np.repeat(grey[..., None], 3, -1)).save(tmp_path / "rgb.png")
    one, other = run.predict(tmp_path)
    assert one["number"] == other["number"]
    Image.fromarray(grey.astype(np.uint16) * 256).save(tmp_path / "deep.png")
    assert run.predict(tmp_path / "deep.png")[0]["error"] == "16 bits per channel; convert it to 8"


def test_a_network_of_one_size_refuses_others(original, pictures):
    rows = original.predict(pictures)
    assert [("error" in row) for row in rows] == [False, True, False, True]
    said = (
        "it is 40 x 96 px, but this network takes only 64 x 64 px; cut it into parts of that size and add the answers"
    )
    assert rows[1]["error"].startswith(said)


def test_the_map_is_the_explanation_and_adds_up(run, pictures, tmp_path):
    assert next(iter(run.explanations())) == "density"
    for name in ("0.png", "1.jpeg"):
        found = run.explain(pictures / name, tmp_path / "map.png")
        assert found["number"] == pytest.approx(run.predict(pictures / name)[0]["number"], rel=CLOSE)
        assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(BadInput, match=r"odd\.png cannot be used: it is 60 x 44 px"):
        run.explain(pictures / "odd.png", tmp_path / "odd.png")


# Export


def test_an_export_answers_images_of_several_sizes_in_one_batch(run, exported, pictures):
    signatures = tf.saved_model.load(str(exported("cells-unet"))).signatures
    assert set(signatures) == {"serving_default", "tensors", "density"}
    files = sorted(pictures.glob("[0-9]*"))
    served = signatures["serving_default"](tf.constant([path.read_bytes() for path in files]))
    np.testing.assert_allclose(served["number"], [row["number"] for row in run.predict(*files)], rtol=CLOSE)
    for path, number, (width, height) in zip(files, served["number"], SIZES, strict=True):
        (density,) = signatures["density"](tf.constant([path.read_bytes()])).values()
        assert density.shape == (1, height, width, 1)
        assert max(0, float(tf.reduce_sum(density))) == pytest.approx(float(number), rel=1e-3, abs=1e-3)


# Server


def post(url, value=None, **options):
    return requests.post(url, json=value, timeout=60, **options)


def sent(paths):
    return {"instances": [{"b64": base64.b64encode(path.read_bytes()).decode()} for path in paths]}


@pytest.fixture(scope="module", name="database")
def journal(tmp_path_factory):
    return tmp_path_factory.mktemp("journal") / "requests.db"


@pytest.fixture(scope="module", name="server")
def three_served(run, original, exported, database):
    models = [f"map={run.path}", f"document={original.path}", f"cells-unet={exported('cells-unet').parent}"]
    with serving(*models, database=f"sqlite:///{database}") as url:
        yield f"{url}/v1/models"


@pytest.mark.parametrize("model", ["map", "cells-unet"])
def test_the_server_answers_as_predict_does_and_refuses_with_the_reason(server, run, pictures, model):
    files = sorted(pictures.iterdir())
    rows = post(f"{server}/{model}:answer", sent(files)).json()["predictions"]
    for row, wanted in zip(rows, run.predict(*files), strict=True):
        assert row.get("error") == wanted.get("error")
        assert "error" in row or row["number"] == pytest.approx(wanted["number"], rel=CLOSE)
    numbers = post(f"{server}/{model}:predict", sent(files[:3])).json()["predictions"]
    found = [one["number"] if isinstance(one, dict) else one for one in numbers]
    assert found == pytest.approx([row["number"] for row in rows[:3]], rel=CLOSE)
    refused = post(f"{server}/{model}:predict", sent(files))
    assert refused.status_code == 400
    assert "multiples of 8" in refused.json()["error"]


def test_the_server_gives_the_map_of_each_image(server, run, pictures):
    files = [pictures / "0.png", pictures / "2.png"]
    asked = {"signature_name": "density", **sent(files)}
    maps = np.array(post(f"{server}/map:predict", asked).json()["predictions"])
    assert maps.shape == (2, 64, 64, 1)
    numbers = [row["number"] for row in run.predict(*files)]
    np.testing.assert_allclose(np.maximum(maps.sum(axis=(1, 2, 3)), 0), numbers, rtol=1e-3, atol=1e-3)
    explained = post(f"{server}/map:explain", sent(files[:1])).json()
    assert explained["method"] == "density"
    assert explained["prediction"]["number"] == pytest.approx(numbers[0], rel=CLOSE)


def test_a_batch_is_answered_file_by_file(server, pictures):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for path in sorted(pictures.iterdir()):
            archive.write(path, path.name)
    answered = requests.post(f"{server}/document:batch", files={"file": ("x.zip", file.getvalue())}, timeout=60)
    first, *rows, last = [json.loads(line) for line in answered.text.splitlines()]
    assert (first["count"], last["done"], last["errors"]) == (4, 4, 2)
    assert "takes only 64 x 64 px" in rows[1]["error"]
    assert rows[0]["number"] >= 0


def test_a_number_is_the_truth_that_feedback_tells(server, pictures, database):
    answered = post(f"{server}/map:answer", sent([pictures / "0.png"])).json()
    told = {"request_id": answered["request_id"], "label": "13 cells"}
    for label in ("NORMAL", "-1", "", "1e9"):
        refused = post(f"{server}/map:feedback", {**told, "label": label})
        assert refused.status_code == 400
    assert "must be a number of cells, such as 174" in post(f"{server}/map:feedback", {**told, "label": "x"}).text
    assert post(f"{server}/map:feedback", told).json() == {"stored": True}
    with sqlite3.connect(database) as journal:
        ((label, error),) = journal.execute("SELECT label, error FROM feedback").fetchall()
    assert label == "13"
    assert error == pytest.approx(abs(answered["predictions"][0]["number"] - 13), abs=2e-3)


def test_the_list_of_models_says_that_answers_are_numbers(server):
    models = {one["name"]: one for one in requests.get(server, timeout=9).json()["models"]}
    for one in models.values():
        assert (one["value"], one["unit"]) == ("number", "cells")
        assert not one["choices"]
        assert all(sample["label"].endswith(" cells") for sample in one["samples"])


# The other commands


def test_another_set_of_each_layout_is_evaluated(run, tmp_path, monkeypatch, capsys):
    few_draws(monkeypatch, 20)
    layouts = {
        "pairs": pairs(tmp_path / "pairs", [3, 4, 5], width=48),
        "points": tabled(tmp_path / "points", "file,x,y\na0.png,1,1\na1.png,,\na2.png,3,3\n"),
        "counts": tabled(tmp_path / "counts", numbered([3, 4.5, 0])),
    }
    for folder in layouts.values():
        found = run.evaluate(folder)
        assert found["examples"] == 3
        assert found["network"]["mae"]["value"] >= 0
    with pytest.raises(KerasDLError, match="both sides must be multiples of 8"):
        run.evaluate(pairs(tmp_path / "odd", [3, 4, 5], width=50))


def test_a_network_of_one_size_is_not_evaluated_on_another(original, tmp_path, monkeypatch):
    few_draws(monkeypatch, 20)
    with pytest.raises(KerasDLError, match="48 x 40 px, but this network takes only 64 x 64 px"):
        original.evaluate(pairs(tmp_path, [3, 4, 5], width=48))


def test_the_report_has_charts_and_words_of_numbers(run):
    page = run.report().read_text()
    for words in (
        "Predicted against true",
        "Errors of the network (Bland-Altman)",
        "Interval of a single answer",
        "Counted too high",
        "Mean absolute error",
        "brightness regression",
        "blob counter",
    ):
        assert words in page, words


def test_training_images_are_neighbours_that_vote_with_their_counts(run, tmp_path, monkeypatch):
    few_draws(monkeypatch, 20)
    found = run.embed()
    assert found is not None
    row = run.predict(sources.folder(run) / "cells" / "001cell.png", neighbours=3, out=tmp_path)[0]
    assert len(row["neighbours"]) == 3


def test_runs_are_compared_with_what_counts_the_same(run, original, tiny_run, tmp_path, monkeypatch):
    from keras_dl.verbs.compare import compare

    few_draws(monkeypatch, 20)
    found = compare([run, original], tmp_path / "comparison.png")
    assert len(found["rows"]) == 4
    assert "mae" in found["rows"][0]["metrics"]
    with pytest.raises(UsageError, match="numbers of cells"):
        compare([run, tiny_run("pneumonia")], tmp_path / "comparison.png")
