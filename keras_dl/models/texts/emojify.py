"""Emojify_V2: two LSTM layers over frozen word vectors, of course document A."""

from __future__ import annotations

from typing import Any

import keras

from keras_dl.layers.lstm import LSTM


def emojify(
    *,
    words: int,
    length: int,
    classes: int,
    dimension: int = 50,
    vectors: Any = None,
    units: int = 128,
    dropout: float = 0.5,
) -> keras.Model:
    """Build the model: int32 `[batch, length]` ids, zeros after the text, to softmax `[batch, classes]`.

    Args:
        words: size of the vocabulary, padding and the unknown word included.
        length: words that are read.
        classes: number of classes.
        dimension: of the word vectors.
        vectors: `[words, dimension]`, kept as they are; None makes them trainable, from random ones.
        units: of each LSTM.
        dropout: after each LSTM.
    """
    ids = keras.Input((length,), dtype="int32", name="ids")

    x = word_vectors(words, dimension, vectors)(ids)
    x = LSTM(units, return_sequences=True, name="lstm1")(x)
    x = keras.layers.Dropout(dropout, name="dropout1")(x)
    x = LSTM(units, name="lstm2")(x)
    x = keras.layers.Dropout(dropout, name="dropout2")(x)

    probabilities = keras.layers.Dense(classes, activation="softmax", name="probabilities")(x)
    return keras.Model(ids, probabilities, name="emojify")


def word_vectors(words: int, dimension: int, vectors: Any = None, masked: bool = True) -> keras.layers.Embedding:
    """Return the embedding: of given vectors `[words, dimension]`, which stay, or of random ones, which are trained."""
    fixed = {} if vectors is None else {"weights": [vectors], "trainable": False}
    return keras.layers.Embedding(words, dimension, mask_zero=masked, name="embedding", **fixed)
