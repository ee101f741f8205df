"""What tests run in processes of their own: a small training on several workers, or on two virtual CPUs.

The processes are forked from one that has imported everything and started nothing: starting each anew takes seconds.
"""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from keras_dl.errors import KerasDLError
from keras_dl.task import Config
from keras_dl.training.machines import cluster, devices

FORK = multiprocessing.get_context("forkserver")
FORK.set_forkserver_preload(["keras_dl.training.fit", "keras_dl.registry", "sklearn.svm", "skimage.feature"])
CONFIG = Config(batch_size=16, epochs=4, steps_per_execution=1)
EXAMPLES, VALIDATION = 70, 21  # neither is a multiple of the replicas
END = 3  # early stopping ends after this epoch


def train(strategy, callbacks=()):
    """Train a small model with BatchNorm on the strategy; return it and the logs of each epoch."""
    import keras

    from keras_dl.task import Data
    from keras_dl.training import pipeline
    from keras_dl.training.machines import distributed, replicas

    devices.seed_everything(0, deterministic=False)
    with strategy.scope():
        inputs = keras.Input((6,))
        x = keras.layers.Dense(8)(inputs)
        x = keras.layers.BatchNormalization(momentum=0.9)(x)
        model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(keras.layers.ReLU()(x)))
        model = replicas.fit_for(model, strategy)
        metrics = [keras.metrics.BinaryAccuracy(name="accuracy"), keras.metrics.AUC(name="auroc")]
        model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "binary_crossentropy", metrics=metrics)
        model.optimizer.build(model.trainable_variables)
    training, validation = examples(EXAMPLES, 1), examples(VALIDATION, 2)
    seen: list[dict] = []
    callbacks = [
        keras.callbacks.ReduceLROnPlateau(monitor="val_accuracy", mode="min", factor=0.5, patience=1),
        keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(logs)),
        keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: stop(model, epoch)),
        *callbacks,
    ]

    def batches(**share):
        return pipeline.training(training, Data(None, None, None), CONFIG, **share)

    def evaluation(**share):
        return pipeline.evaluation(validation, CONFIG.batch_size, **share)

    length = {"initial_epoch": 0, "epochs": CONFIG.epochs, "callbacks": callbacks}
    steps, _ = pipeline.steps(training, CONFIG)
    if strategy.num_replicas_in_sync > 1:
        distributed.fit(model, strategy, batches, evaluation, steps=steps, **length)
    else:
        data = {"validation_data": evaluation(), "steps_per_epoch": steps, "shuffle": False, "verbose": 0}
        model.fit(batches(), **data, **length)
    return model, seen


def stop(model, epoch):
    model.stop_training = epoch + 1 == END


def examples(count, seed):
    import tensorflow as tf

    from keras_dl.training.pipeline import Examples

    draws = np.random.default_rng(seed)
    x = draws.normal(size=(count, 6)).astype("float32")
    labels = (x[:, 0] + x[:, 1] * x[:, 2] > 0).astype(np.int64)
    with tf.device("CPU:0"):
        return Examples(tf.constant(x), tf.constant(labels[:, None], tf.float32), labels)


def work(folder):
    """Take part as a worker: train, compare with the others, then lose the chief."""
    import keras

    from keras_dl.training.machines import distributed

    own = cluster.find(os.environ)
    strategy = devices.prepare("cpu", "multiworker", CONFIG)
    model, logs = train(strategy)
    found = {"logs": logs, "digest": distributed.digest(model.variables)}
    distributed.agree(strategy, "weights", found["digest"])
    try:
        distributed.agree(strategy, "names", own.name if own.index == 1 else "the same")
    except KerasDLError as error:
        found["disagreed"] = str(error)
    texts = [distributed.broadcast(strategy, text if own.chief else b"other") for text in (b"", b"from the chief")]
    found["broadcast"] = [text.decode() for text in texts]
    if own.index == 2:
        model.variables[0].assign(model.variables[0] + 1)
    distributed.equal(strategy, model.variables)
    found["digest after"] = distributed.digest(model.variables)
    np.savez(folder / f"worker-{own.index}.npz", *[keras.ops.convert_to_numpy(one) for one in model.variables])

    def lose_the_chief(step, logs):
        (folder / "killed").touch()
        if own.chief and step == 2:
            tell(folder, own, found)
            os.kill(os.getpid(), signal.SIGKILL)

    began = time.monotonic()
    try:
        with distributed.taking_part(own, folder / f"temporary-{own.index}"):
            train(strategy, [keras.callbacks.LambdaCallback(on_train_batch_end=lose_the_chief)])
    except KerasDLError as error:
        tell(folder, own, {**found, "lost": str(error), "seconds": time.monotonic() - began})


