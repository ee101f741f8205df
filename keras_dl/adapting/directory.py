"""The directory of the new run: it takes its place when it is whole, so nothing that stops leaves half a run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from keras_dl.errors import KerasDLError, UsageError
from keras_dl.paths import at_home
from keras_dl.runs import names
from keras_dl.runs.files import refuse_full, refuse_name
from keras_dl.runs.run import Run

KEPT = ("history.csv", "splits.csv", "assets/baseline.skops", "assets/others.skops")  # what adapting does not change


def chosen(run: Run, out: str | Path | None) -> Path:
    """Return where the new run goes: a folder that is not there yet, or is empty.

    Raises:
        UsageError: if `out` is a file, or a folder with something in it.
    """
    path = at_home(out) if out else names.RUNS / run.task.name / datetime.now().strftime("%Y%m%d-%H%M%S-%f")
    refuse_name(path)
    if path.is_file():
        raise UsageError(f"{path} is a file; give --out a new folder for the run")
    if path.exists():
        refuse_full(path)
    return path


@contextmanager
def building(path: Path) -> Iterator[Path]:
    """Give a folder of the same name, in a hidden one beside `path`; it moves to `path` when the block ends well.

    Hidden folders are never taken for runs. After any failure nothing is left; a killed process leaves the hidden
    folder, which the next attempt at the same place clears away.
    """
    hidden = path.with_name(f".{path.name}.unfinished")
    shutil.rmtree(hidden, ignore_errors=True)
    try:
        try:
            hidden.mkdir(parents=True)
        except OSError as error:
            raise KerasDLError(f"cannot create {hidden}: {error.strerror}; choose another --out") from None
        yield hidden / path.name
        (hidden / path.name).rename(path)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def copy_kept(run: Run, new: Path) -> None:
    """Copy to the new directory what adapting does not change."""
    for name in KEPT:
        if (run.path / name).exists():
            (new / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(run.path / name, new / name)
