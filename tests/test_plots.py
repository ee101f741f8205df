"""The figures of the report: they draw whatever the classes, and show what they say."""

from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from keras_dl import metrics, plots

CLASSES = ["NORMAL", "PNEUMONIA"]


def scored():
    random = np.random.default_rng(0)
    labels = np.arange(40) % 2
    groups = [f"p{row // 2}" for row in range(40)]
    network, baseline = (labels + random.random(40)) / 2, random.random(40)
    return pd.DataFrame({"group": groups, "label": labels, "network": network, "baseline": baseline})


@pytest.mark.parametrize("labels", [np.arange(40) % 2, np.zeros(40, int), np.ones(40, int)])
def test_every_figure_draws_whatever_the_classes(labels):
    table = scored()
    outputs = {name: table[name].to_numpy() for name in ("network", "baseline")}
    models = labels, outputs, {"network": 0.5, "baseline": 1.5}  # the baseline never says class 1
    draws = metrics.group_draws(table["group"], seed=0, draws=20)
    figures = [
        plots.confusion("network", *models, CLASSES),
        plots.roc(*models, draws),
        plots.precision_recall(*models, draws),
        plots.reliability(labels, outputs["network"], draws),
        plots.scores(*models, CLASSES),
    ]
    for figure in figures:
        element = plots.svg(figure, "name", 'what it "is"')
        assert len(element) < 60_000
        ElementTree.fromstring(element.replace("xlink:href", "href"))  # well formed


def test_curves_stand_for_what_they_say():
    table = scored()
    labels, outputs = table["label"].to_numpy(), {name: table[name].to_numpy() for name in ("network", "baseline")}
    draws = metrics.group_draws(table["group"], seed=0)
    (axes,) = plots.roc(labels, outputs, {"network": 0.5, "baseline": 0.5}, draws).axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["network", "baseline"]
    assert len(axes.lines) == 1 + 2 * 2, "chance, and a curve and a point per model"
    assert len(axes.collections) == 2, "a band per model"
    point = next(
        line for line in axes.lines if line.get_color() == plots.COLOURS["network"] and len(line.get_xdata()) == 1
    )
    predicted = outputs["network"] >= 0.5
    assert point.get_xydata().tolist() == [[predicted[labels == 0].mean(), predicted[labels == 1].mean()]]
    texts = [
        text.get_text() for text in plots.confusion("network", labels, outputs, {"network": 0.5}, CLASSES).axes[0].texts
    ]
    assert sum(int(text.split("\n")[0]) for text in texts) == 40


def test_training_curves_mark_phases_and_the_best_epoch():
    history = {
        "epoch": [1, 2, 3],
        "phase": ["head", "all", "all"],
        "auroc": [0.5, 0.6, 0.7],
        "val_auroc": [0.5, 0.6, 0.7],
    }
    history |= {"loss": [3, 2, 1], "val_loss": [3, 2, 1], "learning_rate": [1, 1, 1]}
    loss, auroc = plots.curves(history, best=2).axes
    assert (loss.get_title(), auroc.get_title()) == ("loss", "auroc")
    assert len(loss.lines) == 4, "training, validation, a new phase, the best epoch"
    assert loss.texts[0].get_text().strip() == "all"
    assert plots.curves({"epoch": [], "phase": []}).axes
