"""The one `tf.data` pipeline: nobody else builds a batched data set.

Training and evaluation want opposite things, so they are two short functions over the same decoded examples.
`training` draws each epoch's order from (seed, epoch) alone, with stateless operations: a resumed training reads on
exactly where the interrupted one would have. `evaluation` gives every example once, in order.
"""

from __future__ import annotations

import mmap
import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from keras_dl.errors import KerasDLError
from keras_dl.progress import bar
from keras_dl.task import Config, Data, Split

ENDLESS = 1 << 40  # epochs; fit() stops by steps
ALIGNMENT = 64  # bytes, which TensorFlow needs where it is to take an array as it is
WINDOW = 50  # batches that are sorted by length together


@dataclass(frozen=True)
class Examples:
    """A split decoded once: tensors in memory, or arrays mapped from a file where they are too large for it."""

    x: Any  # [count, ...], uint8 for images
    y: Any  # [count, ...]
    truth: np.ndarray  # [count, ...]
    strata: np.ndarray | None = None  # [count], what training balances by

    def __len__(self) -> int:
        return len(self.truth)

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Return x and the truth as NumPy arrays, for scikit-learn."""
        return np.asarray(self.x), self.truth


@dataclass(frozen=True)
class Share:
    """The pieces of every batch that one process computes: `count` of `pieces`, from number `first` on."""

    first: int = 0
    count: int = 1
    pieces: int = 1


WHOLE = Share()


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
    with bar(total=len(split), desc=f"decode {name}", unit=" examples") as shown:
        for batch in plain(split.examples.batch(64).prefetch(2)).as_numpy_iterator():
            for array, values in zip(stores, batch, strict=True):
                array[done : done + len(values)] = values
                release(array)
            done += len(batch[1])
            shown.update(len(batch[1]))
    if done != len(split):
        raise RuntimeError(f"the split '{name}' should have {len(split)} examples but gave {done}")
    truth = np.asarray(split.truth)
    strata = None if split.strata is None else np.asarray(split.strata, dtype=np.int64)
    if in_memory:
        stores = [tf.experimental.dlpack.from_dlpack(array.__dlpack__()) for array in stores]  # the same memory
    return Examples(stores[0], stores[1], truth, strata)


def plain(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Switch off what tunes a data set while it runs: often it holds the end of a short iteration up for half a second.

    Then `tf.data.AUTOTUNE` means as many calls at a time as there are cores.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    options.autotune.initial_parallelism = os.cpu_count() or 1
    return dataset.with_options(options)


def steps(examples: Examples, config: Config) -> tuple[int, int]:
    """Return the steps of an epoch and how many of them one call of the compiled function makes.

    The first is a multiple of the second, or Keras would run on into the next epoch. A few batches at most are left
    out for it, as is a smaller last batch; another shuffle brings them in the next epoch.
    """
    batches = max(1, len(examples) // config.batch_size)
    wanted = min(config.steps_per_execution, batches)
    per_call = min(range((wanted + 1) // 2, wanted + 1), key=lambda calls: (batches % calls, -calls))
    return batches - batches % per_call, per_call


def shareable(config: Config, examples: Examples, pieces: int) -> Config:
    """Return the settings with a batch size that the examples fill and that has equal pieces.

    Raises:
        KerasDLError: if there are fewer examples than pieces.
    """
    batch_size = min(config.batch_size, len(examples)) // pieces * pieces
    if not batch_size:
        raise KerasDLError(f"{len(examples)} training examples are too few for {pieces} pieces of a batch")
    return replace(config, batch_size=batch_size) if batch_size < config.batch_size else config


def training(
    examples: Examples, data: Data, config: Config, *, start_epoch: int = 0, share: Share = WHOLE
) -> tf.data.Dataset:
    """Batches without end, from the first step of `start_epoch` on; `steps` of them are an epoch.

    With a `share`, each batch comes as that share's pieces, one after another: for replicas, or for the accumulation of
    gradients. All shares together give each row of a batch once.
    """
    count, _ = steps(examples, config)

    def epoch_of(epoch: tf.Tensor) -> tf.data.Dataset:
        order = order_of(examples, data, config, epoch)
        order = tf.reshape(order, (count, -1, share.pieces))  # strided: where rows are sorted, pieces take equally long
        order = tf.transpose(order, (0, 2, 1))[:, share.first : share.first + share.count]
        numbers = (epoch * count + tf.range(count, dtype=tf.int64))[:, None] * share.pieces
        numbers = tf.reshape(numbers + tf.range(share.first, share.first + share.count, dtype=tf.int64), [-1])
        seeds = tf.stack([tf.fill(numbers.shape, tf.cast(config.seed, tf.int64)), numbers], axis=1)
        return tf.data.Dataset.from_tensor_slices((tf.reshape(order, (len(numbers), -1)), seeds))

    def batch_of(order: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        x, y = gather(examples, order)
        return data.augment(x, y, seed) if data.augment else (x, y)

    batches = tf.data.Dataset.range(start_epoch, ENDLESS).flat_map(epoch_of)
    return plain(batches.map(batch_of, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).prefetch(2))


def evaluation(examples: Examples, batch_size: int, share: Share = WHOLE) -> tf.data.Dataset:
    """Every example exactly once, in order: no shuffle, no repeat, no dropped remainder.

    With a `share`, every process gets as many pieces as every other, none of them empty, and their sizes differ by one
    at most.

    Raises:
        KerasDLError: if there are fewer examples than pieces.
    """
    count, pieces = len(examples), share.pieces
    if pieces > max(1, count):
        raise KerasDLError(f"{count} validation examples are too few for {pieces} replicas; use fewer")
    if pieces == 1:
        order = tf.data.Dataset.range(count).batch(batch_size)
    else:
        total = min(-(-count // batch_size), count // pieces) * pieces
        numbers = tf.reshape(tf.range(total, dtype=tf.int64), (-1, pieces))[:, share.first : share.first + share.count]
        order = tf.data.Dataset.from_tensor_slices(tf.reshape(numbers, [-1]))
        order = order.map(lambda number: tf.range(number * count // total, (number + 1) * count // total))
    batches = order.map(lambda rows: gather(examples, rows), num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return plain(batches.prefetch(2))


def order_of(examples: Examples, data: Data, config: Config, epoch: tf.Tensor | int) -> tf.Tensor:
    """Draw which rows each batch of an epoch holds, `[steps, batch size]`, from the seed and the epoch."""
    count, _ = steps(examples, config)
    batch_size = min(config.batch_size, len(examples))
    seed = tf.stack([tf.cast(config.seed, tf.int64), tf.cast(epoch, tf.int64)])
    order = draw_order(len(examples), examples.strata, data.balance, seed)
    order = tf.reshape(order[: count * batch_size], (count, batch_size))
    if not data.bucket:
        return order
    return of_similar_length(order, np.count_nonzero(np.asarray(examples.x), axis=1), seed)


def draw_order(count: int, strata: np.ndarray | None, balance: str, seed: tf.Tensor) -> tf.Tensor:
    """Shuffle the rows for one epoch; with balance "classes" each stratum fills an equal share of them.

    A stratum that is too small is gone through several times, a large one only in part, another part each epoch.
    """
    if balance == "none" or strata is None:
        return tf.random.experimental.stateless_shuffle(tf.range(count, dtype=tf.int64), seed)
    names = np.unique(strata)
    share = -(-count // len(names))
    drawn = []
    for number, name in enumerate(names):
        rows = np.flatnonzero(strata == name)
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

    def read(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = examples.x[numbers], examples.y[numbers]
        release(examples.x)
        return found

    x, y = tf.numpy_function(read, [rows], kinds, stateful=False)
    x.set_shape((rows.shape[0], *examples.x.shape[1:]))
    y.set_shape((rows.shape[0], *examples.y.shape[1:]))
    return x, y


def release(array: np.ndarray) -> None:
    """Give the pages of a mapped file back: they would count as this process' memory, and the system keeps them."""
    below = array.base
    while isinstance(below, np.ndarray):  # of a view
        below = below.base
    if isinstance(below, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        below.madvise(mmap.MADV_DONTNEED)


def bytes_of(spec: tf.TensorSpec) -> int:
    """Return the size in bytes of one example with this static shape."""
    return int(np.prod(spec.shape, dtype=np.int64)) * spec.dtype.size


def store(spec: tf.TensorSpec, count: int, path: Path | None) -> np.ndarray:
    """Make room for `count` examples, in memory or in a file."""
    shape, kind = (count, *spec.shape), spec.dtype.as_numpy_dtype
    if path is None:
        room = np.empty(count * bytes_of(spec) + ALIGNMENT, np.uint8)
        first = -room.ctypes.data % ALIGNMENT
        return room[first : first + count * bytes_of(spec)].view(kind).reshape(shape)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        array = np.lib.format.open_memmap(path, "w+", kind, shape)  # anew, whatever was there
        if hasattr(os, "posix_fallocate"):  # a disk that is full while a mapped page is written kills the process
            with path.open("rb+") as file:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    except OSError as error:
        with suppress(OSError):
            path.unlink()
        size = count * bytes_of(spec) / 2**30
        raise KerasDLError(
            f"cannot write {path}, {size:.1f} GB of decoded examples: {error.strerror}; free some space there, choose "
            "another --out, or keep the examples in memory with a larger --set cache_gb"
        ) from None
    return array
