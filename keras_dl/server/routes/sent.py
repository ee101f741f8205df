"""What a client sends besides TensorFlow Serving's JSON: files in forms, CSV files and zips of many inputs."""

from __future__ import annotations

import asyncio
import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

from keras_dl.data.files import is_clutter
from keras_dl.errors import BadInput
from keras_dl.server.asking import Unread
from keras_dl.server.guard import Refused
from keras_dl.server.routes import rest
from keras_dl.task.input import Upload
from keras_dl.task.records import Task

FILES = 64  # in one form
ROWS = 100_000  # of a CSV file, or files of a zip
LARGEST_MEMBER = 50_000_000  # bytes of one file of a zip, unpacked
UNPACKED = 1_000_000_000  # bytes of all of them
ENTRY = b"PK\x01\x02"  # begins each of a zip's table of contents
UNPACKERS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others may ask for gigabytes to begin

Item = tuple[str, bytes]  # what it is called, and what it is


async def items(request: Request) -> tuple[list[Item], dict[str, Any]]:
    """Read named inputs and the other fields: from JSON `{"instances": [...]}`, or a form with `files`.

    Raises:
        BadInput: if it is neither.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        files, fields = await form(request)
        found = [item for name, item in files if name == "files"]
        if not found:
            raise BadInput("the form has no file in a field called 'files'")
        return found, fields
    return await asyncio.to_thread(instances, await request.body())


def instances(body: bytes) -> tuple[list[Item], dict[str, Any]]:
    """Read named inputs and the other fields from JSON."""
    sent = rest.parsed(body)
    values = sent.get("instances") if isinstance(sent, dict) else None
    if not isinstance(values, list) or not values:
        raise BadInput("send JSON {\"instances\": [...]} with at least one value, or a form with 'files'")
    rest.bounded(values)
    named = [
        (one if isinstance(one, str) else f"instance {number}", rest.as_bytes(one)) for number, one in enumerate(values)
    ]
    return named, sent


async def form(request: Request) -> tuple[list[tuple[str, Item]], dict[str, str]]:
    """Read a form: its files by field, and its other fields; raises BadInput."""
    try:
        async with request.form(max_files=FILES, max_fields=FILES, max_part_size=1_000_000) as found:
            parts = found.multi_items()
            files = [
                (name, (clean(one.filename or "file"), await one.read()))
                for name, one in parts
                if not isinstance(one, str)
            ]
            return files, {name: one for name, one in parts if isinstance(one, str)}
    except HTTPException as error:
        raise BadInput(f"the form cannot be read: {error.detail}") from None
    except UnicodeError:  # it may name any encoding
        raise BadInput("the form cannot be read: its names are not in the encoding that it declares") from None


def clean(name: str) -> str:
    """Replace halves of surrogate pairs, which some encodings let through and JSON cannot hold."""
    return name.encode("utf-8", "replace").decode()


async def many(request: Request, task: Task) -> Upload:
    """Read the file of a batch.

    A zip holds one input in each file, and its folders may be labels; what else there may be the kind of input says.

    Raises:
        BadInput: if it is neither, or too much.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    files = (await form(request))[0] if kind == "multipart/form-data" else []
    data = next((raw for name, (_, raw) in files if name == "file"), None)
    if data is None:
        raise BadInput("send a form with a zip or a CSV file in the field 'file'")
    if data[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return await asyncio.to_thread(zipped, data, labelled=task.output.told_by_folders)
    found = await asyncio.to_thread(task.input.many, data, ROWS)
    bounded(found.count)
    return found


def zipped(data: bytes, *, labelled: bool = False) -> Upload:
    """Return the files of a zip; one that cannot be unpacked is refused in its row, with the reason."""
    if (entries := data.count(ENTRY)) > 2 * ROWS:  # before an object is made of each
        bounded(entries)
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        members = [one for one in archive.infolist() if is_input(one.filename)]
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, struct.error) as error:
        raise BadInput(f"the zip cannot be read: {error}") from None
    bounded(len(members))
    if (whole := sum(member.file_size for member in members)) > UNPACKED:  # no member unpacks to more than it says
        raise Refused(413, f"the zip unpacks to {whole:,} bytes, more than {UNPACKED:,}; split it")

    names = [clean(member.filename.replace("\\", "/")) for member in members]

    def unpacked() -> Iterator[Item]:
        for name, member in zip(names, members, strict=True):
            yield name, unpacked_member(archive, member)

    folders = [name.split("/")[-2::-1] for name in names]  # the nearest first
    return Upload(len(members), unpacked(), folders if labelled and any(folders) else None)


def unpacked_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Return one file of a zip, or why it cannot be read."""
    if member.file_size > LARGEST_MEMBER:
        return Unread(f"it has {member.file_size:,} bytes, but one file may have at most {LARGEST_MEMBER:,}")
    if member.compress_type not in UNPACKERS:
        return Unread("its compression is not supported; make the zip with Deflate, as most programs do")
    try:
        with archive.open(member) as file:
            return file.read()
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, OSError, EOFError, ValueError) as error:
        return Unread(f"it cannot be unpacked: {error}")
    except RuntimeError:  # what zipfile raises for a file with a password
        return Unread("it needs a password; make the zip without one")


def is_input(name: str) -> bool:
    """Whether a member of a zip is a file that is meant: no folder, and not what a system adds."""
    return name != "" and not name.endswith(("/", "\\")) and not is_clutter(name)


def bounded(count: int) -> None:
    """Refuse what is too much for one request."""
    if not count:
        raise BadInput("the file contains nothing to predict")
    if count > ROWS:
        raise Refused(413, f"more than {ROWS:,} inputs, the limit of one batch; split the file")