def tell(folder, own, found):
    (folder / f"worker-{own.index}.json").write_text(json.dumps(found))


def mirror(folder):
    """Train on two virtual CPUs and on one, the small model and two tasks, and write what came of it."""
    import keras
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    from keras_dl import api
    from keras_dl.verbs import evaluate

    for inner in (False, True):
        drops = {name: dropped(name, inner) for name in ("mirrored", "default")}
        np.savez(folder / f"dropout-{inner}", **drops)

    def keep(run, model, data, splits, described):
        weights = [keras.ops.convert_to_numpy(one) for one in model.variables]
        np.savez(folder / run.path.name, *weights)
        (folder / f"{run.path.name}.json").write_text(json.dumps(described))
        return run

    evaluate.conclude = keep  # what comes after training is the same on every strategy
    keras.optimizers.Adam = lambda rate: keras.optimizers.SGD(rate)  # Adam makes large steps of rounding errors
    plain = {
        "pneumonia": dict.fromkeys(
            ("rotation", "zoom", "stretch", "shift", "gamma", "contrast", "sharpness", "noise"), 0
        ),
        "spam": {"reader": "mean"},
    }
    plain["pneumonia"] |= {"brightness": 0, "flip": False, "fill": "constant", "network": "xray_cnn"}
    for task, settings in plain.items():
        for strategy in ("mirrored", "default"):
            settings = {**settings, "dropout": 0, "epochs": 2, "batch_size": 16}
            path = folder / f"{task}-{strategy}"
            api.finish(api.begin(task, settings=settings, tiny=True, strategy=strategy, out=path))


def dropped(name, inner):
    """Return what dropout, of attention with `inner`, leaves of ones in two steps, `[steps, replicas, ...]`."""
    import keras
    import tensorflow as tf

    from keras_dl.training.machines import replicas

    strategy = devices.prepare("cpu", name)
    devices.seed_everything(0, deterministic=False)
    with strategy.scope():
        inputs = keras.Input((8, 4))
        attention = keras.layers.MultiHeadAttention(1, 4, dropout=0.5, kernel_initializer="ones")
        layer = (lambda x: attention(x, x)) if inner else keras.layers.Dropout(0.5)
        model = replicas.fit_for(keras.Model(inputs, layer(inputs)), strategy)

    def step():
        return model(tf.ones((4, 8, 4)), training=True)

    run = tf.function(lambda: strategy.run(step))
    return np.array([strategy.experimental_local_results(run()) for _ in range(2)])


def command(*arguments):
    """Run `keras-dl` with these arguments."""
    from keras_dl.cli import main

    main(list(arguments), prog_name="keras-dl")


def start(function: Callable[..., None], *arguments, printed: Path, **environment: str):
    """Call a function in a fork; what it prints goes to a file."""
    environment = {name: os.environ[name] for name in ("KERAS_DL_CACHE",)} | environment
    printed.write_text("")
    process = FORK.Process(target=call, args=(function, arguments, printed, environment))
    process.start()
    return process


def call(function, arguments, printed, environment):
    os.environ.update(environment)
    tempfile.tempdir = None  # the process it is forked from has looked for one already
    with printed.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), write_through=True)
    function(*arguments)
