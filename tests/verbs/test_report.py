"""The report: complete, self-contained, safe against what stands in names, and sturdy when things are missing."""

import itertools
import re
import shlex
import shutil
from dataclasses import replace
from html.parser import HTMLParser

import kept_runs
import keras
import numpy as np
import pandas as pd
import pytest
from few_draws import few_bands
from kept_runs import EVIL, KINDS, cell, measured

from keras_dl import api
from keras_dl.api import Run
from keras_dl.figures import plots
from keras_dl.inputs.image import ImageInput
from keras_dl.outputs.score import Score
from keras_dl.task import settings
from keras_dl.task.blocks import Prose
from keras_dl.verbs import report

SECTIONS = ("metrics", "slices", "answers", "training", "data", "examples", "settings", "reproduce")


@pytest.fixture(scope="module")
def kept_run(tmp_path_factory):
    """The folder of a run of each kind, by kind; made once, not to be changed."""
    folder = tmp_path_factory.mktemp("runs")
    return {kind: kept_runs.make(folder / kind, kind).path for kind in KINDS}


@pytest.fixture
def run(kept_run, tmp_path, monkeypatch, request):
    """A run to be changed: of two classes, or of the kind that the test asks for."""
    few_bands(monkeypatch)
    kind = getattr(request, "param", "binary")
    return Run(shutil.copytree(kept_run[kind], tmp_path / "run"))


class Page(HTMLParser):
    """The attributes, texts and open elements of a page."""

    VOID = ("meta", "img", "br", "path", "use")

    def __init__(self, run, found=None):
        super().__init__()
        self.links, self.ids, self.images, self.open, self.words, self.tags = [], [], [], [], [], set()
        self.source = report.write(run, found).read_text(encoding="utf-8")
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
    return Page(Run(kept_run["binary"]))


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
    assert "AUROC 0.900 [0.800, 0.950] on 42 radiographs of 21 patients" in text
    assert "better than the baseline" in text
    assert "at its own threshold" in text
    assert "Positive predictive value" in text
    assert "not defined" in text
    assert re.search(r"−0.100 \[−0.200, −0.050\] better", text), "of a Brier score less is better"
    assert "25 files: duplicate" in text
    assert "1 file: truncated JPEG" in text
    assert "Files found 146 Radiographs used 120" in text
    assert "The weights of epoch 2 of 'head' were kept, the best on the validation part" in text
    assert not re.search(r"\b(None|nan)\b(?!\.)", text.replace("None.", ""))
    assert "Synthetic" not in text
    assert "Tiny" not in text


def test_a_card_brings_its_own_words_and_an_admission(run):
    words = {"example": "film", "group": "person", "baseline": "HOG + SVM"}
    run.card.update(words=words)
    run.asked.update(synthetic=True, tiny=True)
    text = Page(run).text
    assert "on 42 films of 21 persons; the HOG + SVM has" in text
    assert "Tiny run, synthetic data" in text
    assert "Its figures and its answers mean nothing" in text
    assert "keras-dl data pneumonia" in text
    assert run._repr_html_().count('class="banner"') == 1
    assert ", tiny, embedded data, " in repr(run)


def test_metrics_that_are_all_undefined(run):
    nothing = {"auroc": cell(None, None, None)}
    found = {**measured(), "network": nothing, "baseline": nothing, "difference": nothing}
    assert "AUROC not defined on 42 radiographs" in Page(run, found).text


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
    assert "The pictures could not be read: there is nothing at '/moved away/set'" in page.text
    assert EVIL in page.text, "the list of errors is still there"


class Plain(ImageInput):
    """An input that is shown as a paragraph, and that nothing explains."""

    def methods(self, run):
        return {}

    def preview(self, run, raws):
        return [Prose(f"{len(raw)} bytes") for raw in raws]


def test_a_model_without_images_gets_a_report_without_pictures(run):
    run.task = replace(run.task, input=Plain())
    page = Page(run)
    assert page.images == []
    assert "could not be read" not in page.text
    assert "Grad-CAM" not in page.text
    assert f"{len(kept_runs.png(1))} bytes" in page.text


def test_a_model_that_cannot_be_explained_gets_pictures_without_heatmaps(run, monkeypatch):
    image = keras.Input((32, 32, 1), dtype="uint8", name="image")
    flat = keras.layers.Dense(1, activation="sigmoid")(keras.layers.Flatten()(image))
    run.model = keras.Model(image, flat)
    page = Page(run)
    assert page.images
    assert not re.search("Grad-CAM|heatmap", page.text)


def test_a_test_part_of_one_class(run):
    table = pd.read_csv(run.path / "predictions.csv").assign(label=1)
    table.to_csv(run.path / "predictions.csv", index=False)
    assert "all examples are of one class" in Page(run).text


def test_a_group_in_two_splits_is_shouted_about(run):
    table = pd.read_csv(run.path / "splits.csv")
    table["split"] = ["train"] + ["test"] * (len(table) - 1)
    table.to_csv(run.path / "splits.csv", index=False)
    assert "1 patient in more than one split" in Page(run).text


