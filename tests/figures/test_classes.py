"""Figures of each class: right for a few, bounded and readable for many."""

from xml.etree import ElementTree

import numpy as np
import pytest

from keras_dl.figures import plots
from keras_dl.figures.classes import MOST, balance, histograms
from keras_dl.figures.confusion import confusion

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
        confusion("network", labels, answers, CLASSES),
        histograms(labels, values, answers, CLASSES, xlabel="probability", threshold=0.5),
        histograms(labels, np.exp(9 * values), answers, CLASSES, xlabel="score", threshold=4.0, shares=False),
        balance({"train": {"NORMAL": 3, "PNEUMONIA": 0}, "test": {"NORMAL": 0, "PNEUMONIA": 0}}),
    ]
    for figure in figures:
        element = plots.svg(figure, "name", 'what it "is"')
        assert len(element) < 60_000
        assert "mathdefault" not in element, "labels are text, not formulas"
        ElementTree.fromstring(element.replace("xlink:href", "href"))  # well formed


def heights(axes, alpha):
    return sum(bar.get_height() for bar in axes.patches if bar.get_alpha() == alpha)


def test_histograms_tell_right_from_wrong():
    labels, values = scored()
    answers = (values >= 0.47).astype(int)
    for axes, index in zip(
        histograms(labels, values, answers, CLASSES, xlabel="p", threshold=0.47).axes, (0, 1), strict=True
    ):
        wrong = ((labels == index) & (answers != index)).sum()
        assert (heights(axes, 1), heights(axes, 0.45)) == (20 - wrong, wrong)
        assert axes.get_title().endswith(f"{wrong} of 20 wrong")
        sides = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in axes.patches]
        assert all(high <= 0.47 or low >= 0.47 for low, high in sides), "no bar on both sides of the threshold"


def test_several_classes_have_a_histogram_each_and_no_threshold():
    labels = np.arange(30) % 3
    answers = np.where(np.arange(30) < 9, 0, labels)
    panels = histograms(labels, np.linspace(0, 1, 30), answers, SEVERAL, xlabel="p").axes
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
    panels = histograms(
        labels, values, (values >= 1.5).astype(int), CLASSES, xlabel="score", threshold=1.5, shares=False
    ).axes
    assert panels[0].get_xscale() == scale
    assert sum(heights(axes, alpha) for axes in panels for alpha in (1, 0.45)) == 300, "the outermost too"
    low, high = panels[0].get_xlim()
    assert low < 1.5 < high or 1.5 in (low, high)
    assert high < end


def test_up_to_eight_classes_each_have_a_panel_and_a_colour():
    labels = np.arange(80) % 8
    figure = histograms(labels, np.linspace(0, 1, 80), labels, [f"class {one}" for one in range(8)], xlabel="p")
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title() for axes in shown] == [f"class {one}\n0 of 10 wrong" for one in range(8)]
    assert len({axes.patches[0].get_facecolor() for axes in shown}) == 8
    seven = histograms(labels % 7, np.linspace(0, 1, 80), labels % 7, [f"c {one}" for one in range(7)], xlabel="p")
    assert sum(axes.get_visible() for axes in seven.axes) == 7


def test_many_classes_share_a_figure_with_the_lowest_on_top():
    labels = np.repeat(np.arange(50), 10)
    values = 0.2 + labels / 100 + np.tile(np.linspace(-0.1, 0.1, 10), 50)
    answers = np.where((labels == 3) & (np.arange(500) % 10 < 4), 0, labels)
    figure = histograms(labels, values, answers, [f"class {one}" for one in range(52)], xlabel="p")
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_yticklabels()] == [f"class {one}" for one in range(MOST)]
    assert figure.get_suptitle() == "the 30 lowest of 50 classes; 2 classes have no examples here"
    assert [text.get_text() for text in axes.texts][3] == "4 of 10"
    medians = [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(medians, 0.2 + np.arange(30) / 100, atol=1e-9)
    assert figure.get_figheight() < 8


def test_balance_of_many_classes_is_of_the_training_part():
    counts = {f"class {one}": one + 1 for one in range(40)}
    figure = balance({"train": counts, "test": dict.fromkeys(counts, 1)})
    (axes,) = figure.axes
    assert figure.get_suptitle() == "40 classes: smallest 1, median 20, largest 40"
    heights = [bar.get_width() for bar in axes.patches]
    assert heights == [*range(40, 25, -1), 0, *range(15, 0, -1)]
    assert "… 10 more" in [text.get_text() for text in axes.texts]


def test_balance_of_few_classes_has_a_colour_each():
    names = [f"a class with a long name, number {one}" for one in range(8)]
    (axes,) = balance({"train": dict.fromkeys(names, 2), "test": dict.fromkeys(names, 1)}).axes
    assert len({bar.get_facecolor() for bar in axes.patches}) == 8


def test_a_figure_of_a_thousand_classes_is_small():
    random = np.random.default_rng(0)
    labels, names = random.integers(0, 1000, 5000), [f"a class with a long name, number {one}" for one in range(1000)]
    drawn = histograms(labels, random.random(5000), labels, names, xlabel="p")
    shares = balance({"train": dict.fromkeys(names, 5)})
    for figure in (drawn, shares):
        assert len(plots.svg(figure, "a", "b")) < 60_000
        assert figure.get_figheight() < 8
