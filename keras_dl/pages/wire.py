"""Blocks as JSON for the served page, which renders them in `server/page/blocks.js`."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from keras_dl.pages import pixels
from keras_dl.pages.html import style
from keras_dl.task.blocks import Block, Chart, Picture, Spans

COLOURS = re.compile(r":root \{[^}]*\}")
BOX = re.compile(r'viewBox="\S+ \S+ (\S+) (\S+)"')
SCALE = 1.44  # pixels for each unit of a figure: its 10-point labels are then as large as the page's text
FONT = 'svg { font-family: system-ui, -apple-system, "Segoe UI", Roboto, Arial, "Liberation Sans", sans-serif; }'


def as_json(block: Block) -> dict[str, Any]:
    """Return a block as JSON values; "block" says which it is."""
    name = type(block).__name__.lower()
    return {"block": name, **plain(WRITERS.get(type(block), dataclasses.asdict)(block))}


def spans(block: Spans) -> dict[str, Any]:
    """Return a text and its words; places count characters (code points)."""
    words = [
        {"text": block.text[word.start : word.end], "start": word.start, "end": word.end, "weight": word.weight}
        for word in block.words
    ]
    return {**shallow(block), "words": words}


def picture(block: Picture) -> dict[str, Any]:
    """Return images as PNG in base64; "image" is the first, and the heatmap is laid over it."""
    panels = [{"title": one.title, "image": pixels.encoded(pixels.image_png(one.pixels))} for one in block.panels]
    return {
        "panels": panels,
        "image": panels[0]["image"] if panels else None,
        "heatmap": None if block.heat is None else pixels.encoded(pixels.heat_png(block.heat)),
        "heat_title": block.heat_title,
        "caption": block.caption,
        "alt": block.alt,
    }


def chart(block: Chart) -> dict[str, Any]:
    """Return a figure whose SVG is a document of its own: the page shows it as an image, which inherits no colours."""
    names = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    opening, rest = block.svg[: block.svg.index(">")], block.svg[block.svg.index(">") :]
    opening = re.sub(r'\s(xmlns(:xlink)?|style|width|height)="[^"]*"', "", opening)
    if box := BOX.search(opening):  # without a size of its own a browser would take any
        names += f' width="{SCALE * float(box[1]):.0f}" height="{SCALE * float(box[2]):.0f}"'
    opening = opening.replace("<svg", f"<svg {names}", 1)
    return {**shallow(block), "svg": f"{opening}><style>{colours()}</style>{rest[1:]}"}


@cache
def colours() -> str:
    """Return the style of a figure that stands alone: the colours of all pages, light and dark."""
    light, dark = COLOURS.findall(style())[:2]
    return f"{light} @media (prefers-color-scheme: dark) {{ {dark} }} {FONT}"


def shallow(block: Any) -> dict[str, Any]:
    """Return the fields of a block as they are."""
    return {field.name: getattr(block, field.name) for field in dataclasses.fields(block)}


def plain(value: Any) -> Any:
    """Turn what a block holds into JSON values: numbers of NumPy too, and None for those that are not finite."""
    match value:
        case dict():
            return {str(key): plain(one) for key, one in value.items()}
        case list() | tuple() | np.ndarray():
            return [plain(one) for one in value]
        case np.generic():
            return plain(value.item())
        case float() if not math.isfinite(value):
            return None
    return value


WRITERS: dict[type, Callable[[Any], dict[str, Any]]] = {
    Spans: spans,
    Picture: picture,
    Chart: chart,
}  # of the others the fields are enough
