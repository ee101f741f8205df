"""Rows as the tables take them: plain types of Python, UTC, no text and no number that a database refuses."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any


def as_written(row: Mapping[str, Any], keep_input: bool) -> dict[str, Any]:
    """Return a row as the table takes it: plain types of Python, UTC, no text that a database refuses."""
    moment: datetime = row["time"]
    given = row.get("input") if keep_input else None
    text, image = text_or_image(given) if given is not None else (None, None)
    answer = row.get("answer")
    return {
        "request_id": clean(row["request_id"]),
        "number": int(row["number"]),
        "time": moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC),
        "model": clean(row["model"]),
        "version": int(row["version"]),
        "client": clean(row["client"]),
        "route": clean(row["route"]),
        "drawn": bool(row.get("drawn", True)),
        "status": int(row["status"]),
        "milliseconds": float(row["milliseconds"]),
        "answer": None if answer is None else clean(answer),
        "value": finite(row.get("value")),
        "unusualness": finite(row.get("unusualness")),
        "text": text,
        "image": image,
    }


def finite(value: float | None) -> float | None:
    """Return a number as a database takes it; None for one that is none."""
    return float(value) if value is not None and math.isfinite(value) else None


def as_error(error_of: Callable[[str], float | None], answer: str) -> float | None:
    """Return the error of a stored answer; None where it has none, as the answer of a version of another kind."""
    try:
        error = error_of(answer)
    except ValueError:
        return None
    return float(error) if error is not None and math.isfinite(error) else None


def text_or_image(given: str | bytes) -> tuple[str | None, bytes | None]:
    """Tell texts from images: no JPEG or PNG is UTF-8, by its first byte."""
    if isinstance(given, str):
        return clean(given), None
    try:
        return clean(given.decode("utf-8")), None
    except UnicodeDecodeError:
        return None, bytes(given)


def clean(text: str) -> str:
    """Replace what databases refuse in a text: a zero character and halves of surrogate pairs."""
    return str(text).encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")
