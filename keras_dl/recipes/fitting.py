"""What recipes put into their phases: learning rate schedules and callbacks.

Heavy imports stand inside the functions: a recipe file is imported to list and check settings, which must be fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from keras_dl.task import Config, mode_of

if TYPE_CHECKING:
    import keras


def warm_cosine(learning_rate: float, steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    """Rise linearly to `learning_rate` over a tenth of the steps, then fall to zero along a cosine."""
    import keras

    warm_up = max(1, steps // 10)
    return keras.optimizers.schedules.CosineDecay(
        learning_rate / 20, max(1, steps - warm_up), warmup_target=learning_rate, warmup_steps=warm_up
    )


def early_stopping(config: Config, monitor: str = "val_loss") -> keras.callbacks.Callback:
    """Stop after `config.patience` epochs without a better monitored value; the best epoch is kept by the run."""
    import keras

    return keras.callbacks.EarlyStopping(monitor=monitor, mode=mode_of(monitor), patience=config.patience)


def plateau(config: Config, monitor: str = "val_loss") -> keras.callbacks.Callback:
    """Halve the learning rate after two epochs without a better monitored value."""
    import keras

    return keras.callbacks.ReduceLROnPlateau(
        monitor=monitor, mode=mode_of(monitor), factor=0.5, patience=2, min_lr=1e-6
    )
