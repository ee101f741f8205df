"""Names that fit: wrapped, or shortened in the middle, measured in letters of usual width."""

from __future__ import annotations

import re
from unicodedata import east_asian_width

LETTER = 0.085  # inches that a letter of 10 points takes at most, in common fonts


def width(text: str) -> int:
    """Return how many letters of usual width a text takes; Chinese signs and emoji take two."""
    return sum(2 if east_asian_width(sign) in "WF" else 1 for sign in text)


def shortened(text: str, most: int) -> str:
    """Leave out the middle of a text that takes more than `most` letters: the ends tell names apart."""
    if width(text) <= most:
        return text
    front, back = list(text), ""
    while front and width(back) + width(front[-1]) <= (most - 1) // 3:
        back = front.pop() + back
    while width("".join(front)) + width(back) > most - 1:
        front.pop()
    return f"{''.join(front)}…{back}"


def wrapped(text: str, most: int) -> str:
    """Break a text into lines of at most `most` letters, behind spaces, hyphens and underscores alone.

    A part that is longer stays as it is.
    """
    lines = [""]
    for part in re.findall(r"[^\s_-]+[\s_-]*|[\s_-]+", text):
        if lines[-1] and width(lines[-1] + part.rstrip()) > most:
            lines.append("")
        lines[-1] += part
    return "\n".join(line.rstrip() for line in lines)


def widest(texts: list[str]) -> int:
    """Return the letters of the widest line of all texts."""
    return max((width(line) for text in texts for line in text.split("\n")), default=0)
