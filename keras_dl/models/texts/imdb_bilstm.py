"""The recurrent network for reviews of course document B: a bidirectional LSTM, then a plain one."""

from __future__ import annotations

from typing import Any

import keras

from keras_dl.layers.lstm import LSTM


def imdb_bilstm(*, words: int, length: int, dimension: int = 64, dropout: float = 0.5) -> keras.Model:
    """Build the model: int32 `[batch, length]` ids to a probability `[batch, 1]`.

    Args:
        words: size of the vocabulary, padding and the unknown word included.
        length: words that are read.
        dimension: of the word vectors.
        dropout: after each LSTM; the document does not say how much.
    """
    ids = keras.Input((length,), dtype="int32", name="ids")

    x = keras.layers.Embedding(words, dimension, mask_zero=True, name="embedding")(ids)
    x = bilstm(x, units=64, dropout=dropout)

    probability = keras.layers.Dense(1, activation="sigmoid", name="probability")(x)
    return keras.Model(ids, probability, name="imdb_bilstm")


def bilstm(x: Any, *, units: int, dropout: float) -> Any:
    """Read word vectors `[batch, length, dimension]` in both directions; return `[batch, units / 2]`."""
    x = keras.layers.Bidirectional(LSTM(units, return_sequences=True), name="bilstm")(x)
    x = keras.layers.Dropout(dropout, name="dropout1")(x)
    x = LSTM(units // 2, name="lstm")(x)
    return keras.layers.Dropout(dropout, name="dropout2")(x)
