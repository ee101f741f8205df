"""What several replicas, pieces of batches and other precisions change in the settings and in the model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from keras_dl.layers.nested import layers_inside
from keras_dl.task import Config
from keras_dl.task.settings import replace
from keras_dl.training.machines import devices

APART = 1_000_003  # between the seeds of two replicas; those of layers are drawn from a billion


def scaled(config: Config, replicas: int) -> Config:
    """Return the settings as the replicas need them: with `scale_learning_rate`, batch and rate grow with them.

    The linear rule of Goyal et al. 2017: a batch that is k times as large takes k times the learning rate.
    """
    if not config.scale_learning_rate or replicas == 1:
        return config
    batch_size, rate = config.batch_size * replicas, config.learning_rate * replicas
    return replace(config, {"batch_size": batch_size, "learning_rate": rate, "scale_learning_rate": False})


@contextmanager
def precision(name: str) -> Iterator[None]:
    """Build models with this dtype policy within the block."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def fit_for(model: keras.Model, strategy: tf.distribute.Strategy) -> keras.Model:
    """Change a new model where replicas or mixed precision need it, and return it.

    Batches are normalised over all replicas, or their moving statistics would differ; each replica draws its own
    dropout; the last layer computes in float32, where a probability near 1 is not 1.
    """
    for layer in layers_inside(model) if strategy.num_replicas_in_sync > 1 else ():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = True
        if isinstance(getattr(layer, "seed_generator", None), keras.random.SeedGenerator):
            draw_apart(layer.seed_generator)
    for name in model.output_names if model.dtype_policy.name.startswith("mixed") else ():
        model.get_layer(name).dtype_policy = "float32"
    return model


def draw_apart(generator: keras.random.SeedGenerator) -> None:
    """Let each replica draw other numbers: with Keras 3 all have the same seed, and the same units would drop out.

    What the generator keeps stays the same everywhere, and the first replica draws what one alone would.
    """
    draw = generator.next

    def next_of_replica(ordered: bool = True) -> tf.Tensor:
        seed = draw(ordered)
        context = tf.distribute.get_replica_context()
        number = context.replica_id_in_sync_group if context else 0
        return seed + tf.stack([tf.cast(number, seed.dtype) * APART, tf.zeros((), seed.dtype)])

    generator.next = next_of_replica


def accumulating(optimizer: Any, config: Config) -> Any:
    """Return a new optimizer that changes the weights once for all pieces of a batch."""
    if config.accumulate > 1:
        getattr(optimizer, "inner_optimizer", optimizer).gradient_accumulation_steps = config.accumulate
    return optimizer


def remarks(strategy: tf.distribute.Strategy, config: Config) -> list[str]:
    """Say in a few lines what the strategy makes of the batch, the learning rate and the precision."""
    replicas, lines = strategy.num_replicas_in_sync, []
    if replicas > 1:
        shares = f"{replicas} replicas x {config.batch_size // replicas} examples = batches of {config.batch_size}"
        lines.append(f"strategy {devices.name_of(strategy)}: {shares}, learning rate {config.learning_rate:g}")
        if config.steps_per_execution > 1:
            lines.append("with several replicas, steps_per_execution is 1")
    if config.accumulate > 1:
        piece = config.batch_size // config.accumulate
        lines.append(f"batches of {config.batch_size} are computed as {config.accumulate} x {piece} examples")
    if config.precision != "float32":
        lines.append(f"trained in {config.precision}; the saved model computes in float32")
    return lines
