"""Exact resume: after every epoch, all that the next one depends on goes into one file.

Keras' own callbacks forget on resume: BackupAndRestore keeps the epoch alone, EarlyStopping and ReduceLROnPlateau
start with a new best value. Here the file holds the weights, the seeds of dropout, the optimizer, the state of the
callbacks and the history. The order of the examples and their augmentation need no saving: `pipeline.training` draws
them from the seed and the epoch.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_dl.errors import KerasDLError
from keras_dl.run import replacing

KEPT = 2  # so that one is left when the newest is found damaged


@dataclass
class Progress:
    """How far a training is."""

    phase: int = 0
    epoch: int = 0  # finished epochs, over all phases
    phase_epoch: int = 0  # finished epochs of this phase
    phase_ended: bool = False
    best: float | None = None  # of the monitored value, over all phases
    best_epoch: int | None = None
    history: list[dict[str, Any]] = field(default_factory=list)
    callbacks: list[dict[str, Any]] = field(default_factory=list)

    def enter(self, phase: int) -> None:
        """Begin another phase; the best value so far and the history stay."""
        self.phase, self.phase_epoch, self.phase_ended, self.callbacks = phase, 0, False, []


class Checkpoints(keras.callbacks.Callback):
    """Saves the state after each epoch, and the best weights whenever the monitored value improves.

    It must stand behind the callbacks whose state it keeps (`others`) and behind the history: it saves what they made
    of the epoch, and gives them their state back after they have reset it. `whole` is the model to save; the one that
    is trained may be its last layers alone.
    """

    def __init__(
        self,
        folder: Path,
        progress: Progress,
        others: Sequence[keras.callbacks.Callback],
        monitor: str,
        whole: keras.Model,
    ) -> None:
        super().__init__()
        self.folder, self.progress, self.others, self.monitor, self.whole = folder, progress, others, monitor, whole

    def on_train_begin(self, logs: dict | None = None) -> None:
        for callback, state in zip(self.others, self.progress.callbacks, strict=False):
            vars(callback).update(state)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        logs = logs or {}
        progress = self.progress
        if not all(np.isfinite(value) for value in logs.values()):
            raise KerasDLError(
                f"epoch {progress.epoch + 1} gave a value that is not finite: {logs}; "
                "start again with a smaller --set learning_rate"
            )
        if better(logs[self.monitor], progress.best, self.monitor):
            progress.best, progress.best_epoch = float(logs[self.monitor]), progress.epoch + 1
            save(self.folder / "best.npz", self.whole.variables)
        progress.epoch += 1
        progress.phase_epoch += 1
        progress.phase_ended = bool(self.model.stop_training)
        progress.callbacks = [plain_state(callback) for callback in self.others]
        variables = self.whole.variables + self.model.optimizer.variables
        save(self.folder / f"epoch-{progress.epoch:04d}.npz", variables, asdict(progress))
        for old in sorted(self.folder.glob("epoch-*.npz"))[:-KEPT]:
            old.unlink()


def read_progress(folder: Path) -> tuple[Progress, Path | None]:
    """Return the newest state that is whole, and its file; a fresh one if there is none."""
    for path in sorted(folder.glob("epoch-*.npz"), reverse=True):
        try:
            with path.open("rb") as opened, np.load(opened) as file:
                return Progress(**json.loads(str(file["state"]))), path
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            continue  # cut off or damaged: the one before serves, at the price of one epoch
    return Progress(), None


def restore(path: Path, variables: Sequence[keras.Variable]) -> None:
    """Give the variables the values of a file that `save` wrote for the same ones.

    Raises:
        KerasDLError: if the file is of another model.
    """
    with np.load(path) as file:
        values = [file[f"v{number}"] for number in range(len(file.files) - ("state" in file.files))]
    if [value.shape for value in values] != [tuple(variable.shape) for variable in variables]:
        raise KerasDLError(f"{path} does not fit this model: start a new run, without --resume")
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def save(path: Path, variables: Sequence[keras.Variable], state: dict[str, Any] | None = None) -> None:
    """Write the variables' values, and the state as JSON, whole or not at all."""
    values = {f"v{number}": keras.ops.convert_to_numpy(variable) for number, variable in enumerate(variables)}
    if state is not None:
        values["state"] = np.array(json.dumps(state))
    with replacing(path) as temporary:
        np.savez(temporary, **values)


def better(value: float, best: float | None, monitor: str) -> bool:
    """Whether a monitored value improves on the best: losses by falling, everything else by rising."""
    if best is None:
        return True
    return value < best if monitor.endswith("loss") else value > best


def plain_state(callback: keras.callbacks.Callback) -> dict[str, Any]:
    """Return the counters and best values that a callback keeps in its attributes."""
    plain = {}
    for name, value in vars(callback).items():
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, bool | int | float) and not name.startswith("_"):
            plain[name] = value
    return plain
