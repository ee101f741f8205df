"""What in an image speaks for an answer: heatmaps, and how they are laid over the image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_dl.errors import UsageError
from keras_dl.layers.nested import layers_inside
from keras_dl.task.blocks import Block, Panel, Picture
from keras_dl.task.kinds import Target

SEEN = "the model's input"


def decoded(run: Any, raws: Sequence[bytes]) -> np.ndarray:
    """Return raw images as the model of a run takes them, `[count, height, width, channels]`."""
    decode = run.task.input.decode(run.config, run.assets)
    return np.stack([decode(tf.constant(raw)).numpy() for raw in raws])


def outputs_of(model: keras.Model, targets: Sequence[Target]) -> np.ndarray:
    """Return which output of a model is explained for each target, `[count]`; of one output it is always that."""
    return np.array([0 if model.output_shape[-1] == 1 else target.index for target in targets])


def pictures(
    images: np.ndarray, heats: np.ndarray, targets: Sequence[Target], meaning: str, *, brief: bool = False
) -> list[Block]:
    """Make a block of each image and its heatmap.

    Args:
        images: `[count, height, width, channels]`, values 0 to 255.
        heats: `[count, height, width]` in [0, 1].
        targets: what is explained of each.
        meaning: of the colours, with {of} in it.
        brief: leave the caption out.
    """
    return [
        Picture([Panel(SEEN, image)], "" if brief else meaning.format(of=one.of), heat, meaning.format(of=one.of))
        for image, heat, one in zip(images, heats, targets, strict=True)
    ]


def plain_pictures(images: np.ndarray) -> list[Block]:
    """Make a block of each image alone."""
    return [Picture([Panel(SEEN, image)]) for image in images]


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
    layers = [layer for layer in layers_inside(model) if not isinstance(layer, keras.Model)]
    convolutions = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D)
    if not any(isinstance(layer, convolutions) for layer in layers):
        raise UsageError(f"the model {model.name} has no convolutional layer, which Grad-CAM needs")
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
    activation = getattr(head, "activation", None)
    if activation is None:  # a sum, say
        yield
        return
    head.activation = keras.activations.linear
    try:
        yield
    finally:
        head.activation = activation
