"""A loss that is not finite stops the training at its step, and the step's examples are named."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_dl.errors import KerasDLError
from keras_dl.task import Config, Data, Split
from keras_dl.training import pipeline
from keras_dl.training.finite import FiniteLoss

COUNT, EPOCHS = 42, 3


def trained(note, bad, value=np.nan, calls=1, pieces=1, start=0, ids=COUNT, **options):
    """Train on rows of which one has a bad label; return the error, and the batches as they were drawn."""
    config = Config(batch_size=4, steps_per_execution=calls)
    x = np.arange(COUNT, dtype="float32")[:, None]
    y = np.zeros((COUNT, 1), "float32")
    if bad is not None:
        y[bad] = value
    labels = np.arange(COUNT) % 2
    names = [f"row{row}.png" for row in range(ids)]
    split = Split(tf.data.Dataset.from_tensor_slices((x, y)), names, names, labels[:ids], raw=lambda row: b"")
    examples = pipeline.Examples(tf.constant(x), tf.constant(y), labels)
    data = Data(split, split, split, **options)
    steps, calls = pipeline.steps(examples, config)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="zeros")])
    model.compile(keras.optimizers.SGD(1e-6), "mse", steps_per_execution=calls * pieces)
    batches = pipeline.training(examples, data, config, start_epoch=start, share=pipeline.Share(0, pieces, pieces))
    watch = FiniteLoss(examples, data, config, start=start, pieces=pieces, note=note)
    length = {"initial_epoch": start, "epochs": EPOCHS, "steps_per_epoch": steps * pieces}
    error = None
    try:
        model.fit(batches, **length, callbacks=[watch], shuffle=False, verbose=0)
    except KerasDLError as raised:
        error = str(raised)
    drawn = [np.asarray(pipeline.order_of(examples, data, config, epoch)) for epoch in range(EPOCHS)]
    return error, drawn


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"calls": 5},
        {"calls": 10},
        {"calls": 5, "start": 1},
        {"calls": 5, "value": np.inf},
        {"calls": 5, "balance": "classes"},
        {"pieces": 2},
        {"calls": 2, "pieces": 2, "start": 1},
    ],
    ids=str,
)
def test_the_step_and_its_files_are_named(options, tmp_path):
    note, bad, start = tmp_path / "not_finite.txt", 5, options.get("start", 0)
    error, drawn = trained(note, bad, **options)
    epoch = next(epoch for epoch in range(start, EPOCHS) if bad in drawn[epoch])
    step = next(step for step, rows in enumerate(drawn[epoch]) if bad in rows)
    assert f"at step {step + 1} of {len(drawn[epoch])} of epoch {epoch + 1}, " in error
    files = [f"row{row}.png" for row in drawn[epoch][step]]
    assert ", ".join(files) in error
    assert note.read_text().split() == files
    assert "--set learning_rate" in error


def test_more_examples_than_one_wants_to_read_are_in_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr("keras_dl.training.finite.NAMED", 1)
    error, _ = trained(tmp_path / "all.txt", 5)
    assert f".png and 3 more, all in {tmp_path / 'all.txt'}; " in error


def test_what_resampling_made_has_no_file(tmp_path):
    error, _ = trained(tmp_path / "note.txt", 41, ids=40)
    assert "(made by resampling)" in error


def test_a_training_that_goes_well_is_let_be_and_the_model_is_as_before(tmp_path):
    assert trained(tmp_path / "note.txt", None, calls=5)[0] is None
    assert not (tmp_path / "note.txt").exists()


def test_the_losses_are_those_of_a_training_that_is_not_watched(tmp_path):
    def losses(watched):
        keras.utils.set_random_seed(0)
        config = Config(batch_size=4, steps_per_execution=5)
        x = np.random.default_rng(0).normal(size=(20, 3)).astype("float32")
        examples = pipeline.Examples(tf.constant(x), tf.constant(x[:, :1]), np.zeros(20, int))
        split = Split(None, ["a"] * 20, ["a"] * 20, [0] * 20, raw=lambda row: b"")
        data = Data(split, split, split)
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(1)])
        model.compile("adam", "mse", steps_per_execution=5)
        watch = [FiniteLoss(examples, data, config, start=0, note=tmp_path / "note.txt")] * watched
        batches = pipeline.training(examples, data, config)
        history = model.fit(batches, epochs=3, steps_per_epoch=5, callbacks=watch, shuffle=False, verbose=0)
        assert "compute_loss" not in vars(model)
        return history.history["loss"]

    assert losses(1) == losses(0)
