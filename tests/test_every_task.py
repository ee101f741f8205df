"""What every registered task keeps to, tried with its tiny settings on its embedded data."""

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from other_inputs import OTHER_TEST_PART, WRONG_BATCHES

from keras_dl import registry
from keras_dl.api import Run
from keras_dl.errors import UsageError
from keras_dl.explaining import heatmap, words
from keras_dl.runs import predictions, sources
from keras_dl.task import Config, Data, Task, settings
from keras_dl.training import fit, pipeline
from keras_dl.verbs.predict import answer, worded

pytestmark = pytest.mark.parametrize("task", registry.TASKS)

GOLDEN = json.loads(Path(__file__).with_name("golden.json").read_text())


@cache
def loaded(run: Run) -> tuple[Data, dict[str, pipeline.Examples]]:
    """Load a run's data, with its splits decoded."""
    data = sources.load(run)
    splits = data.splits().items()
    return data, {name: pipeline.decoded(split, run.config, run.path / "cache", name=name) for name, split in splits}


def one_batch(run: Run) -> tuple:
    """Return the first training batch of the first epoch."""
    data, examples = loaded(run)
    return next(iter(pipeline.training(examples["train"], data, run.config)))


# Data


def test_batches_are_what_the_model_takes(task, tiny_run):
    import tensorflow as tf

    run = tiny_run(task)
    data, examples = loaded(run)
    evaluation = pipeline.evaluation(examples["test"], batch_size=8)
    training = pipeline.training(examples["train"], data, run.config)
    inputs = tf.nest.map_structure(lambda tensor: tf.TensorSpec(tensor.shape, tensor.dtype), run.model.inputs)
    for batches in (evaluation, training):
        for given, taken in zip(tf.nest.flatten(batches.element_spec[0]), inputs, strict=True):
            assert taken.is_compatible_with(given), f"{given} for {taken}"


def test_evaluation_gives_every_example_once_and_in_the_same_order_twice(task, tiny_run):
    run = tiny_run(task)
    data, examples = loaded(run)
    decode = run.task.decode(run.config, run.assets)
    for name, split in data.splits().items():
        wanted = np.stack([decode(split.raw(row)) for row in range(len(split))])
        for _ in range(2):
            batches = list(pipeline.evaluation(examples[name], batch_size=8).as_numpy_iterator())
            np.testing.assert_array_equal(np.concatenate([x for x, _ in batches]), wanted)
            np.testing.assert_array_equal(np.concatenate([y for _, y in batches]).ravel(), split.labels)


def test_no_example_and_no_group_is_in_two_splits(task, tiny_run):
    table = pd.read_csv(tiny_run(task).path / "splits.csv", dtype=str, keep_default_na=False)
    assert set(table["split"]) == {"train", "validation", "test"}
    assert table["id"].is_unique
    assert (table.groupby("group")["split"].nunique() == 1).all()


def test_what_is_learned_does_not_see_the_test_part(task, tiny_run, tmp_path, monkeypatch):
    run = tiny_run(task)
    before = run.task.load(run.config, sources.folder(run))
    after = OTHER_TEST_PART[run.task.modality](run, before, tmp_path, monkeypatch)
    assert after.assets == before.assets
    for name in ("train", "validation", "test"):
        assert after.splits()[name].ids == before.splits()[name].ids
    assert after.train.raw(0) == before.train.raw(0)
    assert after.test.raw(0) != before.test.raw(0)


# Model and training


def test_parameter_counts_are_the_golden_ones(task, monkeypatch):
    record = registry.find(task)
    assert set(GOLDEN) == set(registry.TASKS), "tests/golden.json has an entry for every task and for nothing else"
    assert set(GOLDEN[task]) == {record.config.recipe, *record.recipes}, "and for every recipe of it"
    offline = {"weights": "none"} if hasattr(record.config, "weights") else {}
    monkeypatch.setattr("nltk.data.path", [])  # stop words and lemmas are those that every machine has
    for recipe, golden in GOLDEN[task].items():
        config = settings.resolve(record, {"recipe": recipe, **offline})
        model = record.build(config, record.load(config, sources.module(record).synthesize(tiny=True)).assets)
        trainable = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
        assert {"model": model.name, "trainable": trainable, "all": model.count_params()} == golden


def test_every_trainable_weight_gets_a_finite_gradient_that_is_not_zero(task, tiny_run):
    import tensorflow as tf

    run = tiny_run(task)
    model = run.task.build(run.config, run.assets)
    x, y = one_batch(run)
    for phase in run.task.phases(run.config, loaded(run)[0]):
        if phase.fit:
            continue  # it has no gradients; the weights it sets are looked at in the task's own tests
        phase.compile(model)
        with tf.GradientTape() as tape:
            loss = model.compute_loss(x=x, y=y, y_pred=model(x, training=True))
        gradients = tape.gradient(loss, [weight.value for weight in model.trainable_weights])
        for weight, gradient in zip(model.trainable_weights, gradients, strict=True):
            assert gradient is not None, f"{weight.path} is not connected to the loss"
            gradient = tf.convert_to_tensor(gradient)  # an embedding's has only the rows that were read
            assert np.isfinite(gradient).all(), weight.path
            if not weight.path.endswith("key/bias"):  # of attention: the same for all keys, so softmax does not see it
                assert np.abs(gradient).max() > 1e-9, f"the gradient of {weight.path} is zero"


