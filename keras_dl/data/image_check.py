"""Can these bytes be used as an image? The one gate for a folder's files, for `predict` and for the server."""

from __future__ import annotations

import io
import re
import struct
import zlib

from PIL.Image import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from keras_dl.errors import BadInput

SMALLEST_SIDE = 32  # pixels
LARGEST_SIDE = 65_500  # pixels: what libjpeg decodes; libpng takes more
MOST_SCANS = 100  # of a progressive JPEG; each costs as much as the whole image, and takes a few bytes
LARGEST_IMAGE = 50_000_000  # pixels: 150 MB decoded; a file of a few kB can claim far more

# `tf.io.decode_image` reads GIF and BMP too, but not into the one channel that a model may want. Calling the
# parsers by name keeps Pillow's other forty away from bytes a stranger uploaded.
PARSERS = {"JPEG": (b"\xff\xd8\xff", JpegImageFile), "PNG": (b"\x89PNG\r\n\x1a\n", PngImageFile)}
FOREIGN = {(0, b"GIF8"): "GIF", (0, b"BM"): "BMP", (0, b"II*\0"): "TIFF", (0, b"MM\0*"): "TIFF"}
FOREIGN |= {(8, b"WEBP"): "WebP", (4, b"ftyp"): "HEIC or AVIF", (128, b"DICM"): "DICOM"}  # position, bytes

ORIENTATION = 0x0112  # the tag of EXIF data
JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)  # not: a coded 255, a restart, padding
JPEG_BETWEEN_SCANS = (b"\xc4", b"\xda", b"\xdb", b"\xdd")  # tables and the next scan of a progressive image
PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type: grey, RGB, palette, grey + alpha, RGB + alpha
# The seven passes of an interlaced PNG: first column, first row, step across, step down.
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def check(data: bytes) -> None:
    """Refuse with BadInput what `tf.io.decode_image` cannot turn into uint8 with 1 as well as 3 channels.

    Accepted: complete JPEG (grey, RGB) and PNG (1 to 8 bits per channel; decoding applies a palette and drops
    alpha), sides from 32 to 65,500 px, at most 50 megapixels. Whatever the bytes, only BadInput is raised.
    """
    kind = _format_of(data)
    try:
        file = io.BytesIO(data)
        with PARSERS[kind][1](file) as image:
            _refuse_header(kind, image.size, image.mode, data)
            if kind == "JPEG":
                _refuse_incomplete_jpeg(file.tell(), data)
            else:
                _refuse_incomplete_png(image, data)
            image.draft("L", (image.width // 8, image.height // 8))  # JPEG: every byte is read, less computed
            image.load()
            if kind == "PNG" and image.getexif().get(ORIENTATION, 1) > 1:  # decoding turns JPEG files alone upright
                raise BadInput("a PNG whose EXIF orientation says to turn it; turn it and save it again")
    except BadInput:
        raise
    except Exception as error:  # a damaged file makes Pillow raise a dozen types, which all mean this
        reason = " ".join(str(error).split()) or type(error).__name__
        raise BadInput(f"damaged {kind}: {reason}") from error


def size_of(data: bytes) -> tuple[int, int]:
    """Return width and height in pixels of an image that `check` takes, as it is seen upright."""
    with PARSERS[_format_of(data)][1](io.BytesIO(data)) as image:
        return image.size[::-1] if 5 <= image.getexif().get(ORIENTATION, 1) <= 8 else image.size


def is_turned(data: bytes) -> bool:
    """Whether an image that `check` takes is stored otherwise than it is seen."""
    with PARSERS[_format_of(data)][1](io.BytesIO(data)) as image:
        return 2 <= image.getexif().get(ORIENTATION, 1) <= 8


def _format_of(data: bytes) -> str:
    if not data:
        raise BadInput("the file is empty")
    for kind, (magic, _) in PARSERS.items():
        if data.startswith(magic):
            return kind
    for (offset, magic), name in FOREIGN.items():
        if data.startswith(magic, offset):
            raise BadInput(f"a {name} file; convert it to JPEG or 8-bit PNG")
    raise BadInput("not an image; use JPEG or PNG")


def _refuse_header(kind: str, size: tuple[int, int], mode: str, data: bytes) -> None:
    """Refuse by the header alone, before memory is spent on pixels."""
    shape = f"{size[0]}x{size[1]} px"
    if min(size) < SMALLEST_SIDE:
        raise BadInput(f"{shape} is too small; each side needs at least {SMALLEST_SIDE}")
    if max(size) > LARGEST_SIDE or size[0] * size[1] > LARGEST_IMAGE:
        raise BadInput(f"{shape} is too large; the limit is {LARGEST_IMAGE // 1_000_000} megapixels")
    if kind == "JPEG" and mode not in ("L", "RGB"):
        raise BadInput(f"{mode} colours; convert it to greyscale or RGB")
    if kind == "PNG" and data[24] > 8:  # the header's bit depth; Pillow calls 16-bit RGB "RGB" too
        raise BadInput(f"{data[24]} bits per channel; convert it to 8")


def _refuse_incomplete_jpeg(scan: int, data: bytes) -> None:
    """Pillow is content once it has all rows; TensorFlow reads on to the end marker."""
    end, scans = None, 1
    for marker in JPEG_MARKER.finditer(data, scan):
        if marker[0][1:] not in JPEG_BETWEEN_SCANS:
            end = marker[0][1:]
            break
        scans += marker[0][1:] == b"\xda"
    if scans > MOST_SCANS:
        raise BadInput(f"a JPEG of {scans:,} scans; save it again, progressive images have about ten")
    if end != b"\xd9":
        raise BadInput("damaged JPEG: a stray marker" if end else "truncated JPEG: the end is missing")


def _refuse_incomplete_png(image: Image, data: bytes) -> None:
    """Pillow looks at no checksum of the pixels, and is content with too few rows; TensorFlow is not."""
    if PNG_END not in data:
        raise BadInput("truncated PNG: the end is missing")
    position, name, pixels = 8, b"", []
    while name != b"IEND":
        size, name = struct.unpack_from(">I4s", data, position)
        chunk = data[position + 4 : position + 8 + size]  # name and body
        if (zlib.crc32(chunk),) != struct.unpack_from(">I", data, position + 8 + size):
            raise BadInput("damaged PNG: a wrong checksum")
        if name == b"IDAT":
            pixels.append(chunk[4:])
        position += 12 + size
    bits, interlaced = data[24] * PNG_CHANNELS[data[25]], data[28]
    wanted = 0  # bytes: each row has one for its filter; no pass is empty, as both sides are at least 32
    for left, top, across, down in ADAM7 if interlaced else ((0, 0, 1, 1),):
        columns, rows = -(-(image.width - left) // across), -(-(image.height - top) // down)
        wanted += rows * (1 + (columns * bits + 7) // 8)
    inflate = zlib.decompressobj()
    if len(inflate.decompress(b"".join(pixels), wanted + 1)) != wanted or not inflate.eof:
        raise BadInput("damaged PNG: the number of pixels is wrong")
