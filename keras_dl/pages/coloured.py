"""A text with its words coloured by what they say, as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape


def marked(text: str, words: Sequence[dict[str, Any]], start: int = 0) -> Markup:
    """Return a text from `start` on as HTML: its words coloured by weight, the strongest fully."""
    peak = max((abs(word["weight"]) for word in words), default=0)
    pieces, place = [], start
    for word in words:
        share = abs(word["weight"]) / peak if peak else 0
        pieces.append(escape(text[place : word["start"]]))
        inside = escape(shortened(text[word["start"] : word["end"]]))
        if share >= 0.02:
            side = "for" if word["weight"] > 0 else "against"
            number = f"{word['weight']:+.3f}".replace("-", "−")
            inside = Markup('<mark class="{}" style="--w:{}" title="{}">{}</mark>').format(
                side, f"{share:.2f}", number, inside
            )
        pieces.append(inside)
        place = word["end"]
    return Markup("").join([*pieces, escape(text[place:])])


def shortened(word: str, most: int = 300) -> str:
    """Cut what is no word any more."""
    return word if len(word) <= most else f"{word[:most]}…"


def page(result: dict[str, Any], title: str, meaning: str) -> str:
    """Return the page, needing nothing but itself, that shows what `explain_text.explain` returns."""
    ranked = sorted((word for word in result["words"]), key=lambda word: -abs(word["weight"]))
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((files("keras_dl.pages") / "explained.html").read_text(encoding="utf-8"))
    unread = result["text"][result["read"] :]
    return template.render(
        result=result,
        title=title,
        meaning=meaning,
        text=marked(result["text"][: result["read"]], result["words"]),
        unread=unread if len(unread) <= 5000 else f"{unread[:5000]}… ({len(unread) - 5000:,} characters more)",
        strongest={
            side: [word for word in ranked if sign * word["weight"] > 0][:8]
            for side, sign in (("for", 1), ("against", -1))
        },
    )
