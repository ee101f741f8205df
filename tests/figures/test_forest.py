"""The picture of a comparison: a line per model, whatever their number and names."""

import io
import itertools

import numpy as np
import pytest

from keras_dl.figures.forest import LONGEST, forest, label
from keras_dl.task import Metric

METRICS = {"auroc": Metric("AUROC", True), "accuracy": Metric("Accuracy", True)}


def row(name, model="network", value=0.9, p=None):
    cell = {"value": value, "low": None if value is None else value - 0.1, "high": value}
    difference = None if p is None else {metric: {"p": p} for metric in METRICS}
    return {"name": name, "model": model, "metrics": dict.fromkeys(METRICS, cell), "difference": difference}


def curve(skill):
    labels = np.arange(200) % 2
    return labels, labels * skill + np.random.default_rng(0).random(200)


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_a_line_per_model_with_value_interval_and_verdict():
    rows = [row("a"), row("a", "baseline", 0.8, p=0.01), row("b", value=0.85, p=0.2), row("b", "baseline", None)]
    auroc, accuracy = forest(rows, METRICS, {}).axes
    assert (auroc.get_title(), accuracy.get_title()) == ("AUROC", "Accuracy")
    assert [tick.get_text() for tick in auroc.get_yticklabels()] == ["a", "baseline", "b", "baseline"]
    assert [tick.get_text() for tick in accuracy.get_yticklabels()] == [""] * 4
    assert texts(auroc) == ["0.900", "0.800*", "0.850", "–"]
    bars = [line.get_xdata() for line in auroc.lines if len(line.get_xdata()) == 2 and line.get_linestyle() == "-"]
    assert bars == [pytest.approx([0.8, 0.9]), pytest.approx([0.7, 0.8]), pytest.approx([0.75, 0.85])]
    (first,) = (line.get_xdata()[0] for line in auroc.lines if line.get_linestyle() == ":")
    assert first == 0.9


@pytest.mark.parametrize("count", [1, 8, 16])
@pytest.mark.parametrize("with_curves", [True, False])
def test_every_line_has_room(count, with_curves):
    rows = [row(f"{number}-{'long' * 20}", model) for number in range(count) for model in ("network", "baseline")]
    curves = {one["name"]: curve(0.5) for one in rows} if with_curves else {}
    figure = forest(rows, METRICS, curves)
    figure.savefig(io.BytesIO(), format="png")  # lays it out; a warning would be an error
    panel = figure.axes[0]
    boxes = [tick.get_window_extent() for tick in panel.get_yticklabels()]
    assert all(above.y0 > below.y1 for above, below in itertools.pairwise(boxes)), "one below the other"
    assert min(box.x0 for box in boxes) >= 0
    assert panel.get_window_extent().width > 100


@pytest.mark.parametrize(("skill", "side"), [(2.0, 0.1), (0.2, 1.0)])
def test_curves_that_are_all_good_are_shown_from_nearby(skill, side):
    curves = forest([row("a"), row("b")], METRICS, {"a": curve(skill), "b": curve(2.0)}).axes[-1]
    assert curves.get_xlim()[1] == pytest.approx(1.01 * side)
    assert ("corner" in curves.get_title()) == (side < 1)


def test_a_test_part_of_one_class_has_no_curve():
    curves = forest([row("a")], METRICS, {"a": (np.ones(5, int), np.arange(5))}).axes[-1]
    assert len(curves.lines) == 1, "chance alone"


def test_a_long_name_keeps_its_ends():
    short = label(row("runs/pneumonia-mobilenetv2/20250101-120000-000001"))
    assert short.startswith("runs/pneumonia")
    assert short.endswith("000001")
    assert len(short) == LONGEST
