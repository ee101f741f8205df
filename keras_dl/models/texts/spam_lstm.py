"""The spam filter of course document D: two LSTM layers over padded word ids."""

from __future__ import annotations

import keras

from keras_dl.layers.lstm import LSTM


def spam_lstm(*, words: int, length: int, dimension: int = 100, dropout: float = 0.2) -> keras.Model:
    """Build the model: int32 `[batch, length]` ids to a probability `[batch, 1]`.

    Padding is not masked: the document's model reads it too.

    Args:
        words: size of the vocabulary, padding and the unknown word included.
        length: words that are read.
        dimension: of the word vectors.
        dropout: before the last layer.
    """
    ids = keras.Input((length,), dtype="int32", name="ids")

    x = keras.layers.Embedding(words, dimension, name="embedding")(ids)
    x = LSTM(32, return_sequences=True, name="lstm1")(x)
    x = LSTM(32, name="lstm2")(x)
    x = keras.layers.Dense(32, activation="relu", name="dense")(x)
    x = keras.layers.Dropout(dropout, name="dropout")(x)

    probability = keras.layers.Dense(1, activation="sigmoid", name="probability")(x)
    return keras.Model(ids, probability, name="spam_lstm")
