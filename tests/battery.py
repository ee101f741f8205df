"""What the contracts of test_every_task.py stand on: tasks with their tiny settings, without a training."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_dl import registry
from keras_dl.runs import sources
from keras_dl.runs.run import Run
from keras_dl.task import Config, Data, Phase, Task, settings
from keras_dl.task.blocks import Block, Picture, Spans
from keras_dl.training import fit, pipeline
from keras_dl.training.pipeline import Examples


@dataclass(frozen=True)
class Prepared:
    """A task with one of its recipes at tiny settings, and its embedded data, split and decoded."""

    task: Task
    config: Config
    data: Data
    examples: Mapping[str, Examples]

    @cached_property
    def model(self) -> keras.Model:
        """A model that is built and not trained."""
        return self.build()

    def build(self) -> keras.Model:
        """Build a model with weights that repeat."""
        keras.utils.set_random_seed(0)
        return self.task.build(self.config, self.data.assets)

    def phases(self) -> list[Phase]:
        """Return the phases that are trained by gradients."""
        return [phase for phase in self.task.phases(self.config, self.data) if not phase.fit]


@cache
def prepared(name: str, recipe: str | None = None) -> Prepared:
    """Load the data of a task; nothing of it is to be changed."""
    task = registry.find(name)
    config = settings.resolve(task, {"recipe": recipe or task.config.recipe}, tiny=True)
    data = task.load(config, sources.module(task).synthesize(tiny=True))
    return Prepared(task, config, data, {name: decoded(split, config) for name, split in data.splits().items()})


def decoded(split: Any, config: Config) -> Examples:
    """Decode a split; tiny ones fit in memory."""
    return pipeline.decoded(split, config, Path(tempfile.gettempdir()) / "nothing is written here")


def with_gradients(name: str) -> Prepared:
    """Prepare the first recipe of a task, the default before others, that has a phase with gradients."""
    task = registry.find(name)
    every = (prepared(name, recipe) for recipe in (task.config.recipe, *task.recipes))
    return next(one for one in every if one.phases())


def part_of(one: Prepared, model: keras.Model, phase: Phase) -> tuple[keras.Model, Data, Mapping[str, Examples]]:
    """Return what of a model a phase trains, compiled, and the data that this sees, as `training.fit` does."""
    part, data, examples = model, one.data, one.examples
    if phase.frozen:
        part, data, examples = fit.behind(model, model, phase.frozen, data, dict(examples))
    if phase.part:
        part = phase.part(model)
    phase.compile(part)
    return part, data, examples


def gradients(
    one: Prepared, part: keras.Model, data: Data, examples: Mapping[str, Examples]
) -> Iterator[tuple[str, np.ndarray | None]]:
    """Give the path and the gradient of each trainable weight for the first training batch."""
    import tensorflow as tf

    x, y = next(iter(pipeline.training(examples["train"], data, one.config)))
    with tf.GradientTape() as tape:
        loss = part.compute_loss(x=x, y=y, y_pred=part(x, training=True), training=True)
    found = tape.gradient(loss, [weight.value for weight in part.trainable_weights])
    for weight, gradient in zip(part.trainable_weights, found, strict=True):
        yield weight.path, None if gradient is None else np.asarray(tf.convert_to_tensor(gradient))


def nudge(model: keras.Model) -> None:
    """Give kernels that begin as zeros small numbers: behind them no gradient arrives before the first step."""
    random = np.random.default_rng(0)
    for weight in model.trainable_weights:
        if len(weight.shape) > 1 and not np.any(np.asarray(weight)):
            weight.assign(random.normal(0, 0.01, weight.shape))


def first(examples: Examples, count: int) -> Examples:
    """Take a few examples, evenly from all classes where they are sorted by class."""
    rows = slice(0, None, max(1, len(examples) // count))
    parts = {name: getattr(examples, name) for name in ("x", "y", "truth", "strata")}
    return replace(examples, **{name: part if part is None else part[rows] for name, part in parts.items()})


def shuffled(run: Run) -> Run:
    """Open a run again and shuffle the numbers in each weight of its model."""
    other, random = Run(run.path), np.random.default_rng(0)
    for weight in other.model.weights:
        if "float" in str(weight.dtype):
            weight.assign(random.permuted(np.asarray(weight).ravel()).reshape(weight.shape))
    return other


def weights_in(block: Block) -> np.ndarray:
    """Return the numbers of an explanation: a heatmap, or the weights of words."""
    if isinstance(block, Picture):
        return np.asarray(block.heat)
    assert isinstance(block, Spans)
    return np.array([word.weight for word in block.words])
