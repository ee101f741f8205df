"""Trainings in processes of their own that begin at once: forked from one that has imported everything, and no more.

TensorFlow starts its threads with the first operation, so a fork before that is safe.
"""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import signal
import sys
import threading
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

FORK = multiprocessing.get_context("forkserver")
FORK.set_forkserver_preload(["keras_dl.training.fit", "keras_dl.registry", "sklearn.svm", "skimage.feature"])


@dataclass(frozen=True)
class Kill:
    """A `kill -9` that a training gets some seconds after it first opens a file whose path holds `file`.

    With `writing` it falls between the opening of that file and its move to its place, however long the write takes.
    """

    file: str
    seconds: float = 0.0
    writing: bool = False

    def wait(self, event: str, values: tuple) -> None:
        """Watch what the interpreter does: an audit hook."""
        if event not in ("open", "os.rename") or not isinstance(values[0], str | os.PathLike):
            return
        if self.file not in os.fspath(values[0]):
            return
        if event == "open" and "waiting" not in vars(self):
            object.__setattr__(self, "waiting", True)
            threading.Timer(self.seconds, os.kill, (os.getpid(), signal.SIGKILL)).start()
        elif event == "os.rename" and self.writing:
            time.sleep(60)


def trained(path: Path, kill: Kill | None = None, before: Callable[[], None] | None = None) -> tuple[int, str]:
    """Train the run at `path` to its end in a fork; return its exit code, negative for a signal, and its output."""
    process, printed = started(path, kill, before)
    process.join(600)
    assert process.exitcode is not None
    return process.exitcode, printed.read_text(errors="replace")


def started(path: Path, kill: Kill | None = None, before: Callable[[], None] | None = None):
    """Begin to train the run at `path` in a fork; return the process and the file with what it prints."""
    printed = path.with_name(f"{path.name}-printed.txt")
    printed.write_text("")
    process = FORK.Process(target=finish, args=(path, printed, os.environ["KERAS_DL_CACHE"], kill, before))
    process.start()
    return process, printed


def finish(path: Path, printed: Path, cache: str, kill: Kill | None, before: Callable[[], None] | None) -> None:
    """Do in the fork what `keras-dl train --resume` does."""
    from tqdm import tqdm

    from keras_dl import api
    from keras_dl.runs.run import Run
    from keras_dl.terminal import Group

    tqdm.set_lock(threading.RLock())  # its own one would outlive a kill
    os.environ["KERAS_DL_CACHE"] = cache
    with printed.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), write_through=True)
    if kill:
        sys.addaudithook(kill.wait)
    if before:
        before()
    command = Group("main", callback=None)
    command.command("train")(lambda: api.finish(Run(path)) and None)
    command.main(["train"], prog_name="keras-dl")


def arrays(path: Path) -> dict[str, np.ndarray]:
    """Read all weights of a run's model."""
    import h5py

    found: dict[str, np.ndarray] = {}
    with contextlib.ExitStack() as stack:
        model = stack.enter_context(zipfile.ZipFile(path / "model.keras"))
        file = stack.enter_context(h5py.File(io.BytesIO(model.read("model.weights.h5"))))
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


def assert_equal(one: Path, other: Path) -> None:
    """Compare two runs to the bit: weights, history but for the seconds, metrics."""
    import pandas as pd

    from keras_dl.runs.run import Run

    histories = [pd.read_csv(path / "history.csv").drop(columns="seconds") for path in (one, other)]
    pd.testing.assert_frame_equal(*histories, check_exact=True)
    first, second = arrays(one), arrays(other)
    assert first
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)
    assert Run(one).metrics == Run(other).metrics
