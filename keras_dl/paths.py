"""Paths as users write them: in arguments, settings and from Python."""

from __future__ import annotations

from pathlib import Path

from keras_dl.errors import UsageError


def at_home(path: str | Path) -> Path:
    """Return a path with `~` or `~name` at its beginning replaced.

    A shell does that too, but not after `--data=` or `--set weights=`, and nobody does it in Python.

    Raises:
        UsageError: if there is no such home folder.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise UsageError(f"'{path}' begins in an unknown home folder; write the whole path") from None
