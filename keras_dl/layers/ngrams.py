"""The linear half of "wide and deep": a weighted sum over the n-grams of a text.

A bag of n-grams under a linear classifier is hard to beat on whole documents, the more so when each n-gram is scaled:
by the logarithm of how much more often it occurs in one class than in the other (Wang, Manning 2012, "Baselines and
bigrams"), or by how few texts hold it, in rows of length 1 (TF-IDF; the better for short texts and rare classes).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import keras
import numpy as np

MULTIPLIER = 0x9E3779B1  # 2**32 over the golden ratio: multiplicative hashing (Knuth, TAOCP 6.4)


@keras.saving.register_keras_serializable("keras_dl")
class NGramBag(keras.layers.Layer):
    """Sum of scale x weight over the distinct n-grams of each row: `[batch, count]` integer ids to `[batch, 1]`.

    An n-gram is hashed to one of `buckets` places; padding (0) is in none. `fit` sets the scales.

    Args:
        orders: the lengths of n-grams, 1 to 5.
        buckets: how many places; collisions do little harm while there are more places than frequent n-grams.
        scale: "naive_bayes" or "idf".
        decay: L2 penalty on the weights.
    """

    def __init__(
        self,
        orders: Sequence[int] = (1, 2),
        buckets: int = 2**20,
        scale: Literal["naive_bayes", "idf"] = "naive_bayes",
        decay: float = 0.0,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.orders, self.buckets, self.scale, self.decay = tuple(orders), buckets, scale, decay

    def build(self, input_shape: Any) -> None:
        shape = (self.buckets,)
        penalty = keras.regularizers.L2(self.decay) if self.decay else None
        self.scales = self.add_weight(name="scales", shape=shape, initializer="ones", trainable=False)
        self.weight = self.add_weight(name="weight", shape=shape, initializer="zeros", regularizer=penalty)
        self.bias = self.add_weight(name="bias", shape=(1,), initializer="zeros")

    def places(self, ids: Any) -> Any:
        """Return the place of each distinct n-gram, 0 for none: `[batch, n-grams]`, int32, sorted along each row."""
        ids = keras.ops.cast(ids, "int64")
        usable = ids > 0
        found = [keras.ops.zeros_like(ids[:, :1])]  # a text may be shorter than all n-grams
        for order in self.orders:
            count = ids.shape[1] - order + 1
            if count < 1:
                continue
            mixed, whole = keras.ops.full_like(ids[:, :count], order), usable[:, :count]
            for step in range(order):
                mixed = (mixed + ids[:, step : count + step]) * MULTIPLIER % 2**31
                whole = keras.ops.logical_and(whole, usable[:, step : count + step])
            found.append(keras.ops.where(whole, 1 + mixed % (self.buckets - 1), 0))
        rows = keras.ops.sort(keras.ops.cast(keras.ops.concatenate(found, axis=1), "int32"), axis=1)
        first = keras.ops.concatenate([keras.ops.ones_like(rows[:, :1]), rows[:, 1:] - rows[:, :-1]], axis=1) != 0
        return keras.ops.where(first, rows, 0)

    def call(self, ids: Any) -> Any:
        places = self.places(ids)
        there = keras.ops.cast(places > 0, self.compute_dtype)
        scales = keras.ops.take(self.scales, places) * there
        if self.scale == "idf":
            scales = scales * keras.ops.rsqrt(keras.ops.sum(scales**2, axis=1, keepdims=True) + 1e-6)
        return keras.ops.sum(scales * keras.ops.take(self.weight, places), axis=1, keepdims=True) + self.bias

    def fit(self, ids: np.ndarray, labels: np.ndarray, *, batch: int = 512) -> None:
        """Set the scales from the texts of the training part, each n-gram counted once in a text.

        "naive_bayes": log of its share of all n-grams in class 1 over that in class 0, one added to each count;
        "idf": log((1 + texts) / (1 + texts that hold it)) + 1, as in scikit-learn.

        Args:
            ids: `[count, length]`.
            labels: `[count]`, 0 or 1.
            batch: texts at a time.
        """
        counts = np.zeros((2, self.buckets))
        for start in range(0, len(ids), batch):
            rows, of = (
                keras.ops.convert_to_numpy(self.places(ids[start : start + batch])),
                labels[start : start + batch],
            )
            for label in (0, 1):
                counts[label] += np.bincount(rows[of == label].ravel(), minlength=self.buckets)
        counts[:, 0] = 0  # no n-gram at all
        if self.scale == "idf":
            self.scales.assign(np.log((1 + len(ids)) / (1 + counts.sum(axis=0))) + 1)
            return
        shares = (counts + 1) / (counts + 1).sum(axis=1, keepdims=True)
        self.scales.assign(np.log(shares[1] / shares[0]))

    def get_config(self) -> dict[str, Any]:
        own = {"orders": self.orders, "buckets": self.buckets, "scale": self.scale, "decay": self.decay}
        return {**super().get_config(), **own}

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, int]:
        return (input_shape[0], 1)
