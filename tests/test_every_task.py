"""What every registered task keeps to, tried with its tiny settings on its embedded data; nothing is trained here.

test_trained_tasks.py tries what needs a trained run.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import battery
import numpy as np
import pytest
from battery import prepared
from other_inputs import OTHER_TEST_PART

from keras_dl import registry
from keras_dl.errors import UsageError
from keras_dl.runs import sources
from keras_dl.runs.run import Run
from keras_dl.task import Config, Task, settings
from keras_dl.training import pipeline

pytestmark = pytest.mark.parametrize("task", registry.TASKS)

GOLDEN = json.loads(Path(__file__).with_name("golden.json").read_text())
BLIND = ("key/bias",)  # of attention: the same for all keys, so softmax does not see it


# Data


def test_batches_are_what_the_model_takes(task):
    import tensorflow as tf

    one = prepared(task)
    evaluation = pipeline.evaluation(one.examples["test"], batch_size=8)
    training = pipeline.training(one.examples["train"], one.data, one.config)
    inputs = tf.nest.map_structure(lambda tensor: tf.TensorSpec(tensor.shape, tensor.dtype), one.model.inputs)
    for batches in (evaluation, training):
        for given, taken in zip(tf.nest.flatten(batches.element_spec[0]), inputs, strict=True):
            assert taken.is_compatible_with(given), f"{given} for {taken}"


def test_evaluation_gives_every_example_once_and_in_the_same_order_twice(task):
    one = prepared(task)
    decode = one.task.input.decode(one.config, one.data.assets)
    for name, split in one.data.splits().items():
        wanted = np.stack([decode(split.raw(row)) for row in range(len(split))])
        targets = np.stack([y for _, y in split.examples.as_numpy_iterator()])
        for _ in range(2):
            batches = list(pipeline.evaluation(one.examples[name], batch_size=8).as_numpy_iterator())
            np.testing.assert_array_equal(np.concatenate([x for x, _ in batches]), wanted)
            np.testing.assert_array_equal(np.concatenate([y for _, y in batches]), targets)
        np.testing.assert_array_equal(one.examples[name].truth, split.truth)
        if targets.size == len(split):
            np.testing.assert_array_equal(targets.ravel(), split.truth)


def test_no_example_and_no_group_is_in_two_splits(task):
    table = sources.table(prepared(task).data)
    assert set(table["split"]) == {"train", "validation", "test"}
    assert table["id"].is_unique
    assert (table.groupby("group")["split"].nunique() == 1).all()


def test_what_was_found_is_used_or_left_out(task):
    notes = prepared(task).data.notes
    found = notes["files"] if "files" in notes else notes["rows"]
    assert notes["read"] + len(notes["skipped"]) == found > 0


def test_the_output_knows_what_each_split_holds(task):
    one = prepared(task)
    output, assets = one.task.output, one.data.assets
    for split in one.data.splits().values():
        truth = np.asarray(split.truth)
        strata = output.strata(truth, assets)
        assert strata.shape == (len(split),)
        assert set(strata) <= set(range(len(output.names(assets))))
        summary = output.summary(truth, assets)
        assert json.loads(json.dumps(summary, allow_nan=False)) == summary
        assert all(isinstance(text, str) for text in output.counted(summary).values())


def test_what_is_learned_does_not_see_the_test_part(task, tmp_path, monkeypatch):
    one = prepared(task)
    source = sources.module(one.task).synthesize(tiny=True)
    after = OTHER_TEST_PART[one.task.input.key](one.task, one.config, source, one.data, tmp_path, monkeypatch)
    assert after.assets == one.data.assets
    for name in ("train", "validation", "test"):
        assert after.splits()[name].ids == one.data.splits()[name].ids
    assert after.train.raw(0) == one.data.train.raw(0)
    assert after.test.raw(0) != one.data.test.raw(0)


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


def test_every_trainable_weight_of_every_phase_and_part_gets_a_finite_gradient_that_is_not_zero(task):
    """Phases without gradients set their weights in one go; tests of their tasks look at these."""
    one = battery.with_gradients(task)
    model = one.build()
    battery.nudge(model)
    for phase in one.phases():
        part, data, examples = battery.part_of(one, model, phase)
        found = dict(battery.gradients(one, part, data, examples))
        assert found, f"phase '{phase.name}' trains nothing"
        for path, gradient in found.items():
            assert gradient is not None, f"{path} is not connected to the loss of phase '{phase.name}'"
            assert np.isfinite(gradient).all(), path
            if not path.endswith(BLIND):
                assert np.abs(gradient).max() > 1e-9, f"the gradient of {path} is zero in phase '{phase.name}'"


def test_a_model_is_saved_and_read_again_as_it_is(task, tmp_path):
    one = prepared(task)
    path = tmp_path / "model.keras"
    one.model.save(path)
    (tmp_path / "config.json").write_text(json.dumps({"task": task, "config": settings.to_json(one.config)}))
    again = Run(tmp_path).model
    x = np.asarray(battery.first(one.examples["test"], 4).x)
    np.testing.assert_array_equal(again(x), one.model(x))


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


def test_only_two_classes_with_a_threshold_have_a_sensitivity_to_reach(task):
    record = registry.find(task)
    assert ("target_sensitivity" in record.unused) == (record.output.key != "binary")


def test_an_unknown_setting_is_an_error_that_names_the_valid_ones(task):
    record = registry.find(task)
    with pytest.raises(UsageError, match="no setting 'epoch'; did you mean 'epochs'") as caught:
        settings.resolve(record, {"epoch": 3})
    assert all(key in str(caught.value) for key in settings.to_json(record.config))
