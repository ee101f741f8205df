"""The gate every image passes: what it accepts TensorFlow decodes, and it raises only BadInput."""

import io
import struct
import time
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from keras_dl.data.images import check
from keras_dl.errors import BadInput


def encoded(kind: str = "JPEG", mode: str = "L", size=(48, 40), seed: int = 0, **options) -> bytes:
    """A smooth random picture in the bytes of a format."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    picture = Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC).convert(mode)
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def png(bits: int, colour_type: int, pixels: bytes, interlaced: bool = False) -> bytes:
    """A PNG of 40 x 40 px whose checksums are right whatever its compressed pixels are."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 40, 40, bits, colour_type, 0, 0, interlaced))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def with_size(png: bytes, width: int, height: int) -> bytes:
    """The same PNG, claiming another size, with a right checksum."""
    header = b"IHDR" + struct.pack(">II", width, height) + png[24:29]
    return png[:12] + header + struct.pack(">I", zlib.crc32(header)) + png[33:]


GOOD = {
    "grey JPEG": encoded(),
    "RGB JPEG": encoded(mode="RGB"),
    "progressive JPEG": encoded(mode="RGB", progressive=True),
    "JPEG without chroma subsampling": encoded(mode="RGB", subsampling=0, quality=95),
    "JPEG with restart markers": encoded(restart_marker_blocks=3),
    "JPEG in RGB, not YCbCr": encoded(mode="RGB", keep_rgb=True),
    "JPEG and trailing bytes": encoded() + b"camera notes",
    "smallest JPEG": encoded(size=(32, 32)),
    **{f"{mode} PNG": encoded("PNG", mode) for mode in ("L", "LA", "RGB", "RGBA", "P", "1")},
    "transparent palette PNG": encoded("PNG", "P", transparency=0),
    "interlaced PNG": png(8, 0, zlib.compress(bytes(40 * 40 + 5 + 5 + 5 + 10 + 10 + 20 + 20)), interlaced=True),
    "2-bit PNG": encoded("PNG", "P", bits=2),
}

LARGE = encoded(mode="RGB", size=(800, 600))
BAD = {
    "empty": (b"", "the file is empty"),
    "text": (b"<html>not found</html>", "not an image"),
    "GIF": (encoded("GIF"), "a GIF file; convert it to JPEG or 8-bit PNG"),
    "BMP": (encoded("BMP"), "a BMP file; convert"),
    "TIFF": (encoded("TIFF"), "a TIFF file; convert"),
    "WebP": (encoded("WEBP"), "a WebP file; convert"),
    "DICOM": (bytes(128) + b"DICM" + bytes(50), "a DICOM file; convert"),
    "CMYK": (encoded(mode="CMYK"), "CMYK colours; convert"),
    "16-bit grey": (png(16, 0, zlib.compress(bytes(40 * 81))), "16 bits per channel; convert it to 8"),
    "16-bit RGB": (png(16, 2, zlib.compress(bytes(40 * 241))), "16 bits per channel; convert it to 8"),
    "too small": (encoded(size=(200, 31)), "200x31 px is too small"),
    "bomb": (with_size(encoded("PNG"), 30_000, 30_000), "30000x30000 px is too large; the limit is 50 megapixels"),
    "too long": (with_size(encoded("PNG"), 70_000, 40), "70000x40 px is too large"),
    "half a JPEG": (LARGE[: len(LARGE) // 2], "truncated JPEG"),
    "JPEG without its last byte": (encoded()[:-1], "truncated JPEG"),
    "half a PNG": (encoded("PNG")[:-200], "truncated PNG"),
    "PNG without its end": (encoded("PNG")[:-12], "truncated PNG"),
    "PNG with a wrong checksum": (encoded("PNG")[:-14] + b"xx" + encoded("PNG")[-12:], "damaged PNG"),
    "PNG with too few rows": (png(8, 0, zlib.compress(bytes(20 * 41))), "damaged PNG"),
    "PNG without the last checksum": (png(8, 0, zlib.compress(bytes(40 * 41))[:-4]), "damaged PNG"),
    "PNG with broken compression": (png(8, 0, zlib.compress(bytes(40 * 41))[:-9] + b"x" * 9), "damaged PNG"),
    "JPEG with a stray marker": (LARGE[:-900] + b"\xff\xe1\xff\xff" + LARGE[-900:], "a stray marker"),
    "only a signature": (b"\x89PNG\r\n\x1a\n", "damaged PNG"),
    "only a marker": (b"\xff\xd8\xff", "damaged JPEG"),
}


@pytest.mark.parametrize("name", GOOD)
def test_check_accepts_and_tensorflow_decodes(name):
    import tensorflow as tf

    check(GOOD[name])
    for channels in (1, 3):
        assert tf.io.decode_image(GOOD[name], channels=channels).dtype == tf.uint8


@pytest.mark.parametrize("name", BAD)
def test_check_refuses_with_the_reason(name):
    data, reason = BAD[name]
    with pytest.raises(BadInput, match=reason) as caught:
        check(data)
    assert "\n" not in str(caught.value)


def test_a_jpeg_cut_after_a_thumbnail_is_refused():
    exif = Image.Exif()
    whole = encoded(mode="RGB", exif=exif.tobytes() + encoded(size=(32, 32)))
    check(whole)
    for kept in (0.9, 0.6):
        with pytest.raises(BadInput, match="JPEG"):
            check(whole[: int(len(whole) * kept)])


def test_a_bomb_costs_no_memory_and_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        start = time.perf_counter()
        for side in (10_000, 14_000, 60_000):  # around Pillow's own limits for its warning and its error
            with pytest.raises(BadInput, match="too large"):
                check(with_size(encoded("PNG"), side, side))
    assert time.perf_counter() - start < 1


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.just(b""), *map(st.just, (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"))), st.binary(max_size=300))
def test_any_bytes_raise_only_bad_input(start, rest):
    with pytest.raises(BadInput):
        check(start + rest)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(GOOD)), st.data())
def test_what_check_accepts_tensorflow_decodes(name, data):
    """Cut, flip and insert at random: nothing may pass the gate and fail in the pipeline."""
    import tensorflow as tf

    whole = GOOD[name]
    place = data.draw(st.integers(0, len(whole) - 1))
    change = data.draw(st.sampled_from(("none", "cut", "flip", "delete", "insert")))
    changed = {
        "none": whole,
        "cut": whole[:place],
        "flip": whole[:place] + bytes([whole[place] ^ 1 << data.draw(st.integers(0, 7))]) + whole[place + 1 :],
        "delete": whole[:place] + whole[place + data.draw(st.integers(1, 30)) :],
        "insert": whole[:place] + data.draw(st.binary(min_size=1, max_size=8)) + whole[place:],
    }[change]
    try:
        check(changed)
    except BadInput:
        assert change != "none"
        return
    for channels in (1, 3):
        decoded = tf.io.decode_image(changed, channels=channels, expand_animations=False)
        assert decoded.dtype == tf.uint8
        assert decoded.shape[-1] == channels


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_every_truncation_is_refused(kind):
    whole = encoded(kind, "RGB")
    for length in range(0, len(whole), 7):
        with pytest.raises(BadInput):
            check(whole[:length])
