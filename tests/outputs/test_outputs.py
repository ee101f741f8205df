"""The contract of every kind of output: all that the registry's tasks have, each instance of its own."""

import json
import re
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest
import tensorflow as tf
from examples import COUNT, EXAMPLES
from few_draws import few_bands
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_dl import registry
from keras_dl.answering.answers import plain
from keras_dl.errors import BadInput
from keras_dl.measures import bootstrap
from keras_dl.measures.measuring import point
from keras_dl.pages import html, terminal, wire
from keras_dl.task.blocks import Answer, Chart
from keras_dl.task.kinds import Found, UnknownMetric
from keras_dl.verbs import report

OUTPUTS = {registry.find(name).output: name for name in reversed(registry.TASKS)}  # instance -> first task with it
CONFIG = SimpleNamespace(target_sensitivity=0.0, false_alarms=0.1, coverage=0.9, seed=0)
GROUPS = [f"p{row // 2}" for row in range(COUNT)]
WORDS = {"example": "radiograph", "group": "patient", "baseline": "HOG + SVM"}
SEED = 3

pytestmark = pytest.mark.parametrize("output", OUTPUTS, ids=[f"{one.key}-{name}" for one, name in OUTPUTS.items()])


def settled(output, example, outputs=None):
    """Return the assets of a model with these outputs, chosen on the same examples."""
    outputs = example.outputs if outputs is None else outputs
    fitted = output.fit(example.truth, outputs, CONFIG, GROUPS)
    return {**example.assets, **fitted, "baseline": fitted}


def measured(output, example, outputs):
    assets = settled(output, example, outputs)
    return point(output.measuring(example.truth, output.values(outputs, assets), assets), COUNT)


def found(output):
    """Return what a fair network and a worse baseline say, with the assets."""
    example = EXAMPLES[output.key](output)
    worse = np.random.default_rng(SEED).permutation(example.outputs)
    assets = {"network": settled(output, example), "baseline": settled(output, example, worse)}
    values = {
        name: output.values(raw, assets[name]) for name, raw in (("network", example.outputs), ("baseline", worse))
    }
    return Found(example.truth, GROUPS, values, assets), example


# Measuring


def test_the_metrics_are_those_of_scikit_learn(output):
    said, example = found(output)
    values, assets = said.values["network"], said.assets["network"]
    got = point(output.measuring(example.truth, values, assets), COUNT)
    oracle = example.oracle(example.truth, values, assets)
    assert got == pytest.approx({name: oracle[name] for name in got}, rel=1e-6, abs=1e-6)
    assert set(oracle) - set(got) <= {"macro_f1"}, "of what an independent library measures nothing is left out"


def test_slices_are_judged_by_a_mean_of_one_number_for_each_example(output):
    said, example = found(output)
    values, assets = said.values["network"], said.assets["network"]
    each = output.judging(example.truth, values, assets)
    assert each.shape == (COUNT,)
    got = point(output.measuring(example.truth, values, assets), COUNT)
    assert each.mean() == pytest.approx(got[output.judged])
    assert output.metric(output.judged, assets).more_is_better is not None


def test_a_perfect_answer_is_perfect_and_a_shuffled_one_worse(output):
    example = EXAMPLES[output.key](output)
    best = measured(output, example, example.perfect)
    shuffled = measured(output, example, np.random.default_rng(SEED).permutation(example.perfect))
    for name, value in best.items():
        more = output.metric(name, settled(output, example)).more_is_better
        if more is not None and name != "width":
            least = 1 if name == "set_size" else 0
            assert value == pytest.approx(1 if more else least, abs=0.01), name
    name = next(iter(best))
    assert name == next(iter(output.metrics)), "the verdict is about the first"
    better = best[name] - shuffled[name]
    assert (better if output.metrics[name].more_is_better else -better) > 0.1


