"""Prediction sets: their limits, what they promise of new groups and of each class, what people see."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from keras_dl.answering.answers import plain
from keras_dl.measures.measuring import point
from keras_dl.outputs import sets
from keras_dl.outputs.binary import Binary
from keras_dl.outputs.classes import Classes
from keras_dl.outputs.number import Number
from keras_dl.pages import html, terminal
from keras_dl.task import Config
from keras_dl.task.blocks import Prose

CONFIG = Config(coverage=0.9)
NAMES = ["heart", "ball", "fork"]
WORDS = {"example": "film", "group": "patient"}


def simulated(count, classes=3, seed=0, prior=None, sure=1.5):
    """Return labels and the true probabilities of them."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, sure, (count, classes)) + np.log(prior if prior is not None else np.ones(classes))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return (generator.random((count, 1)) > shares.cumsum(axis=1)).sum(axis=1), shares.astype("float32")


def of_two(limits, threshold=0.5):
    fitted = {"limits": limits, "by_class": True, "coverage": 0.98, "method": "lac"}
    same = {"temperature": 1.0, "bias": 0.0}
    return {"classes": ["NORMAL", "SICK"], "threshold": threshold, "calibration": same, "sets": fitted}


def rows(output, outputs, assets):
    """Return answers in words."""
    answers = {name: one.numpy() for name, one in output.respond(tf.constant(outputs), assets).items()}
    return [output.row({name: plain(one[at]) for name, one in answers.items()}, assets) for at in range(len(outputs))]


# The limits


def test_each_class_has_its_own_limit_where_it_has_enough_groups():
    labels, shares = simulated(400, prior=[0.9, 0.08, 0.005])
    assert (labels == 2).sum() < 19
    assert not sets.fit(labels, shares, range(400), 0.95)["sets"]["by_class"]
    whole = sets.fit(labels[labels < 2], shares[labels < 2][:, :2], range((labels < 2).sum()), 0.9)["sets"]
    assert whole["by_class"]
    assert len(set(whole["limits"])) == 2
    groups = np.arange(400) // 40  # ten patients promise no .95
    assert sets.fit(labels, shares, groups, 0.95) == {"sets": None}
    assert sets.fit(labels, shares, groups, 0.9)["sets"], "but .9"


@pytest.mark.parametrize("output", [Binary(), Classes(), Number("cells")])
def test_a_patient_with_many_films_counts_once(output):
    truth, shares = simulated(200, 2 if output.key == "binary" else 3)
    wrong = 1 - shares[range(200), truth]
    labels, outputs = {
        "binary": (truth, shares[:, 1:]),
        "classes": (truth, shares),
        "number": (np.full(200, 9), 9 + wrong[:, None]),
    }[output.key]
    rows = np.r_[np.arange(200), np.full(40, wrong.argmax())]  # the films of one patient, on which it errs

    def limits(groups):
        fitted = output.fit(labels[rows], outputs[rows], CONFIG, groups)
        return np.array([fitted["radius"]] if "radius" in fitted else fitted["sets"]["limits"])

    assert np.abs(limits(rows) - limits(np.arange(240))).max() > 0.01


def test_rounding_puts_nobody_out_of_a_set():
    shares = np.tile(np.float32([0.3, 0.7]), (40, 1))
    fitted = sets.fit(np.arange(40) % 2, shares, range(40), 0.9, "lac")
    nearly = sets.members(shares[:1] * (1 - 3e-7), [1], fitted)["set"].numpy()
    assert nearly.tolist() == [[True, True]], "many texts have the same probability: that of no known word"


def test_many_classes_are_regularised():
    labels, shares = simulated(2000, classes=40, sure=2.0)
    fitted = sets.fit(labels, shares, range(2000), 0.9)["sets"]
    assert fitted["method"] == "raps"
    sizes = {}
    for method in ("aps", "raps"):
        assets = {"sets": sets.fit(labels[:1000], shares[:1000], range(1000), 0.9, method)["sets"]}
        members = sets.members(shares[1000:], shares[1000:].argmax(axis=1), assets)["set"].numpy()
        sizes[method] = members.sum(axis=1).max()
    assert sizes["raps"] < sizes["aps"]


