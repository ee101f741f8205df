"""Drawn pictures of fluorescent cells, in the file format of the VGG set, hard to count by their brightness.

In the VGG set the total light nearly gives the count away. Here it does not: every picture has a size of cell, a stain,
an exposure and a background of its own, and holds light that is no cell, namely debris (small, sharp, bright) and cells
of other layers (large, dim, without an edge). So what has to be counted is what looks like a cell: a disc with an edge.
Cells overlap, differ in size and brightness within a picture, and are a little out of focus. A cell whose centre is in
the picture counts, however much of it the border cuts off, as in the VGG set.

The pictures teach and test a pipeline; they say nothing about microscopes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.random import Generator, default_rng
from PIL import Image
from scipy.ndimage import gaussian_filter, zoom

Array = np.ndarray
Progress = Callable[[int, int], None]
DENSITIES = (0.0006, 0.0050)  # cells per pixel, fewest and most: 10 to 82 in 128 x 128 px; the VGG set has up to 0.0048
RADII = (3.2, 5.2)  # px, of the typical cell of a picture
MARGIN = 12  # px around the picture where cells are drawn too: the border cuts through some
GOLDEN_RATIO = 0.6180339887  # its multiples, modulo 1, are even: any number of pictures covers all densities


def synthesize(
    folder: Path, *, images: int = 60, size: int = 128, seed: int = 0, progress: Progress | None = None
) -> Path:
    """Write `folder/cells/NNNcell.png` and `NNNdots.png` (RGB; a cell is one pixel 255, 0, 0); return `folder/cells`.

    `size` is the side of the pictures in pixels, at least 32. `progress(done, images)` is called after each picture.
    Equal arguments give equal pixels (with one numpy and one scipy); as every picture has a random stream of its own, a
    large set begins with the pictures of a small one.
    """
    root = Path(folder) / "cells"
    root.mkdir(parents=True, exist_ok=True)
    for number in range(images):
        share = (0.5 + GOLDEN_RATIO * number) % 1
        density = DENSITIES[0] + share * (DENSITIES[1] - DENSITIES[0])
        picture, points = cells(default_rng([seed, number]), round(density * size**2), size)
        mask = np.zeros_like(picture)
        mask[points[:, 1], points[:, 0]] = (255, 0, 0)
        Image.fromarray(picture).save(root / f"{number + 1:03d}cell.png", optimize=True)
        Image.fromarray(mask).save(root / f"{number + 1:03d}dots.png", optimize=True)
        if progress:
            progress(number + 1, images)
    return root


def cells(rng: Generator, count: int, size: int = 128) -> tuple[Array, Array]:
    """Return a picture, uint8 `[size, size, 3]`, and the centres of its cells, int64 `[count, 2]` as x, y.

    Light is in blue alone. No two centres are on one pixel, so `count` is at most size * size.
    """
    side = size + 2 * MARGIN
    light = np.zeros((side, side), np.float32)
    radius = rng.uniform(*RADII)
    points = _places(rng, count, size)
    outside = _outside(rng, round(count / size**2 * (side**2 - size**2)), side)
    for x, y in np.concatenate([points + MARGIN, outside]):
        level = rng.lognormal(0, 0.3)
        _add(light, _disc(rng, (x, y), radius * rng.lognormal(0, 0.15), side), level)
    light = gaussian_filter(light, rng.uniform(0.6, 1.3))
    light *= rng.uniform(0.45, 0.9)  # the stain
    light += _other_layers(rng, side, radius) + _debris(rng, side)
    return _exposed(rng, light[MARGIN:-MARGIN, MARGIN:-MARGIN]), points


def _places(rng: Generator, count: int, size: int) -> Array:
    """Draw distinct pixels: a third of the cells beside another one, so that there are clumps."""
    chosen: dict[tuple[int, int], None] = {}  # keeps the order
    while len(chosen) < count:
        x, y = rng.uniform(0, size, 2)
        if chosen and rng.random() < 0.33:
            near = list(chosen)[int(rng.integers(len(chosen)))]
            angle, far = rng.uniform(0, 2 * np.pi), rng.uniform(3, 9)
            x, y = near[0] + far * np.cos(angle), near[1] + far * np.sin(angle)
        if 0 <= x < size and 0 <= y < size:
            chosen[int(x), int(y)] = None
    return np.array(list(chosen), dtype=np.int64).reshape(-1, 2)


def _outside(rng: Generator, count: int, side: int) -> Array:
    """Draw centres in the margin: of these cells a part may be seen, and they do not count."""
    points = rng.integers(0, side, (8 * count + 8, 2))
    inside = ((points >= MARGIN) & (points < side - MARGIN)).all(axis=1)
    return points[~inside][:count]


def _disc(rng: Generator, centre: tuple[float, float], radius: float, side: int) -> tuple[slice, slice, Array]:
    """Return rows, columns and the light, 0 to 1, of a cell: a disc, not quite round, darker towards its rim."""
    x, y = centre[0] + 0.5, centre[1] + 0.5
    reach = int(2 * radius) + 2
    rows = slice(max(0, int(y) - reach), min(side, int(y) + reach + 1))
    columns = slice(max(0, int(x) - reach), min(side, int(x) + reach + 1))
    down, right = np.mgrid[rows, columns].astype(np.float32) + np.float32(0.5)
    angle, stretch = rng.uniform(0, np.pi), rng.uniform(1, 1.35)
    along = (right - x) * np.cos(angle) + (down - y) * np.sin(angle)
    across = (down - y) * np.cos(angle) - (right - x) * np.sin(angle)
    far = np.sqrt(along**2 / stretch + across**2 * stretch) / radius
    bumps = 1 + 0.08 * np.sin(3 * np.arctan2(across, along) + rng.uniform(0, 6))
    return rows, columns, (0.5 - 0.5 * np.tanh((far / bumps - 1) * 5)) * (1 - 0.35 * np.minimum(far, 1) ** 2)


def _add(light: Array, disc: tuple[slice, slice, Array], level: float) -> None:
    rows, columns, shape = disc
    light[rows, columns] += level * shape


def _other_layers(rng: Generator, side: int, radius: float) -> Array:
    """Light of cells above and below the plane in focus: wide spots without an edge."""
    spots = np.zeros((side, side), np.float32)
    for _ in range(int(rng.integers(0, 1 + side * side // 500))):
        x, y = rng.integers(0, side, 2)
        spots[y, x] += rng.uniform(0.3, 1)
    blur = radius * rng.uniform(1.3, 2.2)
    return gaussian_filter(spots, blur) * (2 * np.pi * blur**2) * rng.uniform(0.15, 0.5)


def _debris(rng: Generator, side: int) -> Array:
    """Crumbs of stain: points of light much smaller than a cell, and a few short threads."""
    light = np.zeros((side, side), np.float32)
    for _ in range(int(rng.integers(0, 1 + side * side // 300))):
        x, y = rng.integers(0, side, 2)
        light[y, x] += rng.uniform(2, 7)
    for _ in range(int(rng.integers(0, 4))):
        start, angle, length = rng.uniform(0, side, 2), rng.uniform(0, 2 * np.pi), rng.uniform(5, 25)
        for step in np.arange(0, length, 0.5):
            x, y = int(start[0] + step * np.cos(angle)), int(start[1] + step * np.sin(angle))
            if 0 <= x < side and 0 <= y < side:
                light[y, x] = max(light[y, x], 1.5)
    return gaussian_filter(light, 0.7)


def _exposed(rng: Generator, light: Array) -> Array:
    """RGB, uint8: uneven lighting, background, bleaching, exposure and noise, all by chance and not by the count."""
    size = len(light)
    coarse = rng.uniform(0, 1, (4, 4)).astype(np.float32)
    uneven = np.clip(zoom(coarse, size / 4, order=3, mode="nearest", grid_mode=True), 0, 1)
    field = rng.uniform(0.3, 0.6)
    light = light * (1 - field * uneven) + rng.uniform(0.02, 0.3) * (0.4 + 0.6 * uneven[::-1])
    light = light * np.exp(rng.uniform(np.log(0.4), 0))  # bleaching and exposure
    light = light + rng.uniform(0.004, 0.02) * rng.standard_normal(light.shape, dtype=np.float32)
    light = light + 0.03 * np.sqrt(np.clip(light, 0, None)) * rng.standard_normal(light.shape, dtype=np.float32)
    picture = np.zeros((size, size, 3), np.uint8)
    picture[..., 2] = np.clip(255 * light, 0, 255)
    return picture
