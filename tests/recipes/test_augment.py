import numpy as np
import pytest
import tensorflow as tf

from keras_dl.recipes import augment

SEED = tf.constant([1, 2], tf.int64)
IMAGES = tf.constant(np.random.default_rng(0).integers(0, 256, (6, 16, 20, 1), dtype="uint8"))


def apply(change, seed=SEED, images=IMAGES):
    return change(images, tf.zeros(len(images)), seed)[0].numpy()


def test_no_change_asked_for_is_no_change():
    np.testing.assert_array_equal(apply(augment.affine()), IMAGES)
    np.testing.assert_array_equal(apply(augment.exposure()), IMAGES)


def test_a_flip_mirrors_about_half_of_the_images_exactly():
    many = tf.repeat(IMAGES[:1], 200, axis=0)
    changed = apply(augment.affine(flip=True), images=many)
    mirrored = (changed == many.numpy()[:, :, ::-1]).all(axis=(1, 2, 3))
    unchanged = (changed == many.numpy()).all(axis=(1, 2, 3))
    assert (mirrored ^ unchanged).all()
    assert 70 < mirrored.sum() < 130


def test_the_middle_stays_in_place_under_rotation_and_zoom():
    dot = np.zeros((50, 33, 33, 1), "uint8")
    dot[:, 15:18, 15:18] = 255
    changed = apply(augment.affine(rotation=45, zoom=0.2, stretch=0.2, flip=True), images=tf.constant(dot))
    rows, columns = np.indices((33, 33))
    weight = changed[..., 0] / changed.sum(axis=(1, 2, 3), keepdims=True)[..., 0]
    assert (weight * rows).sum(axis=(1, 2)) == pytest.approx(np.full(50, 16), abs=0.3)
    assert (weight * columns).sum(axis=(1, 2)) == pytest.approx(np.full(50, 16), abs=0.3)


def test_zoom_and_rotation_keep_their_limits():
    bar = np.zeros((200, 65, 65, 1), "uint8")
    bar[:, 12:53, 31:34] = 255  # 41 long, upright
    changed = apply(augment.affine(rotation=10, zoom=0.2), images=tf.constant(bar))[..., 0] > 127
    lengths = changed.any(axis=2).sum(axis=1)
    assert 41 * 0.8 * 0.97 - 2 <= lengths.min() < 38
    assert 44 < lengths.max() <= 41 * 1.2 + 3
    ends = [np.flatnonzero(image.any(axis=1))[0] for image in changed]
    lean = [abs(np.flatnonzero(image[row]).mean() - 32) for image, row in zip(changed, ends, strict=True)]
    assert 2 < max(lean) < np.tan(np.radians(10)) * 41 * 1.2 / 2 + 1.5


@pytest.mark.parametrize("name", ["rand_augment", "cutout"])
def test_policies_of_keras_cv_change_grey_images_and_keep_their_kind(name):
    changed = apply(augment.policy(name), images=tf.repeat(tf.repeat(IMAGES, 2, axis=1), 2, axis=2))
    assert changed.shape == (6, 32, 40, 1)
    assert changed.dtype == "uint8"
    assert (changed != np.repeat(np.repeat(IMAGES, 2, axis=1), 2, axis=2)).mean() > 0.01


def test_the_seed_alone_decides():
    change = augment.chain(
        augment.affine(rotation=10, zoom=0.1, stretch=0.1, shift=0.1, flip=True),
        augment.exposure(gamma=0.5, contrast=0.3, brightness=0.1, noise=0.05),
    )
    np.testing.assert_array_equal(apply(change), apply(change))
    assert (apply(change) != apply(change, tf.constant([1, 3], tf.int64))).mean() > 0.5
    assert change(IMAGES, tf.zeros(6), SEED)[0].dtype == tf.uint8
