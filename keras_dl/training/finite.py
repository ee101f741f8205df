"""Stops a training at the first step whose loss is not finite, and names that step's examples.

One call of the compiled function makes several steps and gives one number for all of them, and after a step with such
a loss the weights are lost, so that no batch can be tried again. The graph itself therefore notes the step.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_dl.errors import KerasDLError
from keras_dl.runs.files import replacing
from keras_dl.task import Config, Data
from keras_dl.training import pipeline
from keras_dl.training.pipeline import Examples

NAMED = 4  # examples that the error names; a file has them all


class FiniteLoss(keras.callbacks.Callback):
    """Raises KerasDLError as soon as a call of the compiled function has met a loss that is not finite.

    Args:
        examples: what is trained on, as `pipeline.training` takes it, like data and config.
        start: the first epoch of the fit that is watched.
        pieces: how many steps of Keras a batch is computed in.
        note: the file that the examples of the batch are written to.
    """

    def __init__(
        self, examples: Examples, data: Data, config: Config, *, start: int, note: Path, pieces: int = 1
    ) -> None:
        super().__init__()
        self.examples, self.data, self.config = examples, data, config
        self.start, self.epoch, self.note, self.pieces = start, start, note, pieces
        self.steps, _ = pipeline.steps(examples, config)
        self.first: tf.Variable | None = None

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Have the graph note the first step, where a call makes several; it is traced after this."""
        if self.model.steps_per_execution == 1:
            return
        seen, first = tf.Variable(0, dtype=tf.int64), tf.Variable(-1, dtype=tf.int64)
        self.first = first
        compute_loss = type(self.model).compute_loss.__get__(self.model)

        def noted(x: Any, y: Any, y_pred: Any, sample_weight: Any = None, training: bool = True) -> tf.Tensor:
            loss = compute_loss(x, y, y_pred, sample_weight, training=training)
            if training:
                bad = tf.logical_and(first < 0, tf.logical_not(tf.math.is_finite(loss)))
                first.assign(tf.where(bad, seen, first))
                seen.assign_add(1)
            return loss

        self.model.compute_loss = noted

    def on_train_end(self, logs: dict | None = None) -> None:
        self.model.__dict__.pop("compute_loss", None)

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        loss = float((logs or {}).get("loss", 0.0))  # the mean of the epoch so far: it stays what one step made it
        if math.isfinite(loss):
            return
        first = -1 if self.first is None else int(self.first)
        step = batch // self.pieces if first < 0 else first // self.pieces - (self.epoch - self.start) * self.steps
        names = self.batch(step)
        with replacing(self.note) as temporary:
            temporary.write_text("\n".join(names) + "\n", encoding="utf-8")
        more = f" and {len(names) - NAMED} more, all in {self.note}" if len(names) > NAMED else ""
        raise KerasDLError(
            f"the loss is not finite ({loss}) at step {step + 1} of {self.steps} of epoch {self.epoch + 1}, with "
            f"{', '.join(names[:NAMED])}{more}; look at these files, and start again with a smaller --set learning_rate"
        )

    def batch(self, step: int) -> list[str]:
        """Return the ids of the examples of a step of this epoch."""
        rows = np.asarray(pipeline.order_of(self.examples, self.data, self.config, self.epoch))[step]
        ids = self.data.train.ids  # there are more rows than these where the recipe resamples
        return [str(ids[row]) if row < len(ids) else "(made by resampling)" for row in rows]
