"""What a person sees while work goes on: bars and lines. They go to stderr; stdout is for results.

On a terminal a bar moves and lines follow each other; a file or a pipe gets the lines alone. A cell of a notebook shows
the last line and the bar, and folds all lines away, so that a training is no wall of text.
"""

from __future__ import annotations

import shutil
import sys
import textwrap
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from tqdm import tqdm

TOGETHER = "\u00a0"  # between a name and its number
NARROWEST = 20  # columns
SHORT = 0.5  # seconds: in a cell, work that takes less shows no bar


def say(line: str) -> None:
    """Tell a line. A terminal breaks a long one between words, but for those that a no-break space holds together."""
    cell = open_cell()
    if cell is not None:
        cell.say(line.replace(TOGETHER, " "))
        return
    lines = [line]
    if sys.stderr.isatty():
        width = max(NARROWEST, shutil.get_terminal_size().columns)
        lines = textwrap.wrap(line, width, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
    click.echo("\n".join(lines).replace(TOGETHER, " "), err=True)


def bar(*arguments: Any, **options: Any) -> tqdm:
    """Return a bar with the arguments of `tqdm`."""
    cell = open_cell()
    if cell is not None:
        return cell_bar()(cell, *arguments, **options)
    from tqdm import tqdm

    return tqdm(*arguments, **{"disable": None, "file": sys.stderr, **options})  # None: only where somebody looks


def duration(seconds: float) -> str:
    """Write a duration as a person says it: "45 s", "12 min", "3 h 20 min"."""
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


class Cell:
    """What one cell of a notebook shows, by IPython's display alone: it needs no widgets, and is kept in the file."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.lines: list[str] = []
        self.bars: dict[int, str] = {}
        self.handle: Any = None

    def say(self, line: str) -> None:
        """Add a line."""
        self.lines.append(line)
        self.draw()

    def draw(self) -> None:
        """Draw it, or draw it again in its place."""
        from IPython.display import display

        parts = list(self.bars.values())
        if self.lines:
            lines = escape("\n".join(self.lines))
            parts.insert(0, f"<details><summary>{escape(self.lines[-1])}</summary><pre>{lines}</pre></details>")
        shown = {"text/html": "\n".join(parts), "text/plain": self.lines[-1] if self.lines else ""}
        if self.handle:
            self.handle.update(shown, raw=True)
        elif parts:
            self.handle = display(shown, raw=True, display_id=True)


cells: list[Cell] = []  # the last one that had something to show


def open_cell() -> Cell | None:
    """Return the cell of a notebook that runs now; None outside of notebooks."""
    shell: Any = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if not hasattr(shell, "kernel"):  # no IPython, or the one at a terminal
        return None
    if not cells or cells[-1].number != shell.execution_count:
        cells[:] = [Cell(shell.execution_count)]
    return cells[-1]


@cache
def cell_bar() -> type[tqdm]:
    """Return tqdm with another front: tqdm's own for notebooks needs ipywidgets, and leaves nothing in the file."""
    from tqdm import tqdm

    class CellBar(tqdm):
        def __init__(self, cell: Cell, *arguments: Any, **options: Any) -> None:
            self.cell = cell
            quiet = {"disable": bool(options.get("disable")), "delay": SHORT, "mininterval": SHORT}
            super().__init__(*arguments, **{**options, **quiet, "gui": True, "file": sys.stdout})

        def display(self, *_: Any, **__: Any) -> None:
            facts = self.format_dict
            known = facts["total"] is not None
            words = "{n_fmt}/{total_fmt}{unit}, {remaining} left" if known else "{n_fmt}{unit}"
            text = escape(self.format_meter(**{**facts, "bar_format": "{desc}: " + words + "{postfix}"}))
            share = f' value="{facts["n"]}" max="{facts["total"]}"' if known else ""
            self.cell.bars[id(self)] = f"<div><progress{share}></progress> {text}</div>"
            self.cell.draw()

        def close(self) -> None:
            super().close()
            if self.cell.bars.pop(id(self), None):
                self.cell.draw()

    return CellBar
