"""What turns the outputs of a classifier into answers: calibration and threshold, fitted on validation.

Each kind of task has two functions that belong together: `calibrate_...` fits with NumPy, once; `classify_...` applies
it with graph operations, so that the exported model answers as the trained one does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from keras_dl.measures import metrics
from keras_dl.task import Assets, Config

if TYPE_CHECKING:
    import tensorflow as tf

EPSILON = 1e-6  # keeps log-odds finite; smaller than what float32 tells from 1
RIDGE = 1e-3  # a little weight on "no change" keeps a part that is separated perfectly from infinite slopes


def calibrate_binary(
    labels: np.ndarray, outputs: np.ndarray, config: Config, *, threshold: float | None = None
) -> Assets:
    """Fit temperature and bias of the log-odds by likelihood, and choose the threshold.

    The temperature undoes overconfidence (Guo et al. 2017), the bias what class balancing did to the prior (Alexandari
    et al. 2020). The threshold maximises Youden's J, or reaches `config.target_sensitivity` where that is set.

    Args:
        labels: `[count]`, 0 or 1.
        outputs: `[count, 1]`, probabilities as the model gave them.
        config: for `target_sensitivity`.
        threshold: a fixed one instead, of the calibrated probability.
    """
    from scipy.optimize import minimize

    score = np.clip(outputs[:, 0].astype("float64"), EPSILON, 1 - EPSILON)
    logit = np.log(score) - np.log1p(-score)

    def loss(parameters: np.ndarray) -> float:
        margin = logit * np.exp(-parameters[0]) + parameters[1]
        return np.mean(np.logaddexp(0, margin) - labels * margin) + RIDGE * np.sum(parameters**2)

    fitted = minimize(loss, np.zeros(2), method="Nelder-Mead").x
    calibration = {"temperature": float(np.exp(fitted[0])), "bias": float(fitted[1])}
    probability = 1 / (1 + np.exp(-(logit / calibration["temperature"] + calibration["bias"])))
    wanted = config.target_sensitivity
    if wanted:
        chosen = metrics.sensitivity_threshold(labels, probability, wanted)
    else:
        chosen = metrics.youden_threshold(labels, probability) if threshold is None else threshold
    fixed = {"fixed_threshold": True} if threshold is not None and not wanted else {}
    return {"calibration": calibration, "threshold": chosen, **fixed}


def classify_binary(outputs: tf.Tensor, assets: Assets) -> dict[str, tf.Tensor]:
    """Turn the probability of a binary classifier, `[batch, 1]`, into what it means.

    Returns:
        "probability": `[batch]`, calibrated; "score": `[batch]`, as the network gave it; "label": `[batch]`, the
        class name at the run's threshold.
    """
    import tensorflow as tf

    score = tf.reshape(outputs, [-1])
    clipped = tf.clip_by_value(score, EPSILON, 1 - EPSILON)
    logit = tf.math.log(clipped) - tf.math.log1p(-clipped)
    calibration = assets["calibration"]
    probability = tf.sigmoid(logit / calibration["temperature"] + calibration["bias"])
    positive = tf.cast(probability >= assets["threshold"], tf.int32)
    return {
        "probability": probability,
        "score": score,
        "label": tf.gather(tf.constant(assets["classes"]), positive),
    }


def calibrate_classes(labels: np.ndarray, outputs: np.ndarray, config: Config, *, biases: bool = True) -> Assets:
    """Fit one temperature and a bias per class by likelihood; the answer is the likeliest class, so no threshold.

    Args:
        labels: `[count]`, class index.
        outputs: `[count, classes]`, probabilities as the model gave them.
        config: of the run; nothing of it is used.
        biases: without them the answers stay those of the model; better where validation is a handful of examples.
    """
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    logits = np.log(np.clip(outputs.astype("float64"), EPSILON, 1))

    def loss(parameters: np.ndarray) -> float:
        shares = log_softmax(logits * np.exp(-parameters[0]) + parameters[1:] * biases, axis=1)
        return -np.mean(shares[np.arange(len(labels)), labels]) + RIDGE * np.sum(parameters**2)

    fitted = minimize(loss, np.zeros(1 + outputs.shape[1])).x
    return {"calibration": {"temperature": float(np.exp(fitted[0])), "biases": fitted[1:].tolist()}, "threshold": None}


def classify_classes(outputs: tf.Tensor, assets: Assets) -> dict[str, tf.Tensor]:
    """Turn the probabilities of several classes, `[batch, classes]`, into what they mean.

    Returns:
        "probabilities": `[batch, classes]`, calibrated; "score": `[batch, classes]`, as the network gave them;
        "label": `[batch]`, the name of the likeliest class; "probability": `[batch]`, its own.
    """
    import tensorflow as tf

    calibration = assets["calibration"]
    logits = tf.math.log(tf.clip_by_value(outputs, EPSILON, 1)) / calibration["temperature"]
    probabilities = tf.nn.softmax(logits + tf.constant(calibration["biases"], outputs.dtype))
    return {
        "probability": tf.reduce_max(probabilities, axis=1),
        "probabilities": probabilities,
        "score": outputs,
        "label": tf.gather(tf.constant(assets["classes"]), tf.argmax(probabilities, axis=1)),
    }