def test_worse_is_never_reported_as_better(output):
    said, example = found(output)
    assets = said.assets["network"]
    draws = bootstrap.Draws(said.groups, 0, draws=200)
    best = {**said.assets["network"], **output.fit(example.truth, example.perfect, CONFIG, GROUPS)}
    pair = {
        "worse": output.measuring(example.truth, said.values["baseline"], said.assets["baseline"]),
        "best": output.measuring(example.truth, output.values(example.perfect, best), best),
    }
    difference = bootstrap.paired(pair, draws, output.metrics)["difference"]
    verdicts = {
        name: report.judgement(cell, output.metric(name, assets).more_is_better) for name, cell in difference.items()
    }
    for name, verdict in verdicts.items():
        if not output.metric(name, assets).distance:  # who knows nothing can be calibrated perfectly
            assert verdict != "better", name
    assert verdicts[next(iter(verdicts))] == "worse"
    for name in verdicts:
        metric = output.metric(name, assets)
        below, above = {"low": -2.0, "high": -1.0}, {"low": 1.0, "high": 2.0}
        said_of = {one: report.judgement(cell, metric.more_is_better) for one, cell in (("<", below), (">", above))}
        wanted = {True: ("worse", "better"), False: ("better", "worse"), None: ("", "")}[metric.more_is_better]
        assert (said_of["<"], said_of[">"]) == wanted, name


def test_every_metric_has_a_record_and_an_unknown_one_is_an_error(output):
    said, example = found(output)
    assets = said.assets["network"]
    for name in point(output.measuring(example.truth, said.values["network"], assets), COUNT):
        metric = output.metric(name, assets)
        assert metric.title
        assert "{" not in metric.title + metric.meaning
    assert set(output.first) <= set(output.metrics)
    with pytest.raises(UnknownMetric, match="no metric 'bleu'; choose from "):
        output.metric("bleu", assets)


@settings(max_examples=20)
@given(seed=st.integers(0, 1000))
def test_weights_are_repetitions(output, seed):
    said, example = found(output)
    values, assets = said.values["network"], said.assets["network"]
    weights = np.random.default_rng(seed).integers(0, 3, COUNT)
    drawn = output.measuring(example.truth, values, assets)(weights[None].astype("int32"))
    rows = np.repeat(np.arange(COUNT), weights)
    again = point(output.measuring(example.truth[rows], values[rows], assets), len(rows))
    assert {name: one[0] for name, one in drawn.items()} == pytest.approx(again, abs=1e-9, nan_ok=True)


# Answering


def test_the_graph_answers_with_the_values_that_are_measured(output):
    example = EXAMPLES[output.key](output)
    assets = settled(output, example)
    spec = tf.TensorSpec([None, *example.outputs.shape[1:]], tf.float32)
    graph = tf.function(lambda raw: output.respond(raw, assets), input_signature=[spec])
    for count in (COUNT, 1):
        given_back = graph(tf.constant(example.outputs[:count]))
        values = output.values(example.outputs[:count], assets)
        np.testing.assert_allclose(given_back[output.value], values, rtol=1e-6, atol=1e-7)
        assert {len(tensor) for tensor in given_back.values()} == {count}


def test_a_fit_sees_what_it_is_given_and_gives_json(output):
    example = EXAMPLES[output.key](output)
    before = example.truth.copy(), example.outputs.copy()
    fitted = output.fit(example.truth, example.outputs, CONFIG, GROUPS)
    assert json.loads(json.dumps(fitted, allow_nan=False)) == fitted
    assert output.fit(example.truth, example.outputs, CONFIG, GROUPS) == fitted
    assert np.array_equal(before[0], example.truth)
    assert np.array_equal(before[1], example.outputs)
    order = np.random.default_rng(0).permutation(COUNT)
    again = output.fit(example.truth[order], example.outputs[order], CONFIG, np.array(GROUPS)[order])
    assert numbers_in(again) == pytest.approx(numbers_in(fitted), rel=0.01, abs=0.01), "the order does not matter"
    for name, value in output.card({**example.assets, **fitted}).items():
        assert json.loads(json.dumps(value, allow_nan=False)) == value, name


def numbers_in(value):
    """Return all numbers of JSON values, in order."""
    if isinstance(value, dict | list):
        inside = value.values() if isinstance(value, dict) else value
        return [number for one in inside for number in numbers_in(one)]
    return [value] if isinstance(value, int | float) else []


