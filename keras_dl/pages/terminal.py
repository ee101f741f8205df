"""Blocks as text for people at a terminal."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from keras_dl.pages.wording import interval, parts, place, stretches, strongest
from keras_dl.task.blocks import Answer, Bars, Block, Chart, Gauge, Picture, Prose, Spans, Table, percent

if TYPE_CHECKING:
    from rich.console import Console

WIDEST, NARROWEST = 100, 20  # columns of a drawing: longer bars say no more, shorter ones nothing
STRONGEST = 5  # words listed of each side
GAP = 2  # columns between those of a table
ENDLESS = 10_000  # columns of what is no screen
BREAK = re.compile(r" (?=\[|p )")  # in a cell: before an interval, before a p value
EIGHTHS = " ▏▎▍▌▋▊▉"
OVERRIDES = "\u202d\u202e"  # turn around how the rest of a line reads


def text(block: Block) -> str:
    """Render one block."""
    return RENDERERS[type(block)](block)


def line(answer: Answer) -> str:
    """Say an answer in one line: "PNEUMONIA  probability of PNEUMONIA 0.912, threshold 0.430"."""
    said = f"{answer.symbol} {answer.text}".strip()
    return harmless("  ".join(part for part in (said, answer.certainty) if part))


def harmless(text: str) -> str:
    """Replace what a terminal would take for a command, or what turns a line around; line ends and tabs stay."""
    return "".join("\ufffd" if is_command(one) else one for one in text)


def is_command(one: str) -> bool:
    """Whether a character is one that no text needs and a terminal may obey."""
    return (ord(one) < 32 and one not in "\n\t") or 127 <= ord(one) < 160 or one in OVERRIDES


def shown(text: str, length: int = 80) -> str:
    """Write an input in one line: the name of a file as it is, a text shortened, and harmless to a terminal."""
    with contextlib.suppress(OSError, ValueError):  # too long for a name
        if Path(text).exists():
            return harmless(text)
    return cut(harmless(" ".join(text[: 4 * length].split()) + text[4 * length :][:1]), length)


def table(
    rows: Sequence[Sequence[str]], numeric: Collection[int] = (), better: Collection[tuple[int, int]] = ()
) -> str:
    """Line up the columns of a table whose first row is its head, in the width of the screen.

    Args:
        rows: the cells; a row may end early.
        numeric: the columns that are set flush right and never broken.
        better: (row, column) of the cells to mark, with a star and in colour.

    Where the screen is too narrow, intervals go below their values, and other texts are broken between words.
    """
    if not rows:
        return ""
    from rich.table import Table as Grid
    from rich.text import Text

    every = range(max(map(len, rows)))
    full = [[*row, *[""] * (len(every) - len(row))] for row in rows]
    full = [
        [f"*{said}" if (row, column) in better else said for column, said in enumerate(cells)]
        for row, cells in enumerate(full)
    ]
    if sum(widest(full, column) for column in every) + GAP * (len(every) - 1) > room():
        full = [
            [BREAK.sub("\n", said) if column in numeric else said for column, said in enumerate(cells)]
            for cells in full
        ]
    grid = Grid(box=None, show_header=False, pad_edge=False, padding=(0, GAP, 0, 0))
    least = [widest(full, column, "\n" if column in numeric else None) for column in every]
    for column in every:
        right = column in numeric
        grid.add_column(justify="right" if right else "left", no_wrap=right, min_width=least[column])
    for row, cells in enumerate(full):
        styles = ["bold green" if (row, column) in better else "" if row else "bold" for column in every]
        grid.add_row(*map(Text, cells, styles))
    drawing = console(max(room(), sum(least) + GAP * len(every)))  # rather than lose a figure or break a word
    drawing.print(grid, crop=False)
    return "\n".join(line.rstrip() for line in drawing.file.getvalue().splitlines())  # type: ignore[attr-defined]


def widest(rows: Sequence[Sequence[str]], column: int, between: str | None = "\n") -> int:
    """Return the columns that the widest line of a table's column takes; with `between` None, its widest word."""
    return max((columns(part) for row in rows for part in row[column].split(between)), default=0)


def console(width: int) -> Console:
    """Return a console of rich that writes into a text; click takes colours out again where nobody sees them."""
    from rich.console import Console

    colours: Any = "standard" if wants_colour() else None
    file = io.StringIO()
    return Console(file=file, width=width, color_system=colours, force_terminal=True, highlight=False, _environ={})


def filled(text: str, indent: str = "") -> str:
    """Break a text between words where the screen ends; the lines after the first are indented."""
    lines = textwrap.wrap(text, room(), subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines)


# Width on the screen


def columns(text: str) -> int:
    """Count the columns that a terminal needs for a text: two for most emoji and East Asian characters."""
    from rich.cells import cell_len

    return cell_len(text)


def padded(text: str, width: int, *, right: bool = False) -> str:
    """Fill a text up with blanks."""
    blanks = " " * (width - columns(text))
    return blanks + text if right else text + blanks


def cut(text: str, width: int) -> str:
    """Shorten a text to so many columns."""
    from rich.cells import set_cell_size

    return text if columns(text) <= width else f"{set_cell_size(text, width - 1).rstrip()}…"


def screen() -> int:
    """Return how many columns a drawing may take."""
    return max(NARROWEST, min(WIDEST, shutil.get_terminal_size().columns))


def room() -> int:
    """Return how many columns a line may take: those of the terminal; any number in a file or a pipe."""
    known = os.environ.get("COLUMNS", "").isdigit() or sys.stdout.isatty()
    return max(NARROWEST, shutil.get_terminal_size().columns) if known else ENDLESS


def styled(text: str, **style: Any) -> str:
    """Colour a text where that is wanted; click takes colours out again where nobody sees them."""
    return click.style(text, **style) if wants_colour() else text


