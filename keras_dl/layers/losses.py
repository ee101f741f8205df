"""Losses that Keras does not have."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("keras_dl")
def mean_output(y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
    """Return what the model itself says, `[batch]` of outputs `[batch, ...]`: its output is to become small.

    For models that measure their own error, such as an autoencoder; `y_true` is not looked at.
    """
    return ops.mean(ops.reshape(y_pred, (ops.shape(y_pred)[0], -1)), axis=-1)


def squared_hinge(labels: keras.KerasTensor, probabilities: keras.KerasTensor) -> keras.KerasTensor:
    """Return the squared hinge loss of the log-odds, `[batch]`: nothing for an example that is right by a margin of 1.

    Args:
        labels: `[batch, 1]`, 0 or 1.
        probabilities: `[batch, 1]`, after a sigmoid.
    """
    near = ops.clip(probabilities, 1e-7, 1 - 1e-7)
    log_odds = ops.log(near) - ops.log1p(-near)
    return keras.losses.squared_hinge(2 * labels - 1, log_odds)


def missing(true: Any, predicted: Any) -> tuple[Any, Any]:
    """Return (known, error): 1 where the truth is known, else 0; and true minus predicted, 0 where unknown.

    Both have the shape of `predicted` where truth and prediction are maps, else `[batch, 1]`.

    Args:
        true: numbers `[batch, 1]`, or density maps `[batch, height, width, 1]`; below 0: unknown, and left out.
        predicted: numbers `[batch, 1]`, or what is counted at each place `[batch, height / stride, width / stride, 1]`.
    """
    if len(true.shape) == 2:
        return ops.ones_like(true), true - ops.reshape(ops.sum(predicted, axis=range(1, predicted.ndim)), (-1, 1))
    unknown = ops.cast(true < 0, predicted.dtype)
    if len(predicted.shape) == 2:
        return ops.ones_like(predicted), ops.sum(ops.maximum(true, 0.0), axis=(1, 2)) - predicted
    stride = true.shape[1] // predicted.shape[1]
    if stride > 1:
        unknown = ops.max_pool(unknown, stride)
        true = ops.average_pool(ops.maximum(true, 0.0), stride) * stride**2
    return 1 - unknown, (1 - unknown) * (true - predicted)
