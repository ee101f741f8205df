import keras
import numpy as np
import pytest

from keras_dl.layers.losses import mean_output
from keras_dl.models.images.xray_autoencoder import anomaly_map, xray_autoencoder

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 1), dtype="uint8")


def test_the_score_is_the_mean_squared_error_of_the_reconstruction():
    model = xray_autoencoder(image_size=32)
    reconstruction = keras.Model(model.input, model.get_layer("reconstruction").output)(IMAGES).numpy()
    squares = (IMAGES / 255 - reconstruction) ** 2
    np.testing.assert_allclose(model(IMAGES)[:, 0], squares.mean(axis=(1, 2, 3)), rtol=1e-4)
    np.testing.assert_allclose(anomaly_map(model)(IMAGES), squares, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("size", [33, 40, 50])
def test_any_side_comes_back(size):
    model = xray_autoencoder(image_size=size)
    assert model.get_layer("reconstruction").output.shape == (None, size, size, 1)
    assert model.output.shape == (None, 1)


def test_nothing_goes_round_the_narrow_middle():
    model = xray_autoencoder()
    middle = model.get_layer("encoder3").output
    assert middle.shape == (None, 16, 16, 64)
    decoder = keras.Model(middle, model.get_layer("reconstruction").output)
    assert decoder.input_shape == middle.shape


def test_training_makes_the_error_small():
    keras.utils.set_random_seed(0)
    model = xray_autoencoder(image_size=32)
    smooth = np.linspace(0, 255, 32)[None, :, None, None] * np.linspace(0.2, 1, 4)[:, None, None, None]
    images = np.broadcast_to(smooth, IMAGES.shape).astype("uint8")
    model.compile(keras.optimizers.Adam(1e-2), mean_output)
    losses = model.fit(images, np.ones((4, 1)), epochs=30, verbose=0).history["loss"]
    assert losses[-1] < losses[0] / 4


def test_it_is_saved_and_read(tmp_path):
    model = xray_autoencoder(image_size=32)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(IMAGES), model(IMAGES))
    np.testing.assert_array_equal(anomaly_map(loaded)(IMAGES), anomaly_map(model)(IMAGES))
