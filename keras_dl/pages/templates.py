"""The templates of this folder, and how they write numbers, counts and references."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from keras_dl.pages.html import html, style


def rendered(name: str, **values: Any) -> str:
    """Fill in a template of the folder pages."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"number": number, "counted": counted, "interval": interval, "linked": linked, "html": html}
    template = environment.from_string((files("keras_dl.pages") / name).read_text(encoding="utf-8"))
    return template.render(style=style(), **values)


def number(value: float | None, digits: int = 3, sign: bool = False) -> str:
    """Write a number with a true minus, and "not defined" where there is none."""
    if value is None or not math.isfinite(value):
        return "not defined"
    return f"{value:{'+' if sign else ''}.{digits}f}".replace("-", "−")


def interval(cell: Mapping[str, float | None], digits: int = 3, sign: bool = False) -> str:
    """Write the interval of a value: "[0.880, 0.941]"; "" where there is none."""
    if cell["low"] is None or cell["high"] is None:
        return ""
    return f"[{number(cell['low'], digits, sign)}, {number(cell['high'], digits, sign)}]"


def counted(count: int, noun: str) -> str:
    """Write a count with its noun: "1 patient", "1,204 patients"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def linked(text: str) -> Markup:
    """Make links of the DOIs in a text."""
    return Markup(
        re.sub(r"doi[: ]\s*(10\.\d{4,}/[\w./()-]*\w)", r'<a href="https://doi.org/\1">doi \1</a>', str(escape(text)))
    )
