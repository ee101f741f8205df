"""A deep averaging network (Iyyer et al. 2015) over word vectors: for few and short texts."""

from __future__ import annotations

from typing import Any

import keras

from keras_dl.models.texts.emojify import word_vectors


def deep_average(
    *,
    words: int,
    length: int,
    classes: int,
    dimension: int = 50,
    vectors: Any = None,
    weights: Any = None,
    units: int = 64,
    dropout: float = 0.0,
    decay: float = 1e-3,
) -> keras.Model:
    """Build the model: int32 `[batch, length]` ids, zeros after the text, to softmax `[batch, classes]`.

    Args:
        words: size of the vocabulary, padding and the unknown word included.
        length: words that are read.
        classes: number of classes.
        dimension: of the word vectors.
        vectors: `[words, dimension]`, kept as they are; None makes them trainable, from random ones.
        weights: `[words, 1]` in [0, 1]: what each word counts in a second mean, such as 0 for stop words; None: no
            second mean.
        units: of the hidden layer.
        dropout: before each dense layer.
        decay: L2 penalty on the weights of the dense layers.
    """
    ids = keras.Input((length,), dtype="int32", name="ids")
    there = keras.ops.cast(keras.ops.not_equal(ids, 0), "float32")[..., None]

    x = word_vectors(words, dimension, vectors, masked=False)(ids)
    means = [mean(x, there)]
    if weights is not None:
        counts = keras.layers.Embedding(words, 1, weights=[weights], trainable=False, name="weights")(ids)
        means.append(mean(x, there * counts))
    x = keras.layers.Concatenate(name="means")(means) if len(means) > 1 else means[0]

    small = keras.regularizers.L2(decay)
    x = keras.layers.Dropout(dropout, name="dropout1")(x)
    x = keras.layers.Dense(units, activation="relu", kernel_regularizer=small, name="dense")(x)
    x = keras.layers.Dropout(dropout, name="dropout2")(x)

    answer = keras.layers.Dense(classes, activation="softmax", kernel_regularizer=small, name="probabilities")
    probabilities = answer(x)
    return keras.Model(ids, probabilities, name="deep_average")


def mean(x: Any, there: Any) -> Any:
    """Return the mean of `[batch, length, width]` with weights `[batch, length, 1]`: `[batch, width]`."""
    return keras.ops.sum(x * there, axis=1) / keras.ops.maximum(keras.ops.sum(there, axis=1), 1e-3)
