"""Blocks as HTML, for reports, pages of their own and notebooks.

It knows how each block looks, and nothing of tasks, kinds and runs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from importlib.resources import files
from itertools import groupby
from typing import Any

from markupsafe import Markup, escape

from keras_dl.pages import pixels
from keras_dl.pages.wording import PALE, described, parts, place, shortened, stretches, strongest
from keras_dl.task.blocks import Answer, Bars, Block, Chart, Gauge, Picture, Prose, Spans, Table, percent

STRONGEST = 8  # words in the table of each side
UNREAD = 5000  # characters shown of what a model does not read
SENTENCE = 40  # characters: a longer cell of a table is no number or name
EMPTY = Markup("")
IN_CELLS = "table { margin: 0; } tr { background: none; } h3 { font-weight: 700; }"  # notebooks have their own ways


def html(block: Block) -> Markup:
    """Render one block."""
    return RENDERERS[type(block)](block)


def htmls(blocks: Iterable[Block]) -> Markup:
    """Render blocks one below the other."""
    return Markup("\n").join(map(html, blocks))


def page(title: str, blocks: Sequence[Block], *, note: str = "") -> str:
    """Return a page that needs nothing but itself.

    Args:
        title: what the page is about; it stands above the heading.
        blocks: what it shows. An answer that comes first is the heading.
        note: what a reader must know of this one input; it follows the certainty of the answer.
    """
    first, rest = (blocks[0], blocks[1:]) if blocks and isinstance(blocks[0], Answer) else (Answer(title), blocks)
    said = "; ".join(part for part in (first.certainty, note) if part)
    return str(
        file("page.html").format(
            tab=title if rest is blocks else f"{title}: {first.text}",
            style=style(),
            eyebrow=EMPTY if rest is blocks else element("p", title, class_="eyebrow"),
            heading=element("h1", signed_text(first), dir="auto"),
            certainty=element("p", said, class_="muted") if said else EMPTY,
            body=htmls(rest),
        )
    )


def notebook(blocks: Iterable[Block]) -> str:
    """Return blocks as HTML for a cell of a notebook; the style stays inside it, and wins over the notebook's own."""
    inside = re.sub(r":root|(body, )?\.keras-dl(?= {)", "&", str(style()))  # nested: other rules stay inside
    rows = [
        element("div", htmls(row), class_="plots") if charts else htmls(row)
        for charts, row in groupby(blocks, lambda block: isinstance(block, Chart))
    ]
    return str(
        Markup('<div class="keras-dl"><style>{0}{0}{0} {{\n{1}\n{2}\n}}</style>\n{3}\n</div>').format(
            Markup(".keras-dl"), Markup(inside), Markup(IN_CELLS), Markup("\n").join(rows)
        )
    )


def style() -> Markup:
    """Return the style sheet that all pages share."""
    return file("style.css")


@cache
def file(name: str) -> Markup:
    """Return a file of this folder."""
    return Markup((files("keras_dl.pages") / name).read_text(encoding="utf-8"))


def element(tag: str, *content: Any, **attributes: Any) -> Markup:
    """Return an element; text and attributes are escaped, None is left out, and "class_" stands for "class"."""
    listed = Markup("").join(
        Markup(' {}="{}"').format(name.rstrip("_").replace("_", "-"), value)
        for name, value in attributes.items()
        if value is not None
    )
    if tag == "img":  # has no end
        return Markup("<img{}>").format(listed)
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(tag), listed, Markup("").join(content))


def marked_up(text: str) -> Markup:
    """Escape a text, and turn `**strong**` and `` `code` `` into elements."""
    return Markup("").join(element(tag, part) if tag else escape(part) for tag, part in parts(text))


def answer(block: Answer) -> Markup:
    """Render an answer with its sign, and how sure it is."""
    certainty = element("p", block.certainty, class_="muted") if block.certainty else EMPTY
    return element("div", element("p", signed_text(block), class_="answer", dir="auto"), certainty, class_="said")


