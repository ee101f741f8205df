"""A deep averaging network (Iyyer et al. 2015) over word vectors: for few and short texts."""

from __future__ import annotations

from typing import Any

import keras

from keras_dl.models.emojify import word_vectors


def deep_average(
    *,
    words: int,
    length: int,
    classes: int,
    dimension: int = 50,
    vectors: Any = None,
    units: int = 64,
    dropout: float = 0.5,
) -> keras.Model:
    """Build the model: int32 `[batch, length]` ids, zeros after the text, to softmax `[batch, classes]`.

    The arguments are those of `emojify`; `units` is the width of what is learned of each word, beside its vector.
    """
    ids = keras.Input((length,), dtype="int32", name="ids")
    there = keras.ops.cast(keras.ops.not_equal(ids, 0), "float32")[..., None]

    x = word_vectors(words, dimension, vectors, masked=False)(ids)
    learned = keras.layers.Dropout(dropout / 2, name="dropout1")(x)
    learned = keras.layers.Dense(units, activation="gelu", name="dense")(learned)
    x = keras.layers.Concatenate(name="both")([3 * mean(learned, there), mean(x, there)])
    x = keras.layers.Dropout(dropout, name="dropout2")(x)

    probabilities = keras.layers.Dense(classes, activation="softmax", name="probabilities")(x)
    return keras.Model(ids, probabilities, name="deep_average")


def mean(x: Any, there: Any) -> Any:
    """Return the mean over the words that are there: `[batch, length, width]` to `[batch, width]`."""
    return keras.ops.sum(x * there, axis=1) / keras.ops.maximum(keras.ops.sum(there, axis=1), 1.0)
