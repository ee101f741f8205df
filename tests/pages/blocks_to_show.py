"""One block of each kind, with everything in it that may be taken for markup or for a command."""

import numpy as np

from keras_dl.task.blocks import (
    Answer,
    Bar,
    Bars,
    Chart,
    Gauge,
    Panel,
    Picture,
    Prose,
    Spans,
    Table,
    Word,
)

EVIL = "\"'><script>alert(1)</script>&amp;"
PIXELS = np.arange(48.0).reshape(4, 4, 3) * 5.3  # float, as models take images
SVG = '<svg viewBox="0 0 200 80" style="max-width: 18em" role="img"><path style="fill: var(--ink)"/></svg>'


def spans(text, *words, read=None, **options):
    """Mark words of a text by weight: `(word, weight)`."""
    places = [(text.index(word), word, weight) for word, weight in words]
    found = [Word(start, start + len(word), weight) for start, word, weight in places]
    return Spans(text, found, len(text) if read is None else read, **{"of": "spam", "meaning": "a change", **options})


def text_with(evil):
    return f"😄 free مرحبا {evil} rest"


def each(evil):
    """Return one block of each kind, with a text in every place for one."""
    text = text_with(evil)
    return {
        "answer": Answer(evil, evil, evil),
        "bars": Bars([Bar(evil, 0.9, evil, chosen=True), Bar("b", 0.1)], evil),
        "gauge": Gauge(0.9, 0, 1, evil, 0.4, evil, (0.8, 0.95), (evil, evil), evil),
        "spans": spans(text, ("free", 2.0), (evil, -1.0), read=len(text) - 5, of=evil, meaning=evil),
        "picture": Picture([Panel(evil, PIXELS)], evil, np.full((4, 4), 0.5), evil, evil),
        "table": Table([evil, "n"], [[evil, "1"]], evil, evil, [1]),
        "chart": Chart("line", SVG, evil, evil),
        "prose": Prose(evil, evil),
        "warning": Prose(evil, evil, warning=True),
    }


EACH = each(EVIL)
EMPTY = {
    "answer": Answer(""),
    "bars": Bars([]),
    "gauge": Gauge(float("nan"), 0, 0, "", 1.0),
    "spans": Spans("", [], 0, "", ""),
    "picture": Picture([]),
    "table": Table([], []),
    "chart": Chart("none", "<svg></svg>"),
    "prose": Prose(""),
}
