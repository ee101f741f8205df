"""What a count has to beat: a regression on brightness alone, and the classical counter of blobs.

Both are scikit-learn estimators over uint8 images `[images, height, width, 3]`; what they learn are plain numbers and
arrays, so that skops can save them.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_laplace, maximum_filter
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import RidgeCV

BLUE = 2
STATISTICS = ("mean", "standard deviation", "median", "90th percentile", "99th percentile")


def brightness(images: np.ndarray, channel: int = BLUE) -> np.ndarray:
    """Return STATISTICS of one channel of each image, float64 `[images, 5]`, 0 to 255."""
    light = images[..., channel].reshape(len(images), -1).astype(np.float64)
    return np.column_stack([light.mean(1), light.std(1), np.percentile(light, (50, 90, 99), axis=1).T])


class BrightnessRidge(RegressorMixin, BaseEstimator):
    """Ridge regression of the count on five statistics of the brightness; images of one size.

    Args:
        channel: 0 red, 1 green, 2 blue.
        folds: of the cross-validation over the training images that chooses the strength of the ridge.
    """

    def __init__(self, channel: int = BLUE, folds: int = 5) -> None:
        self.channel = channel
        self.folds = folds

    def fit(self, x: np.ndarray, y: np.ndarray) -> BrightnessRidge:
        """Learn from images and their counts `[images]`; with fewer images than folds, each image is a fold."""
        statistics, y = brightness(x, self.channel), np.asarray(y, np.float64)
        self.mean_, self.deviation_ = statistics.mean(axis=0), statistics.std(axis=0) + 1e-9
        if len(x) < 2:  # one image has no second one to be tried on
            self.alpha_, self.weights_, self.offset_ = np.inf, np.zeros(len(STATISTICS)), float(y.mean())
            return self
        ridge = RidgeCV(np.logspace(-4, 3, 22), cv=min(self.folds, len(x)), scoring="neg_mean_absolute_error")
        ridge.fit((statistics - self.mean_) / self.deviation_, y)
        self.alpha_, self.weights_, self.offset_ = float(ridge.alpha_), ridge.coef_, float(ridge.intercept_)
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return the counts, float64 `[images]`, 0 or more."""
        statistics = (brightness(x, self.channel) - self.mean_) / self.deviation_
        return np.maximum(statistics @ self.weights_ + self.offset_, 0)


THRESHOLDS = tuple(round(0.002 * 1.25**step, 5) for step in range(24))


class BlobCounter(RegressorMixin, BaseEstimator):
    """Count the maxima of the Laplacian of a Gaussian; its width and the threshold are learnt from counted images.

    Args:
        sigmas: widths in pixels to choose from; a bright disc of radius r answers most at r / 1.41.
        thresholds: of the scale-normalised answer, to choose from; a white disc on black answers 0.74 at its best
            width, a straight edge 0.25.
        channel: 0 red, 1 green, 2 blue.
    """

    def __init__(
        self,
        sigmas: tuple[float, ...] = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0),
        thresholds: tuple[float, ...] = THRESHOLDS,
        channel: int = BLUE,
    ) -> None:
        self.sigmas = sigmas
        self.thresholds = thresholds
        self.channel = channel

    def fit(self, x: np.ndarray, y: np.ndarray) -> BlobCounter:
        """Choose width and threshold with the smallest mean absolute error on images and their counts `[images]`."""
        errors = {}
        for sigma in self.sigmas:
            heights = [self._maxima(image, sigma) for image in x]
            for threshold in self.thresholds:
                found = np.array([(height > threshold).sum() for height in heights])
                errors[sigma, threshold] = float(np.abs(found - np.asarray(y)).mean())
        self.sigma_, self.threshold_ = min(errors, key=errors.__getitem__)
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return the counts, float64 `[images]`."""
        return np.array([(self._maxima(image, self.sigma_) > self.threshold_).sum() for image in x], np.float64)

    def _maxima(self, image: np.ndarray, sigma: float) -> np.ndarray:
        """Return how high the answer is at each of its maxima over 3 x 3 px, float32 `[maxima]`."""
        answer = -(sigma**2) * gaussian_laplace(image[..., self.channel].astype(np.float32) / 255, sigma)
        return answer[(answer == maximum_filter(answer, size=3)) & (answer > 0)]
