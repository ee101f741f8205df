"""The vectors of a network's stages: which they are, that the answer stays, and that nested models are looked into."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers

from keras_dl.layers.stages import staged
from keras_dl.models.images.cells_unet import cells_unet
from keras_dl.models.images.transfer import transfer
from keras_dl.models.images.xray_cnn import xray_cnn
from keras_dl.models.images.xray_resnet import xray_resnet


def widths(model: keras.Model) -> list[int]:
    return [tensor.shape[-1] for tensor in staged(model).outputs[:-1]]


def test_one_vector_for_each_resolution_and_the_embedding_last() -> None:
    """Four resolutions behind the stem, of 16 to 128 channels, and what the last layer sees."""
    assert widths(xray_resnet(image_size=32)) == [16, 32, 64, 128, 128]


def test_a_vector_is_the_mean_of_the_last_maps_of_its_resolution() -> None:
    """Not of the first ones: what a stage has made is looked at."""
    model = xray_resnet(image_size=32)
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 1)).astype("uint8")
    last = keras.Model(model.input, model.get_layer("stage4_block2_relu2").output)(images)
    vectors = staged(model)(images, training=False)
    np.testing.assert_allclose(vectors[3], np.mean(last, axis=(1, 2)), rtol=1e-4, atol=1e-5)


def test_the_answer_is_that_of_the_model_and_the_weights_are_shared() -> None:
    """Also where a backbone is nested, whose stages count."""
    model = transfer(backbone="MobileNetV2", image_size=64, alpha=0.35)
    whole = staged(model)
    assert len(whole.outputs) > 6
    assert {id(weight) for weight in whole.weights} == {id(weight) for weight in model.weights}
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 1)).astype("uint8")
    np.testing.assert_allclose(whole(images, training=False)[-1], model(images, training=False), atol=1e-6)


def test_a_map_that_is_laid_flat_is_no_vector() -> None:
    """Its covariance would have a billion numbers, and the means of its channels are there already."""
    assert max(widths(xray_cnn(image_size=128))) <= 256


def test_images_of_open_size_have_vectors_of_one_width() -> None:
    """The stages are told apart by their channels then."""
    model = staged(cells_unet(width=4))
    for side in (32, 48):
        found = model(np.zeros((1, side, side, 3), "uint8"), training=False)
        assert [vector.shape[1] for vector in found[:-1]] == [4, 8, 16, 24, 12]


def test_a_network_that_counts_words_has_no_vectors() -> None:
    """There is nothing to look at but the answer."""
    ids = keras.Input((7,), dtype="int32")
    count = layers.Dense(1)(keras.ops.sum(keras.ops.cast(ids, "float32"), axis=1, keepdims=True))
    assert len(staged(keras.Model(ids, count)).outputs) == 1
