"""Explanations of a prediction: heatmaps for models that look at images; for texts see explain_text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_dl.errors import UsageError
from keras_dl.runs.files import replacing
from keras_dl.runs.run import Run


def heatmaps(run: Run, images: np.ndarray, classes: Sequence[int]) -> np.ndarray:
    """Return what in each image speaks for a class: by the task's own heatmap, or Grad-CAM.

    Args:
        run: a complete run of an image task.
        images: `[count, height, width, channels]`, as the model takes them.
        classes: for each image the class index that is explained; with one output it is always class 1.

    Returns:
        `[count, height, width]` in [0, 1].

    Raises:
        UsageError: if the model has no convolution and the task no heatmap.
    """
    if run.task.heatmap:
        return run.task.heatmap(run.model, images)
    outputs = np.zeros(len(images), int) if run.model.output_shape[-1] == 1 else np.asarray(classes)
    return grad_cam(run.model, images, outputs)


def caption(run: Run, name: str) -> str:
    """Say what a heatmap of this run shows."""
    return f"what speaks for {name} ({'Grad-CAM' if run.task.heatmap is None else 'distance from healthy'})"


def grad_cam(model: keras.Model, images: np.ndarray, outputs: int | np.ndarray = 0) -> np.ndarray:
    """Return Grad-CAM heatmaps (Selvaraju et al. 2017) of the last feature map, for models nested to any depth.

    The gradient is taken before the last sigmoid or softmax: behind it nothing is left of it where the model is sure.

    Args:
        model: takes images `[count, height, width, channels]` and gives probabilities `[count, outputs]`.
        images: as the model takes them.
        outputs: which output is explained, one for all images or one for each.

    Returns:
        `[count, height, width]` in [0, 1]; all zero where nothing speaks for the output.

    Raises:
        UsageError: if the model has no convolution.
    """
    layer = last_feature_map(model)
    with tf.GradientTape() as tape, captured(layer, tape) as seen, linear_head(model):
        scores = model(tf.convert_to_tensor(images), training=False)
        score = tf.gather(scores, tf.broadcast_to(outputs, (len(images),)), axis=1, batch_dims=1)
    (activation,) = seen
    weights = tf.reduce_mean(tape.gradient(score, activation), axis=(1, 2), keepdims=True)
    heat = tf.nn.relu(tf.reduce_sum(weights * activation, axis=-1, keepdims=True))
    heat = tf.image.resize(heat, images.shape[1:3], method="bicubic")[..., 0]
    peak = tf.reduce_max(heat, axis=(1, 2), keepdims=True)
    return tf.clip_by_value(tf.math.divide_no_nan(heat, peak), 0, 1).numpy()


def last_feature_map(model: keras.Model) -> keras.Layer:
    """Return the layer whose map the pooling or flattening sees, looking into nested models.

    The last convolution itself would miss what a residual network adds to it.
    """
    layers = [layer for layer in model._flatten_layers(include_self=False) if not isinstance(layer, keras.Model)]
    convolutions = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D)
    if not any(isinstance(layer, convolutions) for layer in layers):
        raise UsageError(f"the model {model.name} has no convolution to explain by Grad-CAM")
    return deepest_map(model)


def deepest_map(model: keras.Model) -> keras.Layer:
    """Return the layer nearest to the output that gives maps `[batch, height, width, channels]`."""
    layer = next(layer for layer in reversed(model.layers) if len(layer.output.shape) == 4)
    return deepest_map(layer) if isinstance(layer, keras.Model) else layer


@contextmanager
def captured(layer: keras.Layer, tape: tf.GradientTape) -> Iterator[list[tf.Tensor]]:
    """Collect what a layer gives while the model runs.

    A second model from the inputs to this layer would be the usual way, but Keras cannot make one that reaches into a
    nested model; listening to the layer's own call works at any depth.
    """
    seen: list[tf.Tensor] = []
    call = layer.call

    def listening(*arguments: Any, **options: Any) -> tf.Tensor:
        result = call(*arguments, **options)
        tape.watch(result)
        seen.append(result)
        return result

    layer.call = listening
    try:
        yield seen
    finally:
        layer.call = call


@contextmanager
def linear_head(model: keras.Model) -> Iterator[None]:
    """Take the activation off the last layer for a while."""
    head = model.layers[-1]
    activation = head.activation
    head.activation = keras.activations.linear
    try:
        yield
    finally:
        head.activation = activation


def overlay(image: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Lay a heatmap over a grey or colour image; return float RGB `[height, width, 3]` in [0, 1]."""
    from matplotlib import colormaps

    grey = np.repeat(image, 3, axis=-1) / 255 if image.shape[-1] == 1 else image / 255
    strength = 0.55 * heat[..., None]
    return grey * (1 - strength) + colormaps["inferno"](heat)[..., :3] * strength


def draw(path: Path, image: np.ndarray, heat: np.ndarray, title: str, caption: str) -> None:
    """Write a PNG with the image beside the image under its heatmap."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.4), layout="constrained")
    for axes, picture, name in zip(
        figure.subplots(1, 2),
        (image / 255, overlay(image, heat)),
        ("the model's input", caption),
        strict=True,
    ):
        axes.imshow(picture, cmap="gray", vmin=0, vmax=1)
        axes.set_title(name, fontsize=10)
        axes.axis("off")
    figure.suptitle(title, fontsize=11)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=120, format="png")
