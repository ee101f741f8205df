"""The report: complete, self-contained, safe against what stands in names, and sturdy when things are missing."""

import io
import itertools
import json
import re
import shlex
import shutil
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from keras_dl import api, config, report
from keras_dl.run import Run
from keras_dl.task import Split

CLASSES = ["NORMAL", "PNEUMONIA"]
EVIL = "test/<script>alert('$1$')</script>.png"
SECTIONS = ("metrics", "answers", "training", "data", "examples", "settings", "reproduce")


def cell(value, low, high):
    return {"value": value, "low": low, "high": high}


def measured():
    row = {"auroc": cell(0.9, 0.8, 0.95), "ppv": cell(None, None, None), "brier": cell(0.1, 0.05, 0.2)}
    difference = {"auroc": cell(0.1, 0.05, 0.2), "ppv": cell(None, None, None), "brier": cell(-0.1, -0.2, -0.05)}
    return {
        "network": row,
        "baseline": row,
        "difference": difference,
        "examples": 40,
        "groups": 20,
        "per_class": {"NORMAL": 20, "PNEUMONIA": 20},
        "thresholds": {"network": 0.5, "baseline": 0.4},
    }


def predictions():
    random = np.random.default_rng(0)
    labels = np.arange(40) % 2
    table = {"id": [f"test/{row}.png" for row in range(40)], "group": [f"p{row // 2}" for row in range(40)]}
    table |= {"label": labels, "network": (labels + random.random(40)) / 2, "baseline": random.random(40)}
    table["id"][1] = EVIL
    table["network"][1] = 0.001  # the worst error
    return pd.DataFrame(table)


def png(row):
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(row).integers(0, 255, (40, 40), np.uint8)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def kept_run(tmp_path_factory):
    """A run as `conclude` has it before the report, with an untrained model and pictures kept."""
    import keras

    keras.utils.set_random_seed(0)
    path = tmp_path_factory.mktemp("runs") / "run"
    settings = {"image_size": 32, "learning_rate": 0.0123, "recipe": "default"}
    asked = {"task": "pneumonia", "config": settings, "data": "/moved away/set", "tiny": False, "device": "auto"}
    image = keras.Input((32, 32, 1), dtype="uint8", name="image")
    features = keras.layers.Conv2D(4, 3, activation="relu")(keras.layers.Rescaling(1 / 255)(image))
    output = keras.layers.Dense(1, activation="sigmoid")(keras.layers.GlobalAveragePooling2D()(features))
    (path / "assets").mkdir(parents=True)
    keras.Model(image, output).save(path / "model.keras")
    calibration = {"temperature": 1.5, "bias": 0.1}
    assets = {"classes": CLASSES, "calibration": calibration, "threshold": 0.5}
    split = {"examples": 40, "groups": 20, "per_class": {"NORMAL": 20, "PNEUMONIA": 20}}
    skipped = [{"file": EVIL, "reason": f"duplicate of {row}.png"} for row in range(25)]
    skipped += [{"file": "b.png", "reason": "truncated JPEG: the end is missing"}]
    card = {
        "task": "pneumonia",
        "title": "Pneumonia",
        "inputs": {"image": {"dtype": "uint8", "shape": [None, 32, 32, 1]}},
        "outputs": {"probability": {"dtype": "float32", "shape": [None]}},
        "classes": CLASSES,
        "threshold": 0.5,
        "calibration": calibration,
        "parameters": 45,
        "intended_use": "Teaching.",
        "limits": "Not a medical device (doi 10.1007/s10140-021-01954-x).",
        "data": {
            "source": asked["data"],
            "synthetic": False,
            "title": "A set",
            "licence": "CC BY 4.0",
            "citation": "Somebody",
            "notes": {"files": 146, "read": 120, "skipped": skipped},
        },
        "splits": {"train": split, "validation": split, "test": split},
        "training": {"seconds": 61, "device": "CPU", "seed": 0, "recipe": "default"},
        "versions": {"python": "3.11", "keras-dl": "0.1.0", "keras": "3.15.1"},
    }
    for name, value in {"config.json": asked, "card.json": card, "assets/assets.json": assets}.items():
        (path / name).write_text(json.dumps(value))
    table = predictions()
    table.to_csv(path / "predictions.csv", index=False)
    table.assign(split="test")[["id", "split", "group", "label"]].to_csv(path / "splits.csv", index=False)
    history = {"epoch": [1, 2, 3], "phase": ["head", "head", "all"], "loss": [3, 2, 1], "val_loss": [3.0, 1.0, 2.0]}
    pd.DataFrame(history).to_csv(path / "history.csv", index=False)
    run = Run(path)
    report.keep(run, Split(None, list(table["id"]), [], [], raw=png), report.read_predictions(run))
    return path


@pytest.fixture
def run(kept_run, tmp_path, monkeypatch):
    monkeypatch.setattr(report, "BAND_DRAWS", 5)  # fast
    return Run(shutil.copytree(kept_run, tmp_path / "run"))


