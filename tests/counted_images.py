"""Small folders of images with counts, as people make them: pairs with masks, tables of counts, tables of points."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 40  # px


def picture(seed: int, width: int = SIDE, height: int = SIDE, kind: str = "PNG", mode: str = "RGB") -> bytes:
    """Encode a picture that no other seed has."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, kind)
    return file.getvalue()


def mask(points: list[tuple[int, int]], width: int = SIDE, height: int = SIDE) -> np.ndarray:
    """Draw a red pixel at each point."""
    pixels = np.zeros((height, width, 3), np.uint8)
    for x, y in points:
        pixels[y, x] = (255, 0, 0)
    return pixels


def pair(folder: Path, number: int, points: list[tuple[int, int]], **size: int) -> None:
    """Write an image and its mask of dots."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{number:03d}cell.png").write_bytes(picture(number, **size))
    Image.fromarray(mask(points, **size)).save(folder / f"{number:03d}dots.png")


def spread(count: int, width: int = SIDE, height: int = SIDE, seed: int = 0) -> list[tuple[int, int]]:
    """Draw so many places, no two of them equal."""
    places = np.random.default_rng([seed, count]).permutation(width * height)[:count]
    return [(int(place % width), int(place // width)) for place in places]


def pairs(folder: Path, counts: list[int], start: int = 1, **size: int) -> Path:
    """Write a pair for each count; return the folder."""
    for number, count in enumerate(counts, start):
        pair(folder, number, spread(count, **size), **size)
    return folder


def tabled(
    folder: Path, table: str | bytes, names: list[str] | int = 3, name: str = "t.csv", **options: object
) -> Path:
    """Write images and a table beside them; return the folder."""
    names = [f"a{number}.png" for number in range(names)] if isinstance(names, int) else names
    for number, file in enumerate(names):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(picture(number, **options))
    (folder / name).write_bytes(table if isinstance(table, bytes) else table.encode())
    return folder


def numbered(counts: list[float]) -> str:
    """Write a table of counts for `tabled`."""
    return "\n".join(["file,count", *(f"a{number}.png,{count}" for number, count in enumerate(counts))])
