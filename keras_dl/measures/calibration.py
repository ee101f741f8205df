"""Calibration: what undoes the overconfidence of a classifier, fitted by likelihood, and how much of it is left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

EPSILON = 1e-6  # keeps log-odds finite; smaller than what float32 tells from 1
RIDGE = 1e-3  # a little weight on "no change" keeps a part that is separated perfectly from infinite slopes
BINS = 10  # of the calibration error, of equal width


def fit_binary(labels: np.ndarray, outputs: np.ndarray) -> dict[str, float]:
    """Fit temperature and bias of the log-odds by likelihood.

    The temperature undoes overconfidence (Guo et al. 2017), the bias what class balancing did to the prior (Alexandari
    et al. 2020). The calibrated probability is that of the log-odds `log_odds(outputs) / temperature + bias`.

    Args:
        labels: `[count]`, 0 or 1.
        outputs: `[count]` or `[count, 1]`, probabilities of class 1 as the model gave them.

    Returns:
        "temperature", above 0, and "bias".
    """
    return fit_log_odds(np.asarray(labels), log_odds(outputs))


def fit_log_odds(
    labels: np.ndarray, logit: np.ndarray, weights: np.ndarray | None = None, ridge: float = RIDGE
) -> dict[str, float]:
    """Fit temperature and bias as `fit_binary` does, to log-odds `[count]`.

    Args:
        labels: `[count]`, 0 or 1.
        logit: `[count]`.
        weights: `[count]`, how often each example counts; None for once.
        ridge: weight on "no change", against the mean loss of an example.
    """
    from scipy.optimize import minimize

    def loss(parameters: np.ndarray) -> float:
        margin = logit * np.exp(-parameters[0]) + parameters[1]
        each = np.logaddexp(0, margin) - labels * margin
        return float(np.average(each, weights=weights) + ridge * np.sum(parameters**2))

    fitted = minimize(loss, np.zeros(2), method="Nelder-Mead").x
    return {"temperature": float(np.exp(fitted[0])), "bias": float(fitted[1])}


def calibrated_binary(outputs: np.ndarray, calibration: dict[str, float]) -> np.ndarray:
    """Return the calibrated probability of class 1, `[count]`, as `fit_binary` found the calibration."""
    with np.errstate(over="ignore"):  # far below 0 the probability is 0
        return 1 / (1 + np.exp(-(log_odds(outputs) / calibration["temperature"] + calibration["bias"])))


def log_odds(outputs: np.ndarray) -> np.ndarray:
    """Return the log-odds `[count]` of probabilities `[count]` or `[count, 1]`, those of 0 and 1 kept finite."""
    score = np.clip(np.asarray(outputs).reshape(len(outputs)).astype("float64"), EPSILON, 1 - EPSILON)
    return np.log(score) - np.log1p(-score)


def fit_classes(
    labels: np.ndarray, outputs: np.ndarray, biases: bool = True, ridge: float = RIDGE
) -> dict[str, float | list[float]]:
    """Fit one temperature and a bias per class by likelihood.

    Args:
        labels: `[count]`, class index.
        outputs: `[count, classes]`, probabilities as the model gave them.
        biases: without them the answers stay those of the model; better where validation is a handful of examples.
        ridge: weight on "no change", against the mean loss of an example.

    Returns:
        "temperature", above 0, and "biases", one per class: what is added to the logarithms of the outputs, after they
        are divided by the temperature.
    """
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    logits = np.log(np.clip(outputs.astype("float64"), EPSILON, 1))

    def loss(parameters: np.ndarray) -> float:
        shares = log_softmax(logits * np.exp(-parameters[0]) + parameters[1:] * biases, axis=1)
        return -np.mean(shares[np.arange(len(labels)), labels]) + ridge * np.sum(parameters**2)

    fitted = minimize(loss, np.zeros(1 + outputs.shape[1])).x
    return {"temperature": float(np.exp(fitted[0])), "biases": fitted[1:].tolist()}


def calibrated_classes(outputs: np.ndarray, calibration: Mapping[str, Any]) -> np.ndarray:
    """Return calibrated probabilities, `[count, classes]`, as `fit_classes` found the calibration."""
    from scipy.special import softmax

    logits = np.log(np.clip(outputs.astype("float64"), EPSILON, 1)) / calibration["temperature"]
    return softmax(logits + np.asarray(calibration["biases"]), axis=1)


def calibration_error(
    labels: np.ndarray, probabilities: np.ndarray, weights: np.ndarray | None = None, bins: int = BINS
) -> float:
    """Return the expected calibration error: the mean gap between predicted and observed share over the bins.

    Args:
        labels: `[count]`, 0 or 1: whether it was true.
        probabilities: `[count]`, in [0, 1], how probable it was said to be.
        weights: `[count]`, how often each example counts; None for once.
        bins: of equal width.
    """
    weights = np.ones(len(probabilities)) if weights is None else np.asarray(weights, dtype=float)
    place = bins_of(probabilities, bins)
    gaps = np.bincount(place, weights * probabilities, bins) - np.bincount(place, weights * labels, bins)
    return float(np.abs(gaps).sum() / weights.sum()) if weights.any() else float("nan")


def bins_of(probabilities: np.ndarray, bins: int = BINS) -> np.ndarray:
    """Return the number of the bin of each probability, `[count]`; that of 1 is the last one."""
    return np.minimum((np.asarray(probabilities) * bins).astype(int), bins - 1)
