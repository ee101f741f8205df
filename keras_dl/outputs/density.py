"""A density map, whose sum is a count: the map shows what was counted, and where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_dl.outputs.number import Number
from keras_dl.task.blocks import Block
from keras_dl.task.kinds import Assets, Method, Target

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

SCALE = 100.0  # the loss is of densities times this, so that it is about 1 at the start
FULL = 99.5  # percentile of a map that is drawn in full colour: one hot place must not hide the others
MEANING = "where it counts: the map adds up to the answer"


class Density(Number):
    """A map `[batch, height, width, 1]` of the unit per pixel; the number is its sum (Lempitsky, Zisserman 2010)."""

    key = "density"
    title = "a map that adds up to a number"
    large = ("density",)

    def compile(self, model: keras.Model, optimizer: Any, *, scale: float = SCALE, count_weight: float = 0.0) -> None:
        """Set the squared error of the density times SCALE as loss; see `Number.compile`."""
        super().compile(model, optimizer, scale=scale, count_weight=count_weight)

    def reduced(self, outputs: Any) -> Any:
        """Return the sum of each map, `[batch, 1]`."""
        from keras import ops

        return ops.sum(outputs, axis=(1, 2)) if len(outputs.shape) == 4 else outputs

    def respond(self, outputs: tf.Tensor, assets: Assets) -> dict[str, tf.Tensor]:
        """Turn maps, or their sums `[batch, 1]`, into number and interval."""
        return super().respond(self.reduced(outputs), assets)

    def signatures(self, outputs: tf.Tensor, assets: Assets) -> Mapping[str, tf.Tensor]:
        """Return the map."""
        return {"density": outputs}

    def methods(self) -> Mapping[str, Method]:
        """Return the map as the explanation."""

        def explain(run: Any, raws: Sequence[bytes], targets: Sequence[Target], brief: bool) -> list[Block]:
            from keras_dl.explaining import heatmap

            blocks: list[Block] = []
            for raw, target in zip(raws, targets, strict=True):  # images may have different sizes
                images = heatmap.decoded(run, [raw])
                density = np.maximum(np.asarray(run.model(images, training=False))[..., 0], 0)
                full = max(float(np.percentile(density, FULL)), 1e-9)
                blocks += heatmap.pictures(images, np.clip(density / full, 0, 1), [target], MEANING, brief=brief)
            return blocks

        legend = "Left: what the network saw. Right: its density map, which adds up to the answer."
        return {"density": Method("density map", MEANING, legend, explain)}
