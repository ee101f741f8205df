"""The EXIF orientation of JPEG files: honoured in the graph as Pillow does it, and harmless where it is damaged."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from keras_dl.data import image_check
from keras_dl.errors import BadInput
from keras_dl.inputs.orientation import orientation
from keras_dl.inputs.pixels import colour_image, grey_image

ORIENTATION = 0x0112
PIXELS = np.kron(np.random.default_rng(0).integers(0, 256, (5, 6, 3)), np.ones((16, 16, 1))).astype(np.uint8)


def encoded(how: int, kind: str = "JPEG", *, big: bool = False, icc: bool = False) -> bytes:
    exif = Image.Exif()
    exif.endian = ">" if big else "<"
    exif[0x010F], exif[ORIENTATION], exif[0x0131] = "a camera", how, "its software"
    profile = {"icc_profile": b"x" * 3000} if icc else {}
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, kind, exif=exif, quality=95, **profile)
    return buffer.getvalue()


@pytest.mark.parametrize("how", range(10))
@pytest.mark.parametrize("big", [False, True])
def test_images_are_decoded_upright(how, big):
    data = encoded(how, big=big, icc=how % 2 == 0)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    found = colour_image(None)(tf.constant(data)).numpy()
    assert found.shape == np.asarray(upright).shape
    assert np.abs(found.astype(int) - np.asarray(upright)).mean() < 2  # two decoders
    assert image_check.size_of(data) == upright.size
    assert image_check.is_turned(data) == (2 <= how <= 8)
    grey = np.asarray(upright.convert("L").resize((48, 48), Image.Resampling.BILINEAR))
    decode = tf.function(grey_image(48), input_signature=[tf.TensorSpec([], tf.string)])  # as in an export
    assert np.abs(decode(tf.constant(data)).numpy()[..., 0].astype(int) - grey).mean() < 2


def test_exif_data_without_jfif_before_it():
    data = encoded(6)
    start = data.index(b"\xff\xe1")
    assert orientation(tf.constant(data[:2] + data[start:])) == 6


def test_damaged_exif_data_counts_as_none_or_as_what_is_left_of_it():
    generator = np.random.default_rng(0)
    read = tf.function(orientation, input_signature=[tf.TensorSpec([], tf.string)])
    whole = encoded(6)
    for length in range(120):
        assert read(tf.constant(whole[:length])) in (1, 6)
    for _ in range(500):
        data = bytearray(whole)
        for place in generator.integers(0, 120, 3):
            data[place] = generator.integers(0, 256)
        assert 1 <= read(tf.constant(bytes(data))) <= 8
    assert read(tf.constant(encoded(6, "PNG"))) == 1


def test_a_png_that_is_to_be_turned_is_refused():
    image_check.check(encoded(1, "PNG"))
    with pytest.raises(BadInput, match="EXIF orientation"):
        image_check.check(encoded(6, "PNG"))
