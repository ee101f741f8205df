"""Pixels as files: an image, its heatmap to lay over it, and both together."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np

from keras_dl.task.blocks import Picture

STRENGTH = 0.55  # of the hottest place of a heatmap over its image


def image_png(image: np.ndarray) -> bytes:
    """Write an image `[height, width, 1 or 3]`, values 0 to 255, as PNG."""
    return written(whole(image), "PNG")


def heat_png(heat: np.ndarray) -> bytes:
    """Write a heatmap `[height, width]` in [0, 1] in colour, the more opaque the hotter: RGBA."""
    from matplotlib import colormaps

    colour = colormaps["inferno"](heat)
    colour[..., 3] = heat
    return written(whole(colour * 255), "PNG")


def overlay(image: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Lay a heatmap over a grey or colour image; return uint8 RGB `[height, width, 3]`."""
    from matplotlib import colormaps

    grey = np.repeat(image, 3, axis=-1) if image.shape[-1] == 1 else image
    strength = STRENGTH * heat[..., None]
    return whole(grey * (1 - strength) + 255 * colormaps["inferno"](heat)[..., :3] * strength)


def picture_png(picture: Picture) -> bytes:
    """Write the first image of a picture under its heatmap, or alone where it has none, as PNG."""
    image, heat = picture.panels[0].pixels, picture.heat
    return image_png(image) if heat is None else written(overlay(image, heat), "PNG")


def data_url(image: np.ndarray) -> str:
    """Encode an image `[height, width, 1 or 3]`, values 0 to 255, as a JPEG in a data URL."""
    return f"data:image/jpeg;base64,{encoded(written(whole(image), 'JPEG', quality=90))}"


def encoded(data: bytes) -> str:
    """Write bytes as base64."""
    return base64.b64encode(data).decode()


def whole(image: np.ndarray) -> np.ndarray:
    """Round pixels to uint8: a model's input may be float."""
    return np.clip(np.round(image), 0, 255).astype("uint8")


def written(pixels: np.ndarray, kind: str, **options: Any) -> bytes:
    """Write uint8 pixels as a file of this kind."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(file, kind, **options)
    return file.getvalue()
