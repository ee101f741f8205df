"""Augmentation of an image and its density map together, on batches, in the input pipeline.

Every function here returns `augment(x, y, seed) -> (x, y)` for `x`, uint8 images `[batch, height, width, channels]`,
and `y`, float32 density maps `[batch, height, width, 1]` in cells per pixel. The operations are stateless: the seed
alone decides.
"""

from __future__ import annotations

import tensorflow as tf

from keras_dl.task.records import Augment


def crops(size: int, *, each: int = 1, margin: int = 0) -> Augment:
    """Cut `each` squares of `size` px out of each image, and the same squares out of its map.

    The centre of a square is uniform over the image, then the square is moved inside. So a square of half the image's
    height lies at the upper or the lower side every second time, and likewise left or right. A uniform square would
    hardly ever lie there, and the light falls off at the sides, as no cell beyond them shines.

    What a network sees at a cut is not what it sees there in the whole image. So the map is -1, which means unknown,
    within `margin` px of the cuts, but not at the sides of the image itself.

    Raises `InvalidArgumentError` while it runs where an image is smaller than the square.
    """

    def apply(images: tf.Tensor, maps: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        images, maps = tf.repeat(images, each, axis=0), tf.repeat(maps, each, axis=0)
        shape = tf.shape(images)
        room = (shape[1:3] - size)[:, None]
        place = tf.random.stateless_uniform((2, shape[0]), seed) * tf.cast(shape[1:3, None] + 1, tf.float32)
        place = tf.clip_by_value(tf.cast(place, tf.int32) - size // 2, 0, room)
        rows, columns = (place[axis][:, None] + tf.range(size) for axis in (0, 1))

        def cut(batch: tf.Tensor) -> tf.Tensor:
            return tf.gather(tf.gather(batch, rows, axis=1, batch_dims=1), columns, axis=2, batch_dims=1)

        images, maps = cut(images), cut(maps)
        if margin:
            known = known_along(place[0], room[0])[:, :, None] & known_along(place[1], room[1])[:, None, :]
            maps = tf.where(known[..., None], maps, -1.0)
        return images, maps

    def known_along(place: tf.Tensor, room: tf.Tensor) -> tf.Tensor:
        """Return what is not near a cut along one axis, bool `[batch, size]`."""
        along = tf.range(size)[None]
        start = (along >= margin) | (place == 0)[:, None]
        return start & ((along < size - margin) | (place == room)[:, None])

    return apply


def turns() -> Augment:
    """Mirror and turn each image, and its map alike, into one of its eight positions by chance.

    Images that are not square are only mirrored: four positions.
    """

    def apply(images: tf.Tensor, maps: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        coin = tf.random.stateless_uniform((3, tf.shape(images)[0], 1, 1, 1), seed) < 0.5

        def turn(batch: tf.Tensor) -> tf.Tensor:
            batch = tf.where(coin[0], batch[:, ::-1], batch)
            batch = tf.where(coin[1], batch[:, :, ::-1], batch)
            if batch.shape[1] != batch.shape[2]:
                return batch
            # With both mirrors, swapping the axes makes all rotations by 90 degrees.
            return tf.where(coin[2], tf.transpose(batch, (0, 2, 1, 3)), batch)

        return turn(images), turn(maps) if maps.shape.rank == 4 else maps  # a count is the same in all positions

    return apply
