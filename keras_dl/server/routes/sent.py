"""What a client sends besides TensorFlow Serving's JSON: files in forms, CSV files and zips of many inputs."""

from __future__ import annotations

import asyncio
import csv
import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from itertools import islice
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

from keras_dl.errors import BadInput
from keras_dl.server.guard import Refused
from keras_dl.server.routes import rest

FILES = 64  # in one form
ROWS = 100_000  # of a CSV file, or files of a zip
LARGEST_MEMBER = 50_000_000  # bytes of one file of a zip, unpacked
UNPACKED = 1_000_000_000  # bytes of all of them
ENTRY = b"PK\x01\x02"  # begins each of a zip's table of contents
UNPACKERS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others may ask for gigabytes to begin
COLUMNS = ("text", "message", "sentence", "review")  # that a CSV file's texts may stand in

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
        raise BadInput("the form cannot be read: its names are not in the encoding it says") from None


def clean(name: str) -> str:
    """Replace halves of surrogate pairs, which some encodings let through and JSON cannot hold."""
    return name.encode("utf-8", "replace").decode()


async def many(request: Request, modality: str) -> tuple[int, Iterator[Item]]:
    """Read the file of a batch: how many inputs it has, and the inputs, one after the other.

    A zip holds images or texts; a CSV file, in UTF-8, texts in its only column or in one called text.

    Raises:
        BadInput: if it is neither, or too much.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    files = (await form(request))[0] if kind == "multipart/form-data" else []
    data = next((raw for name, (_, raw) in files if name == "file"), None)
    if data is None:
        raise BadInput("send a form with a zip or a CSV file in the field 'file'")
    if data[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return await asyncio.to_thread(zipped, data)
    if modality == "image":
        raise BadInput("a batch of images is a zip of them")
    return await asyncio.to_thread(in_columns, data)


def zipped(data: bytes) -> tuple[int, Iterator[Item]]:
    """Return the files of a zip; one that cannot be unpacked is an empty input, which is refused in its row."""
    if (entries := data.count(ENTRY)) > 2 * ROWS:  # before an object is made of each
        bounded(entries)
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        members = [one for one in archive.infolist() if is_input(one.filename) and not one.is_dir()]
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, struct.error) as error:
        raise BadInput(f"the zip cannot be read: {error}") from None
    bounded(len(members))
    if (whole := sum(member.file_size for member in members)) > UNPACKED:  # no member unpacks to more than it says
        raise Refused(413, f"the zip unpacks to {whole:,} bytes, more than {UNPACKED:,}; cut it into parts")

    def unpacked() -> Iterator[Item]:
        for member in members:
            raw = b""
            if member.file_size <= LARGEST_MEMBER and member.compress_type in UNPACKERS:
                try:
                    with archive.open(member) as file:
                        raw = file.read()
                except (
                    zipfile.BadZipFile,
                    zlib.error,
                    RuntimeError,
                    NotImplementedError,
                    OSError,
                    EOFError,
                    ValueError,
                ):
                    raw = b""
            yield clean(member.filename), raw

    return len(members), unpacked()


def is_input(name: str) -> bool:
    """Whether a file of a zip is meant: not what a Mac or a hidden folder adds."""
    return name != "" and not any(part.startswith((".", "__MACOSX")) for part in name.split("/"))


def in_columns(data: bytes) -> tuple[int, Iterator[Item]]:
    """Return the texts of a CSV file."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"the CSV file is not UTF-8 at byte {error.start}; save it as UTF-8") from None
    csv.field_size_limit(10_000_001)
    sign = separator(text)
    if text.count(sign) > rest.VALUES:
        raise Refused(413, f"more than {rest.VALUES:,} columns and rows are too many; cut the file into parts")
    read = csv.reader(io.StringIO(text, newline=""), delimiter=sign)
    try:
        rows = list(islice((row for row in read if row), ROWS + 2))  # one line more than can be
    except csv.Error as error:
        raise BadInput(f"the CSV file cannot be read: {error}") from None
    if not rows:
        raise BadInput("the CSV file is empty")
    header = [cell.strip().lower() for cell in rows[0]]
    place = next((header.index(name) for name in COLUMNS if name in header), None)
    if place is None and max(map(len, rows)) > 1:
        raise BadInput(f"the CSV file has {len(header)} columns and none is called 'text'; its first line names them")
    rows = rows if place is None else rows[1:]
    bounded(len(rows))
    texts = [row[place or 0] if len(row) > (place or 0) else "" for row in rows]
    return len(texts), ((text, text.encode("utf-8", "replace")) for text in texts)


def separator(text: str) -> str:
    """Return what parts the columns: a tab or a semicolon where the first line has these and no comma."""
    first = text.split("\n", 1)[0]
    return next((sign for sign in "\t;" if sign in first and "," not in first), ",")


def bounded(count: int) -> None:
    """Refuse what is too much for one request."""
    if not count:
        raise BadInput("there is nothing in the file to predict")
    if count > ROWS:
        raise Refused(413, f"more than the {ROWS:,} inputs of one batch; cut the file into parts")
