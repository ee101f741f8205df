"""Read images from {train,val,test}/CLASS/ or CLASS/ folders, and say of each file whether it can be used."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, NoReturn, Self

import numpy as np

from keras_dl.data.image_check import check
from keras_dl.errors import BadInput, KerasDLError

PARTS = dict.fromkeys(("val", "valid", "validation"), "validation") | {"train": "train", "test": "test"}
LARGEST_FILE = 250_000_000  # bytes
DEPTH = 3  # chest_xray/chest_xray/train is 2
File = tuple[str, Path, str, int]  # name below the root, path, part, label


@dataclass(frozen=True)
class Skipped:
    """A file that was left out, by its path below the root, and why."""

    path: str
    reason: str


class Rows:
    """Examples of a set in one order; the fields that EACH names have an entry for every example."""

    EACH: ClassVar[tuple[str, ...]]

    def __len__(self) -> int:
        """Count the examples."""
        return len(getattr(self, self.EACH[0]))

    def take(self, index: np.ndarray | Sequence[int]) -> Self:
        """Return the examples at these positions (integers or a boolean mask), in this order."""
        chosen = np.arange(len(self))[np.asarray(index, dtype=None if len(index) else int)]
        picked = {}
        for name in self.EACH:
            values = getattr(self, name)
            picked[name] = values[chosen] if isinstance(values, np.ndarray) else tuple(values[i] for i in chosen)
        return replace(self, **picked)  # type: ignore[type-var]  # every subclass is a dataclass


class Files(Rows):
    """Examples that are files below a folder."""

    root: Path
    paths: tuple[Path, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        """Name every file by its path below the root, with forward slashes."""
        return tuple(path.relative_to(self.root).as_posix() for path in self.paths)


@dataclass(frozen=True)
class Images(Files):
    """The usable images of a folder; `paths`, `labels`, `groups` and `parts` share one order, by path."""

    root: Path  # the folder that holds the parts or the classes
    paths: tuple[Path, ...]
    labels: np.ndarray  # int64, index into `classes`
    classes: tuple[str, ...]
    groups: np.ndarray  # str: the patient, say; images of one group belong in one split
    parts: np.ndarray  # str: "train", "validation" or "test" as the folders said, "" where they said nothing
    skipped: tuple[Skipped, ...] = ()
    notes: Mapping[str, Any] = field(default_factory=dict)  # counts a reader wants to see in card and report

    EACH = ("paths", "labels", "groups", "parts")


def read_folders(
    root: Path,
    classes: Mapping[str, str],
    *,
    group: Callable[[Path], str] = lambda path: path.stem,
    bad_share: float = 0.05,
    progress: bool = True,
) -> Images:
    """Find the images of every class at or a few levels below `root`, and leave out what cannot be used.

    `classes` maps folder names (in any case) to class names; `group` names the group of a path. `skipped` has
    the unusable files, copies of another file and files under two classes. Raises KerasDLError when a class
    has no folder, or all or more than `bad_share` of the files are unusable (copies do not count).
    """
    home, folders = find_layout(Path(root), classes)
    names = tuple(dict.fromkeys(classes.values()))
    files = sorted(  # by name with forward slashes: the same order on every system
        (path.relative_to(home).as_posix(), path, part, names.index(name))
        for part, name, folder in folders
        for path in walk(folder)
    )
    digests, reasons = examine_all(files, progress)
    copies, contradictions = find_copies(files, digests)
    reasons |= contradictions
    refuse_too_many(home, reasons, len(files), bad_share)
    reasons |= copies
    kept = [(path, part, label) for name, path, part, label in files if name not in reasons]
    return Images(
        root=home,
        paths=tuple(path for path, _, _ in kept),
        labels=np.array([label for _, _, label in kept], dtype=np.int64),
        classes=names,
        groups=np.array([group(path) for path, _, _ in kept], dtype=str),
        parts=np.array([part for _, part, _ in kept], dtype=str),
        skipped=tuple(Skipped(name, reasons[name]) for name in sorted(reasons)),
        notes={"files": len(files)},
    )


def find_layout(root: Path, classes: Mapping[str, str]) -> tuple[Path, list[tuple[str, str, Path]]]:
    """Return the nearest folder that holds every class, and its (part, class, folder) triples.

    Only the nearest: the Kaggle archive carries the whole set a second time, one level down.
    """
    if not root.is_dir():
        raise KerasDLError(f"{root}: no such folder; give --data the folder with the images")
    known = {folder.casefold(): name for folder, name in classes.items()}
    best: list[Any] = []
    level = [root]
    for _ in range(DEPTH + 1):
        for home in level:
            found = _class_folders(home, known)
            if {name for _, name, _ in found} == set(known.values()):
                return home, found
            best = max(best, found, key=len)
        level = [child for folder in level for child in _subfolders(folder)]
    absent = [folder for folder, name in classes.items() if name not in {name for _, name, _ in best}]
    seen = sorted({folder.name for _, _, folder in best} or {folder.name for folder in _subfolders(root)})
    expected = "/".join(classes)
    raise KerasDLError(
        f"{root}: no folder {' or '.join(absent)} in it; found {', '.join(seen[:8]) or 'no folders'}; "
        f"give a folder that holds {{train,val,test}}/{{{expected}}}/ or {{{expected}}}/ with image files"
    )


def _class_folders(home: Path, known: Mapping[str, str]) -> list[tuple[str, str, Path]]:
    places = [("", child) for child in _subfolders(home)]
    for _, part in list(places):
        if part.name.casefold() in PARTS:
            places += [(PARTS[part.name.casefold()], child) for child in _subfolders(part)]
    return [(part, known[name], place) for part, place in places if (name := place.name.casefold()) in known]


def _subfolders(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and not _is_clutter(path.name))
    except OSError:  # a lost+found on the way to the images
        return []


def walk(folder: Path) -> Iterator[Path]:
    """Yield every file below a class folder, broken links too: they are to be reported."""
    for place, below, files in os.walk(folder, onerror=_refuse_folder):
        below[:] = sorted(name for name in below if not _is_clutter(name))
        yield from (Path(place, name) for name in files if not _is_clutter(name))


def _refuse_folder(error: OSError) -> NoReturn:
    raise KerasDLError(f"{error.filename}: {error.strerror}; give --data a readable folder") from error


def _is_clutter(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def examine_all(files: list[File], progress: bool) -> tuple[dict[str, bytes], dict[str, str]]:
    """Return the digest of every good file, and the reason of every bad one, by name."""
    from tqdm import tqdm

    digests: dict[str, bytes] = {}
    reasons: dict[str, str] = {}
    workers = max(2, os.cpu_count() or 2)  # reading, hashing and decoding all let go of the interpreter lock
    with warnings.catch_warnings(), ThreadPoolExecutor(workers) as pool:
        warnings.simplefilter("ignore")  # Pillow's, on odd EXIF tags
        results = pool.map(_examine, [path for _, path, _, _ in files])
        bar = tqdm(results, "checking images", len(files), unit=" files", disable=None if progress else True)
        for (name, *_), (digest, reason) in zip(files, bar, strict=True):
            (reasons if reason else digests)[name] = reason or digest
    return digests, reasons


def _examine(path: Path) -> tuple[bytes, str]:
    try:
        if not path.is_file():  # reading a pipe would wait for ever
            return b"", "not a file" if path.exists() else "a broken link"
        if path.stat().st_size > LARGEST_FILE:
            return b"", f"larger than {LARGEST_FILE // 1_000_000} MB"
        data = path.read_bytes()
        check(data)
    except OSError as error:
        return b"", f"cannot be read: {error.strerror}"
    except BadInput as error:
        return b"", str(error)
    return hashlib.sha256(data).digest(), ""


def find_copies(
    files: list[File], digests: Mapping[str, bytes], *, what: str = "label"
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the reasons of files that repeat another one, and of those that repeat one of another `what`.

    Copies within the test part stay, and training gives way to it: a published test set is taken as it is.
    """
    equal = defaultdict(list)
    for name, _, part, label in files:
        if name in digests:
            equal[digests[name]].append((part != "test", name, label))
    copies: dict[str, str] = {}
    contradictions: dict[str, str] = {}
    for same in equal.values():
        (_, first, label), *others = sorted(same)
        clash = next((name for _, name, other in others if other != label), None)
        if clash is None:
            copies |= {name: f"duplicate of {first}" for outside, name, _ in others if outside}
        else:
            contradictions |= {name: f"the same image has another {what} at {first}" for _, name, _ in others}
            contradictions[first] = f"the same image has another {what} at {clash}"
    return copies, contradictions


def refuse_too_many(home: Path, reasons: Mapping[str, str], files: int, bad_share: float) -> None:
    """Raise KerasDLError if no file can be used, or more than `bad_share` of them cannot."""
    examples = "; ".join(f"{name}: {reasons[name]}" for name in sorted(reasons)[:3])
    if len(reasons) == files:
        raise KerasDLError(f"{home}: no usable image in {files} files ({examples}); give --data other images")
    if (share := len(reasons) / files) > bad_share:
        raise KerasDLError(
            f"{home}: {len(reasons)} of {files} files ({share:.1%}) cannot be used, {bad_share:.1%} may be "
            f"({examples}); mend them, or train with {allowing(share)}"
        )


def allowing(share: float) -> str:
    """Say what to type to accept that share of bad examples: rounded up to percent, so that it is enough."""
    return f"--set bad_share={min(1.0, (int(share * 100) + 1) / 100):g} to accept it"
