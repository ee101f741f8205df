"""Archives: unpacked once, and nothing in them may harm."""

import contextlib
import io
import stat
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_dl.data import archive
from keras_dl.data.archive import unpacked
from keras_dl.errors import KerasDLError

FILES = {"set/train/NORMAL/a.jpeg": b"A" * 700, "set/train/PNEUMONIA/b.jpeg": b"B" * 1500}
MODES = {".tar": "w", ".tar.gz": "w:gz", ".tgz": "w:gz", ".tar.xz": "w:xz", ".tar.bz2": "w:bz2"}


def packed(path: Path, files: dict[str, bytes] = FILES) -> Path:
    if path.name.lower().endswith(".zip"):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
            for name, data in files.items():
                out.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    else:
        mode = next(mode for suffix, mode in MODES.items() if path.name.lower().endswith(suffix))
        with tarfile.open(path, mode) as out:
            for name, data in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(data)
                out.addfile(member, io.BytesIO(data))
    return path


def tar_of(path: Path, **attributes) -> Path:
    """A tar with one good file and one member with these attributes."""
    with tarfile.open(packed(path), "a") as out:
        member = tarfile.TarInfo("set/odd")
        for name, value in attributes.items():
            setattr(member, name, value)
        out.addfile(member)
    return path


def refused(source: Path, cache: Path) -> str:
    """The one line of the error; nothing may be left behind."""
    with pytest.raises(KerasDLError) as caught:
        unpacked(source, cache)
    assert "\n" not in str(caught.value)
    assert str(source) in str(caught.value)
    assert not cache.exists() or not list(cache.iterdir())
    return str(caught.value)


@pytest.mark.parametrize("suffix", [*MODES, ".zip", ".ZIP"])
def test_every_kind_is_unpacked_once(tmp_path, suffix, monkeypatch):
    source, cache = packed(tmp_path / f"x-rays{suffix}"), tmp_path / "cache"
    folder = unpacked(source, cache)
    assert folder.parent == cache
    assert folder.name.startswith("x-rays-")
    assert {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.jpeg")} == FILES
    monkeypatch.setattr(archive, "unpack", None)
    assert unpacked(source, cache) == folder


def test_the_key_is_the_content(tmp_path):
    source, cache = packed(tmp_path / "set.zip"), tmp_path / "cache"
    first = unpacked(source, cache)
    moved = source.rename(tmp_path.joinpath("elsewhere").with_suffix(".d"))
    (tmp_path / "other").mkdir()
    assert unpacked(moved.rename(tmp_path / "other" / "set.zip"), cache) == first
    assert unpacked(packed(tmp_path / "set.zip", {"set/c": b"C"}), cache) != first


def test_backslashes_in_a_zip_are_slashes(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("set\\train\\", "")
        archive.writestr("set\\train\\a.txt", "a")
    folder = unpacked(tmp_path / "a.zip", tmp_path / "cache")
    assert (folder / "set/train/a.txt").read_text() == "a"
    assert (folder / "set").is_dir()


def test_a_folder_is_returned_as_it_is(tmp_path):
    assert unpacked(tmp_path, tmp_path / "cache") == tmp_path
    assert not (tmp_path / "cache").exists()


def test_a_finished_rival_wins(tmp_path, monkeypatch):
    source, cache = packed(tmp_path / "set.zip"), tmp_path / "cache"
    unpack = archive.unpack

    def slower(source: Path, folder: Path) -> None:
        unpack(source, folder)
        monkeypatch.setattr(archive, "unpack", unpack)
        unpacked(source, cache)  # another process finishes first

    monkeypatch.setattr(archive, "unpack", slower)
    folder = unpacked(source, cache)
    assert list(cache.iterdir()) == [folder]
    assert len(list(folder.rglob("*.jpeg"))) == 2


def test_a_missing_path_and_a_wrong_kind_say_what_is_allowed(tmp_path):
    assert "no such file or folder" in refused(tmp_path / "nowhere.zip", tmp_path / "cache")
    (tmp_path / "picture.jpeg").write_bytes(b"x")
    assert ".zip, .tar, .tar.gz" in refused(tmp_path / "picture.jpeg", tmp_path / "cache")


@pytest.mark.parametrize("name", ["../evil", "set/../../evil", "/tmp/evil", "C:\\evil", "..\\evil", "\\evil"])
@pytest.mark.parametrize("suffix", [".zip", ".tar"])
def test_no_name_leads_out_of_the_folder(tmp_path, suffix, name):
    source = packed(tmp_path / f"bad{suffix}", {"set/good": b"1", name: b"evil"})
    assert "points outside the folder" in refused(source, tmp_path / "cache")
    assert not list(tmp_path.rglob("*evil"))


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"type": tarfile.SYMTYPE, "linkname": "/etc"}, "symbolic link"),
        ({"type": tarfile.SYMTYPE, "linkname": "train"}, "symbolic link"),
        ({"type": tarfile.LNKTYPE, "linkname": "../../../etc/passwd"}, "outside"),
        ({"type": tarfile.LNKTYPE, "linkname": "/etc/passwd"}, "outside|absolute"),
        ({"type": tarfile.CHRTYPE}, "special file"),
        ({"type": tarfile.FIFOTYPE}, "special file"),
    ],
)
def test_links_and_devices_are_refused(tmp_path, attributes, reason):
    message = refused(tar_of(tmp_path / "bad.tar", **attributes), tmp_path / "cache")
    assert any(word in message for word in reason.split("|")), message


