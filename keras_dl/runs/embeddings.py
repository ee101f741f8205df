"""The embeddings of a run: of each example the vector that the network's last layer sees, in embeddings/vectors.npz."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pandas as pd
from PIL import Image
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from keras_dl.errors import KerasDLError, UsageError
from keras_dl.layers.nested import inputs_of_operations
from keras_dl.runs.files import replacing
from keras_dl.runs.run import Run
from keras_dl.task import Output

FOLDER = "embeddings"  # in the run directory
THUMBNAILS, TEXTS = "thumbnails.zip", "texts.json"
COLUMNS = ("id", "split", "group", "label")
BEGINNING = 200  # characters that are kept of a text
BROKEN = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)  # raised where a file is not whole


@dataclass(frozen=True)
class Embeddings:
    """Examples as their network sees them; the three share one order."""

    table: pd.DataFrame  # columns id, split, group, label (the truth)
    vectors: np.ndarray  # [count, width], float32
    outputs: np.ndarray  # [count, outputs], float32: what the network made of them, before calibration

    @property
    def truth(self) -> np.ndarray:
        """The truth of each example."""
        return self.table["label"].to_numpy()

    def part(self, split: str) -> Embeddings:
        """Return those of one split."""
        return self.take(np.flatnonzero(self.table["split"] == split))

    def take(self, rows: np.ndarray) -> Embeddings:
        """Return those of these rows, in this order."""
        return Embeddings(self.table.iloc[rows].reset_index(drop=True), self.vectors[rows], self.outputs[rows])

    def write(self, run: Run) -> None:
        """Write a run's vectors.npz: vectors, outputs, and an array for each column of the table."""
        texts = {name: self.table[name].to_numpy(str) for name in ("id", "split", "group")}
        with replacing(run.path / FOLDER / "vectors.npz") as temporary:
            np.savez(temporary, vectors=self.vectors, outputs=self.outputs, label=self.truth, **texts)


def read(run: Run) -> Embeddings:
    """Read a run's vectors.npz.

    Raises:
        UsageError: if the run has none yet.
        KerasDLError: if the file does not hold what `Embeddings.write` wrote.
    """
    path = run.path / FOLDER / "vectors.npz"
    try:
        with path.open("rb") as opened, np.load(opened) as file:
            table = pd.DataFrame({name: file[name] for name in COLUMNS})
            found = Embeddings(table, file["vectors"], file["outputs"])
        if found.vectors.ndim != 2 or not len(table) == len(found.vectors) == len(found.outputs):
            raise ValueError("its arrays do not match")
        return found
    except FileNotFoundError:
        raise UsageError(f"{run.path} has no embeddings yet; write them: keras-dl embed {run.path}") from None
    except BROKEN as error:
        raise damaged(run, "vectors.npz", error) from None


def there(run: Run) -> bool:
    """Whether a run has embeddings."""
    return (run.path / FOLDER / "vectors.npz").is_file()


def damaged(run: Run, name: str, error: Exception) -> KerasDLError:
    """Return the error for a file of the folder that cannot be read."""
    reason = " ".join(str(error).split())
    return KerasDLError(f"{run.path / FOLDER / name} is damaged ({reason}); write it again: keras-dl embed {run.path}")


def write_miniatures(run: Run, ids: Iterable[str], miniatures: Sequence[Any]) -> None:
    """Keep what stands for each training example in the run, so that neighbours can be shown without the data.

    Args:
        run: the run.
        ids: of the examples.
        miniatures: thumbnails, uint8 `[side, side, 1 or 3]` each, kept as a zip of JPEGs named by id; or texts, whose
            beginnings are kept.
    """
    if isinstance(miniatures[0], str):
        run.write(f"{FOLDER}/{TEXTS}", dict(zip(ids, map(beginning, miniatures), strict=True)))
        return
    with replacing(run.path / FOLDER / THUMBNAILS) as temporary, zipfile.ZipFile(temporary, "w") as file:
        for name, image in zip(ids, miniatures, strict=True):
            jpeg = io.BytesIO()
            Image.fromarray(image.squeeze()).save(jpeg, "JPEG", quality=80, optimize=True)
            file.writestr(f"{name}.jpeg", jpeg.getvalue())


