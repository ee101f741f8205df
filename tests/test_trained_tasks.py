"""What a trained run of every kind keeps to: one task for each input, output and way of training."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import battery
import numpy as np
import pytest
from one_of_each import answer as kind_of_answer
from one_of_each import one_of_each, training
from other_inputs import wrong_batches

from keras_dl.answering.answers import worded
from keras_dl.api import Run
from keras_dl.errors import UsageError
from keras_dl.runs import predictions, sources
from keras_dl.task import Data
from keras_dl.training.pipeline import Examples
from keras_dl.verbs.predict import answer

KINDS = one_of_each(lambda task: (task.input.key, kind_of_answer(task), training(task)))
pytestmark = pytest.mark.parametrize("task", KINDS)


@cache
def loaded(run: Run) -> tuple[Data, dict[str, Examples]]:
    """Load a run's data, with its splits decoded."""
    data = sources.load(run)
    return data, {name: battery.decoded(split, run.config) for name, split in data.splits().items()}


def alike(value):
    """Return JSON values to compare with, whose numbers need only be about the same."""
    match value:
        case dict():
            return {key: alike(one) for key, one in value.items()}
        case list():
            return [alike(one) for one in value]
        case float():
            return pytest.approx(value, rel=1e-5, abs=1e-5)
    return value


def test_the_loss_falls_on_a_few_examples_that_are_repeated(task):
    """The first phase that has gradients, of the first recipe with one; a frozen part is run once, as in training."""
    import keras

    keras.utils.set_random_seed(0)
    one = battery.with_gradients(task)
    changes = {"dropout": 0.0} if hasattr(one.config, "dropout") else {}
    steps = 30
    if hasattr(one.config, "crop_steps"):  # its rate falls to zero over so many steps, and its last layer begins as 0
        steps = 90
        changes = {"crop_steps": steps, "learning_rate": 3e-3}
    least = 1e-2 if getattr(one.config, "frozen", False) else 1e-3  # a head alone can go faster
    changes = {"learning_rate": max(one.config.learning_rate, least), **changes}
    few = {name: battery.first(examples, 8) for name, examples in one.examples.items()}
    one = replace(one, config=replace(one.config, epochs=steps, **changes), examples=few)
    part, _, examples = battery.part_of(one, one.build(), one.phases()[0])
    losses = part.fit(examples["train"].x, examples["train"].y, epochs=steps, verbose=0).history["loss"]
    assert np.mean(losses[-3:]) < 0.6 * np.mean(losses[:3])


def test_an_opened_run_predicts_what_it_predicted_when_it_was_trained(task, tiny_run):
    run = Run(tiny_run(task).path)
    output = run.task.output
    now = output.values(run.answering.network.see(loaded(run)[1]["test"]).outputs, run.assets)
    np.testing.assert_allclose(now, predictions.read(run).outputs["network"], rtol=1e-5, atol=1e-6)


def test_export_predict_and_model_agree_on_examples_the_export_was_not_proved_on(task, tiny_run, exported, tmp_path):
    import tensorflow as tf

    run = tiny_run(task)
    data, examples = loaded(run)
    raw = [data.validation.raw(row) for row in range(len(data.validation))]
    files = [tmp_path / f"{row:03}{Path(name).suffix}" for row, name in enumerate(data.validation.ids)]
    for file, one in zip(files, raw, strict=True):
        file.write_bytes(one)
    live = answer(run, np.asarray(examples["validation"].x))
    served = tf.saved_model.load(str(exported(task))).signatures["serving_default"](tf.constant(raw))
    predicted = run.predict(*files)
    for row, given in enumerate(predicted):
        wanted = worded(run, {name: values[row] for name, values in live.items()})
        also = worded(run, {name: values[row].numpy() for name, values in served.items()})
        for name, value in wanted.items():
            assert given[name] == alike(value), name
            assert also[name] == alike(value), name


def test_predictions_are_json_with_the_outputs_that_the_card_names(task, tiny_run):
    run = tiny_run(task)
    rows = run.predict(run.path / "examples")
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    for row in rows:
        assert {"input", *run.card["outputs"]} <= set(row)
        assert run.task.output.answer(row).text


def test_an_input_of_the_wrong_type_range_or_shape_is_reported(task, tiny_run):
    run = tiny_run(task)
    taken = run.model.input
    for batch, named in wrong_batches(taken):
        wanted = rf"the model takes {taken.dtype} of shape .*{named}"
        with pytest.raises(UsageError, match=wanted):
            answer(run, batch)


def test_explanations_depend_on_the_weights(task, tiny_run):
    """The sanity check of Adebayo et al. 2018: a picture that random weights give too explains nothing."""
    run = tiny_run(task)
    other = battery.shuffled(run)
    raws = [loaded(run)[0].validation.raw(row) for row in range(4)]
    rows = run.predict(*sorted((run.path / "examples").glob("[!.]*"))[:1])
    targets = [run.task.output.target(rows[0], run.assets)] * len(raws)
    name, method = next(iter(run.explanations().items()))
    before, after = (
        [battery.weights_in(block) for block in each.explanations()[name].explain(each, raws, targets, False)]
        for each in (run, other)
    )
    assert method.title
    if run.task.input.key == "image":
        assert all(0 <= heat.min() <= heat.max() <= 1 for heat in before)
        assert np.mean([np.abs(one - two).mean() for one, two in zip(before, after, strict=True)]) > 0.02
        return
    one, two = np.concatenate(before), np.concatenate(after)
    assert np.abs(one - two).max() > 0.2 * np.abs(one).max()