def test_a_symbolic_link_in_a_zip_becomes_a_plain_file(tmp_path):
    source = tmp_path / "set.zip"
    with zipfile.ZipFile(source, "w") as out:
        link = zipfile.ZipInfo("set/link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        out.writestr(link, "/etc/passwd")
    link = unpacked(source, tmp_path / "cache") / "set/link"
    assert not link.is_symlink()
    assert link.read_text() == "/etc/passwd"


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_bombs_are_refused_before_they_are_written(tmp_path, suffix, monkeypatch):
    source = packed(tmp_path / f"bomb{suffix}", {f"zeros{i}": bytes(3_000_000) for i in range(3)})
    monkeypatch.setattr(archive, "FREE_RATIO", 5_000_000)
    assert "grows more than 200-fold" in refused(source, tmp_path / "cache")
    monkeypatch.setattr(archive, "MOST_BYTES", 2_000_000)
    assert "it holds more than" in refused(source, tmp_path / "cache")
    monkeypatch.setattr(archive, "MOST_BYTES", 10**9)
    monkeypatch.setattr(archive, "FREE_RATIO", 10**9)
    monkeypatch.setattr(archive, "MOST_FILES", 2)
    assert "more than 2 files" in refused(source, tmp_path / "cache")
    monkeypatch.setattr(archive.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1_000_000}))
    assert "KERAS_DL_CACHE" in refused(source, tmp_path / "cache")


def test_a_zip_that_lies_about_a_size_writes_no_more_than_it_says(tmp_path):
    source = packed(tmp_path / "lie.zip", {"zeros": bytes(1_000_000)})
    source.write_bytes(source.read_bytes().replace(struct.pack("<I", 1_000_000), struct.pack("<I", 10)))
    assert "Bad CRC-32" in refused(source, tmp_path / "cache")


def test_an_encrypted_zip_is_refused(tmp_path):
    source = packed(tmp_path / "secret.zip")
    data = bytearray(source.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = 0
        while (start := data.find(signature, start)) >= 0:
            data[start + offset] |= 1
            start += 4
    source.write_bytes(data)
    assert "it is encrypted" in refused(source, tmp_path / "cache")


@pytest.mark.parametrize("suffix", [*MODES, ".zip"])
@pytest.mark.parametrize("damage", ["empty", "cut", "web page"])
def test_damaged_archives_are_refused(tmp_path, suffix, damage):
    source = packed(tmp_path / f"set{suffix}")
    whole = source.read_bytes()
    source.write_bytes({"empty": b"", "cut": whole[: len(whole) // 4], "web page": b"<html></html>" * 99}[damage])
    assert "cannot be unpacked" in refused(source, tmp_path / "cache")


@pytest.mark.parametrize("place", [0, 1536])
def test_a_damaged_header_is_not_taken_for_the_end(tmp_path, place):
    """Python's tarfile stops there without a word, and half of the images would be missing."""
    source = packed(tmp_path / "set.tar")
    data = bytearray(source.read_bytes())
    data[place + 3] ^= 1
    source.write_bytes(data)
    assert "cannot be unpacked" in refused(source, tmp_path / "cache")


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([".zip", ".tar", ".tar.gz", ".tar.xz"]), st.data())
def test_any_damage_gives_the_files_or_one_error(tmp_path_factory, suffix, data):
    folder = tmp_path_factory.mktemp("any")
    source = packed(folder / f"set{suffix}")
    whole = bytearray(source.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    source.write_bytes(whole)
    with contextlib.suppress(KerasDLError):
        unpacked(source, folder / "cache")
