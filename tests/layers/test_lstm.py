"""The recurrent layer gives the numbers of Keras' own, in graphs, files and exports too, by its own faster way."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_dl.errors import KerasDLError
from keras_dl.layers import lstm_steps
from keras_dl.layers.lstm import LSTM

BATCH, TIME, FEATURES, UNITS = 4, 7, 3, 5
UNTIL = np.arange(TIME) < np.array([7, 3, 1, 5])[:, None]
MASKS = {
    "none": None,
    "right": UNTIL,
    "empty row": UNTIL & (np.arange(BATCH) != 2)[:, None],
    "left": UNTIL[:, ::-1],
    "holes": np.random.default_rng(1).random((BATCH, TIME)) < 0.6,
}


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count which way the steps are run."""
    seen: Counter[str] = Counter()

    def counted(owner: Any, name: str, word: str) -> None:
        original = getattr(owner, name)

        def call(*args: Any, **settings: Any) -> Any:
            seen[word] += 1
            return original(*args, **settings)

        monkeypatch.setattr(owner, name, call)

    counted(lstm_steps, "compiled", "compiled")
    counted(lstm_steps, "portable", "portable")
    counted(keras.layers.LSTM, "inner_loop", "keras")
    return seen


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def pair(**settings: Any) -> tuple[keras.Layer, keras.Layer]:
    """Return Keras' layer and ours with the same random weights."""
    layers = [kind(UNITS, **settings) for kind in (keras.layers.LSTM, LSTM)]
    for layer in layers:
        layer.build((BATCH, TIME, FEATURES))
        layer.set_weights([numbers(*one.shape, seed=seed) * 0.5 for seed, one in enumerate(layer.weights)])
    return layers[0], layers[1]


def everything(layer: keras.Layer, inputs: Any, *, state: Any = None, **call: Any) -> list[np.ndarray]:
    """Return the outputs of a layer, and the gradients of a function of them to inputs, initial state and weights."""
    inputs, state = tf.constant(inputs), [tf.constant(one) for one in state or ()]
    with tf.GradientTape() as tape:
        tape.watch([inputs, state])
        outputs = tf.nest.flatten(layer(inputs, initial_state=state or None, **call))
        loss = tf.add_n([tf.reduce_sum(tf.sin(one) * (place + 1)) for place, one in enumerate(outputs)])
    watched = [inputs, *state, *(one.value for one in layer.trainable_variables)]
    return [np.asarray(one) for one in (*outputs, *tape.gradient(loss, watched))]


def assert_same(found: list[np.ndarray], wanted: list[np.ndarray]) -> None:
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("training", [False, True], ids=["portable", "compiled"])
@pytest.mark.parametrize("mask", MASKS)
def test_outputs_and_gradients_are_those_of_keras(mask, training, taken):
    call = {"mask": None if MASKS[mask] is None else tf.constant(MASKS[mask]), "training": training}
    state = numbers(BATCH, UNITS, seed=7), numbers(BATCH, UNITS, seed=8)
    for backwards, sequences, zeros in itertools.product((False, True), repeat=3):
        how = {"go_backwards": backwards, "return_sequences": sequences, "zero_output_for_mask": zeros}
        for states in (False, True) if zeros else (True,):
            theirs, ours = pair(**how, return_state=states)
            x = numbers(BATCH, TIME, FEATURES)
            assert_same(everything(ours, x, state=state, **call), everything(theirs, x, state=state, **call))
    assert set(taken) == {"keras", "compiled" if training else "portable"}
    assert taken["keras"] == taken["compiled"] + taken["portable"]  # each layer of Keras is one; ours never asks it


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("shape", [(1, TIME), (BATCH, 1), (1, 1), (17, 2), (32, 2)])
def test_one_row_one_step_and_the_two_halves_of_a_batch(shape, training):
    theirs, ours = pair(use_bias=shape != (1, 1), return_sequences=True)
    x = numbers(*shape, FEATURES)
    assert_same(everything(ours, x, training=training), everything(theirs, x, training=training))


@pytest.mark.parametrize("mask", ["none", "right"])
@pytest.mark.parametrize("training", [False, True])
def test_sizes_that_vary_and_loops_that_are_traced_once(mask, training):
    theirs, ours = pair(return_sequences=True, go_backwards=True)

    @tf.function(input_signature=[tf.TensorSpec((None, None, FEATURES)), tf.TensorSpec((None, None), tf.bool)])
    def graph(inputs, valid):
        outputs = ours(inputs, mask=None if mask == "none" else valid, training=training)
        return outputs, tf.gradients(tf.reduce_sum(outputs**2), [inputs, ours.cell.kernel.value])

    for batch, time in ((2, 3), (9, 5), (3, 1)):
        x, valid = numbers(batch, time, FEATURES), np.arange(time) < np.arange(batch)[:, None]
        outputs, slopes = graph(x, valid)
        with tf.GradientTape() as tape:
            tape.watch(x := tf.constant(x))
            wanted = theirs(x, mask=None if mask == "none" else tf.constant(valid), training=training)
            loss = tf.reduce_sum(wanted**2)
        assert_same([outputs, *slopes], [wanted, *tape.gradient(loss, [x, theirs.cell.kernel.value])])


