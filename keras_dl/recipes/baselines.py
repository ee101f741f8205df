"""Classical models that a sober user would take instead of a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from keras_dl.task import Config

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator


def hog_svm(config: Config) -> BaseEstimator:
    """Return the classical baseline for images: histograms of oriented gradients and an SVM (Dalal, Triggs 2005).

    It takes uint8 images `[count, height, width, 1]`; its `decision_function` is calibrated like the network's score.
    """
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler
    from sklearn.svm import LinearSVC

    svm = LinearSVC(C=1e-3, class_weight="balanced", random_state=config.seed)
    return make_pipeline(FunctionTransformer(hog_features), StandardScaler(), svm)


def hog_features(images: np.ndarray) -> np.ndarray:
    """Return HOG features of uint8 images `[count, height, width, 1]` as `[count, features]`."""
    from skimage.feature import hog

    cell = max(4, images.shape[1] // 12)
    return np.stack([hog(image[..., 0], 9, (cell, cell), (2, 2)) for image in images]).astype("float32")
