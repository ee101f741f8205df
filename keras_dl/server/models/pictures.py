"""Pictures of an explanation, as PNG: the image, its heatmap to lay over it, both together."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from keras_dl.explaining.heatmap import overlay


def image_png(image: np.ndarray) -> bytes:
    """Write what a model sees, `[height, width, 1 or 3]` in 0 to 255."""
    return png(np.squeeze(np.clip(np.round(image), 0, 255).astype("uint8")))


def heat_png(heat: np.ndarray) -> bytes:
    """Write a heatmap in [0, 1] in colour, the more opaque the hotter: RGBA."""
    from matplotlib import colormaps

    colour = colormaps["inferno"](heat)
    colour[..., 3] = heat
    return png((colour * 255).round().astype("uint8"))


def overlay_png(image: np.ndarray, heat: np.ndarray) -> bytes:
    """Write the image under its heatmap, RGB."""
    return png((np.clip(overlay(image, heat), 0, 1) * 255).round().astype("uint8"))


def png(pixels: np.ndarray) -> bytes:
    """Write pixels as PNG."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
