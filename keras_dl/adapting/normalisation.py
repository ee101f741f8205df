"""The statistics of batch normalisation, carried over to another set: forward passes alone, no weight is trained.

Where inputs look otherwise than in training, the statistics of training are wrong for them (Schneider et al. 2020,
arXiv 2006.16971). But to put those of the new inputs in their place does harm where nothing else has changed: training
saw its classes in other shares, and its images augmented. So both sets are passed through in the same way, validation
and the new one, each with the class shares of training, and only their *difference* is added. Where there is none,
nothing changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_dl.layers.nested import layers_inside
from keras_dl.progress import bar

BATCH = 64  # examples normalised together while statistics are estimated
PRIOR = 64  # new inputs that count as much as no difference
TINY = 1e-9  # variance of a channel that says nothing


@dataclass(frozen=True)
class Statistics:
    """Mean and variance `[channels]` that one layer normalises with."""

    mean: np.ndarray
    variance: np.ndarray

    def carried(self, here: Statistics, there: Statistics, share: float) -> Statistics:
        """Move the statistics by a share of the difference between two sets."""
        ratio = np.maximum(there.variance, TINY) / np.maximum(here.variance, TINY)
        return Statistics(self.mean + share * (there.mean - here.mean), self.variance * ratio**share)


def layers_of(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    """Return the layers whose statistics come from the training part, those nearest to the input first.

    A frozen layer is none of them: its statistics came with pretrained weights, and training did not touch them.
    """
    layers = (layer for layer in layers_inside(model) if isinstance(layer, keras.layers.BatchNormalization))
    return [layer for layer in layers if layer.trainable]


def read(model: keras.Model) -> list[Statistics]:
    """Return the statistics of `layers_of` the model."""
    convert = keras.ops.convert_to_numpy
    return [Statistics(convert(layer.moving_mean), convert(layer.moving_variance)) for layer in layers_of(model)]


def write(model: keras.Model, statistics: Sequence[Statistics]) -> None:
    """Give the layers other statistics."""
    for layer, one in zip(layers_of(model), statistics, strict=True):
        layer.moving_mean.assign(one.mean)
        layer.moving_variance.assign(one.variance)


def estimated(model: keras.Model, x: Any, each: np.ndarray, seed: int) -> list[Statistics]:
    """Estimate the statistics on decoded examples, in batches; the model keeps its own.

    In a batch each layer sees what the layers before it make with the statistics of that batch. Of the batches, the
    mean and the variance of all their examples together are taken.

    Args:
        model: with layers of batch normalisation.
        x: `[count, ...]` as the model takes them, an array or a tensor on the CPU.
        each: `[count]`, how often each example comes, in sum 1.
        seed: of the order, and of the draws where examples come unequally often.
    """
    random = np.random.default_rng(seed)
    equal = np.ptp(each) < TINY
    order = random.permutation(len(each)) if equal else random.choice(len(each), len(each), p=each)
    layers, found, sizes = layers_of(model), [], []
    with at_rest(model), bar(total=len(order), desc="normalisation", unit=" examples") as shown:
        step = tf.function(lambda batch: model(batch, training=True), reduce_retracing=True)
        for rows in np.array_split(order, max(1, round(len(order) / BATCH))):  # of equal size: no small last batch
            step(tf.gather(x, rows))
            found.append(read(model))
            sizes.append(len(rows))
            shown.update(len(rows))
    shares = np.array(sizes) / np.sum(sizes)
    return [together([batch[number] for batch in found], shares) for number in range(len(layers))]


def together(batches: Sequence[Statistics], shares: np.ndarray) -> Statistics:
    """Return the statistics of all batches, by the share of the examples that each has."""
    means = np.stack([one.mean for one in batches])
    mean = shares @ means
    return Statistics(mean, shares @ np.stack([one.variance for one in batches]) + shares @ (means - mean) ** 2)


def weights(count: int, chances: np.ndarray | None, shares: np.ndarray | None) -> np.ndarray:
    """Return how often each example is to be passed through, `[count]`, in sum 1, so that classes come in these shares.

    Args:
        count: how many examples.
        chances: `[count, classes]`, the probability of each class; None where there are no classes.
        shares: `[classes]`, those of training.
    """
    if chances is None or shares is None:
        return np.full(count, 1 / count)
    found = (chances / np.maximum(chances.mean(axis=0), TINY)) @ shares
    return found / found.sum()


def weight(each: np.ndarray) -> float:
    """Return the share of the difference to take, 0 to 1: the more, the more examples count (Kish's effective number).

    Schneider et al. 2020 mix so: n new inputs against a prior worth N of them.
    """
    effective = 1 / np.sum(each**2)
    return float(effective / (effective + PRIOR))


@contextmanager
def at_rest(model: keras.Model) -> Iterator[None]:
    """Let each layer hold the statistics of the last batch alone, and drop nothing; then give back what there was."""
    layers, before = layers_of(model), read(model)
    dropped = [layer for layer in layers_inside(model) if isinstance(layer, keras.layers.Dropout)]
    memories, rates = [layer.momentum for layer in layers], [layer.rate for layer in dropped]
    for layer in layers:
        layer.momentum = 0.0
    for layer in dropped:
        layer.rate = 0.0
    try:
        yield
    finally:
        write(model, before)
        for layer, momentum in zip(layers, memories, strict=True):
            layer.momentum = momentum
        for layer, rate in zip(dropped, rates, strict=True):
            layer.rate = rate
