"""Exact resume: after every epoch, all that the next one depends on goes into one file.

Keras' own callbacks forget on resume: BackupAndRestore keeps the epoch alone, EarlyStopping and ReduceLROnPlateau
start with a new best value. Here the file holds the weights, the seeds of dropout, the optimizer, the state of the
callbacks and the history. The order of the examples and their augmentation need no saving: `pipeline.training` draws
them from the seed and the epoch.

The best weights are in a file of their own that has its epoch in its name, so that a state never meets those of another
epoch. Nothing is used of a file before all its bytes are known to be as they were written.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_dl.errors import KerasDLError
from keras_dl.progress import say
from keras_dl.runs.files import replacing
from keras_dl.task import mode_of

SUM = 16  # bytes at the end of a file
BLOCK = 1 << 20  # bytes that are summed up at a time
KEPT = 2  # so that one is left when the newest is found damaged


@dataclass
class Progress:
    """How far a training is."""

    phase: int = 0
    epoch: int = 0  # finished epochs of gradient steps, over all phases
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
                f"epoch {progress.epoch + 1} gave values that are not finite: {logs}; "
                "start again with a smaller --set learning_rate"
            )
        bests = {progress.best_epoch}
        value = float(logs[self.monitor]) if self.monitor else None  # None: every epoch is better than those before
        if value is None or better(value, progress.best, self.monitor):
            progress.best, progress.best_epoch = value, progress.epoch + 1
            save(best_file(self.folder, progress.epoch + 1), self.whole.variables)
        progress.epoch += 1
        progress.phase_epoch += 1
        progress.phase_ended = bool(self.model.stop_training)
        progress.callbacks = [plain_state(callback) for callback in self.others]
        variables = self.whole.variables + self.model.optimizer.variables
        save(state_file(self.folder, progress.epoch), variables, asdict(progress))
        tidy(self.folder, range(progress.epoch - KEPT + 1, progress.epoch + 1), bests | {progress.best_epoch})


def read_progress(folder: Path) -> tuple[Progress, Path | None]:
    """Return the newest state that is whole and has its best weights, and its file; a fresh one if there is none.

    Newest is what has the highest epoch, whatever the clock said. What is damaged is named at the terminal.
    """
    found = {epoch_of(path): path for path in folder.glob("epoch-*.npz")}
    for epoch in sorted(found, reverse=True):
        path = found[epoch]
        try:
            check(path)
            with np.load(path) as file:
                progress = Progress(**json.loads(str(file["state"])))
            if progress.best_epoch is not None:
                check(best_file(folder, progress.best_epoch))
            return progress, path
        except (KerasDLError, KeyError, TypeError, ValueError) as error:
            reason = str(error) if isinstance(error, KerasDLError) else f"{path} is not a checkpoint ({error})"
            left = [other for other in found if other < epoch]
            ahead = f"trying that of epoch {max(left)}" if left else "no other is left, so training starts over"
            say(f"{reason}; {ahead}")
    return Progress(), None


def best_file(folder: Path, epoch: int) -> Path:
    """Return where the whole model's weights after an epoch are, if it was the best so far."""
    return folder / f"best-{epoch:04d}.npz"


def state_file(folder: Path, epoch: int) -> Path:
    """Return where the whole state after an epoch is."""
    return folder / f"epoch-{epoch:04d}.npz"


def restore(path: Path, variables: Sequence[keras.Variable]) -> None:
    """Give the variables the values of a file that `save` wrote for the same ones.

    Raises:
        KerasDLError: if the file is damaged or of another model. No variable has changed then.
    """
    check(path)
    with np.load(path) as file:
        values = [file[name] for name in sorted(set(file.files) - {"state"}, key=lambda name: int(name[1:]))]
    if [value.shape for value in values] != [tuple(variable.shape) for variable in variables]:
        raise KerasDLError(f"{path} does not fit this model; start a new run, without --resume")
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def save(path: Path, variables: Sequence[keras.Variable], state: dict[str, Any] | None = None) -> None:
    """Write the variables' values, and the state as JSON, whole or not at all."""
    values = {f"v{number}": keras.ops.convert_to_numpy(variable) for number, variable in enumerate(variables)}
    if state is not None:
        values["state"] = np.array(json.dumps(state))
    write_arrays(path, values)


def check(path: Path) -> None:
    """Make sure that a file is as `write_arrays` wrote it, every byte of it.

    Raises:
        KerasDLError: if it is damaged or not there.
    """
    seen = hashlib.blake2b(digest_size=SUM)
    try:
        with path.open("rb") as file:
            left = path.stat().st_size - SUM
            while left > 0 and (block := file.read(min(left, BLOCK))):
                seen.update(block)
                left -= len(block)
            if file.read() != seen.digest():
                raise KerasDLError(f"{path} is damaged: its checksum is wrong")
    except OSError as error:
        raise KerasDLError(f"cannot read {path}: {error.strerror}") from None


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a .npz file, whole or not at all, with a sum of all its bytes behind them.

    The sums within a zip do not cover the names and lengths in its directory: one changed bit there can hide an array.
    """
    with replacing(path) as temporary:
        np.savez(temporary, **arrays)  # type: ignore[arg-type]
        with temporary.open("r+b") as file:
            seen = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=SUM))
            file.seek(0, os.SEEK_END)
            file.write(seen.digest())


def tidy(folder: Path, epochs: Container[int], bests: Container[int | None]) -> None:
    """Remove the states of other epochs than these, also later ones, which were damaged, and other best weights."""
    for path in [*folder.glob("epoch-*.npz"), *folder.glob("best-*.npz")]:
        if epoch_of(path) not in (epochs if path.name.startswith("epoch-") else bests):
            path.unlink()


def epoch_of(path: Path) -> int:
    """Return the epoch in a file's name; -1 where it has none."""
    number = re.fullmatch(r"[a-z]+-(\d+)\.npz", path.name)
    return int(number[1]) if number else -1


def better(value: float, best: float | None, monitor: str) -> bool:
    """Whether a monitored value improves on the best; see `mode_of`."""
    if best is None:
        return True
    return value < best if mode_of(monitor) == "min" else value > best


def plain_state(callback: keras.callbacks.Callback) -> dict[str, Any]:
    """Return the counters and best values that a callback keeps in its attributes."""
    plain = {}
    for name, value in vars(callback).items():
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, bool | int | float) and not name.startswith("_"):
            plain[name] = value
    return plain
