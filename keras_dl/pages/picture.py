"""A picture block as a figure: its images side by side, and the first one under its heatmap."""

from __future__ import annotations

import textwrap

import numpy as np
from matplotlib.figure import Figure

from keras_dl.figures.plots import styled
from keras_dl.pages.pixels import overlay
from keras_dl.task.blocks import Picture


@styled
def side_by_side(picture: Picture, title: str) -> Figure:
    """Draw the images of a picture in a row, and after them the first one under the heatmap, if there is one."""
    images = [(panel.title, np.asarray(panel.pixels) / 255) for panel in picture.panels]
    if picture.heat is not None:
        images.append((picture.heat_title, overlay(picture.panels[0].pixels, picture.heat) / 255))
    figure = Figure(figsize=(4 * len(images), 4.4), layout="constrained")
    for axes, (name, pixels) in zip(np.ravel(figure.subplots(1, len(images))), images, strict=True):
        axes.imshow(pixels, cmap="gray", vmin=0, vmax=1)
        axes.set_title(textwrap.fill(name, 48), fontsize=10)
        axes.axis("off")
    figure.suptitle(textwrap.fill(title, 46 * len(images)), fontsize=11)
    return figure
