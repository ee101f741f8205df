"""The training examples that are nearest to a new one, in the space of a run's embeddings, and a picture of them."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from keras_dl.errors import UsageError
from keras_dl.figures.plots import class_colour, styled
from keras_dl.runs import embeddings
from keras_dl.runs.files import replacing
from keras_dl.runs.run import Run

FEW = 3  # neighbours of an input, where nobody said how many
COLUMNS = 4  # pictures in a row


class Neighbours:
    """The training examples of a run, to find those nearest to new ones and to show them."""

    def __init__(self, run: Run, count: int | None, folder: Path) -> None:
        """Read what `keras-dl embed` wrote.

        Args:
            run: the run.
            count: how many of the nearest are wanted; None for a FEW.
            folder: for the pictures.

        Raises:
            UsageError: if the run has no embeddings yet, or not `count` training examples, or `folder` is a file.
            KerasDLError: if they are damaged or of another model.
        """
        if folder.is_file():
            raise UsageError(f"{folder} is a file; give --out a folder for the pictures")
        self.run, self.folder, self.train = run, folder, embeddings.read(run).part("train")
        count = min(FEW, len(self.train.vectors)) if count is None else count
        self.knn = embeddings.knn(self.train, count, run.task.output)
        self.embedder = embeddings.embedder(run.model, run.task.output)
        self.width = self.train.vectors.shape[1]
        if self.embedder.output.shape[1] != self.width + self.train.outputs.shape[1]:
            raise embeddings.damaged(run, "vectors.npz", ValueError("it belongs to another model"))
        self.texts = embeddings.read_texts(run)
        self.drawn: Counter[str] = Counter()  # pictures by the name of the file

    def show(self, inputs: Sequence[np.ndarray], rows: Sequence[dict[str, Any]]) -> None:
        """Add to the rows of predictions "neighbours" and, of images, "picture", the path of a PNG that shows them.

        Args:
            inputs: as the model takes them.
            rows: of `predict`, for the same inputs.
        """
        same = len({one.shape for one in inputs}) == 1
        nearest = self.nearest(np.stack(inputs)) if same else [self.nearest(one[None])[0] for one in inputs]
        for image, row, found in zip(inputs, rows, nearest, strict=True):
            row["neighbours"] = found
            thumbnails = embeddings.read_thumbnails(self.run, [one["id"] for one in found])
            if not thumbnails:  # texts stand in the rows
                continue
            source = Path(row["input"])
            self.drawn[source.stem] += 1
            again = f"-{self.drawn[source.stem]}" if self.drawn[source.stem] > 1 else ""  # one name in several folders
            path = self.folder / f"{source.stem}-neighbours{again}.png"
            group = self.run.task.words["group"]
            answer = self.run.task.output.answer(row).text
            title = f"{source.name}: {answer}. The nearest training images, with {group} and distance"
            with replacing(path) as temporary:
                figure = picture(image, title, thumbnails, found, self.colours(found))
                figure.savefig(temporary, dpi=120, format="png")
            row["picture"] = str(path)

    def nearest(self, inputs: np.ndarray) -> list[list[dict[str, Any]]]:
        """Return for each input `[count, ...]`, as the model takes it, its neighbours, nearest first.

        Each is a row of JSON values: "id", "label" (the truth, in words), "group", "distance", and "text", how a text
        begins.
        """
        vectors = np.asarray(self.embedder.predict_on_batch(inputs))[:, : self.width]
        return [
            [self.described(row, distance) for distance, row in zip(*pair, strict=True)]
            for pair in zip(*embeddings.nearest(self.knn, vectors), strict=True)
        ]

    def colours(self, found: Sequence[dict[str, Any]]) -> list[str]:
        """Return the colour of each neighbour: that of its stratum."""
        output, table = self.run.task.output, self.train.table.set_index("id")["label"]
        strata = output.strata(table.loc[[one["id"] for one in found]].to_numpy(), self.run.assets)
        return [class_colour(index, len(output.names(self.run.assets))) for index in strata]

    def described(self, row: int, distance: float) -> dict[str, Any]:
        """Say what a training example is, as JSON values."""
        name, group, truth = (self.train.table[column][row] for column in ("id", "group", "label"))
        return {
            "id": str(name),
            "label": self.run.task.output.told(truth, self.run.assets),
            "group": str(group),
            "distance": round(float(distance), 4),
            **({"text": self.texts.get(str(name), "")} if self.texts else {}),
        }


@styled
def picture(
    image: np.ndarray,
    title: str,
    thumbnails: Sequence[np.ndarray],
    found: Sequence[dict[str, Any]],
    colours: Sequence[str],
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
    for axes, thumbnail, one, colour in zip(panels[1:], thumbnails, found, colours, strict=False):
        axes.imshow(thumbnail, cmap="gray", vmin=0, vmax=255)
        axes.set_title(f"{one['label']}\n{shortened(one['group'])}, {one['distance']:.2f}", color=colour)
    figure.suptitle(textwrap.fill(title, 24 * columns))
    return figure


def shortened(text: str, length: int = 18) -> str:
    """Cut a text that would run into its neighbour."""
    return text if len(text) <= length else f"{text[: length - 1]}…"
