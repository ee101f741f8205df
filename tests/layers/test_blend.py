"""The weighted mean of the parts of a model."""

import keras
import numpy as np
import tensorflow as tf

from keras_dl.layers.blend import Blend

PARTS = [np.array([[1.0], [2.0]], "float32"), np.array([[3.0], [-6.0]], "float32")]


def test_at_first_all_parts_have_the_same_say():
    np.testing.assert_allclose(Blend()(PARTS), [[2], [-2]])
    np.testing.assert_allclose(Blend()([*PARTS, PARTS[0]]), [[5 / 3], [-2 / 3]], rtol=1e-6)


def test_shares_weigh_the_parts_and_no_gradient_changes_them():
    layer = Blend()
    layer.build([(None, 1), (None, 1)])
    layer.shares.assign([0.75, 0.25])
    with tf.GradientTape() as tape:
        parts = [tf.constant(part) for part in PARTS]
        tape.watch(parts)
        answer = layer(parts)
    np.testing.assert_allclose(answer, [[1.5], [0]])
    np.testing.assert_allclose(tape.gradient(answer, parts), np.array([0.75, 0.25])[:, None, None] * np.ones((2, 2, 1)))
    assert layer.trainable_weights == []


def test_a_part_without_a_share_is_not_trained():
    layer = Blend()
    layer.build([(None, 1), (None, 1)])
    layer.shares.assign([1.0, 0.0])
    with tf.GradientTape() as tape:
        parts = [tf.constant(part) for part in PARTS]
        tape.watch(parts)
        answer = layer(parts)
    assert not tape.gradient(answer, parts[1]).numpy().any()


def test_a_saved_blend_keeps_its_shares(tmp_path):
    inputs = [keras.Input((1,)), keras.Input((1,))]
    model = keras.Model(inputs, Blend(name="blend")(inputs))
    model.get_layer("blend").shares.assign([0.9, 0.1])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(PARTS), model(PARTS))
    np.testing.assert_allclose(loaded(PARTS), [[1.2], [1.2]], rtol=1e-6)
