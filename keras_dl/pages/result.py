"""Results that show themselves: plain data, which a notebook draws as HTML and a Python prompt as text.

Each holds a function that gives the blocks; nothing is drawn before somebody looks.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PosixPath
from typing import Any

import click

from keras_dl.task.blocks import Block

Blocks = Callable[[], Iterable[Block]]


class Shown:
    """A value that shows itself. It equals the plain value, and copies of it are plain."""

    plain: type  # what it is without its blocks
    blocks: Blocks | None = None  # None: a part of a result, which shows nothing of its own

    def _repr_html_(self) -> str | None:
        """Draw it in a cell of a notebook."""
        if not self.blocks:
            return None
        from keras_dl.pages.html import notebook  # loads NumPy

        return notebook(self.blocks())

    def __repr__(self) -> str:
        """Draw it at a Python prompt; colours are for terminals alone."""
        if not self.blocks:
            return super().__repr__()
        from keras_dl.pages import terminal

        text = "\n\n".join(filter(None, map(terminal.text, self.blocks())))
        return text if sys.stdout.isatty() else click.unstyle(text)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the plain value: a function that draws cannot travel."""
        return self.plain, (self.plain(self),)


class Record(Shown, dict[str, Any]):
    """A dictionary of JSON values that shows itself."""

    plain = dict

    def __init__(self, values: Mapping[str, Any], blocks: Blocks) -> None:
        super().__init__(values)
        self.blocks = blocks


class Rows(Shown, list[dict[str, Any]]):
    """A list of rows of JSON values that shows itself."""

    plain = list

    def __init__(self, rows: Iterable[dict[str, Any]], blocks: Blocks) -> None:
        super().__init__(rows)
        self.blocks = blocks


class Page(Shown, PosixPath):
    """The path of a page that shows what the page is about."""

    plain = Path

    @classmethod
    def at(cls, path: Path, blocks: Blocks) -> Page:
        """Return the path with its blocks; a path is made before its `__init__` runs, so they come after."""
        page = cls(path)
        page.blocks = blocks
        return page
