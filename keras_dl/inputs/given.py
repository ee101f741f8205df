"""What a person names to be predicted: files, folders, texts, standard input. Without TensorFlow."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from keras_dl.errors import BadInput, UsageError

FILE_NAME = re.compile(r"(?!\w+://)\S*(/\S*|\.[A-Za-z]\w{0,3})")  # of a text that is one, whole


class Taker(Protocol):
    """What takes inputs: a task, or a model on a server."""

    @property
    def name(self) -> str:
        """What stands after `keras-dl predict`."""

    @property
    def modality(self) -> str:
        """What a raw input is: "image" or "text"."""


@dataclass(frozen=True)
class Input:
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


def expand(taker: Taker, inputs: Iterable[str | Path]) -> Iterator[Input]:
    """Give each file, for each folder the visible files below it, sorted, and for a taker of texts each text.

    Raises:
        UsageError: if a file is not there, or a folder holds none.
    """
    for item in inputs:
        path, kind, is_text = Path(item), kind_of(item), taker.modality == "text" and isinstance(item, str)
        if is_text and item == "-":
            lines = sys.stdin.buffer.read().splitlines()
            yield from (Input(line.decode("utf-8", "replace"), data=line) for line in lines)
        elif is_text and not kind and not FILE_NAME.fullmatch(str(item)):
            data = str(item).encode("utf-8", "surrogatepass")
            yield Input(data.decode("utf-8", "replace"), data=data)
        elif kind == "folder":
            found = [file for file in sorted(path.rglob("*")) if file.is_file() and not file.name.startswith(".")]
            if not found:
                raise UsageError(f"the folder {path} holds no files")
            yield from (Input(str(file), file) for file in found)
        elif kind:
            yield Input(str(path), path)
        else:
            way_out = f"; if it is a text: echo TEXT | keras-dl predict {taker.name} -" if is_text else ""
            raise UsageError(f"there is no file {path}{way_out}")


def kind_of(item: str | Path) -> str:
    """Say what is at a path: "folder", "file" or "" for nothing, as where a text is no path at all."""
    if item == "":
        return ""
    try:
        return "folder" if Path(item).is_dir() else "file" if Path(item).exists() else ""
    except (OSError, ValueError):  # longer than a name may be, or not to be written as one
        return ""
