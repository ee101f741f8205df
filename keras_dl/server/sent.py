"""What a client sends besides TensorFlow Serving's JSON: files in forms, CSV files and zips of many inputs."""

from __future__ import annotations

import csv
import io
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from keras_dl.errors import BadInput
from keras_dl.server import rest
from keras_dl.server.guard import Refused

FILES = 64  # in one form
ROWS = 100_000  # of a CSV file, or files of a zip
LARGEST_MEMBER = 50_000_000  # bytes of one file of a zip, unpacked
COLUMNS = ("text", "message", "sentence", "review")  # that a CSV file's texts may stand in

Item = tuple[str, bytes]  # what it is called, and what it is


async def items(request: Request) -> tuple[list[Item], dict[str, Any]]:
    """Read named inputs and the other fields: from JSON `{"instances": [...]}`, or a form with `files`.

    Raises:
        BadInput: if it is neither.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        fields = await form(request)
        files = [value for value in fields.getlist("files") if isinstance(value, UploadFile)]
        if not files:
            raise BadInput("the form has no file in a field called 'files'")
        found = [(file.filename or "file", await file.read()) for file in files]
        return found, {name: value for name, value in fields.items() if isinstance(value, str)}
    sent = rest.parsed(await request.body())
    values = sent.get("instances") if isinstance(sent, dict) else None
    if not isinstance(values, list) or not values:
        raise BadInput("send JSON {\"instances\": [...]} with at least one value, or a form with 'files'")
    named = [
        (one if isinstance(one, str) else f"instance {number}", rest.as_bytes(one)) for number, one in enumerate(values)
    ]
    return named, sent


async def form(request: Request) -> Any:
    """Read a form; raises BadInput."""
    try:
        return await request.form(max_files=FILES, max_fields=FILES, max_part_size=1_000_000)
    except HTTPException as error:
        raise BadInput(f"the form cannot be read: {error.detail}") from None


async def many(request: Request, modality: str) -> tuple[int, Iterator[Item]]:
    """Read the file of a batch: how many inputs it has, and the inputs, one after the other.

    A zip holds images or texts; a CSV file, in UTF-8, texts in its only column or in one called text.

    Raises:
        BadInput: if it is neither, or too much.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    fields = await form(request) if kind == "multipart/form-data" else {}
    file = fields.get("file")
    if not isinstance(file, UploadFile):
        raise BadInput("send a form with a zip or a CSV file in the field 'file'")
    data = await file.read()
    if data[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return zipped(data)
    if modality == "image":
        raise BadInput("a batch of images is a zip of them")
    return in_columns(data)


def zipped(data: bytes) -> tuple[int, Iterator[Item]]:
    """Return the files of a zip; one that cannot be unpacked is an empty input, which is refused in its row."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        members = [one for one in archive.infolist() if not one.is_dir() and is_input(one.filename)]
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, UnicodeError) as error:
        raise BadInput(f"the zip cannot be read: {error}") from None
    bounded(len(members))

    def unpacked() -> Iterator[Item]:
        for member in members:
            raw = b""
            if member.file_size <= LARGEST_MEMBER:
                try:
                    with archive.open(member) as file:
                        raw = file.read(LARGEST_MEMBER + 1)[:LARGEST_MEMBER]  # the size in the header may be a lie
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
            yield member.filename, raw

    return len(members), unpacked()


def is_input(name: str) -> bool:
    """Whether a file of a zip is meant: not what a Mac or a hidden folder adds."""
    return not any(part.startswith((".", "__MACOSX")) for part in name.split("/"))


def in_columns(data: bytes) -> tuple[int, Iterator[Item]]:
    """Return the texts of a CSV file."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"the CSV file is not UTF-8 at byte {error.start}; save it as UTF-8") from None
    csv.field_size_limit(10_000_001)
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator(text)) if row]
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
        raise Refused(413, f"{count:,} inputs are more than the {ROWS:,} of one batch; cut the file into parts")