def wants_colour() -> bool:
    """Whether the user and the terminal take colours; nothing needs them to be understood."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


# One function for each block


def bars(block: Bars) -> str:
    """Draw a bar for each class."""
    names = [cut(harmless(f"{bar.symbol} {bar.name}".strip()), screen() // 3) for bar in block.rows]
    numbers = [percent(bar.share) for bar in block.rows]
    widths = [max(map(columns, cells), default=0) for cells in (names, numbers)]
    length = max(10, screen() - sum(widths) - 6)
    lines = [harmless(block.title)] if block.title else []
    for name, share, bar in zip(names, numbers, block.rows, strict=True):
        row = f"  {padded(name, widths[0])}  {drawn(bar.share, length)}  {padded(share, widths[1], right=True)}"
        lines.append(styled(row, bold=True) if bar.chosen else row)
    return "\n".join(lines)


def drawn(share: float, length: int) -> str:
    """Draw a bar to an eighth of a column; what is more than nothing can be seen."""
    eighths = round(8 * length * min(1.0, max(0.0, share)) if share == share else 0)
    eighths = max(eighths, 1) if share > 0 else eighths
    bar = "█" * (eighths // 8) + EIGHTHS[eighths % 8].strip()
    return bar + "░" * (length - len(bar))


def gauge(block: Gauge) -> str:
    """Draw a value on its scale, with a mark at the threshold and dots over the interval."""
    low, high = (cut(harmless(end), screen() // 4) for end in block.ends)
    length = max(10, screen() - columns(low) - columns(high) - 4)

    def cell(value: float) -> int:
        return min(length - 1, int(length * place(block, value)))

    filled = round(length * place(block, block.value))
    cells = ["█"] * filled + ["░"] * (length - filled)
    if block.interval is not None:
        first, last = map(cell, block.interval)
        cells[first : last + 1] = ["▓" if one == "█" else "▒" for one in cells[first : last + 1]]
    between = interval(block)
    lines = [harmless(block.text) + (f"  (▓▒ {between})" if between else "")]
    if block.threshold is not None:
        cells[cell(block.threshold)] = styled("┃", bold=True)
    lines.append("  " + " ".join(part for part in (low, "".join(cells), high) if part))
    if block.threshold is not None and block.threshold_text:
        caption = harmless(block.threshold_text)
        start = columns(low) + 1 if low else 0
        left = start + cell(block.threshold) - columns(caption) // 2
        left = max(0, min(left, screen() - columns(caption) - 2))
        lines.append("  " + " " * left + caption)
    return "\n".join([*lines, *([plain(block.note)] if block.note else [])])


def spans(block: Spans) -> str:
    """Show a text with its words coloured by weight, and where numbers are wanted the strongest words."""
    pieces = [coloured(harmless(part), share) if word else harmless(part) for part, word, share in stretches(block)]
    rest = len(block.text) - block.read
    pieces += [f" … ({rest:,} more characters that the model does not read)"] if rest else []
    if not block.numbers:
        return "".join(pieces)
    lines = ["".join(pieces)]
    for title, words in strongest(block, STRONGEST):
        lines += ["", harmless(title)]
        lines += [
            f"  {word.weight:{'+' if block.signed else ''}7.3f}  {shortened(block.text[word.start : word.end])}"
            for word in words
        ]
    return "\n".join(lines + (["", f"numbers: {plain(block.meaning)}"] if block.words and block.meaning else []))


def shortened(word: str) -> str:
    """Write a word of a text: unlike `shown` it is never a file."""
    return cut(harmless(" ".join(word[:200].split())), 40)


def coloured(text: str, share: float) -> str:
    """Put a colour behind a word: orange for, blue against, the deeper the nearer `share` is to 1 or -1."""
    if abs(share) < 0.05:
        return text
    shades = (230, 222, 215, 208) if share > 0 else (195, 153, 117, 75)  # of the 256 that terminals know
    return styled(text, fg=16, bg=shades[min(3, int(4 * abs(share)))])


def picture(block: Picture) -> str:
    """Say what a picture shows: a terminal cannot show it."""
    what = block.caption or block.heat_title or ", ".join(panel.title for panel in block.panels)
    return f"picture: {plain(what)} (open the PNG, or choose its name with --out)"


def lined_up(block: Table) -> str:
    """Show a table below its title."""
    rows = [[harmless(cell) for cell in row] for row in (block.columns, *block.rows)]
    lines = [styled(harmless(block.title), bold=True)] if block.title else []
    lines += [filled(plain(block.caption))] if block.caption else []
    return "\n".join([*lines, table(rows, block.numeric)])


def chart(block: Chart) -> str:
    """Say what a figure shows: a terminal cannot show it."""
    return f"figure: {': '.join(plain(part) for part in (block.title, block.caption) if part) or block.name}"


def prose(block: Prose) -> str:
    """Show a paragraph below its title; a warning is coloured."""
    warned = filled(f"Warning: {plain(block.text)}")
    said = styled(warned, fg="yellow") if block.warning else emphasised(filled(block.text))
    return "\n".join([*([styled(harmless(block.title), bold=True)] if block.title else []), said])


def emphasised(text: str) -> str:
    """Make what is `**strong**` bold."""
    return "".join(
        styled(harmless(part), bold=True) if tag == "strong" else harmless(part) for tag, part in parts(text)
    )


def plain(text: str) -> str:
    """Take the markup out of a text."""
    return harmless("".join(part for _, part in parts(text)))


RENDERERS: dict[type, Callable[[Any], str]] = {
    Answer: line,
    Bars: bars,
    Gauge: gauge,
    Spans: spans,
    Picture: picture,
    Table: lined_up,
    Chart: chart,
    Prose: prose,
}
