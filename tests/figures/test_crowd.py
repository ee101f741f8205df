"""Curves of many classes: the numbers of scikit-learn, and a bounded figure."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from keras_dl.figures import crowd, plots
from keras_dl.figures.curves import GRID


def ranked(classes, count, digits=None, seed=0):
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, count)
    values = random.random((count, classes))
    values[np.arange(count), truth] += 0.4
    return truth, values if digits is None else values.round(digits)  # with ties


@pytest.mark.parametrize("digits", [None, 1])
def test_areas_and_curves_are_those_of_scikit_learn(digits):
    truth, values = ranked(12, 300, digits)
    found = crowd.crowd(truth, values)
    for row, index in enumerate(found.classes):
        assert found.areas[row] == pytest.approx(roc_auc_score(truth == index, values[:, index]))
        x, y, _ = roc_curve(truth == index, values[:, index], drop_intermediate=False)
        np.testing.assert_allclose(found.roc[row][1:], np.interp(GRID, x, y)[1:], atol=1e-9)
        for share in (0.3, 1.0):
            least = np.sort(values[truth == index, index])[::-1][int(np.ceil(share * (truth == index).sum())) - 1]
            chosen = values[:, index] >= least
            recall = (chosen & (truth == index)).sum() / (truth == index).sum()
            precision = np.interp(recall, GRID, found.precision[row])
            assert precision == pytest.approx((truth == index)[chosen].mean(), abs=0.06)


def test_a_class_that_is_not_there_is_left_out():
    truth, values = ranked(12, 300)
    assert 5 not in crowd.crowd(np.where(truth == 5, 4, truth), values).classes
    assert len(crowd.crowd(np.zeros(20, int), np.ones((20, 12))).classes) == 0


def test_the_worst_are_named_the_others_grey_and_the_mean_is_of_all():
    truth, values = ranked(20, 600)
    values[:, 7] = np.random.default_rng(1).random(600)
    network, baseline = crowd.crowd(truth, values), crowd.crowd(truth, values**2 + 1)
    names = [f"class {index}" for index in range(20)]
    for figure in (crowd.roc(network, baseline, names), crowd.precision_recall(network, baseline, names)):
        legend = [text.get_text() for text in figure.legends[0].get_texts()]
        assert legend[:2] == ["the other 12 classes", "class 7"]
        assert legend[-2:] == ["mean of all classes", "mean, baseline"]
        assert len(legend) == 8 + 3
        looks = {(line.get_color(), line.get_linestyle()) for line in figure.axes[0].lines}
        assert len(looks) >= 8 + 2, "each line has a look of its own"
    (mean,) = (line for line in crowd.roc(network, baseline, names).axes[0].lines if line.get_linewidth() == 2.4)
    np.testing.assert_allclose(mean.get_ydata(), network.roc.mean(axis=0))


def test_a_thousand_classes_make_a_small_figure():
    truth, values = ranked(1000, 3000)
    network = crowd.crowd(truth, values)
    figure = crowd.roc(network, network, [f"a class with a long name, number {index}" for index in range(1000)])
    assert len(plots.svg(figure, "a", "b")) < 60_000
    assert "not defined" in plots.svg(crowd.roc(*[crowd.crowd(np.zeros(9, int), np.ones((9, 12)))] * 2, []), "a", "b")
