"""Unpack a data archive once, and safely: it may come from anywhere."""

from __future__ import annotations

import hashlib
import lzma
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath
from typing import BinaryIO

from keras_dl.data.download import made_once
from keras_dl.errors import KerasDLError
from keras_dl.progress import bar

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2")
MOST_BYTES = 50_000_000_000  # unpacked
MOST_FILES = 2_000_000
MOST_RATIO = 200  # unpacked to packed; text is at 3 to 20, a bomb at 1000 and more
FREE_RATIO = 100_000_000  # bytes, below which no ratio is a bomb
OWN_DAMAGES = (zipfile.BadZipFile, tarfile.TarError, lzma.LZMAError, zlib.error)
DAMAGES = (*OWN_DAMAGES, OSError, EOFError, ValueError, NotImplementedError)  # all that the modules raise


def unpacked(source: Path, cache: Path) -> Path:
    """Return the folder with the data: `source` itself if it is one, else the archive unpacked below `cache`.

    An archive is unpacked once, into cache/name-sum. The sum is of its bytes, not of its path and time: those stay
    the same when an archive is replaced by `rsync -t` or `cp -p`, and change when it is only moved; hashing takes
    a second per gigabyte. Raises KerasDLError for another kind of file, a damaged, encrypted or unsafe archive.
    """
    source = Path(source)
    if source.is_dir():
        return source
    if not source.exists():
        raise KerasDLError(f"{source}: no such file or folder; check the path after --data")
    suffix = next((suffix for suffix in SUFFIXES if source.name.lower().endswith(suffix)), None)
    if suffix is None or not source.is_file():
        raise KerasDLError(f"{source}: neither a folder nor an archive; --data takes {', '.join(SUFFIXES)} or a folder")
    try:
        with source.open("rb") as file:
            checksum = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise KerasDLError(f"{source}: {error.strerror}; check the file's permissions") from error
    name = source.name[: -len(suffix)]
    return made_once(Path(cache) / f"{name}-{checksum[:12]}", lambda folder: unpack(source, folder))


def unpack(source: Path, folder: Path) -> None:
    """Unpack an archive into an existing folder, with progress; KerasDLError if it is damaged or unsafe.

    Refused: names that lead out of the folder, symbolic links, devices, encryption, and what would fill the disk.
    """
    from tqdm.utils import CallbackIOWrapper

    packed, free, total = source.stat().st_size, shutil.disk_usage(folder).free, 0
    extract = _unzip if source.suffix.lower() == ".zip" else _untar
    shown = bar(total=packed, desc=f"unpacking {source.name}", unit="B", unit_scale=True)
    try:
        with shown, source.open("rb") as plain:
            file = CallbackIOWrapper(shown.update, plain, "read")
            for count, size in enumerate(extract(file, folder), 1):  # each size comes before its file is written
                total += size
                _refuse_huge(total, count, packed, free)
    except _Unsafe as error:
        way_out = "if you trust it, unpack it yourself and pass the folder to --data"
        raise KerasDLError(f"{source}: cannot be unpacked: {error}; {way_out}") from error
    except DAMAGES as error:
        reason = " ".join(str(getattr(error, "strerror", None) or error).split())
        raise KerasDLError(f"{source}: cannot be unpacked: {reason}; download it again") from error


class _Unsafe(Exception):  # noqa: N818 - a reason, turned into a KerasDLError above
    pass


def _refuse_huge(total: int, count: int, packed: int, free: int) -> None:
    if total > free:
        raise _Unsafe(
            f"it needs more than the {free / 1e9:.1f} GB free in the cache; set KERAS_DL_CACHE to another folder"
        )
    if total > MOST_BYTES:
        raise _Unsafe(f"it holds more than {MOST_BYTES / 1e9:.0f} GB")
    if total > FREE_RATIO and total > MOST_RATIO * packed:
        raise _Unsafe(f"it grows more than {MOST_RATIO}-fold, like a decompression bomb")
    if count > MOST_FILES:
        raise _Unsafe(f"it holds more than {MOST_FILES:,} files")


def _unzip(file: BinaryIO, folder: Path) -> Iterator[int]:
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            member.filename = member.filename.replace("\\", "/")  # as some programs of Windows write it
            _refuse_escape(member.filename)
            if member.flag_bits & 1:
                raise _Unsafe("it is encrypted")
            yield member.file_size  # a false one makes the checksum fail: no more than this is ever written
            archive.extract(member, folder)


def _untar(file: BinaryIO, folder: Path) -> Iterator[int]:
    with tarfile.open(fileobj=file, mode="r:*") as archive:
        for member in archive:
            _refuse_escape(member.name)
            if member.issym():  # the filter of Python before 3.11.13 can be tricked with chains of them
                raise _Unsafe(f"{member.name!r} is a symbolic link")
            yield member.size
            try:
                archive.extract(member, folder, filter="data")
            except tarfile.FilterError as error:
                raise _Unsafe(error) from error
        # tarfile takes a damaged header for the end; the true end is a block of zeros.
        archive.fileobj.seek(archive.offset)
        if archive.fileobj.read(tarfile.BLOCKSIZE).strip(b"\0") or not archive.offset:
            raise tarfile.ReadError("damaged or cut off")


def _refuse_escape(name: str) -> None:
    path = PureWindowsPath(name)  # knows both slashes, and drives
    if path.drive or path.root or ".." in path.parts:
        raise _Unsafe(f"{name!r} points outside the folder")
