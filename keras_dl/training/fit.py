"""Training: one short loop over a task's phases, resumable to the bit."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from typing import Any, TypeVar

import keras
import tensorflow as tf

from keras_dl.errors import KerasDLError
from keras_dl.progress import duration, say
from keras_dl.runs import history, sources
from keras_dl.runs.files import room_for
from keras_dl.runs.run import Run
from keras_dl.task import Data, Phase
from keras_dl.training import checkpoints, features, pipeline
from keras_dl.training.checkpoints import Checkpoints, Progress
from keras_dl.training.finite import FiniteLoss
from keras_dl.training.machines import devices, distributed, replicas
from keras_dl.training.own_keras import own_keras
from keras_dl.training.pipeline import Examples, Share
from keras_dl.training.progress import EpochLines

R = TypeVar("R", bound=Run)
Conclude = Callable[[R, keras.Model, Data, dict[str, Examples], dict[str, Any]], R]


@own_keras()
def fit_run(run: R, conclude: Conclude[R]) -> R:
    """Train a run that is not complete, from its last whole epoch or from the start: fit, calibrate, evaluate, report.

    On one machine with `deterministic`, the weights and the history are those of a run that never stopped. Of several
    workers only the chief gets a complete run; the directory of the others is temporary and gone at the end.

    Args:
        run: as `Run.create` made it, or one to go on with.
        conclude: turns the fitted model into a complete run, as `verbs.evaluate.conclude` does.

    Raises:
        KerasDLError: if the data cannot be used, the device is not there, or another worker is lost.
    """
    asked = run.config
    chosen = (run.asked["device"], run.asked.get("strategy", "auto"))
    cluster = devices.planned(*chosen, run.config)
    with distributed.taking_part(cluster, run.path), run.locked(), replicas.precision(run.config.precision):
        with begun(run):
            strategy = devices.prepare(*chosen, run.config)
            run.config = config = replicas.scaled(run.config, strategy.num_replicas_in_sync)
            devices.seed_everything(config.seed, deterministic=config.deterministic)
            say(f"{run.task.title}; the run goes to {run.path}")
            prepared = run.task.prepare(config)
            data = sources.load(run)
            data = replace(data, notes={**data.notes, **prepared})
            for name, note in prepared.items():
                say(f"{name}: {note}")
            with strategy.scope():
                model = replicas.fit_for(run.task.build(config, data.assets), strategy)
        for line in sources.remarks(data.notes):
            say(line)
        splits = {
            name: pipeline.decoded(split, config, run.path / "cache" / name, name=name)
            for name, split in data.splits().items()
        }
        say(f"{model.count_params():,} parameters on {devices.describe(strategy)}")
        for line in replicas.remarks(strategy, config):
            say(line)
        distributed.meet(strategy, run)
        fitted = fit(run, model, data, {**splits, "train": resampled(splits["train"], data)}, strategy)
        distributed.agree(strategy, "weights", distributed.digest(model.variables))
        if cluster and not cluster.chief:
            distributed.agree(strategy, "ends", "")  # here it waits: if the chief dies, all are started again
            return run
        say(f"trained in {duration(fitted['seconds'])}; calibrating, fitting the baseline, evaluating on test ...")
        model = single(run, model, data, strategy)
        described = {**devices.described(strategy), "batch_size": config.batch_size, "precision": config.precision}
        run.config = asked  # not scaled by the number of replicas: so a report says what was asked for
        run = conclude(run, model, data, splits, {**described, **fitted})
        shutil.rmtree(run.path / "cache", ignore_errors=True)  # examples that did not fit in memory
        distributed.agree(strategy, "ends", "")
        return run


def resampled(examples: Examples, data: Data) -> Examples:
    """Return the training part as the recipe changes it, SMOTE say; baseline and report keep to the real examples."""
    if data.resample is None:
        return examples
    x, truth = data.resample(*examples.arrays())
    say(f"resampled: {len(examples)} examples became {len(truth)}")
    with tf.device("CPU:0"):
        y = tf.convert_to_tensor(truth[:, None].astype("float32"))
        return Examples(tf.convert_to_tensor(x), y, truth, truth)


@contextmanager
def begun(run: Run) -> Iterator[None]:
    """Take back a run directory that was made for a training which cannot even start."""
    try:
        yield
    except KerasDLError:
        if run.fresh and {path.name for path in run.path.iterdir()} <= {"config.json", ".lock", "splits.csv"}:
            shutil.rmtree(run.path)
        raise


def fit(
    run: Run, model: keras.Model, data: Data, splits: dict[str, Examples], strategy: tf.distribute.Strategy
) -> dict[str, Any]:
    """Train the phases that are left and leave the best weights in the model; return the best epoch and the time.

    The best epoch is a running number over all phases; 0 stands for a phase fitted at once before any epoch.
    """
    folder = run.path / "checkpoints"
    progress, saved = checkpoints.read_progress(folder)
    phases = run.task.phases(run.config, data)
    for number, phase in enumerate(phases):
        if number < progress.phase:
            continue
        if number > progress.phase:
            progress.enter(number)
        part, part_data, part_splits = model, data, splits
        whole = single(run, model, data, strategy) if phase.frozen else model
        with strategy.scope():
            if phase.frozen:
                part, part_data, part_splits = behind(model, whole, phase.frozen, data, splits)
            if phase.part:
                part = phase.part(model)
            phase.compile(part)
            if not phase.fit:
                replicas.accumulating(part.optimizer, run.config).build(part.trainable_variables)
        if saved and progress.phase_epoch:
            checkpoints.restore(saved, model.variables + part.optimizer.variables)
            say(f"resumed after epoch {progress.phase_epoch} of '{phase.name}'")
        saved = None
        if phase.fit and not progress.phase_ended:
            fit_at_once(run, model, part, part_splits["train"], phase, progress, strategy)
        elif not progress.phase_ended and progress.phase_epoch < phase.epochs:
            with room_for(run.path / "logs"):
                augment = phase.augment or part_data.augment
                part_data = replace(part_data, augment=augment)
                fit_phase(run, model, part, part_data, part_splits, phase, progress, strategy, len(phases) - number - 1)
        if progress.best_epoch is not None:  # the next phase, or the evaluation, goes on from the best epoch
            checkpoints.restore(checkpoints.best_file(folder, progress.best_epoch), model.variables)
    return {"best_epoch": progress.best_epoch, "seconds": sum(row["seconds"] for row in progress.history)}


def single(run: Run, model: keras.Model, data: Data, strategy: tf.distribute.Strategy) -> keras.Model:
    """Return the model as it is kept: on one device, in float32, and not tied to workers that may be gone."""
    if strategy.num_replicas_in_sync == 1 and run.config.precision == "float32":
        return model
    with replicas.precision("float32"):
        plain = run.task.build(run.config, data.assets)
    for own, other in zip(plain.variables, model.variables, strict=True):
        own.assign(keras.ops.convert_to_numpy(other))
    return plain


def behind(
    model: keras.Model, whole: keras.Model, layer: str, data: Data, splits: dict[str, Examples]
) -> tuple[keras.Model, Data, dict[str, Examples]]:
    """Return the model of what comes after a layer, and the data that it sees: the layer's outputs, from the cache.

    `whole` is the model that computes them. They are those of the plain images: augmentation would need the layers
    before at every step.
    """
    if data.augment:
        say(f"the layers after '{layer}' are trained on cached features of the images, without augmentation")
    features_of = keras.Model(whole.input, whole.get_layer(layer).output, name="frozen")
    head = keras.Model(model.get_layer(layer).output, model.output, name="head")
    seen = {}
    for name in ("train", "validation"):
        values = features.cached(features_of, splits[name].x, name=name)
        with tf.device("CPU:0"):
            seen[name] = replace(splits[name], x=tf.convert_to_tensor(values))
    return head, replace(data, augment=None), seen


def fit_at_once(
    run: Run,
    model: keras.Model,
    part: keras.Model,
    examples: Examples,
    phase: Phase,
    progress: Progress,
    strategy: tf.distribute.Strategy,
) -> None:
    """Fit a phase that needs no epochs, from the features of the training part.

    What it leaves counts as the best so far. The state says that the phase is over, so that a resumed run does not fit
    it again.
    """
    began = time.monotonic()
    assert phase.fit
    phase.fit(part, *examples.arrays())
    distributed.equal(strategy, model.variables)  # another kind of processor may round differently
    seconds = time.monotonic() - began
    folder = run.path / "checkpoints"
    progress.best_epoch, progress.phase_ended = progress.epoch, True
    progress.history.append({"epoch": None, "phase": phase.name, "phase_epoch": None, "seconds": seconds})
    checkpoints.save(checkpoints.best_file(folder, progress.epoch), model.variables)
    checkpoints.save(checkpoints.state_file(folder, progress.epoch), model.variables, asdict(progress))
    history.write(run.path, progress.history)
    say(f"{phase.name}: fitted on {len(examples):,} examples in {duration(seconds)}")


def fit_phase(
    run: Run,
    model: keras.Model,
    part: keras.Model,
    data: Data,
    splits: dict[str, Examples],
    phase: Phase,
    progress: Progress,
    strategy: tf.distribute.Strategy,
    later: int,
) -> None:
    """Train one phase from where `progress` stands to its end.

    `part` is what of the model is trained, and sees `data` and `splits`; `later` phases follow.
    """
    several, pieces = strategy.num_replicas_in_sync > 1, run.config.accumulate
    config = pipeline.shareable(run.config, splits["train"], strategy.num_replicas_in_sync * pieces)
    steps, calls = pipeline.steps(splits["train"], config)
    part.steps_per_execution = 1 if several else calls * pieces
    parts = 1 if several else pieces
    callbacks = [make(config) for make in phase.callbacks]
    start = progress.epoch - progress.phase_epoch
    total = start + phase.epochs
    callbacks += [
        FiniteLoss(splits["train"], data, config, start=progress.epoch, pieces=parts, note=run.path / "not_finite.txt"),
        History(run, phase.name, progress),
        keras.callbacks.TensorBoard(run.path / "logs", write_graph=False),
        Checkpoints(run.path / "checkpoints", progress, callbacks[:], phase.monitor, model),
        EpochLines(
            *(phase.name, phase.epochs, progress.phase_epoch, later),
            steps=steps * pieces,
            batch_size=config.batch_size // pieces,
        ),
    ]
    batches = partial(pipeline.training, splits["train"], data, config, start_epoch=progress.epoch)
    validation = partial(pipeline.evaluation, splits["validation"], config.batch_size // pieces)
    length: dict[str, Any] = {"initial_epoch": progress.epoch, "epochs": total, "callbacks": callbacks}
    if several:
        distributed.fit(part, strategy, batches, validation, steps=steps, **length)
        return
    own = batches(share=Share(0, pieces, pieces))
    part.fit(own, validation_data=validation(), steps_per_epoch=steps * pieces, shuffle=False, verbose=0, **length)


class History(keras.callbacks.Callback):
    """Writes history.csv, whole after each epoch, from the rows that the checkpoint keeps too."""

    def __init__(self, run: Run, phase: str, progress: Progress) -> None:
        super().__init__()
        self.run, self.phase, self.progress = run, phase, progress

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.began = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        row = {"epoch": epoch + 1, "phase": self.phase, "phase_epoch": self.progress.phase_epoch + 1}
        row |= {name: float(value) for name, value in (logs or {}).items()}
        row |= {"learning_rate": rate, "seconds": time.monotonic() - self.began}
        self.progress.history.append(row)
        history.write(self.run.path, self.progress.history)
