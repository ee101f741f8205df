"""Crops and turns of an image and its map: both move together, and what is near a cut is unknown."""

import numpy as np
import pytest
import tensorflow as tf

from keras_dl.recipes import augment_maps
from keras_dl.recipes.augment import chain

SEED = tf.constant([1, 2], tf.int64)
SIDE = 48


def dotted(count=64, side=SIDE, each=12):
    """Images with a bright pixel at each cell, and maps with a 1 there."""
    random = np.random.default_rng(0)
    maps = np.zeros((count, side, side, 1), "float32")
    for one in maps:
        one.reshape(-1)[random.permutation(side**2)[:each]] = 1
    return tf.constant(np.repeat(255 * maps, 3, axis=-1).astype("uint8")), tf.constant(maps)


def bright(images):
    return (images.numpy()[..., :1] == 255).astype("float32")


@pytest.mark.parametrize(
    "change",
    [augment_maps.crops(16), augment_maps.crops(16, each=3), augment_maps.turns()],
    ids=["crops", "several", "turns"],
)
def test_image_and_map_move_together(change):
    images, maps = change(*dotted(), SEED)
    assert (images.dtype, maps.dtype) == (tf.uint8, tf.float32)
    assert maps.numpy().sum() > 50
    np.testing.assert_array_equal(bright(images), maps)


def test_a_turn_loses_no_cell_and_takes_all_eight_positions():
    corner = np.zeros((400, 8, 8, 1), "float32")
    corner[:, 0, 1] = 1
    images, maps = augment_maps.turns()(
        tf.constant(np.repeat(corner, 3, -1).astype("uint8")), tf.constant(corner), SEED
    )
    np.testing.assert_array_equal(images.numpy()[..., :1], maps)
    assert maps.numpy().sum(axis=(1, 2, 3)).tolist() == [1] * 400
    places = {tuple(np.argwhere(one[..., 0])[0].tolist()) for one in maps.numpy()}
    assert places == {(0, 1), (0, 6), (7, 1), (7, 6), (1, 0), (6, 0), (1, 7), (6, 7)}


def test_images_that_are_not_square_are_mirrored():
    corner = np.zeros((200, 8, 16, 1), "float32")
    corner[:, 0, 1] = 1
    images, maps = augment_maps.turns()(
        tf.constant(np.repeat(corner, 3, -1).astype("uint8")), tf.constant(corner), SEED
    )
    np.testing.assert_array_equal(images.numpy()[..., :1], maps)
    places = {tuple(np.argwhere(one[..., 0])[0].tolist()) for one in maps.numpy()}
    assert places == {(0, 1), (0, 14), (7, 1), (7, 14)}


def test_a_count_is_the_same_in_all_positions():
    images, counts = dotted(8)[0], tf.range(8.0)[:, None]
    turned, same = augment_maps.turns()(images, counts, SEED)
    assert same is counts
    assert (turned.numpy() != images.numpy()).any()


def test_each_image_gives_as_many_squares_as_asked_from_places_of_its_own():
    numbered = np.arange(4, dtype="uint8")[:, None, None, None] * np.ones((1, SIDE, SIDE, 3), "uint8")
    images, maps = augment_maps.crops(16, each=3)(tf.constant(numbered), tf.zeros((4, SIDE, SIDE, 1)), SEED)
    assert images.shape == (12, 16, 16, 3)
    assert maps.shape == (12, 16, 16, 1)
    assert images.numpy()[:, 0, 0, 0].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]


def corners_of(count, shape, size, margin=0, seed=SEED):
    """Cut maps whose values are their places; return where each square begins, and what is known of it."""
    height, width = shape
    values = np.arange(height * width, dtype="float32").reshape(1, height, width, 1)
    maps = tf.constant(np.repeat(values, count, axis=0))
    images = tf.zeros((count, height, width, 3), tf.uint8)
    whole = augment_maps.crops(size)(images, maps, seed)[1].numpy()
    cut = augment_maps.crops(size, margin=margin)(images, maps, seed)[1].numpy()
    return [divmod(int(one[0, 0, 0]), width) for one in whole], cut[..., 0]


def test_squares_lie_at_the_borders_often_and_everywhere_else_too():
    places = np.array(corners_of(2000, (SIDE, SIDE), SIDE // 2)[0])
    for axis in (0, 1):
        assert (places[:, axis] == 0).mean() == pytest.approx(0.25, abs=0.04)
        assert (places[:, axis] == SIDE // 2).mean() == pytest.approx(0.25, abs=0.04)
        assert set(places[:, axis]) == set(range(SIDE // 2 + 1))


def test_only_what_is_near_a_cut_is_unknown():
    places, maps = corners_of(300, (40, 64), 24, margin=5)
    for (row, column), one in zip(places, maps, strict=True):
        wanted = np.arange(40 * 64, dtype="float32").reshape(40, 64)[row : row + 24, column : column + 24].copy()
        wanted[: 5 if row > 0 else 0] = -1
        wanted[19 if row + 24 < 40 else 24 :] = -1
        wanted[:, : 5 if column > 0 else 0] = -1
        wanted[:, 19 if column + 24 < 64 else 24 :] = -1
        np.testing.assert_array_equal(one, wanted)
    assert {row for row, _ in places} >= {0, 16}


def test_a_square_of_the_whole_image_has_no_cuts():
    images, maps = dotted(4)
    cut = augment_maps.crops(SIDE, margin=9)(images, maps, SEED)
    np.testing.assert_array_equal(cut[0], images)
    np.testing.assert_array_equal(cut[1], maps)


def test_unknown_places_stay_with_their_image_when_it_is_turned():
    images, maps = chain(augment_maps.crops(24, margin=5), augment_maps.turns())(*dotted(), SEED)
    known = maps.numpy() >= 0
    assert 0.2 < known.mean() < 1
    np.testing.assert_array_equal(bright(images)[known], maps.numpy()[known])


def test_the_seed_alone_decides():
    change = chain(augment_maps.crops(16, each=2, margin=3), augment_maps.turns())
    for one, same in zip(change(*dotted(), SEED), change(*dotted(), SEED), strict=True):
        np.testing.assert_array_equal(one, same)
    other = change(*dotted(), tf.constant([1, 3], tf.int64))
    assert (change(*dotted(), SEED)[1].numpy() != other[1].numpy()).any()


def test_a_square_larger_than_its_image_is_refused():
    with pytest.raises(tf.errors.InvalidArgumentError):
        augment_maps.crops(SIDE + 8)(*dotted(2), SEED)