def signed_text(block: Answer) -> Markup:
    """Return the text of an answer, after its sign."""
    if not block.symbol:
        return escape(block.text)
    return element("span", block.symbol, class_="symbol", aria_hidden="true") + escape(f" {block.text}")


def bars(block: Bars) -> Markup:
    """Render a bar for each class."""
    rows = [
        element(
            "li",
            element("span", f"{bar.symbol}\N{NO-BREAK SPACE}{bar.name}".strip(), class_="class", dir="auto"),
            element("span", element("span", class_="fill", style=width(bar.share)), class_="track", aria_hidden="true"),
            element("span", percent(bar.share), class_="number"),
            class_="chosen" if bar.chosen else None,
        )
        for bar in block.rows
    ]
    title = element("h3", block.title) if block.title else EMPTY
    return element("div", title, element("ul", *rows, class_="bars"), class_="shares")


def gauge(block: Gauge) -> Markup:
    """Render a value on its scale, with a mark at the threshold and a band for the interval."""
    fill = element("span", class_="fill", style=width(place(block, block.value)))
    above, band, mark, under = False, EMPTY, EMPTY, EMPTY
    if block.interval is not None:
        low, high = (place(block, end) for end in block.interval)
        band = element("span", class_="band", style=f"left: {100 * low:.2f}%; width: {100 * max(0, high - low):.2f}%")
    if block.threshold is not None:
        above, at = block.value >= block.threshold, 100 * place(block, block.threshold)
        mark = element("span", class_="mark", style=f"left: {at:.2f}%")
        # moved by its own share of the width: so the caption stays inside at both ends
        caption = element(
            "span", block.threshold_text, class_="caption", style=f"left: {at:.2f}%; transform: translateX(-{at:.2f}%)"
        )
        under = element("p", caption, class_="under") if block.threshold_text else EMPTY
    ends = [element("span", end) for end in block.ends] if any(block.ends) else []
    scale = element(
        "div",
        element("p", *ends, class_="ends") if ends else EMPTY,
        element("div", fill, band, mark, class_="track above" if above else "track"),
        under,
        class_="scale",
        role="img",
        aria_label=described(block),
    )
    note = element("p", marked_up(block.note), class_="muted small") if block.note else EMPTY
    return element("div", element("p", block.text, class_="value"), scale, note, class_="gauge")


def width(share: float) -> str:
    """Return the style of a bar of this share."""
    return f"width: {100 * min(1.0, max(0.0, share)):.2f}%"


def spans(block: Spans) -> Markup:
    """Render a text with its words coloured by weight, a legend and the strongest words."""
    rest = block.text[block.read :]
    more = f"… ({len(rest) - UNREAD:,} characters more)" if len(rest) > UNREAD else ""
    unread = element("span", rest[:UNREAD] + more, class_="unread") if rest else EMPTY
    content = Markup("").join(
        element(
            "mark", text, class_="for" if share > 0 else "against", style=f"--w: {abs(share):.2f}", title=number(weight)
        )
        if (weight := word.weight if word else 0) and abs(share) >= PALE
        else escape(text)
        for text, word, share in stretches(block)
    )
    if not block.numbers:
        return element("p", content, unread, class_="text", dir="auto")
    beyond = " Grey: text that the model does not read." if rest else ""
    meaning = f"Colour: {block.meaning}; the strongest word is in full colour.{beyond}"
    return element(
        "div",
        element("div", content, unread, class_="text", dir="auto"),
        legend(block),
        element("p", marked_up(meaning), class_="muted"),
        element("div", *strongest_words(block), class_="sides"),
        class_="words",
    )


def legend(block: Spans) -> Markup:
    """Render what the colours at both ends mean."""
    of = block.of or "the answer"
    ends = (f"against {of}", f"for {of}") if block.signed else ("little weight", "much")
    colours = element("span", class_="colours" if block.signed else "colours half", aria_hidden="true")
    return element("p", element("span", ends[0]), colours, element("span", ends[1]), class_="legend")


