"""Predict files with a trained run, through the same decoding as in training."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from keras_dl.errors import BadInput, UsageError
from keras_dl.neighbours import Neighbours
from keras_dl.run import Run

BATCH = 64


def predict(
    run: Run, inputs: Iterable[str | Path], *, neighbours: int = 0, out: str | Path | None = None
) -> list[dict[str, Any]]:
    """Predict files; a folder stands for the files below it.

    Args:
        run: a complete run.
        inputs: files and folders.
        neighbours: how many of the nearest training images to show; that needs what `keras_dl.embed` writes.
        out: the folder for the pictures of the neighbours; None for the working directory.

    Returns:
        One row of JSON values per file, in order: "input" and what `worded` gives; or "input" and "error" for a file
        that cannot be used. With neighbours also "neighbours", as `Neighbours.nearest` gives them, and "picture", the
        path of a PNG that shows them.

    Raises:
        UsageError: if an input is not there, or the run has no embeddings or not so many training images.
    """
    files = list(expand(inputs))
    training = Neighbours(run, neighbours, Path(out or ".")) if neighbours else None
    rows: list[dict[str, Any]] = []
    with tqdm(total=len(files), desc="predict", unit=" inputs", disable=None, file=sys.stderr) as bar:
        for start in range(0, len(files), BATCH):
            chunk = files[start : start + BATCH]
            images, answered = predict_chunk(run, chunk)
            if training and images:
                training.show(images, [row for row in answered if "error" not in row])
            rows += answered
            bar.update(len(chunk))
    return rows


def predict_chunk(run: Run, files: list[Path]) -> tuple[list[np.ndarray], list[dict[str, Any]]]:
    """Predict a few files in one batch; return the usable ones decoded, and a row for each."""
    rows: list[dict[str, Any]] = [{"input": str(file)} for file in files]
    decoded = []
    for row, file in zip(rows, files, strict=True):
        try:
            decoded.append(decode_file(run, file))
        except BadInput as error:
            row["error"] = str(error)
    if decoded:
        answers = answer(run, np.stack(decoded))
        usable = [row for row in rows if "error" not in row]
        for number, row in enumerate(usable):
            row |= worded(run, {name: values[number] for name, values in answers.items()})
    return decoded, rows


def decode_file(run: Run, file: Path) -> np.ndarray:
    """Read and check one file and decode it to the model's input.

    Raises:
        BadInput: if it cannot be used, with the reason.
    """
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise BadInput(error.strerror or str(error)) from None
    run.task.check(raw)
    return run.task.decode(run.config, run.assets)(tf.constant(raw)).numpy()


def answer(run: Run, batch: np.ndarray) -> dict[str, np.ndarray]:
    """Run the model on decoded inputs `[count, ...]` and name its outputs.

    Raises:
        UsageError: if the batch is not what the model takes, with both shapes, types and ranges.
    """
    wanted = run.model.inputs[0]
    if batch.dtype != wanted.dtype or batch.shape[1:] != tuple(wanted.shape[1:]):
        span = f", values {batch.min():g} to {batch.max():g}" if batch.size and batch.dtype.kind in "fiu" else ""
        raise UsageError(
            f"the model takes {wanted.dtype} of shape {list(wanted.shape[1:])} (images: grey values 0 to 255); this is "
            f"{batch.dtype} of shape {list(batch.shape[1:])}{span}"
        )
    outputs = run.task.predict(run.model(batch, training=False), run.assets)
    return {name: tensor.numpy() for name, tensor in outputs.items()}


def worded(run: Run, answers: dict[str, Any]) -> dict[str, Any]:
    """Turn the answers for one example into JSON values: what `run.task.predict` names, and what it refers to.

    Values `[classes]` become `{class: value}`. Where there is a threshold, "of" is the class whose probability or score
    it is for, and "threshold" the threshold; else "of" is the class that was chosen.
    """
    classes, threshold = run.assets["classes"], run.assets["threshold"]
    row = {name: plain(value) for name, value in answers.items()}
    row = {name: dict(zip(classes, v, strict=True)) if isinstance(v, list) else v for name, v in row.items()}
    return row | ({"of": row["label"]} if threshold is None else {"of": classes[-1], "threshold": threshold})


def expand(inputs: Iterable[str | Path]) -> Iterator[Path]:
    """Give each file, and for each folder the visible files below it, sorted."""
    for item in inputs:
        path = Path(item)
        if path.is_dir():
            found = [file for file in sorted(path.rglob("*")) if file.is_file() and not file.name.startswith(".")]
            if not found:
                raise UsageError(f"the folder {path} holds no files")
            yield from found
        elif path.exists():
            yield path
        else:
            raise UsageError(f"there is no file {path}")


def plain(value: Any) -> Any:
    """Turn one NumPy value into a JSON value."""
    if isinstance(value, bytes):
        return value.decode()
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value
