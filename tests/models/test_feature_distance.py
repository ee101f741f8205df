import keras
import numpy as np
import pytest

from keras_dl.models.images.feature_distance import anomaly_map, feature_distance

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (6, 16, 16, 1), dtype="uint8")


@pytest.fixture
def model() -> keras.Model:
    image = keras.Input((16, 16, 1), dtype="uint8", name="image")
    x = keras.layers.Conv2D(5, 3, 4, activation="relu", name="conv")(keras.layers.Rescaling(1 / 255)(image))
    model = feature_distance(keras.Model(image, x))
    model.get_layer("whiten").set_weights([RANDOM.normal(size=(5, 5)), RANDOM.normal(size=5)])
    return model


def test_the_score_is_the_squared_distance_over_the_channels(model):
    maps = keras.Model(model.input, model.get_layer("conv").output)(IMAGES).numpy()
    matrix, offset = model.get_layer("whiten").get_weights()
    whitened = maps.mean(axis=(1, 2)) @ matrix + offset
    np.testing.assert_allclose(model(IMAGES)[:, 0], (whitened**2).mean(axis=1), rtol=1e-5)


def test_the_average_of_the_map_is_the_score(model):
    places = anomaly_map(model)(IMAGES).numpy()
    assert places.shape == (6, *model.get_layer("conv").output.shape[1:3], 1)
    assert places.std(axis=(1, 2)).min() > 0
    np.testing.assert_allclose(places.mean(axis=(1, 2)), model(IMAGES), rtol=1e-5)


def test_nothing_of_it_is_trained_by_gradients(model):
    assert not model.trainable_weights
    assert len(model.weights) == 4


def test_it_is_saved_and_read(model, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(IMAGES), model(IMAGES))
    np.testing.assert_array_equal(anomaly_map(loaded)(IMAGES), anomaly_map(model)(IMAGES))
