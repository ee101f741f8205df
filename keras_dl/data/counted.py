"""Read images in which things were counted: pairs of image and mask of dots, or a CSV file of counts or of points."""

from __future__ import annotations

import io
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from keras_dl.data import tables
from keras_dl.data.files import name_below, walk
from keras_dl.data.image_check import is_turned, size_of
from keras_dl.data.images import Files, Skipped, examine_all, find_copies, refuse_too_many
from keras_dl.data.layout import part_above
from keras_dl.errors import KerasDLError

PAIR = re.compile(r"(?P<stem>.*)(?P<kind>cell|dots)\.(?:png|jpe?g|tiff?|bmp|gif|webp)", re.IGNORECASE)
IMAGES = (".png", ".jpg", ".jpeg")
OTHER_IMAGES = (".tif", ".tiff", ".bmp", ".gif", ".webp")  # are told to be converted
COUNTS, POINTS = ("file", "count"), ("file", "x", "y")  # the columns of the two kinds of CSV file
Cells = Sequence[str]
Value = tuple[float, ...]
MOST_DOTS = 0.1  # share of a mask's pixels; more is an outline or a segmentation, not dots
MOST = 1e9  # of one image; more is a mistake in the table
LAYOUTS = (
    "use a folder with pairs such as 001cell.png and 001dots.png, or with images and a CSV file with the columns "
    "file,count or file,x,y, separated by commas, semicolons or tabs"
)


@dataclass(frozen=True)
class Counted(Files):
    """The usable images of a folder with their counts; all arrays and tuples share one order, by path."""

    root: Path  # the folder that was given; ids are below it
    paths: tuple[Path, ...]
    counts: np.ndarray  # float64 `[images]`, 0 or more
    points: tuple[np.ndarray | None, ...]  # float32 `[count, 2]`, x and y in pixels from the upper left corner, or None
    groups: np.ndarray  # str; images of one group belong in one split; each image is one of its own
    parts: np.ndarray  # str: "train", "validation" or "test" as the folders said, "" where they said nothing
    skipped: tuple[Skipped, ...] = ()
    notes: Mapping[str, Any] = field(default_factory=dict)  # counts a reader wants to see in card and report

    EACH = ("paths", "counts", "points", "groups", "parts")


@dataclass(frozen=True)
class _Found:
    """What the folder or the table says of one image, before anyone looked at its pixels."""

    path: Path
    mask: Path | None = None
    count: float | None = None
    points: tuple[tuple[float, float], ...] | None = None
    fault: str = ""


def read_counted(root: Path, *, bad_share: float = 0.05, progress: bool = True) -> Counted:
    """Find the images at or below `root`, with the points or the counts of what is on them.

    Three layouts are known. Pairs: NNNcell.png beside NNNdots.png, in which each thing is one pixel (255, 0, 0); a
    mask without any is a count of 0. Counts: a CSV file `file,count`, counts 0 to 1e9, fractions allowed. Points: a
    CSV file `file,x,y`, one row for each thing, 0 <= x < width and 0 <= y < height, and a row with empty x and y for an
    image without any. Files are named in a table as seen from the table's folder. `parts` names the part of images
    below folders train, val and test, or called alike; the recipes keep the test part, and split the rest anew.

    `skipped` has what cannot be used and why: unreadable images, an image or a mask without the other, a mask of
    another size, or that is no PNG of dots, other images beside pairs, images of other formats beside a table, rows
    that name no file, a count that is none, points outside of their image, images without a row, copies of another
    image. `notes["files"]` counts what is used and what is skipped. Raises KerasDLError when the folder has none of the
    layouts, or all or more than `bad_share` (0 to 1) of the files are unusable (copies do not count).
    """
    root = Path(root)
    if not root.is_dir():
        raise KerasDLError(f"{root}: no such folder; {LAYOUTS}")
    inside = sorted(walk(root))
    kinds = [match["kind"].lower() for path in inside if (match := PAIR.fullmatch(path.name))]
    table = any(tables.is_table(path) for path in inside)  # then redcell.png may just be called so
    found, faults = _pairs(root, inside) if "dots" in kinds or (kinds and not table) else _tables(root, inside)
    files = sorted((name_below(root, path), path, part_above(root, path), 0) for path in found)
    digests, reasons = examine_all(files, progress)
    reasons |= {name: found[path].fault for name, path, *_ in files if found[path].fault}
    points: dict[str, np.ndarray | None] = {}
    counts: dict[str, float] = {}
    for name, path, _, _ in files:
        if name not in reasons:
            points[name], counts[name], reason = _points(found[path])
            reasons |= {name: reason} if reason else {}
    good = [(name, path, part, round(1000 * counts[name])) for name, path, part, _ in files if name not in reasons]
    copies, contradictions = find_copies(good, digests, what="count")
    reasons |= contradictions | faults
    refuse_too_many(root, reasons, len(files) + len(faults), bad_share)
    reasons |= copies
    kept = [(name, path, part) for name, path, part, _ in good if name not in reasons]
    many = np.array([counts[name] for name, _, _ in kept], dtype=np.float64)
    size = {"cells": many.sum(), "fewest": many.min(), "most": many.max()}
    return Counted(
        root=root,
        paths=tuple(path for _, path, _ in kept),
        counts=many,
        points=tuple(points[name] for name, _, _ in kept),
        groups=np.array([name for name, _, _ in kept], dtype=str),
        parts=np.array([part for _, _, part in kept], dtype=str),
        skipped=tuple(Skipped(name, reasons[name]) for name in sorted(reasons)),
        notes={"files": len(files) + len(faults), **{name: _plain(value) for name, value in size.items()}},
    )