def test_the_score_is_the_probability_of_all_that_is_likelier():
    given = tf.constant([[0.5, 0.2, 0.3], [0.25, 0.5, 0.25]])
    np.testing.assert_allclose(sets.scores(given, "aps"), [[0, 0.8, 0.5], [0.5, 0, 0.75]], atol=1e-6)
    np.testing.assert_allclose(sets.scores(given, "lac"), 1 - given)
    many = tf.constant([[0.3, *[0.1] * 7]])
    penalised = (sets.scores(many, "raps") - sets.scores(many, "aps")).numpy()[0]
    np.testing.assert_allclose(penalised, [0, 0, 0, 0, 0, 0, sets.PENALTY, 2 * sets.PENALTY], atol=1e-6)


# The promise


@pytest.mark.parametrize("classes", [2, 3])
def test_new_examples_are_covered_class_by_class_whatever_their_share(classes):
    prior, held, sizes = np.array([0.85, 0.15, 0.1])[:classes], [], []
    output = Binary() if classes == 2 else Classes()
    for seed in range(60):
        labels, shares = simulated(1400, classes, seed, prior)
        wrong = (shares**2 / (shares**2).sum(axis=1, keepdims=True)).astype("float32")  # twice too sure
        outputs = wrong[:, 1:] if classes == 2 else wrong
        fitted = output.fit(labels[:400], outputs[:400], CONFIG, range(400))
        assets = {"classes": NAMES[:classes], **fitted}
        found = point(output.measuring(labels[400:], output.values(outputs[400:], assets), assets), 1000)
        held.append([found[f"coverage {name}"] for name in assets["classes"]])
        sizes.append(found["set_size"])
    error = 3 * np.std(held, axis=0) / np.sqrt(60)
    assert (np.mean(held, axis=0) >= 0.9 - error).all(), np.mean(held, axis=0)
    assert np.mean(held) < 0.96, "and not by naming everything"
    assert 1 < np.mean(sizes) < classes - 0.3


def test_one_limit_for_all_would_fail_the_rare_class():
    labels, shares = simulated(40_000, 2, prior=[0.95, 0.05])
    scores = 1 - shares[range(40_000), labels]
    limit = np.quantile(scores[:20_000], 0.9)
    held = [(scores[20_000:] <= limit)[labels[20_000:] == one].mean() for one in (0, 1)]
    assert held[0] > 0.9
    assert held[1] < 0.6


# An answer


@pytest.mark.parametrize("output", [Binary(), Classes()])
def test_the_graph_names_the_sets_that_are_measured(output):
    classes = 2 if output.key == "binary" else 3
    labels, shares = simulated(300, classes)
    outputs = shares[:, 1:] if classes == 2 else shares
    assets = {"classes": NAMES[:classes], **output.fit(labels, outputs, CONFIG, range(300))}
    spec = tf.TensorSpec([None, *outputs.shape[1:]], tf.float32)
    graph = tf.function(lambda raw: output.respond(raw, assets), input_signature=[spec])(tf.constant(outputs))
    found = point(output.measuring(labels, output.values(outputs, assets).astype(float), assets), 300)
    members = graph["set"].numpy()
    assert found["coverage"] == np.mean(members[range(300), labels]) >= 0.9
    assert found["set_size"] == np.mean(members.sum(axis=1)) > 1
    alone = [output.respond(tf.constant(outputs[at : at + 1]), assets)["set"][0].numpy() for at in range(0, 300, 9)]
    assert np.array_equal(alone, members[::9]), "the others of a batch change nothing"


def test_the_answer_is_always_in_its_set():
    given = np.linspace(0.01, 0.99, 50, dtype="float32")[:, None]
    for threshold in (0.1, 0.5, 0.9):
        for row in rows(Binary(), given, of_two([0.0, 0.0], threshold)):
            assert row["set"] == [row["label"]]
    _, shares = simulated(50)
    fitted = {"limits": [-1.0] * 3, "by_class": False, "coverage": 0.9, "method": "aps"}
    assets = {"classes": NAMES, "calibration": {"temperature": 1.0, "biases": [0.0] * 3}, "sets": fitted}
    assert all(row["set"] == [row["label"]] for row in rows(Classes(), shares, assets))


