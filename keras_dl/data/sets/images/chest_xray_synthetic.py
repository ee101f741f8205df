"""Synthetic frontal chest radiographs of children, in the folder layout of the Kermany pneumonia data.

A radiograph shows how much matter lies along each ray. So a chest is drawn as thicknesses on a grid: soft tissue,
minus the air of the lungs, plus bone. Pneumonia replaces air by fluid: an opacity is seen only in a lung, and hides
the border of the heart beside it. The film is exposed last, whatever the diagnosis, so that brightness, contrast and
size of a picture do not give the class away, only what is in the lungs does.

Coordinates are in half-widths of the chest: x from -1 (patient's right, left on the film) to 1, y downwards from 0 at
the apex of the lungs. The pictures teach and test a pipeline; they say nothing about patients.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.random import Generator, default_rng
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter

Array = np.ndarray
Pair = tuple[Array, Array]
Point = tuple[float, float]
Size = tuple[int, int]  # height and width in pixels
Progress = Callable[[int, int], None]
Arms = list[tuple[Point, Point]]  # of each arm, the shoulder and the far end
# Images per kind in the training folder of the real set (Kermany et al., Cell 2018).
SHARES = {"normal": 1341, "bacteria": 2530, "virus": 1345}
GOLDEN_RATIO = 0.6180339887  # its multiples, modulo 1, are even: the shares hold for any number of patients


def synthesize(
    folder: Path, *, patients: int = 420, size: Size = (256, 320), seed: int = 0, progress: Progress | None = None
) -> Path:
    """Write `folder/chest_xray/train/{NORMAL,PNEUMONIA}/*.jpeg` and return `folder/chest_xray`.

    Each patient has one diagnosis and 1 to 4 images (2.25 on average), named as in the real set: a reader can and must
    split by patient. `size` is typical, films vary around it; `progress(done, patients)` is called after each patient.
    Equal arguments give equal bytes (with one numpy and one Pillow); as every patient has random streams of their own,
    a large set begins with the patients of a small one.
    """
    root, written = Path(folder) / "chest_xray", 0
    kinds, shares = list(SHARES), np.cumsum(list(SHARES.values()))
    for patient in range(patients):
        rng, dealt = default_rng([seed, patient]), (0.5 + GOLDEN_RATIO * patient) % 1
        kind = kinds[int(np.searchsorted(shares, dealt * shares[-1]))]
        for name in _names(rng, kind, patient, written):
            image, _ = radiograph(rng, kind, patient=(seed, patient, 1), size=size)
            path = root / "train" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path, quality=int(rng.integers(80, 96)))
            written += 1
        if progress:
            progress(patient + 1, patients)
    return root


def radiograph(rng: Generator, kind: str, *, patient: Sequence[int] | None = None, size: Size = (256, 320)) -> Pair:
    """Return a radiograph, uint8 `[height, width]`, and the mask of its opacities, bool `[height, width]`.

    `kind` is "normal" (empty mask), "bacteria" (one or two consolidations) or "virus" (streaks and haze at both hila).
    `patient` seeds what all images of a child share, anatomy and disease; without it, a new child. `rng` draws the
    rest: pose, breath, exposure, noise, and the size of the film, which varies around `size`.
    """
    if kind not in SHARES:
        raise ValueError(f"kind is {kind!r}; allowed are {', '.join(map(repr, SHARES))}")
    child = default_rng(int(rng.integers(2**62)) if patient is None else patient)
    noise = gaussian_filter(child.standard_normal((256, 256), dtype=np.float32), 3, mode="wrap", truncate=2)
    noise /= noise.std()
    height = child.uniform(1.2, 1.45) * rng.uniform(0.93, 1.05)  # apex to diaphragm, times breath
    x, y = _pose(rng, size)
    for _ in range(2):  # no child is symmetric, nor are ribs evenly spaced
        x = x + 0.02 * np.sin(child.uniform(2, 5) * y + child.uniform(0, 6))
        y = y + 0.02 * np.sin(child.uniform(2, 5) * x + child.uniform(0, 6))
    wall = 0.4 + 0.6 * np.sqrt(1 - (1 - np.clip(y / height, 0.01, 1)) ** 1.7)  # half-width of the rib cage
    lungs, elsewhere = _air(child, rng, x, y, height, wall)
    streaks = _streaks(noise, x, y, height)
    opacity, outline = _opacity(child, rng, kind, x, y, height, streaks, noise)
    air = lungs * np.clip(1 - opacity - rng.uniform(0.1, 0.33) * streaks, 0, 1) + elsewhere
    arms = []  # from hanging beside the trunk to held up beside the head
    for sign in (-1, 1):
        shoulder = sign * rng.uniform(1, 1.15), rng.uniform(-0.1, 0.1)
        arms.append((shoulder, (sign * rng.uniform(1.4, 2.4), rng.uniform(-1, 1.2))))
    bone = _ribs(child, x, y, height, wall) + _spine(child, x, y) + _shoulders(child, x, y, arms)
    film = _expose(rng, _soft_tissue(child, rng, x, y, height, arms) - 0.62 * air + bone)
    seen = lungs * outline
    return film, (seen > 0.4 * seen.max()) & (kind != "normal")


def _names(rng: Generator, kind: str, patient: int, written: int) -> list[str]:
    """Files of a patient, in the dialects of the real set; the patient's number is part of each."""
    images = range(1, 2 + int(rng.choice(4, p=(0.30, 0.30, 0.25, 0.15))))
    if kind != "normal":
        return [f"PNEUMONIA/person{patient + 1}_{kind}_{written + image}.jpeg" for image in images]
    stem = f"NORMAL/{rng.choice(('', 'NORMAL2-'))}IM-{patient + 115:04d}-0001"
    return [f"{stem}-{image:04d}.jpeg" for image in images] if len(images) > 1 else [f"{stem}.jpeg"]


