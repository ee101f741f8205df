"""How fast the three recurrent networks of the text tasks train and predict: our LSTM, Keras' own, and PyTorch's.

train    sequences/s: `model.fit` on a tf.data pipeline, 8 steps per execution; zero_grad, forward, backward, Adam
predict  sequences/s: `model.predict` on a tf.data pipeline, 32 steps per execution, XLA; batches under torch.no_grad

All three get the same batches of random word ids of full length, so that neither masks nor packing shorten anything.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from benchmarks import measuring
from benchmarks.measuring import Row, compared

if TYPE_CHECKING:
    import keras

    from benchmarks.training import Works

KINDS = {"train": "training", "predict": "prediction"}
OURS, KERAS, TORCH = "ours", "keras.layers.LSTM", "torch.nn.LSTM"
BATCH = 32


class Shape(NamedTuple):
    """What a model reads and how many batches make one measurement."""

    words: int
    length: int
    classes: int
    batches: int


SHAPES = {
    "imdb-bilstm": Shape(words=10_000, length=200, classes=1, batches=24),
    "spam": Shape(words=8_000, length=419, classes=1, batches=24),
    "emoji": Shape(words=5_000, length=10, classes=5, batches=240),
}


def measure(rounds: int, *, quick: bool = False) -> list[Row]:
    """Measure each network in a process of its own."""
    shapes = {name: shape._replace(length=10, batches=8) if quick else shape for name, shape in SHAPES.items()}
    return [row for name, shape in shapes.items() for row in measuring.apart(measure_network, name, shape, rounds)]


def measure_network(name: str, shape: Shape, rounds: int) -> list[Row]:
    """Measure training and prediction of one network with each library."""
    from keras_dl.training.machines import devices

    devices.import_quietly()
    import keras

    from keras_dl.layers.lstm import LSTM

    generator = np.random.default_rng(0)
    x = generator.integers(1, shape.words, (shape.batches * BATCH, shape.length), dtype=np.int32)
    y = generator.integers(0, max(2, shape.classes), len(x))
    works: dict[str, Works] = {
        library: keras_works(keras_model(name, layer, shape), x, y, shape)
        for library, layer in ((OURS, LSTM), (KERAS, keras.layers.LSTM))
    }
    if measuring.with_torch():
        from benchmarks.torch_models import lstm_works

        works[TORCH] = lstm_works(name, x, y, shape.words, shape.classes, BATCH)
    return [
        compared("recurrent", f"{name}: {said}", "sequences/s", values, OURS, other)
        for kind, said in KINDS.items()
        for values in [measuring.alternating({library: work[kind] for library, work in works.items()}, rounds)]
        for other in list(works)[1:]
    ]


def keras_model(name: str, lstm: type[keras.layers.LSTM], shape: Shape) -> keras.Model:
    """Build a network with the given recurrent layer, compiled with its loss and Adam."""
    import keras
    from keras import layers

    words, length, classes, _ = shape
    body = {
        "imdb-bilstm": lambda: [
            layers.Embedding(words, 64),
            layers.Bidirectional(lstm(64, return_sequences=True)),
            layers.Dropout(0.5),
            lstm(32),
            layers.Dropout(0.5),
        ],
        "spam": lambda: [
            layers.Embedding(words, 100),
            lstm(32, return_sequences=True),
            lstm(32),
            layers.Dense(32, activation="relu"),
            layers.Dropout(0.2),
        ],
        "emoji": lambda: [
            layers.Embedding(words, 50, trainable=False),
            lstm(128, return_sequences=True),
            layers.Dropout(0.5),
            lstm(128),
            layers.Dropout(0.5),
        ],
    }[name]()
    head = layers.Dense(classes, activation="sigmoid" if classes == 1 else "softmax")
    model = keras.Sequential([keras.Input((length,), dtype="int32"), *body, head])
    loss = "binary_crossentropy" if classes == 1 else "sparse_categorical_crossentropy"
    model.compile("adam", loss, steps_per_execution=8)
    return model


def keras_works(model: keras.Model, x: np.ndarray, y: np.ndarray, shape: Shape) -> Works:
    """Return a training and a prediction of all batches by a Keras model."""
    import keras
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False  # its thread sleeps ever longer, and the end of a data set waits for it
    one_by_one = tf.data.Dataset.from_tensor_slices((x, y)).with_options(options)
    batches = one_by_one.batch(BATCH).prefetch(4)
    endless = one_by_one.repeat().batch(BATCH, drop_remainder=True).prefetch(4)

    predictor = keras.models.clone_model(model)
    predictor.compile(steps_per_execution=32, jit_compile=True)

    def rate(work: Any, *arguments: Any, **settings: Any) -> float:
        began = time.perf_counter()
        work(*arguments, **settings, verbose=0)
        return len(x) / (time.perf_counter() - began)

    return {
        "train": lambda: rate(model.fit, endless, steps_per_epoch=shape.batches),
        "predict": lambda: rate(predictor.predict, batches),
    }
