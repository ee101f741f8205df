"""t-SNE maps (van der Maaten, Hinton 2008): a flat one as a figure, and one in space as a page that opens offline.

In such a map near points are alike; how far apart two groups lie, or how large they are, says little.
"""

from __future__ import annotations

import base64
import io
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from keras_dl.figures.names import LETTER, shortened, widest
from keras_dl.figures.plots import CLASSES, COLOURS, class_colour, styled

PERPLEXITY = 30.0  # about how many neighbours each point keeps near
WIDEST = 50  # numbers per vector; wider ones are first reduced to so many principal components
CONTROLS = {"displaylogo": False, "responsive": True, "modeBarButtons": [["toImage", "resetCameraDefault3d"]]}
CAMERA = {"eye": dict.fromkeys("xyz", 1.05)}  # a little nearer than plotly's
TILE = 64  # pixels, of the pictures in the page
NAMED = 40  # classes at most whose names stand in the flat map


BEHIND: Any = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.7}


@dataclass(frozen=True)
class Points:
    """What is known of the images of a map; all share one order."""

    ids: np.ndarray  # [count], str
    labels: np.ndarray  # [count], class index
    answers: np.ndarray  # [count], class index that the network chose
    tested: np.ndarray  # [count], bool: of the test part, else of the training part
    classes: Sequence[str]

    @property
    def wrong(self) -> np.ndarray:
        """Which test examples the network answered with another class, or with a number in another stratum."""
        return self.tested & (self.answers != self.labels)

    @property
    def ring(self) -> str:
        """What the ring around a test example says."""
        return f"wrong answer ({self.wrong.sum():,} of {self.tested.sum():,})"

    def sets(self) -> Iterator[tuple[int, str, bool, np.ndarray]]:
        """Give of each class and part that has images: class index, what they are, whether tested, which they are."""
        for tested, part in ((False, "training"), (True, "test")):
            for index, name in enumerate(self.classes):
                chosen = (self.tested == tested) & (self.labels == index)
                if chosen.any():
                    yield index, f"{shortened(name, 24)}, {part} ({chosen.sum():,})", tested, chosen


