"""A weighted sum of what several parts of a model say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras


@keras.saving.register_keras_serializable("keras_dl")
class Blend(keras.layers.Layer):
    """Sum of shares x inputs: a list of `[batch, 1]` to `[batch, 1]`.

    Args:
        shares: what each input counts; not trained.
    """

    def __init__(self, shares: Sequence[float], **options: Any) -> None:
        super().__init__(**options)
        self.shares = tuple(shares)

    def call(self, parts: Sequence[Any]) -> Any:
        return sum(share * part for share, part in zip(self.shares, parts, strict=True))

    def compute_output_shape(self, input_shape: Sequence[Any]) -> Any:
        return input_shape[0]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "shares": self.shares}
