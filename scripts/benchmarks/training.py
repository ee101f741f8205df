"""How fast each model family trains and predicts, beside a bare step, plain Keras, PyTorch and the machine's peak.

fit        `model.fit` on the pipeline, with its augmentation and the progress lines
bare step  a compiled function of forward, backward and Adam on batches that wait in memory
plain      `model.fit(x, y)` and `model.predict(x)` on arrays, with Keras' own settings and without augmentation

All are timed from the end of the first call on, so that no start counts. The operations of a training step are counted
as three times the multiplications and additions of the convolutions and the dense layers of the forward pass: once
forward, once for the gradient of the inputs, once for that of the weights. The first layer's inputs need none, which
makes the count too high by less than 1 %. The peak is what a product of two square float32 matrices reaches.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import measuring
from benchmarks.families import FAMILIES, Family, Prepared, prepare
from benchmarks.measuring import Row, Values, compared

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

Works = dict[str, Callable[[], float]]
FIT, BARE, PLAIN, PEAK = "fit", "bare step", "plain Keras", "peak of the matrix product"
PREDICT, PLAIN_PREDICT = "predict", "plain Keras predict"
WRITTEN, CHANNELS_LAST = "PyTorch as written", "PyTorch, channels last"


def measure(rounds: int, *, quick: bool = False) -> list[Row]:
    """Measure each family in a process of its own."""
    return [row for family in FAMILIES for row in measuring.apart(measure_family, family, rounds, quick)]


def measure_family(family: Family, rounds: int, quick: bool = False) -> list[Row]:
    """Measure one family."""
    from keras_dl.training.machines import devices

    devices.import_quietly()
    ready = prepare(family, quick=quick)
    works, operations = keras_works(family, ready)
    if family.torch and measuring.with_torch():
        from benchmarks import torch_models

        x, y = np.array(ready.examples.x), np.array(ready.examples.y)
        works |= torch_models.cnn_works(x, y, ready.config, {"": WRITTEN, "channels last": CHANNELS_LAST})
    if family.peak:
        works[PEAK] = matrix_product(256 if quick else 2048)
    return rows(family, measuring.alternating(works, rounds), operations)


def rows(family: Family, values: Values, operations: float) -> list[Row]:
    """Return what was measured of a family as rows."""
    train, predict = f"{family.case}: training", f"{family.case}: prediction"
    pairs: list[tuple[str, str, str, float | None]] = [
        (train, FIT, BARE, family.bare_bar),
        (train, FIT, PLAIN, None),
        (train, FIT, WRITTEN, 1.5),
        (train, FIT, CHANNELS_LAST, 1.2),
        (predict, PREDICT, PLAIN_PREDICT, None),
        (predict, PREDICT, f"{WRITTEN}, prediction", None),
        (predict, PREDICT, f"{CHANNELS_LAST}, prediction", None),
    ]
    found = [
        compared("training", case, "examples/s", values, ours, other, bar=bar)
        for case, ours, other, bar in pairs
        if other in values
    ]
    if PEAK in values:
        reached = values | {FIT: [rate * 3 * operations / 1e9 for rate in values[FIT]]}
        found.append(compared("training", train, "GFLOP/s", reached, FIT, PEAK))
    return found


def keras_works(family: Family, ready: Prepared) -> tuple[Works, float]:
    """Return what is measured with Keras, and the operations of a forward pass of one example."""
    import tensorflow as tf

    from keras_dl.answering import answering
    from keras_dl.training import pipeline
    from keras_dl.training.progress import EpochLines

    whole, model = ready.build()
    plain = ready.build()[1]
    x, y = (np.asarray(array) for array in (ready.examples.x, ready.examples.y))
    size = ready.config.batch_size
    steps, model.steps_per_execution = pipeline.steps(ready.examples, ready.config)
    batches = pipeline.training(ready.examples, ready.data, ready.config)
    waiting = [tuple(batch) for batch in batches.take(steps)]
    step = bare_step(plain)

    def fit() -> float:
        timer = clock(size)
        lines = EpochLines("train", epochs=1, done=0, steps=steps, batch_size=size)
        model.fit(batches, steps_per_epoch=steps, callbacks=[timer, lines], shuffle=False, verbose=0)
        return timer.rate()

    def bare() -> float:
        step(*waiting[0])
        began = time.perf_counter()
        for batch in waiting[family.per_call :]:
            loss = step(*batch)
        loss.numpy()
        return (steps - family.per_call) * size / (time.perf_counter() - began)

    def plain_fit() -> float:
        timer = clock(size)
        count = (steps - family.per_call + 1) * size
        plain.fit(x[:count], y[:count], batch_size=size, callbacks=[timer], verbose=0)
        return timer.rate()

    def predict(inputs: Any) -> float:
        began = time.perf_counter()
        whole.predict(inputs, verbose=0)
        return len(x) / (time.perf_counter() - began)

    every = pipeline.evaluation(ready.examples, answering.BATCH)
    works: Works = {FIT: fit, BARE: bare, PLAIN: plain_fit}
    works |= {PREDICT: lambda: predict(every), PLAIN_PREDICT: lambda: predict(x)}
    assert isinstance(waiting[0][0], tf.Tensor)
    return works, forward_operations(model)


def bare_step(model: keras.Model) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Return one compiled training step without metrics, progress or pipeline."""
    import tensorflow as tf

    @tf.function(reduce_retracing=True)
    def step(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = model.loss(y, model(x, training=True))
        variables = model.trainable_variables
        model.optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    return step


def clock(batch_size: int) -> Any:
    """Return a callback that knows the rate from the end of the first call of the compiled function to the last."""
    import keras

    class Clock(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.ends: list[tuple[int, float]] = []

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.ends.append((batch, time.perf_counter()))

        def rate(self) -> float:
            (first, began), (last, ended) = self.ends[0], self.ends[-1]
            return (last - first) * batch_size / (ended - began)

    return Clock()


def forward_operations(model: keras.Model) -> float:
    """Count multiplications and additions of the convolutions and dense layers for one example, forward."""
    import keras

    total = 0.0
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            outputs = np.prod(layer.output.shape[1:3])
            total += 2 * float(outputs * np.prod(layer.kernel.shape))
        elif isinstance(layer, keras.layers.Dense):
            total += 2 * float(np.prod(layer.kernel.shape))
    return total


def matrix_product(size: int) -> Callable[[], float]:
    """Return a function that multiplies two square float32 matrices and gives 10^9 operations per second."""
    import tensorflow as tf

    left, right = (tf.random.stateless_uniform((size, size), (0, seed)) for seed in (1, 2))
    product = tf.function(tf.matmul)

    def measured() -> float:
        began = time.perf_counter()
        for _ in range(5):
            product(left, right)[0, 0].numpy()
        return 5 * 2 * size**3 / (time.perf_counter() - began) / 1e9

    return measured
