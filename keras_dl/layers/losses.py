"""Losses that Keras does not have."""

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
    near = keras.ops.clip(probabilities, 1e-7, 1 - 1e-7)
    log_odds = keras.ops.log(near) - keras.ops.log1p(-near)
    return keras.losses.squared_hinge(2 * labels - 1, log_odds)
