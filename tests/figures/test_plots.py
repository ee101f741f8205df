"""The figures of the report: they draw whatever the classes, and show what they say."""

from xml.etree import ElementTree

import numpy as np
import pytest

from keras_dl.figures import plots

CLASSES = ["NORMAL", "PNEUMONIA"]
SEVERAL = ["NORMAL", "BACTERIAL", "VIRAL"]


def scored():
    random = np.random.default_rng(0)
    labels = np.arange(40) % 2
    return labels, (labels + random.random(40)) / 2


@pytest.mark.parametrize("labels", [np.arange(40) % 2, np.zeros(40, int), np.ones(40, int)])
def test_every_figure_draws_whatever_the_classes(labels):
    _, values = scored()
    answers = (values >= 0.5).astype(int)
    figures = [
        plots.confusion("network", labels, answers, CLASSES),
        plots.histograms(labels, values, answers, CLASSES, xlabel="probability", threshold=0.5),
        plots.histograms(labels, np.exp(9 * values), answers, CLASSES, xlabel="score", threshold=4.0, shares=False),
        plots.balance({"train": {"NORMAL": 3, "PNEUMONIA": 0}, "test": {"NORMAL": 0, "PNEUMONIA": 0}}),
    ]
    for figure in figures:
        element = plots.svg(figure, "name", 'what it "is"')
        assert len(element) < 60_000
        assert "mathdefault" not in element, "labels are text, not formulas"
        ElementTree.fromstring(element.replace("xlink:href", "href"))  # well formed


@pytest.mark.parametrize("classes", [CLASSES, SEVERAL])
def test_a_confusion_matrix_counts_every_answer(classes):
    count = len(classes)
    labels, answers = np.arange(60) % count, np.arange(60) // 7 % count
    axes = plots.confusion("baseline", labels, answers, classes).axes[0]
    counts = np.array([int(text.get_text().split("\n")[0]) for text in axes.texts]).reshape(count, count)
    assert counts.sum() == 60
    assert counts[1, 0] == ((labels == 1) & (answers == 0)).sum()
    assert [text.get_text() for text in axes.get_xticklabels()] == classes


def heights(axes, alpha):
    return sum(bar.get_height() for bar in axes.patches if bar.get_alpha() == alpha)


def test_histograms_tell_right_from_wrong():
    labels, values = scored()
    answers = (values >= 0.47).astype(int)
    for axes, index in zip(
        plots.histograms(labels, values, answers, CLASSES, xlabel="p", threshold=0.47).axes, (0, 1), strict=True
    ):
        wrong = ((labels == index) & (answers != index)).sum()
        assert (heights(axes, 1), heights(axes, 0.45)) == (20 - wrong, wrong)
        assert axes.get_title().endswith(f"{wrong} of 20 wrong")
        sides = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in axes.patches]
        assert all(high <= 0.47 or low >= 0.47 for low, high in sides), "no bar on both sides of the threshold"


def test_several_classes_have_a_histogram_each_and_no_threshold():
    labels = np.arange(30) % 3
    answers = np.where(np.arange(30) < 9, 0, labels)
    panels = plots.histograms(labels, np.linspace(0, 1, 30), answers, SEVERAL, xlabel="p").axes
    assert [axes.get_title() for axes in panels] == [
        "NORMAL: 0 of 10 wrong",
        "BACTERIAL: 3 of 10 wrong",
        "VIRAL: 3 of 10 wrong",
    ]
    assert not any(axes.lines for axes in panels)


@pytest.mark.parametrize(
    ("values", "scale", "end"),
    [
        (np.exp(np.linspace(0, 7, 300)), "log", 1200),  # a long tail
        (np.linspace(1, 2, 300), "linear", 2.1),
        (np.append(np.linspace(-1, 1, 299), 900.0), "linear", 2),  # a long tail that a logarithm cannot take
        (np.full(300, 5.0), "linear", 6),
    ],
)
def test_scores_have_an_axis_of_their_own(values, scale, end):
    labels = np.arange(300) % 2
    panels = plots.histograms(
        labels, values, (values >= 1.5).astype(int), CLASSES, xlabel="score", threshold=1.5, shares=False
    ).axes
    assert panels[0].get_xscale() == scale
    assert sum(heights(axes, alpha) for axes in panels for alpha in (1, 0.45)) == 300, "the outermost too"
    low, high = panels[0].get_xlim()
    assert low < 1.5 < high or 1.5 in (low, high)
    assert high < end


def test_training_curves_mark_phases_and_the_best_epoch():
    history = {
        "epoch": [1, 2, 3],
        "phase": ["head", "all", "all"],
        "auroc": [0.5, 0.6, 0.7],
        "val_auroc": [0.5, 0.6, 0.7],
    }
    history |= {"loss": [3, 2, 1], "val_loss": [3, 2, 1], "learning_rate": [1, 1, 1]}
    loss, auroc = plots.training(history, best=2).axes
    assert (loss.get_title(), auroc.get_title()) == ("loss", "auroc")
    assert len(loss.lines) == 4, "training, validation, a new phase, the best epoch"
    assert loss.texts[0].get_text().strip() == "all"
    assert plots.training({"epoch": [], "phase": []}).axes


def test_classes_beyond_the_colours_take_them_again():
    assert plots.class_colour(2) == plots.COLOURS["class-2"]
    assert plots.class_colour(3) == plots.COLOURS["class-0"]