def strongest_words(block: Spans) -> list[Markup]:
    """Render a table of the strongest words of each side."""
    tables = []
    for title, words in strongest(block, STRONGEST):
        rows = [
            element(
                "tr",
                element("td", element("bdi", shortened(block.text[word.start : word.end], 60))),
                element("td", number(word.weight, signed=block.signed), class_="right"),
            )
            for word in words
        ]
        caption = element("caption", title[0].upper() + title[1:])
        tables.append(element("table", caption, element("tbody", *rows), class_="wide"))
    return tables


def number(weight: float, *, signed: bool = True) -> str:
    """Write a weight with a true minus sign."""
    return f"{weight:{'+' if signed else ''}.3f}".replace("-", "−")


def picture(block: Picture) -> Markup:
    """Render images side by side, with a heatmap after them the first one under it; a caption makes it a figure."""
    shown = [
        (one.title, block.alt or one.title if index == 0 else one.title, one.pixels)
        for index, one in enumerate(block.panels)
    ]
    if block.heat is not None and block.panels:
        under = pixels.overlay(block.panels[0].pixels, block.heat)
        alt = f"the same with a heatmap: {block.heat_title}" if block.heat_title else "the same with a heatmap"
        shown.append((block.heat_title, alt, under))
    images = [element("img", src=pixels.data_url(image), alt=alt) for _, alt, image in shown]
    if len(block.panels) > 1:  # of one image and its heatmap the caption says enough
        images = [
            element("div", image, element("small", title), class_="panel")
            for image, (title, _, _) in zip(images, shown, strict=True)
        ]
    pair = element("div", *images, class_="pair")
    if not block.caption:
        return pair
    return element("figure", pair, element("figcaption", marked_up(block.caption)), class_="picture")


def table(block: Table) -> Markup:
    """Render a table that scrolls sideways where it is too wide; the first cell of a row names it."""
    right = dict.fromkeys(block.numeric, "right")
    heads = [element("th", name, scope="col", class_=right.get(index)) for index, name in enumerate(block.columns)]
    rows = [
        element(
            "tr",
            *[
                element(
                    "td" if index else "th", cell, scope=None if index else "row", class_=right.get(index, wraps(cell))
                )
                for index, cell in enumerate(row)
            ],
        )
        for row in block.rows
    ]
    caption = element("caption", marked_up(block.caption)) if block.caption else EMPTY
    body = element("table", caption, element("thead", element("tr", *heads)), element("tbody", *rows))
    title = element("h3", block.title) if block.title else EMPTY
    label = block.title or block.caption or "Table"
    return title + element("div", body, class_="scroll", tabindex="0", role="region", aria_label=label)


def wraps(cell: str) -> str | None:
    """Return the class of a cell that is a sentence: it may have several lines, which numbers and names may not."""
    return "prose" if len(cell) > SENTENCE else None


def chart(block: Chart) -> Markup:
    """Render a figure with its title and caption; its SVG is of this package and goes in as it is."""
    title = element("h3", block.title) if block.title else EMPTY
    caption = element("figcaption", marked_up(block.caption)) if block.caption else EMPTY
    return element("figure", title, Markup(block.svg), caption)


def prose(block: Prose) -> Markup:
    """Render a paragraph; a warning stands out."""
    if block.warning:
        title = element("strong", block.title) if block.title else EMPTY
        return element("div", title, element("span", marked_up(block.text)), class_="banner", role="note")
    title = element("h3", block.title) if block.title else EMPTY
    return title + element("p", marked_up(block.text), class_="prose", dir="auto")


RENDERERS: dict[type, Callable[[Any], Markup]] = {
    Answer: answer,
    Bars: bars,
    Gauge: gauge,
    Spans: spans,
    Picture: picture,
    Table: table,
    Chart: chart,
    Prose: prose,
}
