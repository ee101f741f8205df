"""Predict files or texts with a trained run, through the same decoding as in training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from keras_dl.answering.answers import worded
from keras_dl.errors import BadInput, UsageError
from keras_dl.inputs.given import Given, expand
from keras_dl.pages import answers
from keras_dl.paths import at_home
from keras_dl.progress import bar
from keras_dl.runs import embeddings
from keras_dl.runs.run import Run
from keras_dl.training.own_keras import own_keras
from keras_dl.verbs.neighbours import Neighbours

BATCH = 64


@own_keras()
def predict(
    run: Run, inputs: Iterable[str | Path], *, neighbours: int = 0, out: str | Path | None = None
) -> list[dict[str, Any]]:
    """Predict files, and for a text task texts; a folder stands for the files below it.

    Args:
        run: a complete run.
        inputs: files, folders and archives of them, and tables (CSV, TSV): for a text task each row is a text, for an
            image task it names a file. For a text task another file holds one text in UTF-8; "-" stands for the lines
            of standard input, each a text; and what is no file is the text itself.
        neighbours: how many of the nearest training examples to show; that needs what `keras_dl.verbs.embed` writes.
        out: the folder for the pictures of the neighbours; None for the working directory. Or a file, such as
            answers.csv, to write all rows to; pictures then go to its folder.

    Returns:
        One row of JSON values per input, in order: "input", "from" where it was a row of a table ("messages.csv:2"),
        what `worded` gives, and "note" where there is something
        to know of it; or "input" and "error" for one that cannot be used. With neighbours also "neighbours", as
        `Neighbours.nearest` gives them, and for images "picture", the path of a PNG that shows them. An unusual input
        has "neighbours" in any case, where the run has embeddings: they show what the network takes it for.

    Raises:
        UsageError: if a file is not there, `out` is given without `neighbours`, or the run has no embeddings or not so
            many training examples.
    """
    out = at_home(out) if out else None
    table = out if out and out.suffix.lower() == ".csv" else None
    if out and not table and not neighbours:
        raise UsageError(
            f"--out {out} is not a CSV file; use answers.csv, or add --neighbours to get a folder of pictures"
        )
    items = list(expand(run.task, inputs))
    pictures = table.parent if table else out or Path()
    training = Neighbours(run, neighbours, pictures) if neighbours else None
    of_unusual = cache(lambda: Neighbours(run, None, pictures))  # read only if there is an unusual input
    decode = run.task.input.decode(run.config, run.assets)  # once: making the table of a large vocabulary takes a while
    rows: list[dict[str, Any]] = []
    with bar(total=len(items), desc="predict", unit=" inputs") as shown:
        for start in range(0, len(items), BATCH):
            chunk = items[start : start + BATCH]
            decoded, answered = predict_chunk(run, decode, chunk)
            usable = [row for row in answered if "error" not in row]
            if training and decoded:
                training.show(decoded, usable)
            elif embeddings.there(run):
                for x, row in zip(decoded, usable, strict=True):
                    row |= {"neighbours": of_unusual().nearest(x[None])[0]} if row.get("unusual") else {}
            rows += answered
            shown.update(len(chunk))
    if table:
        answers.write(table, rows)
    return rows


def predict_chunk(run: Run, decode: Any, items: Sequence[Given]) -> tuple[list[np.ndarray], list[dict[str, Any]]]:
    """Predict a few inputs, those of one shape in one batch; return the usable ones decoded, and a row for each."""
    rows: list[dict[str, Any]] = [item.row() for item in items]
    decoded = []
    for row, item in zip(rows, items, strict=True):
        try:
            decoded.append(decode(tf.constant(checked(run, item))).numpy())
        except BadInput as error:
            row["error"] = str(error)
    usable = [row for row in rows if "error" not in row]
    for shape in dict.fromkeys(one.shape for one in decoded):
        places = [place for place, one in enumerate(decoded) if one.shape == shape]
        answers = answer(run, np.stack([decoded[place] for place in places]))
        for number, place in enumerate(places):
            note = run.task.input.remark(run.config, decoded[place])
            usable[place] |= worded(run, {name: values[number] for name, values in answers.items()})
            usable[place] |= {"note": note} if note else {}
    return decoded, rows


def checked(run: Run, item: Given) -> bytes:
    """Read one input and check it.

    Raises:
        BadInput: if it cannot be used, with the reason.
    """
    raw = item.raw()
    run.task.input.check(raw, run.assets)
    return raw


def answer(run: Run, batch: np.ndarray) -> dict[str, np.ndarray]:
    """Run the model on decoded inputs `[count, ...]` and name its outputs.

    Raises:
        UsageError: if the batch is not what the model takes, with both shapes, types and ranges.
    """
    wanted = run.model.inputs[0]
    fits = tf.TensorShape(wanted.shape[1:]).is_compatible_with(batch.shape[1:])
    if batch.dtype != wanted.dtype or not fits:
        span = f", values {batch.min():g} to {batch.max():g}" if batch.size and batch.dtype.kind in "fiu" else ""
        raise UsageError(
            f"the model takes {wanted.dtype} of shape {list(wanted.shape[1:])} ({run.task.input.wanted}); this input "
            f"is {batch.dtype} of shape {list(batch.shape[1:])}{span}"
        )
    return {name: tensor.numpy() for name, tensor in run.answering(tf.constant(batch)).items()}
