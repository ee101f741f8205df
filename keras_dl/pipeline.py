"""The one `tf.data` pipeline: nobody else builds a batched data set.

Training and evaluation want opposite things, so they are two short functions over the same decoded examples.
`training` draws each epoch's order from (seed, epoch) alone, with stateless operations: a resumed training reads on
exactly where the interrupted one would have. `evaluation` gives every example once, in order.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from keras_dl.task import Config, Data, Split

ENDLESS = 1 << 40  # epochs; fit() stops by steps
WINDOW = 50  # batches that are sorted by length together


@dataclass(frozen=True)
class Examples:
    """A split decoded once: tensors in memory, or arrays mapped from a file where they are too large for it."""

    x: Any  # [count, ...], uint8 for images
    y: Any  # [count, ...]
    labels: np.ndarray  # [count], class index

    def __len__(self) -> int:
        return len(self.labels)

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Return x and the class indices as NumPy arrays, for scikit-learn."""
        return np.asarray(self.x), self.labels


def decoded(split: Split, config: Config, spill: Path, *, name: str = "examples") -> Examples:
    """Decode every example of a split once, with a progress bar, and keep the result.

    Splits of more than `config.cache_gb` decoded gigabytes go to `.npy` files at `spill` and are read from there.
    """
    spec_x, spec_y = split.examples.element_spec
    in_memory = len(split) * (bytes_of(spec_x) + bytes_of(spec_y)) <= config.cache_gb * 2**30
    stores = [
        store(spec, len(split), None if in_memory else spill.with_suffix(f".{part}.npy"))
        for part, spec in (("x", spec_x), ("y", spec_y))
    ]
    done = 0
    with tqdm(total=len(split), desc=f"decode {name}", unit=" examples", disable=None, file=sys.stderr) as bar:
        for batch in split.examples.batch(64).prefetch(2).as_numpy_iterator():
            for array, values in zip(stores, batch, strict=True):
                array[done : done + len(values)] = values
            done += len(batch[1])
            bar.update(len(batch[1]))
    if done != len(split):
        raise RuntimeError(f"the split '{name}' promises {len(split)} examples and gave {done}")
    labels = np.asarray(split.labels, dtype=np.int64)
    if in_memory:
        with tf.device("CPU:0"):
            stores = [tf.convert_to_tensor(array) for array in stores]
    return Examples(stores[0], stores[1], labels)


def steps(examples: Examples, config: Config) -> tuple[int, int]:
    """Return the steps of an epoch and how many of them one call of the compiled function makes.

    The first is a multiple of the second, or Keras would run on into the next epoch. A few batches at most are left
    out for it, as is a smaller last batch; another shuffle brings them in the next epoch.
    """
    batches = max(1, len(examples) // config.batch_size)
    wanted = min(config.steps_per_execution, batches)
    per_call = min(range((wanted + 1) // 2, wanted + 1), key=lambda calls: (batches % calls, -calls))
    return batches - batches % per_call, per_call


def training(examples: Examples, data: Data, config: Config, *, start_epoch: int = 0) -> tf.data.Dataset:
    """Batches without end, from the first step of `start_epoch` on; `steps` of them are an epoch."""
    count, _ = steps(examples, config)
    batch_size = min(config.batch_size, len(examples))
    lengths = np.count_nonzero(np.asarray(examples.x), axis=1) if data.bucket else np.empty(0)

    def epoch_of(epoch: tf.Tensor) -> tf.data.Dataset:
        order = draw_order(examples.labels, data.balance, tf.stack([tf.cast(config.seed, tf.int64), epoch]))
        order = tf.reshape(order[: count * batch_size], (count, batch_size))
        if data.bucket:
            order = of_similar_length(order, lengths, tf.stack([tf.cast(config.seed, tf.int64), epoch]))
        numbers = epoch * count + tf.range(count, dtype=tf.int64)
        seeds = tf.stack([tf.fill([count], tf.cast(config.seed, tf.int64)), numbers], axis=1)
        return tf.data.Dataset.from_tensor_slices((order, seeds))

    def batch_of(order: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        x, y = gather(examples, order)
        return data.augment(x, y, seed) if data.augment else (x, y)

    batches = tf.data.Dataset.range(start_epoch, ENDLESS).flat_map(epoch_of)
    return batches.map(batch_of, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).prefetch(tf.data.AUTOTUNE)


def evaluation(examples: Examples, batch_size: int) -> tf.data.Dataset:
    """Every example exactly once, in order: no shuffle, no repeat, no dropped remainder."""
    order = tf.data.Dataset.range(len(examples)).batch(batch_size)
    batches = order.map(lambda rows: gather(examples, rows), num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return batches.prefetch(tf.data.AUTOTUNE)


def draw_order(labels: np.ndarray, balance: str, seed: tf.Tensor) -> tf.Tensor:
    """Shuffle the rows for one epoch; with balance "classes" each class fills an equal share of them.

    A class that is too small is gone through several times, a large one only in part, another part each epoch.
    """
    count = len(labels)
    if balance == "none":
        return tf.random.experimental.stateless_shuffle(tf.range(count, dtype=tf.int64), seed)
    classes = np.unique(labels)
    share = -(-count // len(classes))
    drawn = []
    for number, label in enumerate(classes):
        rows = np.flatnonzero(labels == label)
        for again in range(-(-share // len(rows))):
            key = seed + tf.constant([1 + number, 1 << (20 + again)], tf.int64)
            drawn.append(tf.random.experimental.stateless_shuffle(rows, key)[: share - again * len(rows)])
    return tf.random.experimental.stateless_shuffle(tf.concat(drawn, 0), seed)[:count]


def of_similar_length(order: tf.Tensor, lengths: np.ndarray, seed: tf.Tensor) -> tf.Tensor:
    """Sort rows by length within each 50 batches of an epoch, `[batches, batch size]`, and shuffle the batches.

    What a recurrent layer does for padding it need not do, and a batch is as long as its longest text. Which batch an
    example is in changes, not how often it is seen.
    """
    shape, rows = order.shape, tf.reshape(order, [-1])
    window = tf.range(len(rows), dtype=tf.int64) // (WINDOW * shape[1])
    key = window * (int(lengths.max()) + 1) + tf.gather(tf.constant(lengths, tf.int64), rows)
    batches = tf.reshape(tf.gather(rows, tf.argsort(key, stable=True)), shape)
    return tf.random.experimental.stateless_shuffle(batches, seed)


def gather(examples: Examples, rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Take rows of the decoded examples, from memory or from the mapped file."""
    if tf.is_tensor(examples.x):
        return tf.gather(examples.x, rows), tf.gather(examples.y, rows)
    kinds = [tf.as_dtype(array.dtype) for array in (examples.x, examples.y)]
    x, y = tf.numpy_function(lambda r: (examples.x[r], examples.y[r]), [rows], kinds, stateful=False)
    x.set_shape((rows.shape[0], *examples.x.shape[1:]))
    y.set_shape((rows.shape[0], *examples.y.shape[1:]))
    return x, y


def bytes_of(spec: tf.TensorSpec) -> int:
    """Return the size in bytes of one example with this static shape."""
    return int(np.prod(spec.shape, dtype=np.int64)) * spec.dtype.size


def store(spec: tf.TensorSpec, count: int, path: Path | None) -> np.ndarray:
    """Make room for `count` examples, in memory or in a file."""
    shape, kind = (count, *spec.shape), spec.dtype.as_numpy_dtype
    if path is None:
        return np.empty(shape, kind)
    path.parent.mkdir(parents=True, exist_ok=True)
    return np.lib.format.open_memmap(path, "w+", kind, shape)