class Page(HTMLParser):
    """The attributes, texts and open elements of a page."""

    VOID = ("meta", "img", "br", "path", "use")

    def __init__(self, run, found=None):
        super().__init__()
        self.links, self.ids, self.images, self.open, self.words, self.tags = [], [], [], [], [], set()
        self.source = report.write(run, found or measured()).read_text(encoding="utf-8")
        self.feed(self.source)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.add(tag)
        self.links += [attributes[name] for name in ("src", "href", "xlink:href") if name in attributes]
        self.ids += [attributes["id"]] if "id" in attributes else []
        self.images += [attributes] if tag == "img" else []
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.words.append(data)


@pytest.fixture(scope="module")
def page(kept_run):
    return Page(Run(kept_run))


def test_it_is_whole_and_needs_nothing_else(page):
    assert page.open == []
    assert set(SECTIONS) <= set(page.ids)
    assert len(page.ids) == len(set(page.ids)), "several figures share a page"
    assert not {"link", "script", "iframe"} & page.tags
    outside = {link for link in page.links if not link.startswith(("data:image/jpeg;base64,", "#"))}
    assert outside == {"https://doi.org/10.1007/s10140-021-01954-x"}
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert not re.search(r"@import|url\((?!#)", page.source)
    assert len(page.source) < 400_000


def test_it_says_what_was_measured(page):
    text = page.text
    assert "AUROC 0.900 [0.800, 0.950] on 40 examples of 20 groups" in text
    assert "better than the baseline" in text
    assert "Positive predictive value" in text
    assert "not defined" in text
    assert re.search(r"−0.100 \[−0.200, −0.050\] better", text), "of a Brier score less is better"
    assert "25 files: duplicate" in text
    assert "1 file: truncated JPEG" in text
    assert "146 files found; 120 used" in text
    assert "The weights of epoch 2 were kept" in text
    assert not re.search(r"\b(None|nan)\b(?!\.)", text.replace("None.", ""))
    assert "Synthetic" not in text


def test_a_card_brings_its_own_words_and_an_admission(run):
    words = {"example": "radiograph", "group": "patient", "baseline": "HOG + SVM"}
    run.card.update(words=words, data={**run.card["data"], "synthetic": True})
    text = Page(run).text
    assert "on 40 radiographs of 20 patients; the HOG + SVM has" in text
    assert "Synthetic data" in text


def test_metrics_that_are_all_undefined(run):
    nothing = {"auroc": cell(None, None, None)}
    found = {**measured(), "network": nothing, "baseline": nothing, "difference": nothing}
    assert "AUROC not defined on 40 examples" in Page(run, found).text


def test_names_are_escaped(page):
    assert "<script" not in page.source
    assert page.text.count(EVIL) > 1, "in the gallery and among the files left out"


def test_pictures_come_with_heatmaps(page):
    assert len(page.images) >= 10
    assert len(page.images) % 2 == 0
    assert all(image["alt"] for image in page.images)


def test_without_pictures_it_says_so(run):
    shutil.rmtree(run.path / "shown")
    page = Page(run)
    assert page.images == []
    assert "The pictures are not at hand: there is nothing at '/moved away/set'" in page.text
    assert EVIL in page.text, "the list of errors is still there"


def test_a_model_without_images_gets_a_report_without_pictures(run):
    run.card["inputs"] = {"text": {"dtype": "int32", "shape": [None, 100]}}
    page = Page(run)
    assert page.images == []
    assert "not at hand" not in page.text
    assert "Grad-CAM" not in page.text


def test_a_test_part_of_one_class(run):
    table = predictions().assign(label=1)
    table.to_csv(run.path / "predictions.csv", index=False)
    assert "all examples are of one class" in Page(run).text


def test_a_group_in_two_splits_is_shouted_about(run):
    table = predictions()
    table["split"] = ["train"] + ["test"] * 39
    table.to_csv(run.path / "splits.csv", index=False)
    assert "1 group in more than one split" in Page(run).text


def test_the_command_gives_the_same_settings_again(run):
    words = shlex.split(report.command(run))
    assert words[:5] == ["keras-dl", "train", "pneumonia", "--data", "/moved away/set"]
    pairs = [word for option, word in itertools.pairwise(words) if option == "--set"]
    assert config.resolve(run.task, config.parse(pairs)) == run.config
    assert "learning_rate=0.0123" in pairs


def test_it_is_written_again_from_metrics_json(run):
    run.write("metrics.json", {"test": measured()})
    assert "AUROC 0.90" in api.open_run(run.path).report().read_text()


def test_each_kind_of_error_shows_a_group_once():
    table = predictions().assign(group="one")
    chosen = report.choose(table, 0.5, CLASSES)
    assert [len(rows) for rows in chosen.values()] in ([1, 0, 1, 1], [1, 1, 1, 1])
    assert chosen["PNEUMONIA taken for NORMAL"]["id"].tolist() == [EVIL]


@pytest.mark.parametrize(("low", "high", "more", "said"), [(0.1, 0.2, True, "better"), (0.1, 0.2, False, "worse")])
def test_judgement(low, high, more, said):
    assert report.judgement({"low": low, "high": high}, more) == said
    assert report.judgement({"low": -low, "high": high}, more) == ""
    assert report.judgement({"low": None, "high": None}, more) == ""
