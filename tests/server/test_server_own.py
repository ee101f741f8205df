"""The routes beside TensorFlow Serving's: answers in words, explanations, batches, feedback."""

import base64
import csv
import io
import json
import zipfile

import numpy as np
import pytest
import requests
from live_server import serving
from PIL import Image
from served_models import b64, examples, post, three_models  # noqa: F401 - a fixture


def test_models_are_listed_with_what_a_page_needs(server, tiny_run):
    models = {one["name"]: one for one in requests.get(f"{server}/v1/models", timeout=9).json()["models"]}
    assert set(models) == {"pneumonia", "emoji", "ham-or-spam"}
    lungs, emoji = models["pneumonia"], models["emoji"]
    assert (lungs["modality"], lungs["of"], lungs["value"]) == ("image", "PNEUMONIA", "probability")
    assert lungs["threshold"] == tiny_run("pneumonia").assets["threshold"]
    assert "diagnos" in lungs["limits"] or "medical" in lungs["limits"]
    assert (lungs["tiny"], lungs["synthetic"]) == (True, True)
    assert [mark["title"] for mark in lungs["marks"]] == ["Tiny run, synthetic data"]
    assert emoji["symbols"]["heart"] == "❤️"
    assert emoji["threshold"] is None
    assert {one["label"] for one in lungs["samples"]} == {"NORMAL", "PNEUMONIA"}
    sample = requests.get(server + lungs["samples"][0]["url"], timeout=9)
    assert sample.headers["content-type"] == "image/jpeg"
    assert sample.content == examples(tiny_run("pneumonia"))[0].read_bytes()
    assert requests.get(f"{server}/v1/models/pneumonia/samples/..%2fcard.json", timeout=9).status_code == 404


@pytest.mark.parametrize("way", ["files", "json"])
def test_answers_in_words_are_those_of_the_command_line(way, server, tiny_run):
    run = tiny_run("pneumonia")
    paths = examples(run)
    if way == "files":
        files = [("files", (path.name, path.read_bytes())) for path in paths] + [("files", ("bad.png", b"no image"))]
        answer = requests.post(f"{server}/v1/models/pneumonia:answer", files=files, timeout=60)
    else:
        sent = {"instances": [*(b64(path.read_bytes()) for path in paths), b64(b"no image")]}
        answer = post(f"{server}/v1/models/pneumonia:answer", sent)
    found = answer.json()
    assert (found["model"], found["version"]) == ("pneumonia", "1")
    assert found["request_id"] == answer.headers["x-request-id"]
    *rows, bad = found["predictions"]
    for row, wanted in zip(rows, run.predict(*map(str, paths)), strict=True):
        assert set(row) == set(wanted)
        assert (row["label"], row["of"], row["threshold"]) == (wanted["label"], wanted["of"], wanted["threshold"])
        assert row["probability"] == pytest.approx(wanted["probability"], abs=1e-5)
    assert set(bad) == {"input", "error"}


def test_a_note_comes_with_a_text_of_unknown_words(server):
    known, unknown = post(f"{server}/v1/models/emoji:answer", {"instances": ["I love you", "xqzzt"]}).json()[
        "predictions"
    ]
    assert "note" in unknown
    assert "note" not in known


def test_an_image_is_explained_by_a_heatmap_to_lay_over_it(server, tiny_run):
    run = tiny_run("pneumonia")
    raw, url = examples(run)[0].read_bytes(), f"{server}/v1/models/pneumonia:explain"
    found = requests.post(url, files={"files": ("x.jpeg", raw)}, timeout=60).json()
    image, heat = (Image.open(io.BytesIO(base64.b64decode(found[key]))) for key in ("image", "heatmap"))
    side = run.config.image_size
    assert (image.size, heat.size, heat.mode) == ((side, side), (side, side), "RGBA")
    assert found["prediction"]["of"] == "PNEUMONIA"
    assert "PNEUMONIA" in found["caption"]
    overlay = post(url, {"instances": [b64(raw)]}, headers={"Accept": "image/png"})
    assert overlay.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(overlay.content)).size == (side, side)


def test_words_are_weighed_as_by_the_command_line(server, tiny_run, tmp_path):
    said = "I love you 🎉 not"
    found = post(f"{server}/v1/models/emoji:explain", {"instances": [said]}).json()
    wanted = tiny_run("emoji").explain(said, tmp_path / "x.html")
    assert [word["text"] for word in found["words"]] == [word["text"] for word in wanted["words"]]
    np.testing.assert_allclose(
        [word["weight"] for word in found["words"]], [word["weight"] for word in wanted["words"]], atol=1e-3
    )
    assert all(said[word["start"] : word["end"]] == word["text"] for word in found["words"])
    assert found["prediction"]["of"] in found["meaning"]


@pytest.mark.parametrize(
    "sent",
    [
        {"instances": ["a", "b"]},
        {"instances": ["a"], "method": "attention"},
        {"instances": [""]},
        {"method": "occlusion"},
    ],
)
def test_what_cannot_be_explained_is_refused(sent, server):
    answer = post(f"{server}/v1/models/emoji:explain", sent)
    assert answer.status_code == 400
    assert set(answer.json()) == {"error"}


def lines(answer):
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


