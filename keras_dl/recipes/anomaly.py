"""Anomaly detectors: what is fitted to healthy examples alone, the threshold, and two detectors to compare with.

A detector's score is higher for what is further from healthy. It is no probability.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras

FULL_DISTANCE = 10.0  # drawn in full: a place that adds ten times what those of healthy images do on average
FULL_ERROR = 0.25**2  # drawn in full: the square of an error of a quarter of the grey scale
BATCH = 64


def heatmap(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Return where each image is unlike healthy ones: `[count, height, width]` in [0, 1], on one scale for all images.

    Of the distance of features it is what each place adds to the score; of an autoencoder, the squared error.
    """
    from keras import ops

    from keras_dl.models.images import feature_distance, xray_autoencoder

    trained = any(layer.name == "anomaly_map" for layer in model.layers)
    kind, full = (xray_autoencoder, FULL_ERROR) if trained else (feature_distance, FULL_DISTANCE)
    places = kind.anomaly_map(model).predict(images, batch_size=BATCH, verbose=0)
    heat = ops.image.resize(np.clip(places / full, 0, 1), images.shape[1:3], interpolation="bilinear")
    return np.clip(ops.convert_to_numpy(heat)[..., 0], 0, 1)


def fit_distance(head: keras.Model, features: np.ndarray, labels: np.ndarray | None = None) -> None:
    """Set the layer "whiten" of `models.images.feature_distance` from features of healthy images, `[count, channels]`.

    All labels are the same; they are not looked at.
    """
    mean, matrix = whitening(features)
    head.get_layer("whiten").set_weights([matrix, -mean @ matrix])


def whitening(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean `[channels]` and the matrix `[channels, channels]` behind which length is Mahalanobis distance.

    (features - mean) @ matrix has covariance 1, as the covariance of `features`, `[count, channels]`, is estimated by
    Ledoit and Wolf (2004): shrunk so far towards a multiple of 1 that few examples of many channels are enough. Then
    all is scaled so that the squares of what `features` become are 1 on average, which shrinking had made less.
    """
    from sklearn.covariance import LedoitWolf

    estimate = LedoitWolf().fit(features.astype("float64"))
    values, vectors = np.linalg.eigh(estimate.covariance_)
    floor = max(values[-1] * 1e-9, 1e-12)  # features that never vary have no scale of their own
    matrix = vectors / np.sqrt(np.maximum(values, floor))
    size = np.mean(((features - estimate.location_) @ matrix) ** 2)
    return estimate.location_, matrix / np.sqrt(max(size, 1e-12))


class HogDensity:
    """The classical detector: how unlikely an image's histograms of oriented gradients are among healthy ones.

    Their distribution is a Gaussian with as many own directions as hold 90 % of the variance, and one variance for all
    the others (probabilistic PCA; Tipping, Bishop 1999). `fit` takes healthy images, uint8 `[count, height, width,
    1]`; `decision_function` gives scores `[count]`.
    """

    title = "HOG + Gaussian baseline"  # in reports

    def fit(self, x: np.ndarray, y: np.ndarray | None = None) -> HogDensity:
        """Fit to the images; `y` is not looked at."""
        from sklearn.decomposition import PCA

        from keras_dl.recipes.baselines import hog_features

        self.density = PCA(0.9, svd_solver="full").fit(hog_features(x).astype("float64"))
        return self

    def decision_function(self, x: np.ndarray) -> np.ndarray:
        """Return the negative logarithm of the density of each image, over the number of features."""
        from keras_dl.recipes.baselines import hog_features

        features = hog_features(x).astype("float64")
        return -self.density.score_samples(features) / features.shape[1]


class Autoencoder:
    """The documented detector, `models.images.xray_autoencoder`, in the form of a scikit-learn estimator.

    It keeps its weights as arrays, so that skops can write it. `fit` takes healthy images, uint8 `[count, height,
    width, 1]`, which are made smaller where they are larger than `image_size`; `decision_function` gives scores
    `[count]`, the mean squared error of the reconstruction.
    """

    def __init__(
        self,
        *,
        image_size: int = 128,
        epochs: int = 20,
        batch_size: int = 32,
        learning_rate: float = 1e-3,
        seed: int = 0,
    ) -> None:
        self.image_size, self.epochs, self.batch_size = image_size, epochs, batch_size
        self.learning_rate, self.seed = learning_rate, seed

    def fit(self, x: np.ndarray, y: np.ndarray | None = None) -> Autoencoder:
        """Train on the images with Adam; `y` is not looked at."""
        import keras

        from keras_dl.layers.losses import mean_output
        from keras_dl.progress import bar

        keras.utils.set_random_seed(self.seed)
        self.image_size = min(self.image_size, x.shape[1])
        images = np.concatenate(list(self.batches(x)))
        model = self.model()
        model.compile(keras.optimizers.Adam(self.learning_rate), mean_output)
        with bar(total=self.epochs, desc="documented autoencoder", unit=" epochs") as shown:
            step = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs=None: shown.update())
            nothing = np.zeros((len(images), 1), "float32")  # the model measures its own error
            model.fit(images, nothing, self.batch_size, self.epochs, verbose=0, callbacks=[step])
        self.weights = model.get_weights()
        return self

    def decision_function(self, x: np.ndarray) -> np.ndarray:
        """Return the mean squared error of each image's reconstruction."""
        model = self.model()
        model.set_weights(self.weights)
        return np.concatenate([model.predict_on_batch(images)[:, 0] for images in self.batches(x)])

    def model(self) -> keras.Model:
        from keras_dl.models.images.xray_autoencoder import xray_autoencoder

        return xray_autoencoder(image_size=self.image_size)

    def batches(self, x: np.ndarray) -> Iterator[np.ndarray]:
        """Give the images in batches, in the size that the network takes."""
        import tensorflow as tf

        for start in range(0, len(x), BATCH):
            size = (self.image_size, self.image_size)
            images = tf.image.resize(x[start : start + BATCH], size, antialias=True)
            yield np.clip(np.round(images), 0, 255).astype("uint8")
