"""What the folders above a file say of it: its class, its part (train, validation, test) and its site.

Layouts differ: PART/CLASS/, CLASS/PART/, SITE/PART/CLASS/, fold1/CLASS/ and so on. All of them are read file by file,
from the names of the folders, so that no file is passed over without a word.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from keras_dl.data.files import Folder, folders, readable
from keras_dl.errors import KerasDLError

PARTS = {  # a word of a folder's name -> part
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "validate", "dev", "development"), "validation"),
    **dict.fromkeys(("test", "testing", "tst", "evaluation", "holdout"), "test"),
}
FILLERS = ("set", "data", "dataset", "images", "image", "imgs", "img", "photos", "files", "split", "part", "folder")
WORDS = re.compile(r"[^\W\d_]+|\d+")
GLUED = re.compile(rf"({'|'.join(sorted(PARTS, key=len, reverse=True))})({'|'.join(FILLERS)})", re.IGNORECASE)


@dataclass(frozen=True)
class Place:
    """A file, and what the folders above it say."""

    name: str  # below the home of the set, with forward slashes
    path: Path
    part: str  # "train", "validation", "test", or "" where no folder names one
    label: str  # the class
    site: str  # "hospital_A": the folders that are neither part nor class; "" where all files share them


@dataclass(frozen=True)
class Layout:
    """The files of a set: those in class folders, and the others with the reason why they are left out."""

    home: Path  # the folder that holds the parts, the sites or the classes
    places: tuple[Place, ...]  # by name
    others: Mapping[str, str]  # name -> reason


@cache
def part_of(folder: str) -> tuple[str, str]:
    """Return the part that the name of a folder tells, and what else it tells: "seg_Train" gives ("train", "seg").

    A name that tells no part, or two, gives ("", name).
    """
    words = WORDS.findall(GLUED.sub(r"\1 \2", folder))
    parts = {PARTS[word.casefold()] for word in words if word.casefold() in PARTS}
    if len(parts) != 1:
        return "", folder
    rest = [w for w in words if w.casefold() not in (*PARTS, *FILLERS) and not w.isdigit()]
    return parts.pop(), "_".join(rest)


def part_above(root: Path, path: Path) -> str:
    """Return the part that the folders between a root and a file tell, or ""."""
    folders = [part_of(folder) for folder in path.relative_to(root).parts[:-1]]
    return next((part for part, _ in folders if part), "")


def find(root: Path, classes: Mapping[str, str]) -> Layout:
    """Find the files at or below `root` that lie in folders of the classes, at any depth.

    Args:
        root: a folder.
        classes: name of a folder, in any case -> class.

    Raises:
        KerasDLError: if `root` is no folder, or a class has no folder.
    """
    root = Path(root)
    if not root.is_dir():
        raise KerasDLError(f"{readable(str(root))}: no such folder; pass the folder with the examples to --data")
    known = {folder.casefold(): name for folder, name in classes.items()}
    tree = list(folders(root))
    named = {one.below: [at for at, folder in enumerate(one.below) if folder.casefold() in known] for one in tree}
    _refuse_missing(root, classes, tree)
    shared = _shared([one.below[: named[one.below][0]] for one in tree if named[one.below] and one.files])
    places: list[Place] = []
    others: dict[str, str] = {}
    for one in tree:
        within = one.below[: len(shared)] == shared
        seen = one.below[len(shared) :] if within else ("..",) * len(shared) + one.below  # from the home
        names = ["/".join((*map(readable, seen), readable(file))) for file in one.files]
        found = {known[one.below[at].casefold()] for at in named[one.below]}
        if len(found) == 1:
            first = named[one.below][0]
            part, site = _part_and_site(one.below[len(shared) : first], one.below[first + 1 :])
            (label,) = found
            places += [
                Place(name, one.path / file, part, label, site) for name, file in zip(names, one.files, strict=True)
            ]
        else:
            where = (
                f"in the folders for several classes: {' and '.join(sorted(found))}"
                if found
                else "outside the class folders"
            )
            others |= dict.fromkeys(names, where)
    home = root.joinpath(*shared)
    places, copies = _without_second_copies(_with_sites(_with_parts(places, home)), home)
    return Layout(home, tuple(sorted(places, key=lambda place: place.name)), others | copies)


def sites(places: Iterable[str], labels: Iterable[str]) -> list[str]:
    """Say in a line or two from which sites a set comes; nothing for a set of one site.

    Args:
        places: the site of each example.
        labels: the class of each example.
    """
    found: dict[str, set[str]] = defaultdict(set)
    counts: dict[str, int] = defaultdict(int)
    for site, label in zip(places, labels, strict=True):
        found[site].add(label)
        counts[site] += 1
    if len(found) < 2:
        return []
    named = ", ".join(f"{site or '(no folder)'} {count}" for site, count in sorted(counts.items()))
    lines = [f"{len(found)} sites are combined: {named}"]
    everything = set().union(*found.values())
    lines += [
        f"{site or '(no folder)'} has only {', '.join(sorted(have))}: the network may learn to recognise the site "
        "instead of the class"
        for site, have in sorted(found.items())
        if have != everything
    ]
    return lines


def _shared(paths: list[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the folders that all files lie below, up to the first that tells a part."""
    common = []
    for level in zip(*paths, strict=False):
        if len(set(level)) > 1 or part_of(level[0])[0]:
            break
        common.append(level[0])
    return tuple(common)