def _plain(number: float) -> float:
    """Return a whole number as one: people read 267, not 267.0."""
    return int(number) if number == int(number) else float(number)


def _pairs(root: Path, inside: Iterable[Path]) -> tuple[dict[Path, _Found], dict[str, str]]:
    """Join images and masks by folder and number. Returns what was found by image, and the other images and tables."""
    both: dict[tuple[Path, str], dict[str, Path]] = defaultdict(dict)
    found, faults = {}, {}
    for path in inside:
        match = PAIR.fullmatch(path.name)
        if match:
            pair, kind = both[path.parent, match["stem"].casefold()], match["kind"].casefold()
            if kind in pair:
                faults[name_below(root, path)] = f"a second file for {pair[kind].name}; remove one of the two"
            else:
                pair[kind] = path
        elif path.suffix.lower() in (*IMAGES, *OTHER_IMAGES):
            faults[name_below(root, path)] = "an image without a pair; rename it to NNNcell.png and add NNNdots.png"
        elif _is_table(path):
            faults[name_below(root, path)] = "a table next to pairs, which is not read; keep only one of the two"
    for pair in both.values():
        if "cell" not in pair:
            lone = pair["dots"]
            wanted = partner(lone, "cell")
            faults[name_below(root, lone)] = f"a mask without its image; put {wanted} next to it"
        else:
            image, mask = pair["cell"], pair.get("dots")
            fault = (
                ""
                if mask
                else f"an image without its mask; put {partner(image, 'dots')} next to it, all black for no cells"
            )
            found[image] = _Found(image, mask, fault=fault)
    return found, faults


def partner(path: Path, kind: str) -> str:
    """Return the name of the other file of a pair: `kind` is "cell" or "dots"."""
    return f"{path.stem[:-4]}{kind}.png"


def _tables(root: Path, inside: Sequence[Path]) -> tuple[dict[Path, _Found], dict[str, str]]:
    """Read the CSV files below the root. Returns what was found by image, and the rows that cannot be used."""
    images = [path for path in inside if path.suffix.lower() in IMAGES]
    read = [(path, *_table(path)) for path in inside if tables.is_table(path)]
    kind = _kind(root, read, len(images))
    known = {path.resolve(): path for path in images}
    others = {path.resolve() for path in inside}
    absent: dict[Path, str] = {}  # a file that cannot be used -> the first row that names it
    faults: dict[str, str] = {}
    broken: dict[Path, str] = {}
    values: dict[Path, list[tuple[float, ...]]] = defaultdict(list)
    for table, rows, header in read:
        columns = [header.index(name) for name in kind if name in header]
        for line, row in rows if len(columns) == len(kind) else ():
            file, *cells = (row[at].strip() if at < len(row) else "" for at in columns)
            place = f"{name_below(root, table)}:{line}"
            named = (table.parent / file.replace("\0", "?")).resolve()
            if path := known.get(named):
                value = _value(cells)
                fault = _fault(kind, value, cells, row, len(header), values[path], place)
                if fault:
                    broken.setdefault(path, fault)
                elif value is not None:
                    values[path].append(value)
            elif absent.setdefault(named, place) == place:  # one fault for a file, however many points it has
                missing = f"no image '{file[:60]}' in {table.parent.name}; correct the name or remove the row"
                faults[place] = f"'{file[:60]}' is not a PNG or JPEG; convert it" if named in others else missing
    for path in inside:
        if path.suffix.lower() in OTHER_IMAGES and path.resolve() not in absent:
            faults[name_below(root, path)] = "not a PNG or JPEG; convert it"
    names = " or ".join(table.name for table, _, _ in read[:2])
    hint = "add its count" if kind == COUNTS else "for an image without cells, add a row with empty x and y"
    found = {}
    for path in images:
        seen_here = values[path]
        fault = broken.get(path) or ("" if seen_here else f"no row in {names}; {hint}")
        count = seen_here[0][0] if seen_here and kind == COUNTS else None
        points = tuple((one[0], one[1]) for one in seen_here if one) if kind == POINTS else None
        found[path] = _Found(path, count=count, points=points, fault=fault)
    return found, faults