def _pose(rng: Generator, size: Size) -> Pair:
    """Chest coordinates of each pixel of a film that is not quite straight, centred or of standard size."""
    zoom, aspect = rng.uniform(0.85, 1.15), rng.uniform(0.85, 1.2)
    rows, columns = round(size[0] * zoom / aspect), round(size[1] * zoom * aspect)
    tilt = np.deg2rad(rng.normal(0, 12 if rng.random() < 0.15 else 3))
    half_width = min(0.5 * rows, 0.42 * columns) * rng.uniform(0.9, 1.12)  # of the chest, in pixels
    down, across = np.mgrid[:rows, :columns].astype(np.float32)
    across = (across - columns * rng.normal(0.5, 0.02)) / half_width
    down = (down - rows * rng.normal(0.46, 0.03)) / half_width
    cosine, sine = float(np.cos(tilt)), float(np.sin(tilt))
    return across * cosine + down * sine, down * cosine - across * sine + 0.65


def _air(child: Generator, rng: Generator, x: Array, y: Array, height: float, wall: Array) -> Pair:
    """Air in the lungs, which end at chest wall, mediastinum, heart and diaphragm; and in stomach and trachea."""
    side, low = np.abs(x), np.clip((y / height - 0.2) / 0.6, 0, 1)
    thymus = child.uniform(0, 0.12) * (child.random() < 0.4)
    mediastinum = child.uniform(0.18, 0.25) + thymus * np.exp(-(((y - 0.3 * height) / 0.22) ** 2))
    mediastinum += rng.normal(0, 0.03) * np.sign(x)  # a child turned before the film shows more of one lung
    right = child.uniform(0.08, 0.2) * np.sin(np.pi * 0.9 * low)  # borders of the heart
    left = child.uniform(0.28, 0.45) * low * low * (3 - 2 * low)
    apex = 1.6 * (side - child.uniform(0.38, 0.48)) ** 2
    dome = height + child.uniform(0, 0.08) * (x > 0) + child.uniform(0.75, 1.3) * (side - 0.42) ** 2
    lungs = _step(wall - 0.03 - side, 0.012) * _step(side - mediastinum, 0.025)
    lungs *= _step(y - apex, 0.02) * _step(dome - y, 0.012) * (1 + rng.normal(0, 0.06) * x)
    lungs *= 1 - 0.9 * _step(mediastinum + np.where(x > 0, left, right) - side, 0.02)
    across, down = x - child.uniform(0.35, 0.6), y - height - child.uniform(0.25, 0.4)
    stomach = child.uniform(0, 0.4) * _step(1 - (across / 0.25) ** 2 - (down / 0.13) ** 2, 0.3)
    trachea = 0.2 * _rod(x, y, (0, -0.6), (0, 0.5), 0.055)
    return lungs * (0.4 + 0.6 * np.sqrt(np.clip(1 - (x / wall) ** 2, 0, 1))), stomach + trachea


def _streaks(noise: Array, x: Array, y: Array, height: float) -> Array:
    """Vessels and bronchi, 0 to 1: they run from the hila to the periphery and thin out on the way."""
    across, down = np.abs(x) - 0.12, y - 0.5 * height
    distance = np.sqrt(across**2 + down**2) + 0.08
    folds = _texture(noise, 2 * np.arctan2(down, across) + 9 * (x > 0), np.log(distance), 12)
    return np.exp(-((folds / 0.5) ** 2) - 1.6 * distance)  # smooth noise crosses 0 along branching lines


