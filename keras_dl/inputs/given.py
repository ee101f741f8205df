"""What a person names to be predicted: files, folders, texts, standard input. Without TensorFlow."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from keras_dl.errors import BadInput, UsageError
from keras_dl.task.input import Input


class Taker(Protocol):
    """What takes inputs: a task, or a model on a server."""

    @property
    def name(self) -> str:
        """What stands after `keras-dl predict`."""

    @property
    def input(self) -> Input:
        """The kind of input."""


@dataclass(frozen=True)
class Given:
    """One input as a user gave it: a file, or bytes that need none."""

    name: str  # in rows: the file, or the text itself
    path: Path | None = None
    data: bytes = b""

    @property
    def stem(self) -> str:
        """How files about it are called."""
        if self.path is not None:
            return self.path.stem
        return "-".join(re.findall(r"\w+", self.name[:200])[:4])[:40].lower() or "text"

    def raw(self) -> bytes:
        """Read it; raises BadInput where that fails."""
        try:
            return self.data if self.path is None else self.path.read_bytes()
        except OSError as error:
            raise BadInput(error.strerror or str(error)) from None


def expand(taker: Taker, inputs: Iterable[str | Path]) -> Iterator[Given]:
    """Give each file, for each folder the visible files below it, sorted, and what the kind of input knows besides.

    Raises:
        UsageError: if a file is not there, or a folder holds none.
    """
    for item in inputs:
        path, kind = Path(item), kind_of(item)
        own = taker.input.given(item) if isinstance(item, str) and (not kind or item == "-") else None
        if own is not None:
            yield from own
        elif kind == "folder":
            found = [file for file in sorted(path.rglob("*")) if file.is_file() and not file.name.startswith(".")]
            if not found:
                raise UsageError(f"the folder {path} holds no files")
            yield from (Given(str(file), file) for file in found)
        elif kind:
            yield Given(str(path), path)
        else:
            hint = taker.input.hint.format(name=taker.name) if isinstance(item, str) else ""
            raise UsageError(f"there is no file '{item}'{hint}")


def kind_of(item: str | Path) -> str:
    """Say what is at a path: "folder", "file" or "" for nothing, as where a text is no path at all."""
    if item == "":
        return ""
    try:
        return "folder" if Path(item).is_dir() else "file" if Path(item).exists() else ""
    except (OSError, ValueError):  # longer than a name may be, or not to be written as one
        return ""
