"""A small transformer encoder for texts (Vaswani et al. 2017), one block, pooled by learned attention."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable("keras_dl")
class Positions(keras.layers.Layer):
    """Add a learned vector for each position to word vectors `[batch, length, dimension]`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        self.vectors = self.add_weight(name="vectors", shape=tuple(input_shape[1:]), initializer="random_uniform")

    def call(self, x: Any) -> Any:
        return x + self.vectors


def transformer(ids: Any, x: Any, *, heads: int, dropout: float) -> Any:
    """Read word vectors and return what the text says as a whole.

    Args:
        ids: `[batch, length]`, 0 where there is no word.
        x: their vectors `[batch, length, dimension]`.
        heads: of the attention.
        dropout: of attention and of what each half of the block adds.

    Returns:
        `[batch, dimension]`.
    """
    dimension = x.shape[-1]
    there = keras.ops.not_equal(ids, 0)

    x = Positions(name="positions")(x)
    x = keras.layers.Dropout(dropout, name="dropout1")(x)

    attention = keras.layers.MultiHeadAttention(heads, dimension // heads, dropout=dropout, name="attention")
    near = keras.layers.LayerNormalization(name="norm1")(x)
    x = x + keras.layers.Dropout(dropout, name="dropout2")(attention(near, near, attention_mask=there[:, None, :]))

    y = keras.layers.LayerNormalization(name="norm2")(x)
    y = keras.layers.Dense(2 * dimension, activation="gelu", name="dense1")(y)
    x = x + keras.layers.Dropout(dropout, name="dropout3")(keras.layers.Dense(dimension, name="dense2")(y))

    x = keras.layers.LayerNormalization(name="norm3")(x)
    score = keras.layers.Dense(1, use_bias=False, name="pool")(x)[..., 0] + keras.ops.where(there, 0.0, -1e9)
    return keras.ops.sum(keras.ops.softmax(score)[..., None] * x, axis=1)
