"""The training images that are nearest to a new one, in the space of a run's embeddings, and a picture of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from keras_dl import embeddings
from keras_dl.plots import class_colour, styled
from keras_dl.run import Run, replacing

COLUMNS = 4  # pictures in a row


class Neighbours:
    """The training images of a run, to find those nearest to new ones."""

    def __init__(self, run: Run, count: int) -> None:
        """Read what `keras-dl embed` wrote.

        Raises:
            UsageError: if the run has no embeddings yet, or not `count` training images.
            KerasDLError: if they are damaged or of another model.
        """
        self.run, self.train = run, embeddings.read(run).part("train")
        self.knn = embeddings.knn(self.train, count)
        self.embedder = embeddings.embedder(run.model)
        self.width = self.train.vectors.shape[1]
        if self.embedder.output.shape[1] != self.width + self.train.outputs.shape[1]:
            raise embeddings.damaged(run, "vectors.npz", ValueError("it is of another model"))

    def of(self, images: np.ndarray) -> list[list[dict[str, Any]]]:
        """Return for each image `[count, ...]`, as the model takes it, its neighbours, nearest first.

        Each is a row of JSON values: "id", "label" (the class's name), "group" and "distance".
        """
        vectors = np.asarray(self.embedder.predict_on_batch(images))[:, : self.width]
        classes, table = self.run.assets["classes"], self.train.table
        return [
            [
                {
                    "id": str(table["id"][row]),
                    "label": classes[table["label"][row]],
                    "group": str(table["group"][row]),
                    "distance": round(float(distance), 4),
                }
                for distance, row in zip(*pair, strict=True)
            ]
            for pair in zip(*embeddings.nearest(self.knn, vectors), strict=True)
        ]

    def draw(self, path: Path, image: np.ndarray, title: str, found: list[dict[str, Any]]) -> None:
        """Write a PNG with an image `[height, width, channels]` beside its neighbours, as `of` gives them."""
        thumbnails = embeddings.read_thumbnails(self.run, [one["id"] for one in found])
        colours = {name: class_colour(index) for index, name in enumerate(self.run.assets["classes"])}
        with replacing(path) as temporary:
            picture(image, title, thumbnails, found, colours).savefig(temporary, dpi=120, format="png")


@styled
def picture(
    image: np.ndarray, title: str, thumbnails: list[np.ndarray], found: list[dict[str, Any]], colours: dict[str, str]
) -> Figure:
    """Draw an image and its neighbours, each with its class, group and distance."""
    columns = min(COLUMNS, 1 + len(found))
    rows = -(-(1 + len(found)) // columns)
    figure = Figure(figsize=(2.3 * columns, 0.4 + 2.75 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels:
        axes.axis("off")
    panels[0].imshow(image.squeeze(), cmap="gray", vmin=0, vmax=255)
    panels[0].set_title("the image\n")
    for axes, thumbnail, one in zip(panels[1:], thumbnails, found, strict=False):
        axes.imshow(thumbnail, cmap="gray", vmin=0, vmax=255)
        axes.set_title(f"{one['label']}\n{shortened(one['group'])}, {one['distance']:.2f}", color=colours[one["label"]])
    figure.suptitle(title)
    return figure


def shortened(text: str, length: int = 18) -> str:
    """Cut a text that would run into its neighbour."""
    return text if len(text) <= length else f"{text[: length - 1]}…"