@pytest.mark.parametrize("masked", [False, True])
def test_xla_may_compile_what_is_around_it(masked):
    theirs, ours = pair(return_sequences=True)
    mask = tf.constant(UNTIL) if masked else None
    x = tf.constant(numbers(BATCH, TIME, FEATURES))
    found = tf.function(lambda x: ours(x, mask=mask), jit_compile=True, autograph=False)(x)
    assert_same([found], [theirs(x, mask=mask)])


def test_settings_it_has_no_way_for_are_left_to_keras(taken, monkeypatch):
    x = numbers(BATCH, TIME, FEATURES)
    for setting in ({"activation": "relu"}, {"recurrent_dropout": 0.5}, {"dtype": "mixed_bfloat16"}):
        pair(**setting)[1](x)
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    pair()[1](x)
    assert taken == {"keras": 4}


@pytest.mark.parametrize("setting", [{"unroll": True}, {"dropout": 0.5, "seed": 3}, {"stateful": True}])
def test_other_settings_give_what_they_give_in_keras(setting):
    theirs, ours = pair(**setting)
    x = numbers(BATCH, TIME, FEATURES)
    for _ in range(2):  # a state is kept, a dropout is drawn anew
        assert_same([ours(x, training=True)], [theirs(x, training=True)])


def model(kind: type[keras.layers.LSTM]) -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((TIME,), dtype="int32"),
            keras.layers.Embedding(9, FEATURES, mask_zero=True),
            keras.layers.Bidirectional(kind(UNITS, return_sequences=True)),
            kind(UNITS),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )


WORDS = np.where(UNTIL, np.random.default_rng(2).integers(1, 9, (BATCH, TIME)), 0)
LABELS = np.array([0, 1, 1, 0], "float32")


def test_a_model_trains_and_predicts_as_with_keras(taken):
    theirs, ours = model(keras.layers.LSTM), model(LSTM)
    assert [(one.name, one.shape) for one in ours.weights] == [(one.name, one.shape) for one in theirs.weights]
    ours.set_weights(theirs.get_weights())
    for one in (theirs, ours):
        one.compile(keras.optimizers.SGD(0.5), "binary_crossentropy")
    taken.clear()
    losses = [one.fit(WORDS, LABELS, epochs=3, shuffle=False, verbose=0) for one in (theirs, ours)]
    np.testing.assert_allclose(losses[1].history["loss"], losses[0].history["loss"], atol=1e-5)
    assert_same([ours.predict(WORDS, verbose=0)], [theirs.predict(WORDS, verbose=0)])
    assert taken["compiled"] >= 6  # three layers, in training and in prediction
    assert taken["portable"] == 0
    assert taken["keras"] == taken["compiled"]


def test_files_are_read_by_either(tmp_path):
    theirs, ours = model(keras.layers.LSTM), model(LSTM)
    wanted = theirs(WORDS)
    theirs.save_weights(tmp_path / "theirs.weights.h5")
    ours.load_weights(tmp_path / "theirs.weights.h5")
    assert_same([ours(WORDS)], [wanted])
    ours.save_weights(tmp_path / "ours.weights.h5")
    again = model(keras.layers.LSTM)
    again.load_weights(tmp_path / "ours.weights.h5")
    assert_same([again(WORDS)], [wanted])
    ours.save(tmp_path / "model.keras")
    opened = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    assert_same([opened(WORDS)], [wanted])
    assert all(isinstance(one, LSTM) for one in (opened.layers[1].forward_layer, opened.layers[2]))


def test_an_export_needs_no_xla_and_answers_the_same(tmp_path: Path):
    ours = model(LSTM)
    archive = keras.export.ExportArchive()
    archive.track(ours)
    archive.add_endpoint("serve", ours.call, input_signature=[tf.TensorSpec((None, None), tf.int32)])
    archive.write_out(tmp_path / "export", verbose=False)
    served = tf.saved_model.load(tmp_path / "export")
    for words in (WORDS, WORDS[:1, :4]):
        assert_same([served.serve(tf.constant(words, tf.int32))], [ours(words)])
    graph = (tmp_path / "export" / "saved_model.pb").read_bytes()
    assert b"BlockLSTMV2" in graph
    assert must_compile(graph) == []


def must_compile(saved: bytes) -> list[str]:
    """Return the functions of a SavedModel that XLA must compile."""
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    library = SavedModel.FromString(saved).meta_graphs[0].graph_def.library
    return [one.signature.name for one in library.function if one.attr["_XlaMustCompile"].b]


@pytest.mark.parametrize("training", [False, True])
def test_a_second_derivative_is_an_error_not_a_wrong_number(training):
    ours, x = pair()[1], tf.constant(numbers(BATCH, TIME, FEATURES))
    for power in (1, 2):  # with 1 what comes in from above is constant, and only the layer's own curve is left
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                loss = tf.reduce_sum(ours(x, training=training) ** power)
            slope = tf.reduce_sum(inner.gradient(loss, x) ** 2)
        with pytest.raises(KerasDLError, match=r"use keras\.layers\.LSTM"):
            outer.gradient(slope, x)


def test_sizes_are_rounded_up_to_few():
    rounded = [int(lstm_steps.rounded_up(tf.constant(size))) for size in (1, 7, 8, 9, 17, 32, 33, 200, 1000)]
    assert rounded == [1, 7, 8, 10, 20, 32, 40, 224, 1024]
