"""Ranking and calibration curves: they stand for what they say, for one ranking or several."""

from xml.etree import ElementTree

import numpy as np
import pytest

from keras_dl.figures import curves, plots
from keras_dl.figures.curves import Ranking
from keras_dl.measures.bootstrap import Draws

BLUE, GREEN = plots.COLOURS["network"], plots.COLOURS["class-0"]


def ranking(name="network", colour=BLUE, labels=None, threshold=0.5, **options):
    random = np.random.default_rng(0)
    labels = np.arange(40) % 2 == 1 if labels is None else labels
    values = (labels + random.random(40)) / 2
    return Ranking(name, colour, labels, values, values >= threshold, **options)


@pytest.fixture
def draws():
    return Draws([f"p{row // 2}" for row in range(40)], seed=0, draws=20)


@pytest.mark.parametrize("labels", [np.arange(40) % 2 == 1, np.zeros(40, bool), np.ones(40, bool)])
@pytest.mark.parametrize("figure_of", [curves.roc, curves.precision_recall])
def test_curves_draw_whatever_the_classes(figure_of, labels, draws):
    never = ranking("baseline", labels=labels, threshold=1.5)
    element = plots.svg(figure_of([ranking(labels=labels), never], draws), "name", "what it is")
    assert len(element) < 60_000
    assert ("not defined" in element) == (labels.all() or not labels.any())
    ElementTree.fromstring(element.replace("xlink:href", "href"))  # well formed


def test_a_roc_curve_has_its_band_and_its_point(draws):
    both = [ranking(), ranking("baseline", plots.COLOURS["baseline"])]
    (axes,) = curves.roc(both, draws).axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["network", "baseline"]
    assert len(axes.lines) == 1 + 2 * 2, "chance, and a curve and a point per model"
    assert len(axes.collections) == 2, "a band per model"
    (point,) = (line for line in axes.lines if line.get_color() == BLUE and len(line.get_xdata()) == 1)
    labels, answers = both[0].labels, both[0].answers
    assert point.get_xydata().tolist() == [[answers[~labels].mean(), answers[labels].mean()]]


def test_of_several_classes_the_baseline_is_dashed_without_a_band_and_an_absent_class_is_left_out(draws):
    absent = ranking("ABSENT", labels=np.zeros(40, bool))
    classes = [ranking("NORMAL", GREEN), absent, ranking("", GREEN, dashed=True)]
    (axes,) = curves.roc(classes, draws).axes
    assert len(axes.collections) == 1
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["NORMAL"]
    assert [line.get_linestyle() for line in axes.lines if len(line.get_xdata()) > 2] == ["-", "--"]


def test_precision_recall_shows_the_share_that_chance_would_reach(draws):
    rare = np.arange(40) % 4 == 0
    (axes,) = curves.precision_recall([ranking("NORMAL"), ranking("VIRAL", labels=rare)], draws).axes
    levels = {line.get_ydata()[0] for line in axes.lines if line.get_linestyle() == ":"}
    assert levels == {0.5, 0.25}


def test_reliability_is_of_what_it_is_given(draws):
    hits = np.arange(40) % 4 != 0  # three of four
    (axes,) = curves.reliability(hits.astype(int), np.full(40, 0.9), draws, ylabel="share of right answers").axes
    assert axes.get_ylabel() == "share of right answers"
    (point,) = (line for line in axes.lines if len(line.get_xdata()) == 1)
    assert point.get_xydata().tolist() == [[pytest.approx(0.9), 0.75]]