@pytest.mark.parametrize("header", ["id,text", "text", "no header"])
def test_a_csv_file_is_answered_row_by_row(header, server):
    texts = [f"I love you {number}" for number in range(70)] + ["", 'with "quotes", and a comma']
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerows([header.split(",")] if header != "no header" else [])
    writer.writerows([[number, text] if header == "id,text" else [text or " "] for number, text in enumerate(texts)])
    upload = {"file": ("texts.csv", file.getvalue().encode("utf-8-sig"))}
    first, *rows, last = lines(requests.post(f"{server}/v1/models/emoji:batch", files=upload, timeout=60))
    assert first == {"count": 72}
    assert [row["input"].strip() for row in rows] == texts
    assert [number for number, row in enumerate(rows) if "error" in row] == [70]
    assert (last["done"], last["errors"]) == (72, 1)


def test_a_zip_of_images_is_answered_file_by_file(server, tiny_run):
    run = tiny_run("pneumonia")
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for path in examples(run):
            archive.write(path, f"films/{path.name}")
        archive.writestr("films/notes.txt", "no image")
        archive.writestr("__MACOSX/films/._x", "junk")
    upload = {"file": ("films.zip", file.getvalue())}
    first, *rows, last = lines(requests.post(f"{server}/v1/models/pneumonia:batch", files=upload, timeout=60))
    assert first == {"count": 5}
    assert [row.get("label") for row in rows[:4]] == [row["label"] for row in run.predict(*map(str, examples(run)))]
    assert "error" in rows[4]
    assert (last["done"], last["errors"]) == (5, 1)


def test_a_zip_with_a_folder_for_each_class_is_scored(server, tiny_run):
    run = tiny_run("pneumonia")
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for path in examples(run):
            archive.write(path, f"test/{run.task.output.sampled(path.stem, run.assets)}/bacteria/{path.name}")
        archive.write(path, "test/unknown.png")
    upload = {"file": ("films.zip", file.getvalue())}
    _, *rows, last = lines(requests.post(f"{server}/v1/models/pneumonia:batch", files=upload, timeout=60))
    truths = [run.task.output.sampled(path.stem, run.assets) for path in examples(run)]
    assert [row.get("truth") for row in rows] == [*truths, None]
    figures, confusion, left_out = last["score"]
    right = sum(row["label"] == row["truth"] for row in rows[:4])
    assert dict(row[:2] for row in figures["rows"])["Accuracy"] == f"{right / 4:.3f}"
    counted = [sum(map(int, row[1:3])) for row in confusion["rows"]]
    assert counted == [truths.count(name) for name in ("NORMAL", "PNEUMONIA")]
    assert left_out["text"].startswith("1 input has no label")


@pytest.mark.parametrize("raw", [b"", b"PK\x03\x04 broken", b"a,b\n1,2\n", b"\xff\xfe", b"text\n"])
def test_a_batch_that_cannot_be_read_is_refused(raw, server):
    answer = requests.post(f"{server}/v1/models/emoji:batch", files={"file": ("x", raw)}, timeout=9)
    assert answer.status_code == 400
    assert set(answer.json()) == {"error"}


def test_feedback_is_taken_for_a_prediction_that_was_made(server):
    answered = post(f"{server}/v1/models/ham-or-spam:answer", {"instances": ["see you", "win a prize"]}).json()
    url, given = f"{server}/v1/models/ham-or-spam:feedback", {"request_id": answered["request_id"], "label": "spam"}
    assert post(url, {**given, "index": 1}).json() == {"stored": True}
    for wrong, status in (
        ({"index": 2}, 404),
        ({"request_id": "other"}, 404),
        ({"label": "other"}, 400),
        ({"index": -1}, 400),
        ({"more": 1}, 400),
    ):
        answer = post(url, {**given, **wrong})
        assert (answer.status_code, set(answer.json())) == (status, {"error"}), wrong
    assert post(f"{server}/v1/models/emoji:feedback", {**given, "label": "heart"}).status_code == 404


def test_the_journal_counts_answers_and_failures_by_version(tiny_run, tmp_path):
    from keras_dl.server.journal.ab import ab

    url = f"sqlite:///{tmp_path / 'journal.db'}"
    with serving(tiny_run("emoji").path, database=url) as server:
        assert post(f"{server}/v1/models/emoji:predict", {"instances": ["a", "b"]}).ok
        assert post(f"{server}/predict", {"text": "c"}).ok
        assert post(f"{server}/v1/models/emoji:answer", {"instances": ["d", ""]}).ok
        assert not post(f"{server}/v1/models/emoji:predict", {"instances": [""]}).ok
        assert post(f"{server}/v1/models/emoji/versions/1:predict", {"instances": ["by choice"]}).ok
        explained = post(f"{server}/v1/models/emoji:explain", {"instances": ["e"]}).json()
        told = {"request_id": explained["request_id"], "label": "heart"}
        assert post(f"{server}/v1/models/emoji:feedback", told).json() == {"stored": True}
    (version,) = ab(url, "emoji")["versions"]
    assert (version["requests"], version["predictions"], version["errors"], version["clients"]) == (5, 5, 1, 1)


def test_without_a_database_feedback_is_refused_with_the_way_out(tiny_run):
    with serving(tiny_run("emoji").path) as url:
        answer = post(f"{url}/v1/models/emoji:feedback", {"request_id": "x", "label": "heart"})
    assert answer.status_code == 404
    assert "--database" in answer.json()["error"]
