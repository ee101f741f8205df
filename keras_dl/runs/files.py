"""Files of a run: each is written beside its place and then moved there, so a file that is there is whole."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from keras_dl.errors import KerasDLError, UsageError

UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM}


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold a directory against other processes; see `Run.locked`."""
    try:
        file = (path / ".lock").open("w")
    except OSError as error:
        raise unwritable(path, error) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise KerasDLError(f"another training is writing to {path}") from None
        yield


def is_held(path: Path) -> bool:
    """Whether a training is writing to a directory."""
    try:
        with (path / ".lock").open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # there is no lock, or it is not ours to read
        return False
    return False


def refuse_full(path: Path) -> None:
    """Refuse a run directory that holds anything but a lock."""
    if {inside.name for inside in path.iterdir()} - {".lock"}:
        raise UsageError(f"{path} is not empty; continue the run with --resume, or choose another --out")


def make_newest(config: Path, others: Iterable[int]) -> None:
    """Date a run's config.json after those of others, in nanoseconds, also when the clock was set back."""
    date = max([time.time_ns(), *(other + 1 for other in others)])
    os.utime(config, ns=(date, date))


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path to write to; it takes the place of `path` when the block ends well and goes when it fails.

    Raises:
        KerasDLError: if it cannot be written: no space, no permission.
    """
    temporary = path.with_name(f".{os.getpid()}-{path.name}")  # keeps the suffix: savers look at it
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError) and error.errno in UNWRITABLE:
            raise unwritable(path, error) from error
        raise


@contextmanager
def room_for(folder: Path) -> Iterator[None]:
    """Say in one line that the disk is full, also when it is TensorFlow that finds out, with errors of its own."""
    try:
        yield
    except (OSError, KerasDLError):
        raise
    except Exception as error:
        found = [number for number in UNWRITABLE if os.strerror(number) in str(error)]
        if not found:
            raise
        raise unwritable(folder, OSError(found[0], os.strerror(found[0]))) from None


def refuse_name(path: Path) -> None:
    """Refuse a place whose name TensorFlow cannot write: one that is not UTF-8."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise UsageError(f"the name {str(path)!a} is not UTF-8; choose another --out") from None


def unwritable(path: Path, error: OSError) -> KerasDLError:
    """Say which file cannot be written and what to do."""
    way_out = "make it writable" if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM) else "free some space there"
    return KerasDLError(
        f"cannot write {path}: {error.strerror}; {way_out} and try again (resume a training with --resume)"
    )


class Kept(dict[str, Any]):
    """An object of a run's JSON file; a key that is missing is an error that names the file."""

    def __init__(self, path: Path, values: Mapping[str, Any]) -> None:
        """Take the file that it is of, and what it holds."""
        super().__init__(values)
        self.path = path

    def __missing__(self, key: str) -> Any:
        raise KerasDLError(f"{self.path} has no '{key}': it is damaged or from another version; train again")


def read_json(path: Path) -> Kept:
    """Read an object from a JSON file.

    Raises:
        KerasDLError: if the file does not hold one.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"), object_hook=partial(Kept, path))
    except (ValueError, RecursionError) as error:
        raise KerasDLError(f"{path} is damaged ({error}); train again") from None
    if not isinstance(found, Kept):
        raise KerasDLError(f"{path} is damaged (it contains no JSON object); train again")
    return found


def write_json(path: Path, value: Any) -> None:
    """Write JSON, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
