import keras
import numpy as np
import pytest
import skops.io

from keras_dl.models.images.feature_distance import feature_distance
from keras_dl.models.images.xray_autoencoder import xray_autoencoder
from keras_dl.recipes import anomaly

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (24, 40, 40, 1), dtype="uint8")


# The distance


def test_whitened_features_of_many_examples_are_those_of_a_normal_distribution():
    random = np.random.default_rng(0)
    features = random.normal(size=(4000, 6)) @ random.normal(size=(6, 6)) + random.normal(size=6)
    mean, matrix = anomaly.whitening(features)
    whitened = (features - mean) @ matrix
    np.testing.assert_allclose(whitened.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(np.cov(whitened.T), np.eye(6), atol=0.1)


@pytest.mark.parametrize("count", [2, 5, 30])
def test_few_examples_and_features_that_never_vary_are_no_obstacle(count):
    features = np.c_[RANDOM.normal(size=(count, 8)), np.full((count, 2), 7.0)]
    mean, matrix = anomaly.whitening(features.astype("float32"))
    assert np.mean(((features - mean) @ matrix) ** 2) == pytest.approx(1, rel=1e-3)
    assert np.isfinite(matrix).all()
    assert np.isfinite(np.concatenate([part.ravel() for part in anomaly.whitening(np.full((count, 3), 2.0))])).all()


def fitted_detector() -> keras.Model:
    image = keras.Input((40, 40, 1), dtype="uint8", name="image")
    x = keras.layers.Conv2D(6, 5, 4, activation="relu")(keras.layers.Rescaling(1 / 255)(image))
    model = feature_distance(keras.Model(image, x))
    features = keras.Model(model.input, model.get_layer("features").output).predict(IMAGES, verbose=0)
    anomaly.fit_distance(keras.Model(model.get_layer("features").output, model.output), features)
    return model


def test_a_fitted_detector_gives_its_healthy_images_1_on_average_and_others_more():
    keras.utils.set_random_seed(0)
    model = fitted_detector()
    assert model.predict(IMAGES, verbose=0).mean() == pytest.approx(1, rel=1e-3)
    assert model.predict(IMAGES // 4 + 150, verbose=0).min() > 3


@pytest.mark.parametrize("build", [fitted_detector, lambda: xray_autoencoder(image_size=40)])
def test_heatmaps_are_of_the_image_and_brighter_where_it_is_unlike_healthy_ones(build):
    keras.utils.set_random_seed(0)
    images = IMAGES[:3].copy()
    images[1, 20:, 20:] = 255
    model = build()
    before, after = anomaly.heatmap(model, IMAGES[:3]), anomaly.heatmap(model, images)
    assert before.shape == (3, 40, 40)
    assert 0 <= after.min() < after.max() <= 1
    np.testing.assert_array_equal(after[[0, 2]], before[[0, 2]])  # one scale for all: no image changes another's
    assert after[1, 24:, 24:].mean() > before[1, 24:, 24:].mean()


# The detectors to compare with


def trusted_round_trip(estimator, path):
    """Write and read as a run does: only types of this package and of scikit-learn."""
    skops.io.dump(estimator, path)
    named = skops.io.get_untrusted_types(file=path)
    assert all(name.startswith(("keras_dl.", "sklearn.")) for name in named), named
    return skops.io.load(path, trusted=named)


@pytest.mark.parametrize("make", [anomaly.HogDensity, lambda: anomaly.Autoencoder(image_size=32, epochs=2)])
def test_baselines_survive_skops_and_ignore_labels(make, tmp_path):
    labels = np.zeros(len(IMAGES))
    scores = make().fit(IMAGES, labels).decision_function(IMAGES)
    assert scores.shape == (len(IMAGES),)
    again = make().fit(IMAGES, 1 - labels)
    np.testing.assert_allclose(again.decision_function(IMAGES), scores, rtol=1e-5)
    loaded = trusted_round_trip(again, tmp_path / "baseline.skops")
    np.testing.assert_allclose(loaded.decision_function(IMAGES), again.decision_function(IMAGES), rtol=1e-6)


def test_the_autoencoder_finds_what_it_was_not_trained_on():
    smooth = np.linspace(0, 255, 40).astype("uint8")[None, :, None, None]
    healthy = np.broadcast_to(smooth, IMAGES.shape) // RANDOM.integers(1, 4, (24, 1, 1, 1)).astype("uint8")
    detector = anomaly.Autoencoder(epochs=40, learning_rate=1e-2).fit(healthy)
    assert detector.image_size == 40
    assert detector.decision_function(IMAGES).min() > detector.decision_function(healthy).max()


def test_the_hog_density_finds_what_it_was_not_fitted_to():
    y, x = np.mgrid[:40, :40] / 40

    def waves(degrees: np.ndarray) -> np.ndarray:
        along = [x * np.cos(angle) + y * np.sin(angle) for angle in np.radians(degrees)]
        noise = RANDOM.normal(0, 4, (len(along), 40, 40, 1))
        return (128 + 100 * np.sin(12 * np.stack(along))[..., None] + noise).clip(0, 255).astype("uint8")

    detector = anomaly.HogDensity().fit(waves(RANDOM.uniform(-20, 20, 60)))
    healthy, turned = (detector.decision_function(waves(mean + np.linspace(-18, 18, 8))) for mean in (0, 70))
    assert turned.min() > healthy.max()