def read_thumbnails(run: Run, ids: Iterable[str]) -> list[np.ndarray]:
    """Read some of a run's thumbnails; of texts there are none.

    Raises:
        KerasDLError: if the file is damaged.
    """
    path = run.path / FOLDER / THUMBNAILS
    if (run.path / FOLDER / TEXTS).exists() and not path.exists():
        return []
    try:
        with zipfile.ZipFile(path) as file:
            return [np.asarray(Image.open(io.BytesIO(file.read(f"{name}.jpeg")))) for name in ids]
    except BROKEN as error:
        raise damaged(run, THUMBNAILS, error) from None


def read_texts(run: Run) -> dict[str, str] | None:
    """Read how a run's training texts begin, by id; None where they are no texts.

    Raises:
        KerasDLError: if the file is damaged.
    """
    path = run.path / FOLDER / TEXTS
    if (run.path / FOLDER / THUMBNAILS).exists() and not path.exists():
        return None
    try:
        texts = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(texts, dict):
            raise ValueError("it contains no texts")
        return texts
    except BROKEN as error:
        raise damaged(run, TEXTS, error) from None


def beginning(text: str) -> str:
    """Return how a text begins, in one line."""
    line = " ".join(text[: 4 * BEGINNING].split())
    return line if len(line) <= BEGINNING else f"{line[: BEGINNING - 1]}…"


def embedder(model: keras.Model, output: Output) -> keras.Model:
    """Return the model that gives, of each example, the embedding and the reduced output: `[batch, width + outputs]`.

    The embedding is what goes into the last layer that has weights and sees more than a number; of a map its average
    over all places. Both come from one pass, since the pass is what costs time.

    Raises:
        UsageError: if the model has none, as one that only counts words.
    """
    seen = (given for operation, given in inputs_of_operations(model) if getattr(operation, "weights", None))
    vector = next((one for one in seen if one.shape[1:] != (1,) and keras.backend.is_float_dtype(one.dtype)), None)
    if vector is None:
        raise UsageError(f"the model {model.name} has no vectors before its last layer, so it cannot be embedded")
    inner = keras.Model(model.input, [vector, model.output], name="inner")  # nested: its operations keep their names
    given = keras.Input(batch_shape=model.input.shape, dtype=model.input.dtype, name="given")
    vector, answer = inner(given)
    if len(vector.shape) > 2:
        vector = keras.ops.mean(vector, axis=tuple(range(1, len(vector.shape) - 1)))
    answer = output.reduced(answer)
    answer = keras.ops.reshape(answer, (-1, int(np.prod(answer.shape[1:]))))
    parts = [keras.ops.cast(part, "float32") for part in (vector, answer)]
    return keras.Model(given, keras.ops.concatenate(parts, axis=1), name="embedder")


def knn(train: Embeddings, count: int, output: Output) -> Pipeline:
    """Fit the model that asks the `count` nearest training examples, in standardised vectors.

    Standardised, since the units of a layer have scales of their own. On validation, of four networks, it did as well
    as plain vectors, vectors of length 1, and both together: mean AUROC .989, .989, .987, .992.

    Raises:
        UsageError: if there are not so many training examples.
    """
    check_count(count, len(train.vectors))
    return make_pipeline(StandardScaler(), output.nearest(count)).fit(train.vectors, train.truth)


def check_count(count: int, available: int) -> None:
    """Refuse a number of neighbours that cannot be asked.

    Raises:
        UsageError: if it is not from 1 to `available`.
    """
    if not 1 <= count <= available:
        raise UsageError(f"neighbours={count} must be between 1 and {available}, the number of training examples")


def nearest(knn: Pipeline, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distances and the rows of the nearest training examples: each `[count, neighbours]`, nearest first."""
    return knn[-1].kneighbors(knn[:-1].transform(vectors))