def _part_and_site(above: tuple[str, ...], within: tuple[str, ...]) -> tuple[str, str]:
    """Return part and site, from the folders above the class folder, and the part else from those within it."""
    told = [part_of(folder) for folder in above]
    part = next((part for part, _ in told if part), "") or next((p for p, _ in map(part_of, within) if p), "")
    return part, "/".join(rest for _, rest in told if rest)


def _with_sites(places: list[Place]) -> list[Place]:
    """Take a site that all files share for none."""
    return [replace(place, site="") for place in places] if len({place.site for place in places}) == 1 else places


def _with_parts(places: list[Place], home: Path) -> list[Place]:
    """Take a part that all files share for none, unless a folder is called just so: "chest_test_2" is no test part."""
    told = {folder.casefold() for place in places for folder in place.path.parent.relative_to(home).parts}
    only = {place.part for place in places}
    return places if len(only) != 1 or told & PARTS.keys() else [replace(place, part="") for place in places]


def _without_second_copies(places: list[Place], home: Path) -> tuple[list[Place], dict[str, str]]:
    """Leave out sites that hold, by name and size, nothing but files of another site.

    Kaggle's archive of radiographs holds all of chest_xray a second time, as chest_xray/chest_xray: of a folder that
    is called as the one around it, the names alone are compared.
    """
    by_site: dict[str, set[tuple[Any, ...]]] = defaultdict(set)
    if len({place.site for place in places}) > 1:
        for place in places:
            by_site[place.site].add((place.part, place.label, place.path.name, _size(place.path)))
    second: set[str] = set()
    kept: list[set[tuple[Any, ...]]] = []
    for site in sorted(by_site, key=lambda site: (-len(by_site[site]), len(site), site)):
        compared = 3 if site == home.name else 4
        if any({file[:compared] for file in by_site[site]} <= {file[:compared] for file in other} for other in kept):
            second.add(site)
        else:
            kept.append(by_site[site])
    copies = {place.name: "in a second copy: the set is there twice" for place in places if place.site in second}
    return _with_sites([place for place in places if place.site not in second]), copies


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # a broken link is reported by the reader
        return -1


def _refuse_missing(root: Path, classes: Mapping[str, str], tree: Sequence[Folder]) -> None:
    """Raise KerasDLError for a class without a folder; a folder without files is one."""
    seen = {folder.casefold() for one in tree for folder in one.below}
    absent = [
        folder
        for folder, name in classes.items()
        if not any(other.casefold() in seen for other, same in classes.items() if same == name)
    ]
    if absent:
        plain = sorted({folder for one in tree for folder in one.below if not part_of(folder)[0]})
        expected = "/".join(classes)
        raise KerasDLError(
            f"{readable(str(root))}: it has no folder {' or '.join(absent)}; "
            f"found {', '.join(map(readable, plain[:8])) or 'no folders'}; "
            f"use a folder that contains {{train,val,test}}/{{{expected}}}/ or {{{expected}}}/ with the files"
        )
