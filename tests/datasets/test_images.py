"""The reader of image folders, and the gate every image passes."""

import io
import os
import struct
import time
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from keras_dl.datasets import images
from keras_dl.datasets.images import check, read_folders
from keras_dl.errors import BadInput, KerasDLError

CLASSES = {"NORMAL": "NORMAL", "PNEUMONIA": "PNEUMONIA"}


def encoded(kind: str = "JPEG", mode: str = "L", size=(48, 40), seed: int = 0, **options) -> bytes:
    """A smooth random picture in the bytes of a format."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    picture = Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC).convert(mode)
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def sixteen_bit(colour_type: int, channels: int) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    rows = (b"\0" + bytes(2 * channels * 40)) * 40
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 40, 40, 16, colour_type, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


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
    "16-bit grey": (sixteen_bit(0, 1), "16 bits per channel; convert it to 8"),
    "16-bit RGB": (sixteen_bit(2, 3), "16 bits per channel; convert it to 8"),
    "too small": (encoded(size=(200, 31)), "200x31 px is too small"),
    "bomb": (with_size(encoded("PNG"), 30_000, 30_000), "30000x30000 px is too large; the limit is 50 megapixels"),
    "too long": (with_size(encoded("PNG"), 70_000, 40), "70000x40 px is too large"),
    "half a JPEG": (LARGE[: len(LARGE) // 2], "truncated JPEG"),
    "JPEG without its last byte": (encoded()[:-1], "truncated JPEG"),
    "half a PNG": (encoded("PNG")[:-200], "truncated PNG"),
    "PNG without its end": (encoded("PNG")[:-12], "truncated PNG"),
    "only a signature": (b"\x89PNG\r\n\x1a\n", "damaged PNG"),
    "only a marker": (b"\xff\xd8\xff", "damaged JPEG"),
}


@pytest.mark.parametrize("name", GOOD)
def test_check_accepts(name):
    check(GOOD[name])


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


def fill(root: Path, layout: dict[str, int], seed: int = 0) -> Path:
    """Write so many different images into each folder."""
    for folder, count in layout.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            seed += 1
            (root / folder / f"image{number}.jpeg").write_bytes(encoded(seed=seed))
    return root


@pytest.mark.parametrize(
    ("above", "train", "validation"),
    [("", "train", "val"), ("data", "Train", "VALID"), ("chest_xray/chest_xray", "train", "validation")],
)
def test_the_layout_is_found_at_any_depth_and_case(tmp_path, above, train, validation):
    folders = {f"{train}/NORMAL": 2, f"{train}/pneumonia": 3, f"{validation}/Normal": 1, "test/PNEUMONIA": 1}
    fill(tmp_path / above, folders)
    (tmp_path / "__MACOSX" / "train" / "NORMAL").mkdir(parents=True)
    (tmp_path / above / train / "NORMAL" / "._image0.jpeg").write_bytes(b"resource fork")
    (tmp_path / above / train / ".DS_Store").write_bytes(b"x")
    found = read_folders(tmp_path, CLASSES)
    assert found.root == tmp_path / above
    assert found.ids == tuple(sorted(found.ids))
    assert len(found) == 7
    assert sorted(found.parts) == ["test"] + ["train"] * 5 + ["validation"]
    assert [found.classes[label] for label in found.labels] == [path.parent.name.upper() for path in found.paths]
    assert not found.skipped


def test_folders_without_parts_and_a_test_folder_alone(tmp_path):
    assert set(read_folders(fill(tmp_path / "a", {"NORMAL": 1, "PNEUMONIA": 1}), CLASSES).parts) == {""}
    alone = fill(tmp_path / "b", {"test/NORMAL": 1, "test/PNEUMONIA": 1}, seed=9)
    assert set(read_folders(alone, CLASSES).parts) == {"test"}


def test_the_second_copy_in_the_kaggle_archive_is_not_read(tmp_path):
    layout = {"train/NORMAL": 1, "train/PNEUMONIA": 1}
    fill(tmp_path / "chest_xray", layout)
    fill(tmp_path / "chest_xray" / "chest_xray", layout, seed=50)
    found = read_folders(tmp_path, CLASSES)
    assert found.ids == ("train/NORMAL/image0.jpeg", "train/PNEUMONIA/image0.jpeg")


def test_a_missing_class_is_named_with_what_was_found(tmp_path):
    fill(tmp_path, {"train/NORMAL": 1, "train/COVID": 1})
    with pytest.raises(KerasDLError, match=r"no folder PNEUMONIA in it; found NORMAL; .*\{train,val,test\}"):
        read_folders(tmp_path, CLASSES)
    with pytest.raises(KerasDLError, match="found COVID, NORMAL"):
        read_folders(tmp_path / "train", {"A": "A"})
    with pytest.raises(KerasDLError, match="no such folder"):
        read_folders(tmp_path / "nowhere", CLASSES)


def test_copies_and_contradictions_are_reported(tmp_path):
    fill(tmp_path, {f"{part}/{name}": 3 for part in ("train", "val", "test") for name in CLASSES})
    same, across, clash = (encoded(seed=seed) for seed in (101, 102, 103))
    (tmp_path / "train/NORMAL/copy1.jpeg").write_bytes(same)
    (tmp_path / "train/NORMAL/copy2.jpeg").write_bytes(same)
    (tmp_path / "train/PNEUMONIA/leak.jpeg").write_bytes(across)
    (tmp_path / "test/PNEUMONIA/leak.jpeg").write_bytes(across)
    (tmp_path / "train/NORMAL/clash.jpeg").write_bytes(clash)
    (tmp_path / "val/PNEUMONIA/clash.jpeg").write_bytes(clash)
    found = read_folders(tmp_path, CLASSES, bad_share=0.1)
    assert {skipped.path: skipped.reason for skipped in found.skipped} == {
        "train/NORMAL/copy2.jpeg": "duplicate of train/NORMAL/copy1.jpeg",
        "train/PNEUMONIA/leak.jpeg": "duplicate of test/PNEUMONIA/leak.jpeg",
        "train/NORMAL/clash.jpeg": "the same image has another label at val/PNEUMONIA/clash.jpeg",
        "val/PNEUMONIA/clash.jpeg": "the same image has another label at train/NORMAL/clash.jpeg",
    }
    assert len(found) == 18 + 2
    assert found.notes["files"] == 24


def test_unreadable_files_are_skipped_with_the_reason(tmp_path, monkeypatch):
    fill(tmp_path, {"NORMAL": 30, "PNEUMONIA": 30})
    (tmp_path / "NORMAL/cut.jpeg").write_bytes(encoded(seed=200)[:-30])
    (tmp_path / "NORMAL/gone.jpeg").symlink_to(tmp_path / "nowhere.jpeg")
    os.mkfifo(tmp_path / "NORMAL/pipe.jpeg")
    denied = tmp_path / "NORMAL/image0.jpeg"  # chmod would not stop root
    read_bytes = Path.read_bytes

    def refusing(path: Path) -> bytes:
        if path == denied:
            raise PermissionError(13, "Permission denied")
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", refusing)
    found = read_folders(tmp_path, CLASSES, bad_share=0.1)
    assert {skipped.path: skipped.reason for skipped in found.skipped} == {
        "NORMAL/cut.jpeg": "truncated JPEG: the end is missing",
        "NORMAL/gone.jpeg": "a broken link",
        "NORMAL/image0.jpeg": "cannot be read: Permission denied",
        "NORMAL/pipe.jpeg": "not a file",
    }


def test_too_many_bad_files_are_an_error_that_says_how_to_go_on(tmp_path):
    fill(tmp_path, {"NORMAL": 8, "PNEUMONIA": 8})
    for number in range(4):
        (tmp_path / f"NORMAL/bad{number}.jpeg").write_bytes(b"")
    with pytest.raises(KerasDLError, match=r"4 of 20 files \(20\.0%\).* 5\.0% .*empty.*bad_share=0\.21") as caught:
        read_folders(tmp_path, CLASSES)
    assert "\n" not in str(caught.value)
    assert len(read_folders(tmp_path, CLASSES, bad_share=0.2)) == 16  # the limit itself is allowed


def test_duplicates_do_not_count_as_bad(tmp_path):
    fill(tmp_path, {"NORMAL": 2, "PNEUMONIA": 2})
    for number in range(20):
        (tmp_path / f"NORMAL/z{number}.jpeg").write_bytes(encoded(seed=1))
    found = read_folders(tmp_path, CLASSES, bad_share=0)
    assert (len(found), len(found.skipped)) == (4, 20)


def test_no_usable_image_is_an_error(tmp_path):
    for name in CLASSES:
        (tmp_path / name).mkdir()
    with pytest.raises(KerasDLError, match="no usable image in 0 files"):
        read_folders(tmp_path, CLASSES)
    (tmp_path / "NORMAL/x.png").write_bytes(b"")
    with pytest.raises(KerasDLError, match=r"no usable image in 1 files .*the file is empty"):
        read_folders(tmp_path, CLASSES, bad_share=1)


def test_take_keeps_the_columns_together(tmp_path):
    found = read_folders(fill(tmp_path, {"NORMAL": 3, "PNEUMONIA": 2}), CLASSES, group=lambda path: path.name)
    chosen = found.take([4, 0])
    assert chosen.ids == (found.ids[4], found.ids[0])
    assert chosen.labels.tolist() == [1, 0]
    assert chosen.groups.tolist() == [path.name for path in chosen.paths]
    assert found.take(found.labels == 0).ids == found.ids[:3]
    assert len(found.take([])) == 0


def test_every_file_is_checked_through_the_gate(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(images, "check", lambda data: seen.append(len(data)))
    read_folders(fill(tmp_path, {"NORMAL": 2, "PNEUMONIA": 2}), CLASSES)
    assert len(seen) == 4
