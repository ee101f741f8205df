"""Training: one short loop over a task's phases, resumable to the bit."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import click
import keras
import pandas as pd
import tensorflow as tf

from keras_dl import checkpoints, devices, features, pipeline, sources
from keras_dl.checkpoints import Checkpoints, Progress
from keras_dl.errors import KerasDLError
from keras_dl.evaluate import conclude
from keras_dl.pipeline import Examples
from keras_dl.progress import EpochLines, duration
from keras_dl.run import Run, replacing
from keras_dl.task import Data, Phase


def fit_run(run: Run) -> Run:
    """Train a run that is not complete, from its last whole epoch or from the start: fit, calibrate, evaluate, report.

    On one machine with `deterministic`, the weights and the history are those of a run that never stopped.

    Raises:
        KerasDLError: if the data cannot be used or the device is not there.
    """
    with run.locked():
        config = run.config
        with begun(run):
            strategy = devices.prepare(run.asked["device"])
            devices.seed_everything(config.seed, deterministic=config.deterministic)
            say(f"{run.task.title}, into {run.path}")
            prepared = run.task.prepare(config)
            data = sources.load(run)
            data = replace(data, notes={**data.notes, **prepared})
            for name, note in prepared.items():
                say(f"{name}: {note}")
            with strategy.scope():
                model = run.task.build(config, data.assets)
        for line in sources.remarks(data.notes):
            say(line)
        splits = {
            name: pipeline.decoded(split, config, run.path / "cache" / name, name=name)
            for name, split in data.splits().items()
        }
        say(f"{model.count_params():,} parameters on {devices.describe(strategy)}")
        fitted = fit(run, model, data, {**splits, "train": resampled(splits["train"], data)}, strategy)
        say(f"trained in {duration(fitted['seconds'])}; calibrating, fitting the baseline, evaluating on test ...")
        run = conclude(run, model, data, splits, {"device": devices.describe(strategy), **fitted})
        shutil.rmtree(run.path / "cache", ignore_errors=True)  # examples that did not fit in memory
        return run


def resampled(examples: Examples, data: Data) -> Examples:
    """Return the training part as the recipe changes it, SMOTE say; baseline and report keep to the real examples."""
    if data.resample is None:
        return examples
    x, labels = data.resample(*examples.arrays())
    say(f"resampled: {len(examples)} examples became {len(labels)}")
    with tf.device("CPU:0"):
        return Examples(tf.convert_to_tensor(x), tf.convert_to_tensor(labels[:, None].astype("float32")), labels)


@contextmanager
def begun(run: Run) -> Iterator[None]:
    """Take back a run directory without any training in it when that cannot even start: it could not be resumed."""
    try:
        yield
    except KerasDLError:
        if {path.name for path in run.path.iterdir()} <= {"config.json", ".lock", "splits.csv"}:
            shutil.rmtree(run.path)
        raise


def fit(
    run: Run, model: keras.Model, data: Data, splits: dict[str, Examples], strategy: tf.distribute.Strategy
) -> dict[str, Any]:
    """Train the phases that are left and leave the best weights in the model; return the best epoch and the time."""
    folder = run.path / "checkpoints"
    progress, saved = checkpoints.read_progress(folder)
    for number, phase in enumerate(run.task.phases(run.config, data)):
        if number < progress.phase:
            continue
        if number > progress.phase:
            progress.enter(number)
        part, part_data, part_splits = model, data, splits
        with strategy.scope():
            if phase.frozen:
                part, part_data, part_splits = behind(model, phase.frozen, data, splits)
            if phase.part:
                part = phase.part(model)
            phase.compile(part)
            if not phase.fit:
                part.optimizer.build(part.trainable_variables)
        if saved and progress.phase_epoch:
            checkpoints.restore(saved, model.variables + part.optimizer.variables)
            say(f"resumed after epoch {progress.epoch}")
        saved = None
        if phase.fit:
            fit_at_once(run, model, part, part_splits["train"], phase, progress)
        elif not progress.phase_ended and progress.phase_epoch < phase.epochs:
            fit_phase(run, model, part, part_data, part_splits, phase, progress)
        if (folder / "best.npz").exists():  # the next phase, or the evaluation, goes on from the best epoch
            checkpoints.restore(folder / "best.npz", model.variables)
    return {"best_epoch": progress.best_epoch, "seconds": sum(row["seconds"] for row in progress.history)}


def behind(
    model: keras.Model, layer: str, data: Data, splits: dict[str, Examples]
) -> tuple[keras.Model, Data, dict[str, Examples]]:
    """Return the model of what comes after a layer, and the data that it sees: the layer's outputs, from the cache.

    They are those of the plain images: augmentation would need the layers before at every step.
    """
    if data.augment:
        say(f"what comes after '{layer}' is trained on the cached features of the plain images, without augmentation")
    features_of = keras.Model(model.input, model.get_layer(layer).output, name="frozen")
    head = keras.Model(model.get_layer(layer).output, model.output, name="head")
    seen = {}
    for name in ("train", "validation"):
        values = features.cached(features_of, splits[name].x, name=name)
        with tf.device("CPU:0"):
            seen[name] = replace(splits[name], x=tf.convert_to_tensor(values))
    return head, replace(data, augment=None), seen


def fit_at_once(
    run: Run, model: keras.Model, part: keras.Model, examples: Examples, phase: Phase, progress: Progress
) -> None:
    """Fit a phase that needs no epochs, from the features of the training part; it counts as one."""
    began = time.monotonic()
    assert phase.fit
    phase.fit(part, *examples.arrays())
    progress.epoch += 1
    progress.best_epoch = progress.epoch
    checkpoints.save(run.path / "checkpoints" / "best.npz", model.variables)
    progress.history.append({"epoch": progress.epoch, "phase": phase.name, "seconds": time.monotonic() - began})
    write_history(run, progress)
    say(f"{phase.name}: fitted on {len(examples)} examples")


def fit_phase(
    run: Run,
    model: keras.Model,
    part: keras.Model,
    data: Data,
    splits: dict[str, Examples],
    phase: Phase,
    progress: Progress,
) -> None:
    """Train one phase from where `progress` stands to its end; `part` is what of the model is trained."""
    config = run.config
    steps, part.steps_per_execution = pipeline.steps(splits["train"], config)
    callbacks = [make(config) for make in phase.callbacks]
    start = progress.epoch - progress.phase_epoch
    total = start + phase.epochs
    callbacks += [
        History(run, phase.name, progress),
        keras.callbacks.TensorBoard(run.path / "logs", write_graph=False),
        Checkpoints(run.path / "checkpoints", progress, callbacks[:], phase.monitor, model),
        EpochLines(epochs=total, done=progress.epoch, steps=steps, batch_size=config.batch_size),
    ]
    part.fit(
        pipeline.training(splits["train"], data, config, start_epoch=progress.epoch),
        validation_data=pipeline.evaluation(splits["validation"], config.batch_size),
        initial_epoch=progress.epoch,
        epochs=total,
        steps_per_epoch=steps,
        callbacks=callbacks,
        shuffle=False,
        verbose=0,
    )


class History(keras.callbacks.Callback):
    """Writes history.csv, whole after each epoch, from the rows that the checkpoint keeps too."""

    def __init__(self, run: Run, phase: str, progress: Progress) -> None:
        super().__init__()
        self.run, self.phase, self.progress = run, phase, progress

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.began = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        row = {"epoch": epoch + 1, "phase": self.phase, **{name: float(value) for name, value in (logs or {}).items()}}
        row |= {"learning_rate": rate, "seconds": time.monotonic() - self.began}
        self.progress.history.append(row)
        write_history(self.run, self.progress)


def write_history(run: Run, progress: Progress) -> None:
    """Write history.csv from what the checkpoints keep too."""
    with replacing(run.path / "history.csv") as temporary:
        pd.DataFrame(progress.history).to_csv(temporary, index=False)


def say(line: str) -> None:
    """Tell the person at the terminal; stdout is for results."""
    click.echo(line, err=True)
