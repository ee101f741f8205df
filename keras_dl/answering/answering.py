"""From decoded inputs to answers: network, calibration, and how unusual each input is. All are graph operations.

Terminal, notebook, export and server use this one function, so an export answers as the trained model does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_dl.answering.novelty import Novelty
from keras_dl.layers.stages import staged
from keras_dl.progress import bar
from keras_dl.task import Assets, Task
from keras_dl.training import pipeline
from keras_dl.training.pipeline import Examples

BATCH = 64
OPEN = 64  # pixels: the side of an image to try, where a network takes any


@dataclass(frozen=True)
class Seen:
    """What a network made of examples, in their order."""

    outputs: np.ndarray  # [count, ...], reduced: what is measured
    vectors: list[np.ndarray]  # of each stage [count, width]


class Network:
    """A model with the vectors of its stages, and those that the kind of input makes of a decoded input itself."""

    def __init__(self, task: Task, config: Any, model: keras.Model) -> None:
        """Take a trained model and the settings that it was trained with."""
        self.task, self.config, self.model, self.staged = task, config, model, staged(model)

    def __call__(self, x: tf.Tensor) -> tuple[list[tf.Tensor], tf.Tensor]:
        """Return the vectors `[batch, width]` of each stage, and the model's output `[batch, ...]`."""
        *vectors, outputs = keras.tree.flatten(self.staged(x, training=False))  # of one output there is no list
        traits = self.task.input.traits(self.config, x)
        return [*vectors, *([] if traits is None else [traits])], outputs

    def see(self, examples: Examples, name: str = "predict") -> Seen:
        """Pass examples through the network, with a progress bar called `name`."""

        @tf.function
        def step(x: tf.Tensor) -> tuple[list[tf.Tensor], tf.Tensor]:
            vectors, outputs = self(x)
            return vectors, self.task.output.reduced(outputs)

        found, stages = [], []
        with bar(total=len(examples), desc=name, unit=" examples") as shown:
            for x, _ in pipeline.evaluation(examples, BATCH):
                vectors, outputs = step(x)
                found.append(outputs.numpy())
                stages.append([vector.numpy() for vector in vectors])
                shown.update(len(found[-1]))
        return Seen(np.concatenate(found), [np.concatenate(stage) for stage in zip(*stages, strict=True)])


class Answering:
    """The function from decoded inputs `[batch, ...]` to the responses of a run, by name."""

    def __init__(self, network: Network, assets: Assets, novelty: Novelty | None) -> None:
        """Take the network, what was settled on validation, and the limits of what is usual; None: no verdict."""
        self.network, self.assets = network, assets
        self.novelty: Novelty | None = None
        self.holder: tf.Module | None = None  # of the variables; an export must track it
        if novelty:
            self.novelty, self.holder = novelty.tracked()

    def __call__(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return what `Output.respond` gives, and "unusualness" and "unusual", each `[batch]`: see `Novelty`."""
        vectors, outputs = self.network(x)
        answers = self.network.task.output.respond(outputs, self.assets)
        if self.novelty is None:
            return answers
        unusualness = self.novelty.unusualness(vectors)
        return {**answers, "unusualness": unusualness, "unusual": unusualness > 1}

    def specs(self) -> dict[str, tf.TensorSpec]:
        """Return what the responses for one example are, by name."""
        wanted = self.network.model.inputs[0]
        sides = (side or OPEN for side in wanted.shape[1:])
        tried = self(tf.zeros((1, *sides), wanted.dtype))
        return {name: tf.TensorSpec(value.shape[1:], value.dtype) for name, value in tried.items()}
