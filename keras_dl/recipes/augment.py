"""Augmentation on batches, in the input pipeline.

Every function here returns `augment(x, y, seed) -> (x, y)` for a batch `x` of uint8 images `[batch, height, width,
channels]`. The operations are stateless: the seed alone decides, so a resumed training sees the same images as
an uninterrupted one.
"""

from __future__ import annotations

import tensorflow as tf

from keras_dl.task.records import Augment


def chain(*augments: Augment) -> Augment:
    """Apply several augmentations one after another, each with a seed of its own."""

    def apply(x: tf.Tensor, y: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        for number, augment in enumerate(augments):
            x, y = augment(x, y, tf.random.experimental.stateless_fold_in(seed, number))
        return x, y

    return apply


def affine(
    *,
    rotation: float = 0.0,
    zoom: float = 0.0,
    stretch: float = 0.0,
    shift: float = 0.0,
    flip: bool = False,
    fill: str = "constant",
) -> Augment:
    """Rotate, scale, shift and mirror each image about its centre in one resampling.

    Args:
        rotation: largest angle in degrees, drawn from [-rotation, rotation].
        zoom: the scale is drawn from [1 - zoom, 1 + zoom].
        stretch: likewise, of the width alone, so that the aspect ratio changes.
        shift: largest shift as a share of the width and of the height.
        flip: mirror left and right in half of the images.
        fill: what lies beyond the edges: "constant" (black), "reflect" (the image, mirrored) or "nearest" (its edge).
    """

    def apply(images: tf.Tensor, y: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        count, height, width = tf.shape(images)[0], images.shape[1], images.shape[2]
        uniform = tf.random.stateless_uniform((6, count), seed, -1.0, 1.0)
        angle = uniform[0] * (rotation * 3.14159265 / 180)
        scale_y = 1 / (1 + zoom * uniform[1])
        scale_x = scale_y / (1 + stretch * uniform[2])
        if flip:
            scale_x *= tf.sign(uniform[3])
        # Output pixel -> input pixel: about the centre, then the shift.
        a, b = tf.cos(angle) * scale_x, -tf.sin(angle) * scale_y
        c, d = tf.sin(angle) * scale_x, tf.cos(angle) * scale_y
        middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
        move_x = middle_x - a * middle_x - b * middle_y + uniform[4] * shift * width
        move_y = middle_y - c * middle_x - d * middle_y + uniform[5] * shift * height
        zeros = tf.zeros_like(a)
        transforms = tf.stack([a, b, move_x, c, d, move_y, zeros, zeros], axis=1)
        moved = tf.raw_ops.ImageProjectiveTransformV3(
            images=images,
            transforms=transforms,
            output_shape=(height, width),
            fill_value=0.0,
            interpolation="BILINEAR",
            fill_mode=fill.upper(),
        )
        return tf.ensure_shape(moved, images.shape), y

    return apply


def exposure(
    *,
    gamma: float = 0.0,
    contrast: float = 0.0,
    brightness: float = 0.0,
    sharpness: float = 0.0,
    noise: float = 0.0,
) -> Augment:
    """Vary each image as another exposure or another device would.

    Args:
        gamma: the exponent is drawn log-uniformly from [1 / (1 + gamma), 1 + gamma].
        contrast: the factor about the image's mean is drawn from [1 - contrast, 1 + contrast].
        brightness: the offset is drawn from [-brightness, brightness], of a full scale of 1.
        sharpness: the factor of the fine detail (the image minus its 3 x 3 binomial blur) is drawn log-uniformly from
            [1 / (1 + sharpness), 1 + sharpness].
        noise: standard deviation of Gaussian noise, drawn from [0, noise] for each image.
    """

    def apply(images: tf.Tensor, y: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        uniform = tf.random.stateless_uniform((5, tf.shape(images)[0], 1, 1, 1), seed, -1.0, 1.0)
        x = tf.cast(images, tf.float32) / 255
        if gamma:
            x = x ** ((1 + gamma) ** uniform[0])
        mean = tf.reduce_mean(x, axis=(1, 2, 3), keepdims=True)
        x = (x - mean) * (1 + contrast * uniform[1]) + mean + brightness * uniform[2]
        if sharpness:
            smooth = blurred(x)
            x = smooth + (x - smooth) * (1 + sharpness) ** uniform[4]
        if noise:
            x += tf.random.stateless_normal(tf.shape(x), seed + 1) * noise * tf.abs(uniform[3])
        return tf.cast(tf.clip_by_value(x * 255 + 0.5, 0, 255), images.dtype), y

    return apply


def blurred(images: tf.Tensor) -> tf.Tensor:
    """Blur float images `[batch, height, width, channels]` with the 3 x 3 binomial kernel, edges repeated."""
    rows = tf.pad(images, ((0, 0), (1, 1), (0, 0), (0, 0)), "SYMMETRIC")
    images = (rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / 4
    columns = tf.pad(images, ((0, 0), (0, 0), (1, 1), (0, 0)), "SYMMETRIC")
    return (columns[:, :, :-2] + 2 * columns[:, :, 1:-1] + columns[:, :, 2:]) / 4


def policy(name: str) -> Augment:
    """Apply a policy of keras-cv: "rand_augment" (Cubuk et al. 2020) or "cutout" (DeVries, Taylor 2017).

    The one place that imports keras-cv. Its layers draw from generators with a state of their own, so this is the one
    augmentation that a resumed training does not repeat.
    """
    import keras_cv

    layer = {
        "rand_augment": lambda: keras_cv.layers.RandAugment(value_range=(0, 255), magnitude=0.3, geometric=False),
        "cutout": lambda: keras_cv.layers.RandomCutout(0.3, 0.3),
    }[name]()

    def apply(images: tf.Tensor, y: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        channels = images.shape[-1]
        colour = tf.repeat(tf.cast(images, tf.float32), 3 // channels, axis=-1)  # grey as RGB, which RandAugment wants
        changed = layer(colour, training=True)[..., :channels]
        return tf.cast(tf.clip_by_value(changed, 0, 255), images.dtype), y

    return apply
