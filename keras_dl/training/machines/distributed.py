"""The training loop for several replicas: GPUs, workers on several machines, the cores of a TPU.

`Model.fit` of Keras 3 fails with several workers, and with several GPUs it cannot evaluate a short last batch. This is
the same loop, with the same callbacks and logs, over `Strategy.run`. Every replica computes its share of each batch,
the gradients are summed, and so the weights stay the same on all of them, bit for bit; `agree` makes sure.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_dl.errors import KerasDLError
from keras_dl.progress import say
from keras_dl.runs.files import replacing
from keras_dl.runs.run import Run
from keras_dl.task import settings
from keras_dl.training.machines.cluster import Cluster
from keras_dl.training.pipeline import Share

LOST = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.DeadlineExceededError)
SAID = re.compile("unhealthy|Socket closed|Connection reset|Connection refused|Broken pipe")  # of a worker that is gone


def fit(
    model: keras.Model,
    strategy: tf.distribute.Strategy,
    training: Callable[..., tf.data.Dataset],
    validation: Callable[..., tf.data.Dataset],
    *,
    steps: int,
    epochs: int,
    initial_epoch: int,
    callbacks: Sequence[keras.callbacks.Callback],
) -> None:
    """Train a compiled model as `Model.fit` does; every worker calls this at the same time.

    Args:
        model: built, compiled and with its optimizer's variables, in the strategy's scope.
        strategy: with several replicas.
        training: share -> batches without end, as `pipeline.training` gives them.
        validation: share -> all batches once, as `pipeline.evaluation` gives them.
        steps: of an epoch, over all replicas together.
        epochs: the last epoch's number.
        initial_epoch: finished epochs.
        callbacks: with state of their own; they see the same logs on every worker.
    """
    train, test, results = compiled(model, strategy)
    batches = iter(strategy.distribute_datasets_from_function(sharing(training)))
    evaluation = strategy.distribute_datasets_from_function(sharing(validation))
    called = keras.callbacks.CallbackList(callbacks, model=model, epochs=epochs, steps=steps)
    model.stop_training = False
    called.on_train_begin()
    logs: dict[str, float] = {}
    for epoch in range(initial_epoch, epochs):
        model.reset_metrics()
        called.on_epoch_begin(epoch)
        for step in range(steps):
            called.on_train_batch_begin(step)
            called.on_train_batch_end(step, {"loss": float(train(batches))})
        logs = numbers(results())
        model.reset_metrics()
        called.on_test_begin()
        for batch in evaluation:
            test(batch)
        measured = numbers(results())
        called.on_test_end(measured)
        logs |= {f"val_{name}": value for name, value in measured.items()}
        called.on_epoch_end(epoch, logs)
        if model.stop_training:
            break
    called.on_train_end(logs)


def compiled(model: keras.Model, strategy: tf.distribute.Strategy) -> tuple[Callable[..., Any], ...]:
    """Return the graphs of a training step, which gives the mean loss of the epoch so far, of a test step, of results.

    The results are loss and metrics over all replicas, which sum what they counted.
    """

    @tf.function(reduce_retracing=True)
    def train(batches: Any) -> tf.Tensor:
        logs = strategy.run(model.train_step, args=(next(batches),))
        return strategy.reduce(tf.distribute.ReduceOp.MEAN, logs["loss"], axis=None)

    @tf.function(reduce_retracing=True)
    def test(batch: Any) -> None:
        strategy.run(model.test_step, args=(batch,))

    @tf.function
    def results() -> dict[str, tf.Tensor]:
        return model.get_metrics_result()

    return train, test, results


def sharing(
    make: Callable[..., tf.data.Dataset],
) -> Callable[[tf.distribute.InputContext], tf.data.Dataset]:
    """Return the function from a worker's place to its batches, one for each of its replicas in turn."""

    def dataset(context: tf.distribute.InputContext) -> tf.data.Dataset:
        local = context.num_replicas_in_sync // context.num_input_pipelines
        return make(share=Share(context.input_pipeline_id * local, local, context.num_replicas_in_sync))

    return dataset


def numbers(logs: dict[str, tf.Tensor]) -> dict[str, float]:
    """Return logs as callbacks take them."""
    return {name: float(value) for name, value in logs.items()}


