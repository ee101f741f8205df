"""The weighted sum of the parts of a model."""

import keras
import numpy as np
import pytest

from keras_dl.layers.blend import Blend

PARTS = [np.array([[1.0], [2.0]], "float32"), np.array([[3.0], [-6.0]], "float32")]


def test_shares_weigh_the_parts_and_are_not_trained():
    layer = Blend([0.75, 0.25])
    np.testing.assert_allclose(layer(PARTS), [[1.5], [0]])
    assert layer.weights == []
    assert layer.compute_output_shape([(None, 1), (None, 1)]) == (None, 1)


def test_every_part_needs_its_share():
    with pytest.raises(ValueError, match="longer"):
        Blend([1.0])(PARTS)


def test_a_saved_blend_keeps_its_shares(tmp_path):
    inputs = [keras.Input((1,)), keras.Input((1,))]
    model = keras.Model(inputs, Blend([0.9, 0.1])(inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(PARTS), [[1.2], [1.2]], rtol=1e-6)
