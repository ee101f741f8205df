"""What the figures of classifiers are drawn of."""

import kept_runs
import numpy as np
import pytest
from few_draws import few_bands

from keras_dl.figures import curves, plots


def drawn(kind, monkeypatch, name):
    """Draw the figures of a kind and return what `figures.curves` is asked for under this name."""
    asked = []
    original = getattr(curves, name)
    monkeypatch.setattr(curves, name, lambda *given, **options: asked.append(given) or original(*given, **options))
    few_bands(monkeypatch)
    words = {"example": "radiograph", "group": "patient", "baseline": "HOG + SVM"}
    kept_runs.task(kind).output.figures(kept_runs.found(kind), kept_runs.task(kind).config, words)
    (given,) = asked
    return given


def test_of_several_classes_each_is_ranked_against_the_rest(monkeypatch):
    said = kept_runs.found("classes")
    rankings, draws = drawn("classes", monkeypatch, "roc")
    assert (draws.draws, draws.groups) == (5, kept_runs.COUNT // 2)
    assert [one.name for one in rankings] == [*kept_runs.SEVERAL, "", "", ""]
    assert [one.dashed for one in rankings] == [False] * 3 + [True] * 3
    for place, one in enumerate(rankings):
        name, index = ("network", "baseline")[place // 3], place % 3
        assert one.colour == plots.class_colour(index)
        assert np.array_equal(one.labels, said.truth == index)
        assert np.array_equal(one.values, said.values[name][:, index])
        assert np.array_equal(one.answers, said.values[name].argmax(axis=1) == index)


@pytest.mark.parametrize("kind", ["binary", "classes"])
def test_calibration_is_of_class_1_or_of_the_answer(kind, monkeypatch):
    said = kept_runs.found(kind)
    values = said.values["network"]
    hits, probabilities, _ = drawn(kind, monkeypatch, "reliability")
    right = said.truth if kind == "binary" else values.argmax(axis=1) == said.truth
    assert np.array_equal(hits, right)
    assert np.array_equal(probabilities, values if kind == "binary" else values.max(axis=1))