def _opacity(
    child: Generator, rng: Generator, kind: str, x: Array, y: Array, height: float, streaks: Array, noise: Array
) -> Pair:
    """Share of the air that disease has replaced, and the smooth outline of the places, 0 to 1."""
    faint = child.random() < 0.04  # an opacity that no reader would find
    severity = child.uniform(0.03, 0.12) if faint else child.uniform(0.5, 1) * rng.uniform(0.8, 1)
    outline = np.zeros_like(x)
    if kind == "bacteria":
        for _ in range(1 + (child.random() < 0.5)):
            lung = x if child.random() < 0.5 else -x
            across, down = lung - child.uniform(0.35, 0.72), y - child.uniform(0.25, 0.9) * height
            lobe = (across / child.uniform(0.28, 0.5)) ** 2 + (down / child.uniform(0.22, 0.42)) ** 2
            outline = np.maximum(outline, _step(1 - lobe - 0.25 * _texture(noise, x, y, 40), 0.12))
        return severity * outline * (1 - 0.4 * streaks), outline  # bronchi keep their air
    if kind == "virus":
        spread = child.uniform(0.4, 0.8)
        outline = np.exp(-(((np.abs(x) - 0.3) / spread) ** 2) - ((y - 0.55 * height) / spread) ** 2)
        patches = _step(_texture(noise, x, y, 48), 0.7)
        return severity * outline * (0.25 + 0.8 * streaks + 0.6 * patches), outline
    return outline, outline


def _soft_tissue(child: Generator, rng: Generator, x: Array, y: Array, height: float, arms: Arms) -> Array:
    """Thickness of muscle, fat and organs: trunk, neck, chin, shoulders and arms; 0 beside the body."""
    trunk = np.sqrt(np.clip(1 - np.abs(x * x * x) / child.uniform(1.4, 1.8), 0, 1))
    trunk *= _step(y + 0.05 - 0.1 * np.abs(x), 0.06) * (0.85 + 0.12 * _step(y - height - 0.1, 0.1))
    chin = (x / 0.55) ** 2 + ((y + rng.uniform(0.5, 0.95)) / 0.35) ** 2
    neck = 0.75 * _rod(x, y, (0, -1), (0, 0.2), 0.42)
    body = np.maximum(np.maximum(trunk, neck), 0.95 * np.sqrt(np.clip(1 - chin, 0, 1)))
    for shoulder, hand in arms:
        body = np.maximum(body, 0.55 * _rod(x, y, (0.3 * shoulder[0], 0.05), shoulder, 0.28))
        body = np.maximum(body, 0.42 * _rod(x, y, shoulder, hand, 0.22))
    return gaussian_filter(body, 3, truncate=2)


def _ribs(child: Generator, x: Array, y: Array, height: float, wall: Array) -> Array:
    """Ribs, tilted rings: they descend from the spine to the flank behind the lung and return in front of it."""
    spacing, tilt, rise = height / child.uniform(6.2, 7.8), child.uniform(0.35, 0.6), child.uniform(0.1, 0.4)
    bone, across = np.zeros_like(x), np.clip(np.abs(x) / wall, 0, 1)
    behind = np.sqrt(1.04 - across**2)
    for depth, strength in ((behind, 0.12), (-behind, 0.08 * _step(across - 0.5, 0.06))):
        ring = (y - tilt * (1 - depth) + rise * across * (1 - across)) / spacing
        off_axis = np.abs(ring - np.round(ring))
        cortex = 0.4 * np.exp(-(((off_axis - 0.2) / 0.06) ** 2))
        bone += strength * (_step(0.2 - off_axis, 0.04) + cortex) * _step(ring + 0.4, 0.05)
    bone /= np.sqrt(0.15 + behind**2)  # at the flank the ray runs along the ring
    return bone * _step(wall + 0.01 - np.abs(x), 0.01) * (0.25 + 0.75 * _step(1.1 * height - y, 0.15))


def _spine(child: Generator, x: Array, y: Array) -> Array:
    """Vertebral bodies, the discs between them, their pedicles and spinous processes."""
    side = np.abs(x - child.normal(0, 0.02) * np.sin(2 * y))
    cycle = np.cos(2 * np.pi / child.uniform(0.155, 0.19) * y)
    bodies = _step(0.115 + 0.012 * cycle - side, 0.012) * (0.08 + 0.06 * _step(cycle + 0.55, 0.15))
    processes = np.exp(-(((side - 0.075) / 0.022) ** 2)) + np.exp(-((side / 0.02) ** 2))
    return bodies + 0.06 * processes * _step(cycle - 0.3, 0.15)


