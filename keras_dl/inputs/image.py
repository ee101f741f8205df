"""Images: encoded files, decoded in the graph to uint8 pixels of one size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_dl.errors import BadInput
from keras_dl.task.blocks import Block
from keras_dl.task.kinds import Assets, Input, Method, Target

if TYPE_CHECKING:
    import tensorflow as tf

GRAD_CAM = "what speaks for {of} (Grad-CAM)"


class ImageInput(Input):
    """Grey images, `[image_size, image_size, 1]`, values 0 to 255; `config.image_size` is in pixels."""

    key = "image"
    raw_name = "image_bytes"
    plural = "pictures"
    wanted = "images: grey values 0 to 255"

    def check(self, raw: bytes) -> None:
        """Raise BadInput for bytes that are no image this package reads; see `data.image_check.check`."""
        from keras_dl.data.image_check import check

        check(raw)

    def decode(self, config: Any, assets: Assets) -> Callable[[tf.Tensor], tf.Tensor]:
        """Return the function from an encoded image to uint8 `[image_size, image_size, 1]`."""
        from keras_dl.inputs.pixels import grey_image

        return grey_image(config.image_size)

    def given(self, item: str) -> None:
        """Return None: an image is a file."""
        return

    def many(self, data: bytes, most: int) -> tuple[int, Iterator[tuple[str, bytes]]]:
        """Refuse what is no zip."""
        raise BadInput("a batch of images is a zip of them")

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
            "On the left what the network saw, on the right what spoke **for {of}** (Grad-CAM on the last convolution: "
            "coarse, and no proof of a cause)."
        )
        return {"grad-cam": Method("Grad-CAM", GRAD_CAM, legend, explain)}

    def miniatures(self, split: Any, decoded: np.ndarray) -> np.ndarray:
        """Return thumbnails, uint8 `[count, side, side, channels]`."""
        from keras_dl.inputs.pixels import thumbnails

        return thumbnails(decoded)
