"""How many examples a second 1, 2 and 4 replicas train together, with the same batch for all of them together.

The replicas are virtual: they share the cores of this machine under `MirroredStrategy`, one TensorFlow device each. So
where there are no more cores than one replica uses, no gain can be seen; what is seen is the price of the strategy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from benchmarks import families, measuring
from benchmarks.measuring import Row, alternating, compared
from benchmarks.training import clock

REPLICAS = (2, 4)
ROUNDS = 3  # at most: every training is traced anew, once for each replica


def measure(rounds: int, *, quick: bool = False) -> list[Row]:
    """Compare 2 and 4 replicas with the default strategy, in a process each: TensorFlow keeps a group of devices."""
    return [measuring.apart(measure_replicas, count, rounds, quick) for count in REPLICAS]


def measure_replicas(count: int, rounds: int, quick: bool) -> Row:
    """Compare so many replicas with the default strategy, on the CNN of `pneumonia`, recipe original."""
    from keras_dl.training.machines import devices

    devices.import_quietly()
    import tensorflow as tf

    virtual = [tf.config.LogicalDeviceConfiguration() for _ in range(count)]
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], virtual)
    ready = families.prepare(next(family for family in families.FAMILIES if family.torch), quick=quick)
    case = f"pneumonia, original, batches of {ready.config.batch_size}, {count} virtual replicas"
    names = case, "1, default strategy"
    values = alternating(
        {names[0]: training(ready, count, quick), names[1]: training(ready, 1, quick)}, min(rounds, ROUNDS)
    )
    return compared("scaling", case, "examples/s", values, *names)


def training(ready: families.Prepared, count: int, quick: bool) -> Callable[[], float]:
    """Return a function that trains some steps with so many replicas and gives examples per second."""
    import tensorflow as tf

    from keras_dl.training import pipeline
    from keras_dl.training.machines import distributed, replicas

    names = [f"CPU:{number}" for number in range(count)]
    strategy = tf.distribute.MirroredStrategy(names) if count > 1 else tf.distribute.get_strategy()
    with strategy.scope():
        model = replicas.fit_for(ready.build()[0], strategy)
        model.optimizer.build(model.trainable_variables)
    model.steps_per_execution = 1  # MirroredStrategy allows no more; so all have the same
    size, steps = ready.config.batch_size, 3 if quick else 7
    batches = partial(pipeline.training, ready.examples, ready.data, ready.config)
    parts = ("x", "y", "truth", "strata")
    few = replace(ready.examples, **{part: getattr(ready.examples, part)[:size] for part in parts})

    def train() -> float:
        timer = clock(size)
        if count == 1:
            model.fit(batches(), steps_per_epoch=steps, callbacks=[timer], shuffle=False, verbose=0)
        else:
            validation = partial(pipeline.evaluation, few, size)
            distributed.fit(
                model, strategy, batches, validation, steps=steps, epochs=1, initial_epoch=0, callbacks=[timer]
            )
        return timer.rate()

    return train
