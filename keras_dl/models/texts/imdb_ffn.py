"""The feed-forward network for reviews of course document B: all word vectors side by side, then two dense layers."""

from __future__ import annotations

import keras


def imdb_ffn(*, words: int, length: int, dimension: int = 128, dropout: float = 0.0) -> keras.Model:
    """Build the model: int32 `[batch, length]` ids to a probability `[batch, 1]`.

    The document does not say how wide its two dense layers are; 64 and 32 here.

    Args:
        words: size of the vocabulary, padding and the unknown word included.
        length: words that are read.
        dimension: of the word vectors.
        dropout: after each dense layer; the document names none.
    """
    ids = keras.Input((length,), dtype="int32", name="ids")

    x = keras.layers.Embedding(words, dimension, name="embedding")(ids)
    x = keras.layers.Flatten(name="flatten")(x)
    for number, units in enumerate((64, 32), 1):
        x = keras.layers.Dense(units, activation="relu", name=f"dense{number}")(x)
        x = keras.layers.Dropout(dropout, name=f"dropout{number}")(x)

    probability = keras.layers.Dense(1, activation="sigmoid", name="probability")(x)
    return keras.Model(ids, probability, name="imdb_ffn")