def test_the_loss_falls_on_a_few_examples_that_are_repeated(task, tiny_run):
    """The first phase that has gradients, of the first recipe with one; a frozen part is run once, as in training."""
    import keras

    run = tiny_run(task)
    data, examples = loaded(run)
    keras.utils.set_random_seed(0)
    for recipe in GOLDEN[task]:
        config = settings.resolve(run.task, {"recipe": recipe, "dropout": 0}, tiny=True)
        least = 1e-2 if getattr(config, "frozen", False) else 1e-3  # a head alone can go faster
        config = replace(config, epochs=30, learning_rate=max(config.learning_rate, least))
        phases = [phase for phase in run.task.phases(config, data) if not phase.fit]
        if phases:
            break
    model, splits = run.task.build(config, run.assets), {name: first(examples[name], 8) for name in examples}
    if phases[0].frozen:
        model, _, splits = fit.behind(model, model, phases[0].frozen, data, splits)
    phases[0].compile(model)
    losses = model.fit(splits["train"].x, splits["train"].y, epochs=30, verbose=0).history["loss"]
    assert np.mean(losses[-3:]) < 0.6 * np.mean(losses[:3])


def first(examples: pipeline.Examples, count: int) -> pipeline.Examples:
    """Take a few examples, evenly from all classes where they are sorted by class."""
    rows = slice(0, None, max(1, len(examples) // count))
    return replace(examples, x=examples.x[rows], y=examples.y[rows], labels=examples.labels[rows])


# A finished run


def test_an_opened_run_predicts_what_it_predicted_when_it_was_trained(task, tiny_run):
    run = Run(tiny_run(task).path)
    _, examples = loaded(run)
    now = run.task.predict(run.model.predict(examples["test"].x, verbose=0), run.assets)
    np.testing.assert_allclose(now[run.task.value], predictions.read(run).outputs["network"], rtol=1e-5, atol=1e-6)


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
            value = value if isinstance(value, str) else pytest.approx(value, rel=1e-5, abs=1e-5)
            assert given[name] == value, name
            assert also[name] == value, name


def test_predictions_are_json_with_the_outputs_that_the_card_names(task, tiny_run):
    run = tiny_run(task)
    rows, value = run.predict(run.path / "examples"), run.task.value
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    for row in rows:
        assert row["label"] in run.card["classes"]
        if value == "probabilities":
            assert set(row) - {"note"} == {"input", "of", *run.card["outputs"]}
            assert row["label"] == max(row[value], key=row[value].get) == row["of"]
            assert row["probability"] == pytest.approx(max(row[value].values()))
        else:
            assert set(row) - {"note"} == {"input", "of", "threshold", *run.card["outputs"]}
            assert row["label"] == run.card["classes"][row[value] >= run.card["threshold"]]
            assert row["of"] == run.card["classes"][-1]


def test_an_input_of_the_wrong_type_range_or_shape_is_reported(task, tiny_run):
    run = tiny_run(task)
    for batch, named in WRONG_BATCHES[run.task.modality](run.model.input.shape[1]):
        wanted = rf"the model takes {run.model.input.dtype} of shape .*{named}"
        with pytest.raises(UsageError, match=wanted):
            answer(run, batch)


def test_explanations_depend_on_the_weights(task, tiny_run):
    """The sanity check of Adebayo et al. 2018: a picture that random weights give too explains nothing."""
    run, other = tiny_run(task), Run(tiny_run(task).path)
    random = np.random.default_rng(0)
    for weight in other.model.weights:
        if "float" in str(weight.dtype):
            weight.assign(random.permuted(np.asarray(weight).ravel()).reshape(weight.shape))
    if run.task.modality == "text":
        read = words.reading(run, loaded(run)[0].test.texts[0], words.tokenizer(run))
        before, after = (words.occlusion(words.log_odds(each), read.text, read.spans, of=1) for each in (run, other))
        assert np.abs(before - after).max() > 0.2 * np.abs(before).max()
        return
    images = np.asarray(loaded(run)[1]["validation"].x)[:4]
    last = [len(run.assets["classes"]) - 1] * len(images)
    before = heatmap.heatmaps(run, images, last)
    assert before.shape == images.shape[:3]
    assert before.min() >= 0
    assert before.max() <= 1
    assert np.abs(before - heatmap.heatmaps(other, images, last)).mean() > 0.02


# Settings


def configs_of(task: Task) -> Sequence[Config]:
    """Return the settings a task comes with: each recipe, whole and tiny."""
    recipes = (task.config.recipe, *task.recipes)
    return [settings.resolve(task, {"recipe": recipe}, tiny=tiny) for recipe in recipes for tiny in (False, True)]


def test_settings_survive_json_files_and_the_command_line(task, tmp_path):
    record = registry.find(task)
    for config in configs_of(record):
        values = settings.to_json(config)
        assert settings.replace(record.config, json.loads(json.dumps(values))) == config
        assert (
            settings.replace(record.config, settings.parse(f"{key}={value}" for key, value in values.items())) == config
        )
        (tmp_path / "config.json").write_text(json.dumps({"task": task, "config": values}))
        assert settings.resolve(record, file=tmp_path / "config.json") == config


def test_an_unknown_setting_is_an_error_that_names_the_valid_ones(task):
    record = registry.find(task)
    with pytest.raises(UsageError, match="no setting 'epoch'; did you mean 'epochs'") as caught:
        settings.resolve(record, {"epoch": 3})
    assert all(key in str(caught.value) for key in settings.to_json(record.config))
