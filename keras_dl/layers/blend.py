"""A weighted mean of what several parts of a model say, whose weights the phases of a training set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras


@keras.saving.register_keras_serializable("keras_dl")
class Blend(keras.layers.Layer):
    """Sum of shares x inputs: a list of `[batch, 1]` to `[batch, 1]`.

    The shares are weights that no gradient changes: 1 for the part that is trained and 0 for the others, and in the
    end what each has to say in the answer. Parts that are trained apart do not rely on one another's mistakes.
    """

    def build(self, input_shape: Sequence[Any]) -> None:
        start = keras.initializers.Constant(1 / len(input_shape))
        self.shares = self.add_weight(name="shares", shape=(len(input_shape),), initializer=start, trainable=False)

    def call(self, parts: Sequence[Any]) -> Any:
        return sum(self.shares[number] * part for number, part in enumerate(parts))

    def compute_output_shape(self, input_shape: Sequence[Any]) -> Any:
        return input_shape[0]
