"""Read images from folders of classes, and say of each file whether it can be used."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from keras_dl.data import layout
from keras_dl.data.files import name_below
from keras_dl.data.image_check import check
from keras_dl.errors import BadInput, KerasDLError
from keras_dl.progress import bar

LARGEST_FILE = 250_000_000  # bytes
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
        return tuple(name_below(self.root, path) for path in self.paths)


@dataclass(frozen=True)
class Images(Files):
    """The usable images of a folder; `paths`, `labels`, `groups` and `parts` share one order, by path."""

    root: Path  # the folder that holds the parts or the classes
    paths: tuple[Path, ...]
    labels: np.ndarray  # int64, index into `classes`
    classes: tuple[str, ...]
    groups: np.ndarray  # str: the patient, say; images of one group belong in one split
    parts: np.ndarray  # str: "train", "validation" or "test" as the folders said, "" where they said nothing
    sites: np.ndarray  # str: the hospital, the fold, as the folders said; "" for all where they tell no difference
    skipped: tuple[Skipped, ...] = ()
    notes: Mapping[str, Any] = field(default_factory=dict)  # counts a reader wants to see in card and report

    EACH = ("paths", "labels", "groups", "parts", "sites")


def read_folders(
    root: Path,
    classes: Mapping[str, str],
    *,
    group: Callable[[Path], str] = lambda path: path.stem,
    bad_share: float = 0.05,
    progress: bool = True,
) -> Images:
    """Find the images of every class below `root`, as `layout.find` does, and leave out what cannot be used.

    `classes` maps folder names (in any case) to class names; `group` names the group of a path. `skipped` has
    the unusable files, copies of another file, files under two classes or none, and a second copy of the whole set.
    Raises KerasDLError when a class has no folder, or all or more than `bad_share` of the files in folders of
    classes are unusable (copies do not count).
    """
    found = layout.find(root, classes)
    names = tuple(dict.fromkeys(classes.values()))
    files = [(place.name, place.path, place.part, names.index(place.label)) for place in found.places]
    digests, reasons = examine_all(files, progress)
    copies, contradictions = find_copies(files, digests)
    reasons |= contradictions
    refuse_too_many(found.home, reasons, len(files), bad_share)
    reasons |= copies
    kept = [place for place in found.places if place.name not in reasons]
    reasons |= found.others
    return Images(
        root=found.home,
        paths=tuple(place.path for place in kept),
        labels=np.array([names.index(place.label) for place in kept], dtype=np.int64),
        classes=names,
        groups=np.array([group(place.path) for place in kept], dtype=str),
        parts=np.array([place.part for place in kept], dtype=str),
        sites=np.array([place.site for place in kept], dtype=str),
        skipped=tuple(Skipped(name, reasons[name]) for name in sorted(reasons)),
        notes={"files": len(files) + len(found.others)},
    )


def examine_all(files: list[File], progress: bool) -> tuple[dict[str, bytes], dict[str, str]]:
    """Return the digest of every good file, and the reason of every bad one, by name."""
    digests: dict[str, bytes] = {}
    reasons: dict[str, str] = {}
    workers = max(2, os.cpu_count() or 2)  # reading, hashing and decoding all let go of the interpreter lock
    with warnings.catch_warnings(), ThreadPoolExecutor(workers) as pool:
        warnings.simplefilter("ignore")  # Pillow's, on odd EXIF tags
        results = pool.map(_examine, [path for _, path, _, _ in files])
        shown = {} if progress else {"disable": True}
        checked = bar(results, "checking images", len(files), unit=" files", **shown)
        for (name, *_), (digest, reason) in zip(files, checked, strict=True):
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
        raise KerasDLError(f"{home}: no usable image in {files} files ({examples}); pass other images to --data")
    if (share := len(reasons) / files) > bad_share:
        raise KerasDLError(
            f"{home}: {len(reasons)} of {files} files ({share:.1%}) cannot be used, and at most "
            f"{bad_share:.1%} may be ({examples}); repair them, or train with {allowing(share)}"
        )


def allowing(share: float) -> str:
    """Say what to type to accept that share of bad examples: rounded up to percent, so that it is enough."""
    return f"--set bad_share={min(1.0, (int(share * 100) + 1) / 100):g} to accept it"