def layout(vectors: np.ndarray, dimensions: int, seed: int) -> np.ndarray:
    """Return the place of each vector `[count, width]` in a map: `[count, dimensions]`, float32."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    if vectors.shape[1] > WIDEST:
        vectors = PCA(min(WIDEST, len(vectors)), random_state=seed).fit_transform(vectors)
    init = "pca" if min(vectors.shape) >= dimensions else "random"
    tsne = TSNE(dimensions, perplexity=perplexity(len(vectors)), init=init, random_state=seed)
    return tsne.fit_transform(vectors.astype("float32"))


def perplexity(count: int) -> float:
    """Return the perplexity for so many points: the usual one, or less where they are few."""
    return min(PERPLEXITY, (count - 1) / 3)


@styled
def flat(points: Points, places: np.ndarray, title: str) -> Figure:
    """Draw a map in two dimensions: classes by colour, parts by marker, test examples with another answer ringed.

    More than CLASSES classes, whose colours are too alike, are named where they lie instead of in the legend.
    """
    many = len(points.classes) > CLASSES
    told: set[str] = set()
    figure = Figure(figsize=(8, 7.4), layout="constrained")
    axes: Axes = figure.subplots()
    for index, name, tested, chosen in points.sets():
        look: dict[str, Any] = {"marker": "o", "s": 9, "alpha": 0.35, "linewidths": 0}
        if tested:
            look = {"marker": "^", "s": 30, "alpha": 0.9, "linewidths": 0.4, "edgecolors": "white"}
        if many:
            name = "test" if tested else "training"
        label = name if name not in told else None  # each part once
        told.add(name)
        axes.scatter(*places[chosen].T, color=class_colour(index, len(points.classes)), label=label, **look)
    if many:
        name_classes(axes, points, places)
    rings: Any = {"s": 110, "facecolors": "none", "edgecolors": COLOURS["ink"], "linewidths": 1.1}
    axes.scatter(*places[points.wrong].T, label=points.ring, **rings)
    axes.set(xticks=[], yticks=[])
    figure.suptitle(textwrap.fill(title, 100), fontsize=10.5)
    axes.spines[:].set_visible(False)
    axes.set_aspect("equal", "datalim")
    _, names = axes.get_legend_handles_labels()
    columns = int(np.clip(8 / (0.5 + LETTER * widest(names)), 1, 3))
    legend = figure.legend(loc="outside lower center", ncols=columns, markerscale=1.3)
    for handle in filter(None, legend.legend_handles):
        handle.set_alpha(1)
    return figure


def name_classes(axes: Axes, points: Points, places: np.ndarray) -> None:
    """Write the name of each class, of the NAMED largest, at the middle of its points."""
    counts = np.bincount(points.labels, minlength=len(points.classes))
    for index in np.argsort(-counts, kind="stable")[:NAMED]:
        if counts[index]:
            x, y = np.median(places[points.labels == index], axis=0)
            axes.text(x, y, shortened(points.classes[index], 18), fontsize=8, ha="center", va="center", bbox=BEHIND)


def solid(points: Points, places: np.ndarray, title: str, thumbnails: np.ndarray | None) -> str:
    """Return a page with a map in three dimensions to turn and zoom; it needs no network.

    Args:
        points: what is known of the examples.
        places: `[count, 3]`.
        title: of the page, a sentence.
        thumbnails: `[count, side, side, channels]`, uint8, shown when one points at an image; None of texts.
    """
    import plotly.graph_objects as go

    figure = go.Figure(layout=scene())
    rows = np.arange(len(places))
    for index, name, tested, chosen in points.sets():
        colour = class_colour(index, len(points.classes))
        marker = {"color": colour, "size": 3.5 if tested else 2.5, "opacity": 0.95 if tested else 0.45}
        marker["symbol"] = "diamond" if tested else "circle"
        figure.add_trace(trace(go.Scatter3d, places[chosen], marker, name, customdata=rows[chosen]))
    wrong = points.wrong
    ring = {"color": COLOURS["ink"], "size": 8, "symbol": "circle-open", "line": {"width": 2}}
    figure.add_trace(trace(go.Scatter3d, places[wrong], ring, points.ring, customdata=rows[wrong]))
    sprite, columns = (b"", 0) if thumbnails is None else tiles(thumbnails)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string((files("keras_dl.figures") / "tsne.html").read_text(encoding="utf-8")).render(
        title=title,
        plot=Markup(figure.to_html(full_html=False, div_id="map", config=CONTROLS)),
        sprite=base64.b64encode(sprite).decode(),
        columns=columns,
        tile=TILE,
        images={
            "id": points.ids.tolist(),
            "part": ["test" if tested else "training" for tested in points.tested],
            "true": [points.classes[label] for label in points.labels],
            "network": [points.classes[answer] for answer in points.answers],
        },
    )


def scene() -> dict[str, Any]:
    """Return the layout of the figure in space: nothing but the points, in an equal-sided box."""
    axis = {"title": "", "showticklabels": False, "showbackground": False, "showspikes": False}
    axis |= {"gridcolor": COLOURS["grid"], "zerolinecolor": COLOURS["grid"]}
    return {
        "scene": {
            "aspectmode": "cube",
            "camera": CAMERA,
            **dict.fromkeys(("xaxis", "yaxis", "zaxis"), axis),
        },
        "margin": dict.fromkeys("lrtb", 0),
        "font": {"family": "system-ui, sans-serif", "color": COLOURS["ink"]},
        "legend": {"x": 0, "y": 1, "itemsizing": "constant", "bgcolor": "rgba(255, 255, 255, 0.8)"},
    }


def trace(kind: Any, places: np.ndarray, marker: dict[str, Any], name: str, customdata: np.ndarray) -> Any:
    """Return points of one look; what they are is told by the page, not by plotly."""
    x, y, z = places.T
    marker = {"line": {"width": 0}, **marker}
    return kind(x=x, y=y, z=z, mode="markers", marker=marker, name=name, customdata=customdata, hoverinfo="none")


def tiles(thumbnails: np.ndarray) -> tuple[bytes, int]:
    """Lay thumbnails out as one JPEG, row by row; return it and how many are in a row. One file has one header."""
    from PIL import Image

    columns = int(np.ceil(np.sqrt(len(thumbnails))))
    sheet = Image.new("RGB" if thumbnails.shape[-1] == 3 else "L", (columns * TILE, columns * TILE))
    for number, pixels in enumerate(thumbnails):
        picture = Image.fromarray(pixels.squeeze()).resize((TILE, TILE))
        sheet.paste(picture, (number % columns * TILE, number // columns * TILE))
    file = io.BytesIO()
    sheet.save(file, "JPEG", quality=60)
    return file.getvalue(), columns
