"""Images: encoded files, decoded in the graph to uint8 pixels of one size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_dl.errors import BadInput, UsageError
from keras_dl.inputs.given import Given
from keras_dl.task.blocks import Block
from keras_dl.task.input import Input, Upload
from keras_dl.task.kinds import Assets, Method, Target

if TYPE_CHECKING:
    from pathlib import Path

    import tensorflow as tf

LARGEST = 16_000_000  # pixels of an image that is taken as it is
GRAD_CAM = "evidence for {of} (Grad-CAM)"


class ImageInput(Input):
    """Images of one size, or of the size they have.

    Grey images are resized to `[config.image_size, config.image_size, 1]`. With `multiple` nothing is resized: colour
    images of any size whose sides it divides, `[height, width, 3]`. A run whose network takes one size alone says so in
    `assets["image_shape"]`, `[height, width]`. Values are 0 to 255.
    """

    key = "image"
    title = "an image"
    raw_name = "image_bytes"
    plural = "pictures"
    hint = "; give an image file, or a folder of them"

    def __init__(self, *, multiple: int | None = None) -> None:
        """Make the kind; `multiple`: take colour images as they are, if it divides their sides in pixels."""
        self.multiple = multiple
        self.wanted = "images: grey values 0 to 255" if multiple is None else "images: red, green, blue, 0 to 255"

    def check(self, raw: bytes, assets: Assets | None = None) -> None:
        """Raise BadInput for bytes that are no image this package reads, or of a size that does not fit."""
        from keras_dl.data.image_check import check, size_of

        check(raw)
        if self.multiple is None:
            return
        width, height = size_of(raw)
        fixed = (assets or {}).get("image_shape")
        if fixed and [height, width] != list(fixed):
            raise BadInput(
                f"it is {width} x {height} px, but this network takes only {fixed[1]} x {fixed[0]} px; cut it into "
                "parts of that size and add the answers, or use a network that takes any size"
            )
        if width % self.multiple or height % self.multiple:
            raise BadInput(
                f"it is {width} x {height} px, but both sides must be multiples of {self.multiple}; crop it, or add a "
                "dark margin"
            )
        if width * height > LARGEST:
            raise BadInput(f"it has {width * height:,} pixels, more than {LARGEST:,}; cut it into parts")

    def decode(self, config: Any, assets: Assets) -> Callable[[tf.Tensor], tf.Tensor]:
        """Return the function from an encoded image to uint8 pixels."""
        from keras_dl.inputs.pixels import colour_image, grey_image

        if self.multiple is None:
            return grey_image(config.image_size)
        return colour_image(assets.get("image_shape"))

    def given(self, item: str) -> None:
        """Return None: an image is a file."""
        return

    def tabled(self, path: Path) -> Iterator[Given]:
        """Give the files that a column of the table names, as seen from its folder."""
        from keras_dl.data import tables

        table = tables.read(path)
        column = table.column("file")
        if column is None:
            raise UsageError(
                f"{path}: its first line names no column of image files; call that column 'file', or give the images"
            )
        for line, row in table.filled:
            name = row[column].strip() if column < len(row) else ""
            yield Given(name, path.parent / name, origin=f"{path.name}:{line}")

    def many(self, data: bytes, most: int) -> Upload:
        """Refuse what is no zip."""
        raise BadInput("send a batch of images as a zip file")

    def fitted_to(self, split: Any, decoded: Callable[[], np.ndarray]) -> np.ndarray:
        """Return the images as the network sees them."""
        return decoded()

    def preview(self, run: Any, raws: Sequence[bytes]) -> list[Block]:
        """Return each image as the network sees it."""
        from keras_dl.explaining import heatmap

        return heatmap.plain_pictures(heatmap.decoded(run, raws))

    def methods(self, run: Any) -> Mapping[str, Method]:
        """Return Grad-CAM."""

        def explain(run: Any, raws: Sequence[bytes], targets: Sequence[Target], brief: bool) -> list[Block]:
            from keras_dl.explaining import heatmap

            images = heatmap.decoded(run, raws)
            heats = heatmap.grad_cam(run.model, images, heatmap.outputs_of(run.model, targets))
            return heatmap.pictures(images, heats, targets, GRAD_CAM, brief=brief)

        legend = (
            "Left: what the network saw. Right: the evidence **for {of}** (Grad-CAM on the last convolution; it is "
            "coarse and proves no cause)."
        )
        return {"grad-cam": Method("Grad-CAM", GRAD_CAM, legend, explain)}

    def described(self, config: Any, split: Any, decoded: Callable[[], np.ndarray]) -> Mapping[str, Any]:
        """Return how bright and how varied the network sees each image, 0 to 255, and how large the file is."""
        from keras_dl.data.image_check import size_of
        from keras_dl.inputs.pixels import tones

        sides, sizes = [], []
        for row in range(len(split)):
            raw = split.raw(row)
            sides.append(min(size_of(raw)))
            sizes.append(round(len(raw) / 1000, 1))
        brightness, contrast = tones(decoded())
        return {"brightness": brightness, "contrast": contrast, "shorter side (px)": sides, "file size (kB)": sizes}

    def miniatures(self, split: Any, decoded: np.ndarray) -> np.ndarray:
        """Return thumbnails, uint8 `[count, side, side, channels]`."""
        from keras_dl.inputs.pixels import thumbnails

        return thumbnails(decoded)