def _shoulders(child: Generator, x: Array, y: Array, arms: Arms) -> Array:
    """Clavicles, shoulder blades and upper arms, whose marrow is less dense than their rims."""
    level, slope, bow = child.uniform(-0.08, 0.1), child.uniform(0.05, 0.3), child.uniform(0.02, 0.05)
    bone = np.zeros_like(x)
    for sign, (joint, hand) in zip((-1, 1), arms, strict=True):
        out, inner = sign * x - 0.1, joint[0] - 0.11 * sign
        clavicle = 0.035 - np.abs(y - level + slope * out - bow * np.sin(8 * out))
        bone += 0.2 * _step(clavicle, 0.008) * _step(out, 0.01) * _step(0.75 - out, 0.02)
        bone += 0.07 * np.minimum(1, 3 * _rod(x, y, (inner, joint[1] + 0.1), (inner, joint[1] + 0.5), 0.17))
        bone += 0.13 * np.minimum(1, 3 * _rod(x, y, joint, hand, 0.075)) - 0.06 * _rod(x, y, joint, hand, 0.05)
    return bone


def _expose(rng: Generator, attenuation: Array) -> Array:
    """Film, uint8: attenuation with scatter, gamma, noise, brightness and contrast by chance; metal; borders."""
    rows, columns = attenuation.shape
    blurred = Image.fromarray(gaussian_filter(attenuation[::8, ::8], rows / 64)).resize((columns, rows))
    film = attenuation + rng.beta(1.2, 5) * (np.asarray(blurred) - attenuation)  # scatter veils the picture
    low, high = np.percentile(film[::4, ::4], (3, 99.5)).tolist()
    low *= rng.random()
    film = np.clip((film - low) / (high - low), 0, 1) ** rng.uniform(0.6, 1.1)
    film += rng.uniform(0.005, 0.03) * gaussian_filter(rng.standard_normal(film.shape, dtype=np.float32), 0.6)
    black, white = rng.uniform(0, 0.12), rng.uniform(0.75, 1.02)
    film = np.maximum(black + (white - black) * film, rng.uniform(0.6, 1) * _metal(rng, rows, columns))
    top, bottom, left, right = (rng.integers(0, 11, 4) * (rng.random(4) < 0.15)).tolist()
    film[:top] = film[rows - bottom :] = rng.choice((0, 0, 0, 0.95))
    film[:, :left] = film[:, columns - right :] = 0
    return (255 * np.clip(film, 0, 1)).astype(np.uint8)


def _metal(rng: Generator, rows: int, columns: int) -> Array:
    """Side marker and, on half of the films whatever the diagnosis, leads of a monitor or a tube; 0 to 1."""
    film = Image.new("L", (columns, rows))
    pen, along = ImageDraw.Draw(film), np.linspace(0, 1, 12)
    place = columns * rng.uniform(0.01, 0.09), rows * rng.uniform(0.02, 0.5)
    pen.text(place, "R", fill=255, font=ImageFont.load_default(rows * rng.uniform(0.05, 0.09)))
    for _ in range(rng.choice((0, 0, 0, 1, 2, 3))):
        (left, right), (top, bottom) = rng.uniform(0, columns, 2), rng.uniform(0, rows, 2)
        sag = rng.normal(0, 0.15 * rows) * np.sin(np.pi * along)
        lead = np.stack((left + (right - left) * along, top + (bottom - top) * along + sag), axis=1)
        pen.line(lead.ravel().tolist(), fill=int(rng.integers(60, 200)), width=2)
        pen.circle(lead[-1].tolist(), 0.02 * rows, fill=int(rng.integers(90, 220)))
    return np.asarray(film, np.float32) / 255


def _step(inside: Array, softness: float) -> Array:
    """Soft edge: 1 where `inside` is well above 0, 0 where it is well below."""
    return 0.5 + 0.5 * np.tanh(inside / softness)


def _rod(x: Array, y: Array, start: Point, end: Point, radius: float) -> Array:
    """Thickness along the ray, 0 to 1, of a round rod with round ends."""
    right, down = end[0] - start[0], end[1] - start[1]
    share = np.clip(((x - start[0]) * right + (y - start[1]) * down) / (right**2 + down**2), 0, 1)
    squared = (x - start[0] - share * right) ** 2 + (y - start[1] - share * down) ** 2
    return np.sqrt(np.clip(1 - squared / radius**2, 0, 1))


def _texture(noise: Array, x: Array, y: Array, cells: float) -> Array:
    """Smooth endless noise, mean 0 and deviation 1; its features are about 8 / cells wide."""
    return noise[(y * cells).astype(np.int32) & 255, (x * cells).astype(np.int32) & 255]