def test_both_classes_are_possible_where_neither_can_be_ruled_out():
    low, middle, high = rows(Binary(), np.float32([[0.1], [0.6], [0.95]]), assets := of_two([0.7, 0.5]))
    assert [row["set"] for row in (low, middle, high)] == [["NORMAL"], ["NORMAL", "SICK"], ["SICK"]]
    assert middle["label"] == "SICK", "the answer stays"
    assert Binary().answer(middle).certainty.endswith("; cannot tell")
    assert not any(isinstance(block, Prose) for block in Binary().view(high, assets))
    (doubt,) = (block for block in Binary().view(middle, assets) if isinstance(block, Prose))
    assert doubt.warning
    assert "Cannot tell" in terminal.text(doubt)
    assert "98 %" in html.html(doubt)
    assert "98 %" not in Binary().view({**middle, "unusual": True}, assets)[1].text, "it holds for usual inputs alone"


def test_of_several_classes_the_possible_ones_are_named():
    fitted = {"limits": [0.7, 0.7, 0.7], "by_class": True, "coverage": 0.9, "method": "aps"}
    assets = {"classes": NAMES, "calibration": {"temperature": 1.0, "biases": [0.0] * 3}, "sets": fitted}
    sure, torn, lost = rows(Classes(), np.float32([[0.8, 0.1, 0.1], [0.1, 0.5, 0.4], [0.36, 0.33, 0.31]]), assets)
    assert [row["set"] for row in (sure, torn, lost)] == [["heart"], ["ball", "fork"], NAMES]
    assert Classes().answer(torn).certainty.endswith("; one of: ball, fork")
    assert "**One of: ball, fork.**" in Classes().view(torn, assets)[1].text
    assert Classes().view(lost, assets)[1].title == "Cannot tell"
    assert len(Classes().view(sure, assets)) == 2
    assert [column.path for column in Classes().table(assets) if column.shown][-1] == ("set",)


def test_models_of_earlier_versions_answer_without_sets():
    assets = {name: value for name, value in of_two([]).items() if name != "sets"}
    for given in (assets, {**assets, "sets": None}):
        (row,) = rows(Binary(), np.float32([[0.6]]), given)
        assert "set" not in row
        assert len(Binary().view(row, given)) == 2
        assert Binary().card(given)["coverage"] is None
        assert ("set",) not in [column.path for column in Binary().table(given)]
        found = point(Binary().measuring(np.array([0, 1]), np.array([0.2, 0.7]), given), 2)
        assert not {"coverage", "set_size"} & set(found)
        told = Binary().explained(
            {"network": {}, "thresholds": {"network": 0.5, "baseline": 0.5}}, given, CONFIG, WORDS
        )
        assert len(told) == 2 + ("sets" in given)


# The report


def told(coverage, wanted=0.98, names=("NORMAL", "SICK"), by_class=True):
    cell = dict(zip(("value", "low", "high"), coverage, strict=True))
    size = {"value": 1.25, "low": 1.2, "high": 1.3}
    network = {"coverage": cell, "set_size": size, **{f"coverage {name}": cell for name in names}}
    assets = of_two([0.7, 0.5])
    fitted = {**assets["sets"], "coverage": wanted, "by_class": by_class}
    assets = {**assets, "classes": list(names), "sets": fitted}
    (block,) = sets.explained({"network": network}, assets, dataclasses.replace(CONFIG, coverage=wanted), WORDS)
    return block.text


def test_the_report_says_what_was_promised_and_how_it_held():
    text = told((0.971, 0.955, 0.984))
    for words in ("**98 %** of the films of each class, from new patients", "**97.1 %**", "97.1 % of SICK", "**25 %**"):
        assert words in text
    assert "less than was promised" not in text
    assert "less than was promised" in told((0.94, 0.92, 0.96))
    assert "of all classes together" in told((0.97, 0.95, 0.98), by_class=False)
    assert "**1.25** of the 3 classes" in told((0.97, 0.95, 0.98), names=NAMES)
    assert told((0.97, 0.95, 0.98), names=[f"c{n}" for n in range(30)]).count("% of c") == 2


def test_the_report_says_that_validation_is_too_small():
    (block,) = sets.explained({"network": {}}, {"sets": None}, dataclasses.replace(CONFIG, coverage=0.98), WORDS)
    assert block.warning
    assert "too few patients" in block.text
    assert "needs 49" in block.text