def test_the_command_gives_the_same_settings_again(run):
    words = shlex.split(report.command(run))
    assert words[:5] == ["keras-dl", "train", "pneumonia", "--data", "/moved away/set"]
    pairs = [word for option, word in itertools.pairwise(words) if option == "--set"]
    assert settings.resolve(run.task, settings.parse(pairs)) == run.config
    assert "learning_rate=0.0123" in pairs


def test_it_is_written_again_from_metrics_json(run):
    assert "AUROC 0.90" in api.open_run(run.path).report().read_text()


@pytest.mark.parametrize(("low", "high", "more", "said"), [(0.1, 0.2, True, "better"), (0.1, 0.2, False, "worse")])
def test_judgement(low, high, more, said):
    assert report.judgement({"low": low, "high": high}, more) == said
    assert report.judgement({"low": -low, "high": high}, more) == ""
    assert report.judgement({"low": None, "high": None}, more) == ""


@pytest.mark.parametrize("run", KINDS, indirect=True)
def test_a_report_of_every_kind_is_whole(run):
    page = Page(run)
    assert page.open == []
    assert set(SECTIONS) <= set(page.ids)
    assert len(page.ids) == len(set(page.ids)), "several figures share a page"
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert page.images
    assert all(image["alt"] for image in page.images)
    assert not re.search(r"\b(None|nan)\b(?!\.)", page.text.replace("None.", ""))
    assert len(page.source) < 400_000


@pytest.mark.parametrize("run", ["classes"], indirect=True)
def test_several_classes(run):
    page = Page(run)
    assert "Accuracy 0.900 [0.800, 0.950] on 42 radiographs" in page.text
    assert "Recall of VIRAL the share of all VIRAL that is recognised" in page.text
    assert re.search(r"lower is better 0.900 \[0.800, 0.950\] .* −0.100 \[−0.200, −0.050\] better", page.text)
    assert "The answer is the class with the highest probability; there is no threshold" in page.text
    assert "log-probabilities are divided by 0.80 (it was underconfident) and shifted by a number for" in page.text
    assert "each class: +0.10 for NORMAL, −0.20 for" in page.text
    assert "ROC, each class against the rest" in page.text
    assert "BACTERIAL taken for VIRAL" in page.text
    assert "network VIRAL 0.95" in page.text
    assert "the evidence for the answer it gave (Grad-CAM" in page.text
    assert any(image["alt"] == "the same with a heatmap: evidence for VIRAL (Grad-CAM)" for image in page.images)
    assert "VIRAL, recognised" in page.text
    assert "at its own threshold" not in page.text


@pytest.mark.parametrize("kind", ["text", "texts"])
def test_a_report_of_texts_shows_texts_and_no_word_of_images(kind, tmp_path, monkeypatch):
    few_bands(monkeypatch)
    run = kept_runs.make(tmp_path / "run", kind)
    run.asked["synthetic"] = True
    page = Page(run)
    assert page.open == []
    assert not page.images
    assert "<script" not in page.source
    assert "<script>alert('$1$')</script>" in page.text
    assert "mark" in page.tags
    assert 'class="text" dir="auto"' in page.source
    subject = "the answer it gave" if kind == "texts" else "spam"
    assert f"Orange words count for {subject} , blue words against it" in page.text
    assert "Texts found 146" in page.text
    assert "Copies of another message, kept in the same split 7" in page.text
    assert "1 text: empty text" in page.text
    assert "trained on synthetic examples that come with the package" in page.text
    assert not re.search(r"(?i)image|picture|pixel|Grad-CAM|heatmap|convolution|patient|\bfiles?\b", page.text)
    assert not re.search(r"\b(None|nan)\b(?!\.)", page.text.replace("None.", ""))
    if kind == "text":
        assert "Positive predictive value precision: the share of answers spam" in page.text
        assert "Sensitivity recall: the share of all spam" in page.text


def test_without_the_texts_a_report_says_so(tmp_path):
    run = kept_runs.make(tmp_path / "run", "text")
    shutil.rmtree(run.path / "shown")
    assert "The texts could not be read" in Page(run).text


@pytest.mark.parametrize("run", ["score"], indirect=True)
def test_an_anomaly_score(run):
    asked = []
    mapped = Score(lambda model, images: asked.append(len(images)) or np.zeros(images.shape[:3]))
    run.task = replace(run.task, output=mapped)
    pd.DataFrame([{"epoch": 1, "phase": "fit", "seconds": 3.2}]).to_csv(run.path / "history.csv", index=False)
    page = Page(run)
    assert "a random example of PNEUMONIA gets a higher score than one of NORMAL" in page.text
    assert "The answer is PNEUMONIA if the score is 20 or more" in page.text
    assert "of NORMAL in the validation part, to give about 5.0 % false alarms among new ones" in page.text
    assert "A score is not a probability" in page.text
    assert "Fitted to the training part by a formula" in page.text
    assert not re.search("epoch 1|Brier|Calibration|Grad-CAM", page.text)
    assert "reliability" not in page.source
    assert "how far each place is from what NORMAL looks like" in page.text
    assert asked == [len(page.images) // 2]


def test_the_page_has_a_colour_for_all_in_light_and_in_dark(page):
    light, dark = re.findall(r":root \{(.*?)\}", page.source, re.DOTALL)
    for name in plots.COLOURS:
        assert f"--{name}: #" in light
        assert f"--{name}: #" in dark