def rows(output):
    """Give answers in words, each with the assets."""
    example = EXAMPLES[output.key](output)
    assets = settled(output, example)
    answers = {name: tensor.numpy() for name, tensor in output.respond(tf.constant(example.outputs), assets).items()}
    for row in range(8):
        yield output.row({name: plain(values[row]) for name, values in answers.items()}, assets), assets, answers, row


def test_a_row_is_json_and_agrees_with_the_response(output):
    for row, assets, answers, place in rows(output):
        assert json.loads(json.dumps(row, allow_nan=False)) == row
        for name, values in answers.items():
            value = row[name]
            value = [one in value for one in assets["classes"]] if name == "set" else value
            value = list(value.values()) if isinstance(value, dict) else value
            value = value.encode() if isinstance(value, str) else value
            assert np.array_equal(value, values[place]), name
        if "classes" in assets and "threshold" in row:
            assert row["label"] == assets["classes"][row[output.value] >= row["threshold"]]
        elif "classes" in assets:
            assert row["label"] == max(row[output.value], key=row[output.value].get)


def test_an_answer_can_be_recorded_judged_and_listed(output):
    for row, assets, _, _ in rows(output):
        text, value = output.noted(row)
        assert isinstance(text, str)
        assert isinstance(value, float)
        assert output.feedback(text, assets) == text, "what it answered may be the truth"
        for column in output.table(assets):
            cell = row
            for key in column.path:
                cell = cell[key]
            for part in cell if isinstance(cell, list) else [cell]:
                assert part is None or isinstance(part, str | float | int)
        target = output.target(row, assets)
        assert (type(target.index), type(target.of)) == (int, str)
    with pytest.raises(BadInput, match="must be"):
        output.feedback("<nonsense>", assets)
    facts = output.facts(assets)
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts


def test_the_name_of_a_kept_example_tells_its_truth(output):
    said, example = found(output)
    assets = said.assets["network"]
    for truth in example.truth[:10]:
        stem = f"{output.sample(truth, assets)}-3"
        assert output.sampled(stem, assets) == output.told(truth, assets)
    assert output.sampled("anything", assets) is None


# Showing


def test_an_answer_is_shown_everywhere(output):
    for row, assets, _, _ in rows(output):
        blocks = output.view(row, assets)
        assert isinstance(blocks[0], Answer)
        assert blocks[0] == output.answer(row)
        for block in blocks:
            assert terminal.text(block).strip()
            ElementTree.fromstring(f"<div>{html.html(block)}</div>".replace("&nbsp;", " "))
            assert json.loads(json.dumps(wire.as_json(block), allow_nan=False))["block"]


def test_the_report_has_figures_and_words(output, monkeypatch):
    few_bands(monkeypatch)
    said, example = found(output)
    assets = {**said.assets["network"], "baseline": said.assets["baseline"]}
    charts = output.figures(said, CONFIG, WORDS)
    assert charts
    assert len({one.name for one in charts}) == len(charts)
    cells = bootstrap.paired(
        {name: output.measuring(said.truth, values, said.assets[name]) for name, values in said.values.items()},
        bootstrap.Draws(said.groups, 0, draws=20),
        output.metrics,
    )
    told = {**cells, **output.settled(said.assets), "examples": COUNT, "groups": COUNT // 2}
    summary = output.summary(example.truth, assets)
    shares = output.shares({"train": summary, "test": summary}, WORDS)
    for block in (*charts, *([shares] if shares else []), *output.explained(told, assets, CONFIG, WORDS)):
        page = str(html.html(block))
        assert page
        assert not re.search(r"\bnan\b", page)
        assert terminal.text(block).strip() or isinstance(block, Chart)
    assert output.notes(told, assets, WORDS)
    assert output.holds(summary)
    assert output.subject(assets)
    assert output.alike(assets)


def test_the_notable_examples_are_worth_looking_at(output):
    said, _ = found(output)
    kinds = output.notable(said)
    shown = [row for one in kinds for row in one.rows]
    assert shown
    assert all(0 <= row < COUNT for row in shown)
    assert all(len(one.rows) == len(one.targets) for one in kinds)
    assert len({one.title for one in kinds}) == len(kinds)
    texts = output.said(said.values["network"], said.assets["network"])
    assert len(texts) == COUNT
    assert all(isinstance(text, str) and text for text in texts)
