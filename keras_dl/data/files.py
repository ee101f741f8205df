"""Files as people have them: with clutter of systems and editors, linked folders, and names that are not UTF-8.

Every reader, `predict` and the server take the rules from here, so that a file counts everywhere or nowhere.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from keras_dl.errors import KerasDLError

# What systems, editors and network drives put beside people's files, in small letters. Names with a dot in front
# (.ipynb_checkpoints, .DS_Store, ._a.jpeg) and with ~$ (a lock of an office program) are clutter too.
CLUTTER = {
    *("__macosx", "icon\r"),  # macOS
    *("thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "system volume information"),  # Windows
    *("@eadir", "#recycle", "@recycle", "@tmp", "#snapshot", "lost+found"),  # network drives, Linux
    "__pycache__",
}


class Folder(NamedTuple):
    """A folder with the names of the files that lie directly in it."""

    path: Path
    below: tuple[str, ...]  # the names of the folders on the way to it, from the root of the search
    files: tuple[str, ...]


def is_clutter(path: str) -> bool:
    """Whether a file, or a folder on the way to it, is clutter.

    Args:
        path: a name, or a path below the folder that the user gave, with slashes or backslashes.
    """
    parts = [part for part in path.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    return any(part.startswith((".", "~$")) or part.casefold() in CLUTTER for part in parts)


def folders(root: Path, below: tuple[str, ...] = (), above: tuple[str, ...] = ()) -> Iterator[Folder]:
    """Yield a folder and every folder below it, by name, through linked ones too, each with the names of its files.

    Clutter is left out. Broken links and pipes count as files: readers report them. A link to a folder that holds the
    link is not followed.

    Args:
        root: where to begin.
        below: the names of the folders on the way from the first root.
        above: the real paths of the same folders and of the root.

    Raises:
        KerasDLError: if a folder cannot be read.
    """
    real = os.path.realpath(root)
    if real in above:
        return
    try:
        entries = sorted((one for one in os.scandir(root) if not is_clutter(one.name)), key=lambda one: one.name)
    except OSError as error:
        raise KerasDLError(f"{readable(str(root))}: {error.strerror}; give a readable folder") from error
    inside = {entry.name: entry.is_dir() for entry in entries}
    yield Folder(Path(root), below, tuple(name for name, is_folder in inside.items() if not is_folder))
    for name in (name for name, is_folder in inside.items() if is_folder):
        yield from folders(Path(root, name), (*below, name), (*above, real))


def walk(root: Path) -> Iterator[Path]:
    """Yield the path of every file at or below a folder, as `folders` finds them."""
    for folder in folders(root):
        yield from (folder.path / name for name in folder.files)


def readable(name: str) -> str:
    r"""Return a name as text that can be printed and written: bytes that are not UTF-8 become "\xe9" and so on."""
    try:
        return os.fsencode(name).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # what no file system gives
        return name.encode("utf-8", "backslashreplace").decode()


def name_below(root: Path, path: Path) -> str:
    """Return the path of a file below a folder, with forward slashes on every system, as text for people."""
    return readable(path.relative_to(root).as_posix())