def _fault(
    kind: Cells, value: Value | None, cells: Cells, row: Cells, columns: int, former: Sequence[Value], place: str
) -> str:
    """Say why a row of a table cannot be used, or nothing; `former` are the values of its image in former rows."""
    if any(cell.strip() for cell in row[columns:]):
        return f"'{','.join(row)[-30:]}' at {place} has more cells than the header has columns; write 3.5, not 3,5"
    if value is None:
        allowed = "a count must be a number from 0 to 1e9" if kind == COUNTS else "x and y must be numbers, in pixels"
        return f"'{','.join(cells)[:30]}' at {place}; {allowed}"
    if former and kind == COUNTS:
        return f"a second count at {place}; leave one row for each file"
    if former and () in (value, former[0]):
        return f"points, but also an empty row, which means no cells, at {place}; remove one of them"
    return ""


def _kind(root: Path, read: Sequence[tuple[Path, Any, Sequence[str]]], images: int) -> tuple[str, ...]:
    """Return which columns the tables have, COUNTS or POINTS; raises KerasDLError for none and for both."""
    kinds = {kind for _, _, header in read for kind in _kinds(header)}
    if len(kinds) != 1:
        shown = [(name_below(root, path), ",".join(header)[:60] or "(none)") for path, _, header in read[:3]]
        seen = [f"{name} has the columns {columns}" for name, columns in shown]
        neither = "; ".join(seen) or f"{images} images and no CSV file"
        raise KerasDLError(f"{root}: {'CSV files of counts and of points' if kinds else neither}; {LAYOUTS}")
    return kinds.pop()


def _kinds(header: Sequence[str]) -> set[tuple[str, ...]]:
    """Return which kinds of table have these columns."""
    return {kind for kind in (COUNTS, POINTS) if set(kind) <= set(header)}


def _is_table(path: Path) -> bool:
    """Whether a file is a table of counts or of points; one that cannot be read is none."""
    with suppress(KerasDLError):
        return tables.is_table(path) and bool(_kinds(_table(path)[1]))
    return False


def _table(path: Path) -> tuple[list[tuple[int, list[str]]], list[str]]:
    """Return the rows of a CSV file with the numbers of their lines, and its columns in small letters."""
    found = tables.read(path)
    names = ("file",) if {"x", "y"} <= set(found.header) else ("file", "count")  # points may be numbered
    called = {found.column(name): name for name in names}
    return found.filled, [called.get(place, cell) for place, cell in enumerate(found.header)]


def _value(cells: Sequence[str]) -> tuple[float, ...] | None:
    """Return a count or x and y as numbers, () for empty x and y, None for what is neither."""
    if len(cells) == 2 and not any(cells):
        return ()
    try:
        numbers = tuple(float(cell) for cell in cells)
    except ValueError:
        return None
    if not all(math.isfinite(number) for number in numbers) or (len(numbers) == 1 and not 0 <= numbers[0] <= MOST):
        return None
    return numbers


def _points(one: _Found) -> tuple[np.ndarray | None, float, str]:
    """Return the points of an image that can be read, or None; their number, or the count; or why there are none."""
    if one.count is not None:
        return None, one.count, ""
    data = one.path.read_bytes()
    if is_turned(data):
        return (
            None,
            0,
            "its EXIF orientation says to turn it, so its points are ambiguous; turn it",
        )
    width, height = size_of(data)
    if one.mask is not None:
        return _dots(one.mask, (width, height))
    points = np.array(one.points, dtype=np.float64).reshape(-1, 2)
    outside = ~((points >= 0) & (points < (width, height))).all(axis=1)
    if outside.any():
        x, y = points[outside][0]
        return None, 0, f"point {x:g},{y:g} lies outside its {width}x{height} px; correct it (x goes to the right)"
    last = np.nextafter(np.array([width, height], np.float32), np.float32(0))  # float32 rounds 47.99999999 to 48
    return np.minimum(points.astype(np.float32), last), len(points), ""


def _dots(mask: Path, size: tuple[int, int]) -> tuple[np.ndarray | None, float, str]:
    """Return the dots of a mask as points. The mask may be colour or grey, with dots of 255 in red, on 0."""
    try:
        data = mask.read_bytes()
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            if image.size != size:
                found = f"{image.size[0]}x{image.size[1]} px, but its image is {size[0]}x{size[1]} px"
                return None, 0, f"its mask {mask.name} has {found}; the two must be equal"
            red = np.asarray(image.convert("RGB"))[..., 0]
    except Exception as error:  # a damaged file makes Pillow raise a dozen types, which all mean this
        reason = " ".join(str(error).split())[:80]
        reason = "another format" if isinstance(error, UnidentifiedImageError) else reason
        return None, 0, f"its mask {mask.name} is not a readable PNG ({reason}); save it as PNG, which keeps dots"
    if not np.isin(red, (0, 255)).all() or (red > 0).mean() > MOST_DOTS:
        return None, 0, f"its mask {mask.name} has more than dots; mark each cell with one pixel (255, 0, 0) on black"
    y, x = np.nonzero(red)
    return np.stack([x, y], axis=1).astype(np.float32), len(x), ""
