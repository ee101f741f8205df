"""What a person names to be predicted: files, folders, texts, standard input. Without TensorFlow."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from keras_dl.data import archive
from keras_dl.data.download import cache_folder
from keras_dl.data.files import readable, walk
from keras_dl.data.tables import is_table
from keras_dl.errors import BadInput, UsageError
from keras_dl.paths import at_home
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
    origin: str = ""  # "messages.csv:2", the row of a table

    def row(self) -> dict[str, Any]:
        """Begin a row about it."""
        return {"input": self.name} | ({"from": self.origin} if self.origin else {})

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
    """Give each file, the files of each folder and archive but clutter, the rows of each table, and what else is known.

    Raises:
        UsageError: if a file is not there, or a folder holds none.
        KerasDLError: if an archive or a table cannot be read.
    """
    for item in inputs:
        kind = kind_of(item)
        path = at_home(item) if kind else Path(item)
        own = taker.input.given(item) if isinstance(item, str) and (not kind or item == "-") else None
        if own is not None:
            yield from own
        elif kind == "folder" or (kind and path.name.lower().endswith(archive.SUFFIXES)):
            yield from within(taker, archive.unpacked(path, cache_folder() / "unpacked"), path)
        elif kind and is_table(path):
            yield from taker.input.tabled(path)
        elif kind:
            yield Given(readable(str(path)), path)
        else:
            hint = taker.input.hint.format(name=taker.name) if isinstance(item, str) else ""
            raise UsageError(f"there is no file '{readable(str(item))}'{hint}")


def within(taker: Taker, folder: Path, named: Path) -> Iterator[Given]:
    """Give the inputs of a folder; `named` is what the user called it."""
    found = [file for file in walk(folder) if not file.is_fifo()]  # reading a pipe would wait for ever
    if not found:
        raise UsageError(f"{readable(str(named))} contains no files")
    for file in found:
        if taker.input.tables and is_table(file):
            yield from taker.input.tabled(file)
        else:
            yield Given(readable(str(named / file.relative_to(folder))), file)


def kind_of(item: str | Path) -> str:
    """Say what is at a path: "folder", "file" or "" for nothing, as where a text is no path at all."""
    if item == "":
        return ""
    try:
        path = at_home(item)
        return "folder" if path.is_dir() else "file" if path.exists() else ""
    except (OSError, ValueError, UsageError):  # longer than a name may be, or not to be written as one; ~ of nobody
        return ""
