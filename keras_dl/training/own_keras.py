"""Keras as the package needs it, whatever keras.json, the environment or a notebook has set for other work."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from keras_dl.training.machines import devices

SETTINGS = {  # of `keras.config`, where each has a function of this name and one that begins with "set_"
    "floatx": "float32",
    "epsilon": 1e-7,
    "image_data_format": "channels_last",
    "dtype_policy": "float32",
    "max_epochs": None,  # KERAS_MAX_EPOCHS would end a training early, and nobody would know
    "max_steps_per_epoch": None,
}


@contextmanager
def own_keras() -> Iterator[None]:
    """Run a verb with the package's own settings of Keras and of warnings, and then give back those that were there.

    Raises:
        KerasDLError: if Keras was imported with another backend than TensorFlow, or cannot be imported.
    """
    with warnings.catch_warnings():
        devices.import_quietly()
        import keras

        before = {name: getattr(keras.config, name)() for name in SETTINGS}
        settle()
        try:
            yield
        finally:
            for name, value in before.items():
                getattr(keras.config, f"set_{name}")(value)


def settle() -> None:
    """Give this process the settings for good: it is a server's."""
    import keras

    for name, value in SETTINGS.items():
        getattr(keras.config, f"set_{name}")(value)
