"""Default functions a task can put into its record: loading images, one phase, a baseline.

Heavy imports stand inside the functions: a recipe file is imported to list and check settings, which must be fast.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from keras_dl.task import Config, Split

if TYPE_CHECKING:
    import keras
    import tensorflow as tf
    from sklearn.base import BaseEstimator

    from keras_dl.datasets.images import Images
    from keras_dl.datasets.texts import Texts

    Found = TypeVar("Found", Images, Texts)


def image_split(images: Images, decode: Callable[[tf.Tensor], tf.Tensor]) -> Split:
    """Make a split of image files, decoded in parallel, labelled by class index as a float `[1]`."""
    import tensorflow as tf

    def read(path: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return decode(tf.io.read_file(path)), tf.cast(label, tf.float32)[None]

    files = tf.data.Dataset.from_tensor_slices(([str(path) for path in images.paths], images.labels))
    at_once = 4 * (os.cpu_count() or 1)  # so that no core waits while a slower file keeps the others' place
    examples = files.map(read, num_parallel_calls=at_once, deterministic=True)
    return Split(
        examples,
        ids=images.ids,
        groups=images.groups.tolist(),
        labels=images.labels.tolist(),
        raw=lambda row: images.paths[row].read_bytes(),
    )


def grey_image(size: int) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return the function from an encoded image (JPEG or PNG) to uint8 `[size, size, 1]`.

    Large JPEGs are decoded at 1/2, 1/4 or 1/8 of their size, which their format gives nearly for nothing, as long as
    that still leaves twice the pixels wanted on each side; the rest is an antialiased resize.
    """
    import tensorflow as tf

    def jpeg(data: tf.Tensor) -> tf.Tensor:
        sides = tf.io.extract_jpeg_shape(data)[:2]
        room = tf.reduce_min(sides) // (2 * size)
        scale = tf.cast(room >= 2, tf.int32) + tf.cast(room >= 4, tf.int32) + tf.cast(room >= 8, tf.int32)
        at = [lambda ratio=ratio: tf.io.decode_jpeg(data, channels=1, ratio=ratio) for ratio in (1, 2, 4, 8)]
        return tf.switch_case(scale, at)

    def decode(data: tf.Tensor) -> tf.Tensor:
        image = tf.cond(
            tf.io.is_jpeg(data),
            lambda: jpeg(data),
            lambda: tf.io.decode_image(data, channels=1, expand_animations=False),
        )
        image = tf.ensure_shape(image, (None, None, 1))
        image = antialiased(image, size)
        return tf.cast(tf.clip_by_value(tf.round(image), 0, 255), tf.uint8)

    return decode


def antialiased(image: tf.Tensor, size: int) -> tf.Tensor:
    """Resize `[height, width, 1]` to float32 `[size, size, 1]` as `tf.image.resize(..., antialias=True)` does, sooner.

    Its triangle filter is separable, so it is two matrix products. They take less than half the time, and round
    otherwise, by some 0.002 grey levels.
    """
    import tensorflow as tf

    def weights(pixels: tf.Tensor) -> tf.Tensor:  # [size, pixels]
        scale = pixels / size
        width = tf.maximum(scale, 1)  # of half a triangle
        centres = (tf.range(size, dtype=tf.float32) + 0.5) * scale
        return tf.nn.relu(1 - tf.abs(tf.range(0.5, pixels) / width - centres[:, None] / width))

    with tf.device("CPU:0"):  # where training decodes; products on a GPU have fewer digits
        vertical, horizontal = (weights(side) for side in tf.unstack(tf.cast(tf.shape(image)[:2], tf.float32)))
        values = tf.matmul(vertical @ tf.cast(image[..., 0], tf.float32), horizontal, transpose_b=True)
        sums = tf.reduce_sum(vertical, axis=1)[:, None] * tf.reduce_sum(horizontal, axis=1)
        return (values / sums)[..., None]


def chosen(config: Config, *names: str) -> dict[str, Any]:
    """Return some settings by name, to be passed on as they are."""
    return {name: getattr(config, name) for name in names}


def warm_cosine(learning_rate: float, steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    """Rise linearly to `learning_rate` over a tenth of the steps, then fall to zero along a cosine."""
    import keras

    warm_up = max(1, steps // 10)
    return keras.optimizers.schedules.CosineDecay(
        learning_rate / 20, max(1, steps - warm_up), warmup_target=learning_rate, warmup_steps=warm_up
    )


def compile_classifier(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    *,
    label_smoothing: float = 0.0,
    loss: Callable[[Any, Any], Any] | None = None,
) -> None:
    """Set optimizer, cross entropy, accuracy and, of one output, AUROC.

    A model with one output takes labels 0 and 1, one with several the index of the class. Labels of several classes
    are not smoothed. `loss` takes the place of the cross entropy of one output.
    """
    import keras

    if model.output_shape[-1] > 1:
        assert not label_smoothing
        metrics = [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]
        model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(), metrics=metrics)
        return
    metrics = [keras.metrics.BinaryAccuracy(name="accuracy"), keras.metrics.AUC(name="auroc")]
    loss = loss or keras.losses.BinaryCrossentropy(label_smoothing=label_smoothing)
    model.compile(optimizer, loss, metrics=metrics)


def early_stopping(config: Config, monitor: str = "val_loss") -> keras.callbacks.Callback:
    """Stop after `config.patience` epochs without a better monitored value; the best epoch is kept by the run."""
    import keras

    mode = "min" if monitor.endswith("loss") else "max"
    return keras.callbacks.EarlyStopping(monitor=monitor, mode=mode, patience=config.patience)


def plateau(config: Config, monitor: str = "val_loss") -> keras.callbacks.Callback:
    """Halve the learning rate after two epochs without a better monitored value."""
    import keras

    mode = "min" if monitor.endswith("loss") else "max"
    return keras.callbacks.ReduceLROnPlateau(monitor=monitor, mode=mode, factor=0.5, patience=2, min_lr=1e-6)


def hog_svm(config: Config) -> BaseEstimator:
    """Return the classical baseline for images: histograms of oriented gradients and an SVM (Dalal, Triggs 2005).

    It takes uint8 images `[count, height, width, 1]`; its `decision_function` is calibrated like the network's score.
    """
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler
    from sklearn.svm import LinearSVC

    svm = LinearSVC(C=1e-3, class_weight="balanced", random_state=config.seed)
    return make_pipeline(FunctionTransformer(hog_features), StandardScaler(), svm)


def hog_features(images: np.ndarray) -> np.ndarray:
    """Return HOG features of uint8 images `[count, height, width, 1]` as `[count, features]`."""
    from skimage.feature import hog

    cell = max(4, images.shape[1] // 12)
    return np.stack([hog(image[..., 0], 9, (cell, cell), (2, 2)) for image in images]).astype("float32")


def check_image(raw: bytes) -> None:
    """Raise BadInput for bytes that are no image this package reads."""
    from keras_dl.datasets.images import check

    check(raw)


def test_part(found: Found) -> Found:
    """Return the test part of a set that has parts, or all of one that has none."""
    return found.take(found.parts == "test") if (found.parts == "test").any() else found


def notes(found: Images | Texts) -> dict[str, Any]:
    """Say for card and report what was read and what was skipped, and why."""
    skipped = [{"file": skipped.path, "reason": skipped.reason} for skipped in found.skipped]
    return {"read": len(found), **found.notes, "skipped": skipped}
