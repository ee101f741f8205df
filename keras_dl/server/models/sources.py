"""Where models come from: what the arguments of `keras-dl serve` stand for. It is quick: nothing imports TensorFlow."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from keras_dl.errors import KerasDLError, UsageError
from keras_dl.paths import at_home
from keras_dl.runs import versions
from keras_dl.runs.run import Run

NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,99}")  # it stands in addresses


@dataclass(frozen=True)
class Source:
    """Where a model comes from: a run, one exported version, the folder of its versions, or a folder of these."""

    name: str
    path: Path
    kind: Literal["run", "version", "folder", "models"]


def find(arguments: Iterable[str], name: str | None = None) -> list[Source]:
    """Return the models that the arguments of `keras-dl serve` stand for.

    Args:
        arguments: a run directory, a name as `runs.names` knows it, an exported version, the folder of a model's
            versions, or a folder of such folders; each may be written NAME=PATH.
        name: of the only model.

    Raises:
        UsageError: if something is none of these, or two models have one name.
        KerasDLError: if a folder cannot be read.
    """
    try:
        return named([source for argument in arguments for source in sources(argument)], name)
    except OSError as error:
        raise KerasDLError(f"{error.filename} cannot be read: {error.strerror}; check its permissions") from None


def named(found: list[Source], name: str | None) -> list[Source]:
    """Return sources whose models have names that can stand in addresses, each another one."""
    if name is not None:
        if len(found) != 1:
            raise UsageError(f"--name is for one model, but there are {len(found)}; write NAME=PATH for each")
        if found[0].kind == "models":
            raise UsageError(f"the models in {found[0].path} have their own names; --name is for a single model")
        found = [Source(name, found[0].path, found[0].kind)]
    names = [one.name for source in found for one in expanded(source)]
    for one in names:
        if names.count(one) > 1:
            raise UsageError(f"two models are called '{one}'; write NAME=PATH to rename one of them")
        if not NAME.fullmatch(one):
            raise UsageError(f"a model cannot be called '{one}'; use letters, digits, '_', '-' and '.'")
    return found


def sources(argument: str) -> list[Source]:
    """Return the models that one argument stands for."""
    name, sign, rest = argument.partition("=")
    if sign and not at_home(argument).exists():
        found = sources(rest)
        if found[0].kind == "models":
            raise UsageError(
                f"{rest} is a folder of models, which have their own names; NAME=PATH is for a single model"
            )
        return [Source(name, found[0].path, found[0].kind)]
    path = at_home(argument)
    if (path / "config.json").is_file() or not path.is_dir():
        run = Run.find(argument)
        return [Source(run.task.name, run.path, "run")]
    path = path.resolve()
    if (path / "saved_model.pb").is_file():
        return [Source(path.parent.name, path, "version")]
    if versions.numbers(path):
        return [Source(path.name, path, "folder")]
    return [Source("", path, "models")]


def expanded(source: Source) -> list[Source]:
    """Return the models that a source stands for now: of a folder of models those that hold a version."""
    if source.kind != "models":
        return [source]
    folders, locked = [], []
    for child in sorted(source.path.iterdir()):
        try:
            folders += [child] if versions.numbers(child) else []
        except PermissionError as error:  # the "lost+found" of a disk, say
            locked.append(error)
    if locked and not folders:
        raise locked[0]
    return [Source(folder.name, folder, "folder") for folder in folders]


def state_of_files(folder: Path) -> tuple[int, int]:
    """Return when a version's files were changed last, in nanoseconds, and how long they are together."""
    found = [path.stat() for path in folder.rglob("*") if path.is_file()]
    return max((one.st_mtime_ns for one in found), default=0), sum(one.st_size for one in found)