def meet(strategy: tf.distribute.Strategy, run: Run) -> None:
    """Make sure that all workers train the same, and give them the chief's checkpoints, to go on from the same state.

    The workers need no common file system for it.

    Raises:
        KerasDLError: if settings or data differ.
    """
    if not several_workers(strategy):
        return
    agree(strategy, "settings", json.dumps(settings.to_json(run.config)))
    agree(strategy, "data", (run.path / "splits.csv").read_text(encoding="utf-8"))
    folder = run.path / "checkpoints"
    names = broadcast(strategy, "\n".join(path.name for path in folder.glob("*.npz")).encode()).decode().split()
    for name in names:
        data = broadcast(strategy, (folder / name).read_bytes() if is_chief(strategy) else b"")
        if not is_chief(strategy):
            with replacing(folder / name) as temporary:
                temporary.write_bytes(data)


def agree(strategy: tf.distribute.Strategy, what: str, value: str) -> None:
    """Make sure that all workers have the same value; they wait for each other here.

    Raises:
        KerasDLError: on every worker, if one differs.
    """
    if not several_workers(strategy):
        return
    own = hashlib.sha256(value.encode()).digest()
    differs = broadcast(strategy, own) != own
    if summed(strategy, np.array([differs], np.int64), first=False)[0]:
        raise KerasDLError(f"the workers have different {what}; start all of them with the same command and package")


def equal(strategy: tf.distribute.Strategy, variables: Sequence[keras.Variable]) -> None:
    """Give the variables the chief's values, bit for bit, on every worker."""
    for variable in variables if several_workers(strategy) else ():
        value = keras.ops.convert_to_numpy(variable)
        data = broadcast(strategy, value.tobytes())
        variable.assign(np.frombuffer(data, value.dtype).reshape(value.shape))


def digest(variables: Sequence[keras.Variable]) -> str:
    """Return the SHA-256 of the values of variables, in their order."""
    seen = hashlib.sha256()
    for variable in variables:
        seen.update(keras.ops.convert_to_numpy(variable).tobytes())
    return seen.hexdigest()


def broadcast(strategy: tf.distribute.Strategy, data: bytes) -> bytes:
    """Return the chief's bytes on every worker. The sum of integers that are zero elsewhere is exact."""
    size = int(summed(strategy, np.array([len(data)], np.int64))[0])
    if not size:
        return b""  # TensorFlow crashes when it adds up nothing
    padded = data.ljust(-(-size // 8) * 8, b"\0") if is_chief(strategy) else bytes(-(-size // 8) * 8)
    return summed(strategy, np.frombuffer(padded, np.int64)).tobytes()[:size]


def summed(strategy: tf.distribute.Strategy, value: np.ndarray, *, first: bool = True) -> np.ndarray:
    """Add up an array over all replicas; with `first`, that of the first one and zeros."""

    def own(context: tf.distribute.ValueContext) -> tf.Tensor:
        counts = context.replica_id_in_sync_group == 0 or not first
        return tf.constant(value if counts else np.zeros_like(value))

    values = strategy.experimental_distribute_values_from_function(own)
    return strategy.reduce(tf.distribute.ReduceOp.SUM, values, axis=None).numpy()


def several_workers(strategy: tf.distribute.Strategy) -> bool:
    """Whether other processes take part."""
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process has the first replica."""
    return not strategy.cluster_resolver.task_id


@contextmanager
def taking_part(cluster: Cluster | None, folder: Path) -> Iterator[None]:
    """Take part in a training of several workers, or of this process alone.

    Workers other than the chief say nothing but their errors, and leave nothing: their folder goes at the end. What
    TensorFlow raises when a worker is gone becomes one line that says which, and what to type next.

    Raises:
        KerasDLError: if another worker is lost.
    """
    with ExitStack() as at_end:
        if cluster and not cluster.chief:
            say(f"{cluster.name}; the chief, {cluster.workers[0]}, reports the progress")
            at_end.callback(shutil.rmtree, folder, ignore_errors=True)
            at_end.enter_context(redirect_stderr(at_end.enter_context(Path(os.devnull).open("w"))))
        try:
            yield
        except tf.errors.OpError as error:
            if cluster is None or not (isinstance(error, LOST) or SAID.search(str(error))):
                raise
            raise KerasDLError(lost(cluster, str(error))) from None


def lost(cluster: Cluster, error: str) -> str:
    """Say which worker TensorFlow's error means, and what to do."""
    found = re.search(r"/job:worker/replica:0/task:(\d+)\s", error)
    number = int(found[1]) if found else None
    other = "another worker" if number is None else f"worker {number + 1} ({cluster.workers[number]})"
    return f"{cluster.name} stops: {other} no longer answers; find out why, then start all workers again with --resume"
