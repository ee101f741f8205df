"""The examples that a report shows: the surest errors, and some hits, with heatmaps or coloured words."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from keras_dl.errors import KerasDLError, UsageError
from keras_dl.runs import sources
from keras_dl.runs.files import replacing
from keras_dl.runs.predictions import Predictions
from keras_dl.runs.run import Run
from keras_dl.task import Split

PAIRS, ERRORS, RIGHT = 6, 8, 2  # kinds of error at most; pictures of all of them together, and per class that is right
SHOWN = 600  # characters of a text, about

Gallery = dict[str, list[dict[str, Any]]]  # title -> examples: row, id, group, answer, network, baseline; what is shown


def examples(run: Run, predictions: Predictions, thresholds: dict[str, Any]) -> tuple[Gallery, str]:
    """Return examples by kind, with pictures and heatmaps, or with coloured texts, where these are there.

    Args:
        run: a run with card.json, assets and a model.
        predictions: of its test part.
        thresholds: model -> threshold, or None where the answer is the likeliest class.

    Returns:
        The examples, and "" or why there are no pictures or texts.
    """
    classes = run.assets["classes"]
    kinds = choose(predictions, thresholds["network"], classes)
    style = ".3g" if run.task.value == "score" else ".2f"  # a score may be of any size
    said = {name: sayings(predictions, name, classes, style) for name in predictions.outputs}
    chosen = {
        title: [
            {"row": row, **columns, **{name: texts[row] for name, texts in said.items()}}
            for row, columns in zip(rows.index, rows.to_dict("records"), strict=True)
        ]
        for title, rows in kinds.items()
    }
    entries = [entry for rows in chosen.values() for entry in rows]
    reads_text = run.task.modality == "text"
    if not entries or not (reads_text or [len(spec["shape"]) for spec in run.card["inputs"].values()] == [4]):
        return chosen, ""
    try:
        raw = raw_inputs(run, entries)
    except (OSError, KerasDLError) as error:
        return chosen, f"The {'texts' if reads_text else 'pictures'} are not at hand: {error}."
    look: Callable[..., list[dict[str, Any]]] = texts_of if reads_text else pictures_of
    for entry, shown in zip(entries, look(run, raw, [entry["answer"] for entry in entries]), strict=True):
        entry |= shown
    return chosen, ""


def keep(run: Run, split: Split, predictions: Predictions) -> None:
    """Keep the raw inputs that the report shows in the run, so that it can be written again without the data."""
    for rows in choose(predictions, run.assets["threshold"], run.assets["classes"]).values():
        for row in rows.index:
            with replacing(kept(run, row, split.ids[row])) as temporary:
                temporary.write_bytes(split.raw(row))


def choose(predictions: Predictions, threshold: float | None, classes: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Choose what is worth looking at: the errors and the hits that the network was surest of.

    Of two classes both kinds of error are shown; of more, those that occur most. Of each group (patient) one example
    at most is taken for each kind.

    Returns:
        title -> rows of `predictions.table`, with "answer" (class index), surest first.
    """
    answers = predictions.answers("network", threshold)
    values = predictions.outputs["network"]
    certainty = values.max(axis=1) if values.ndim == 2 else np.where(answers == 1, values, -values)
    table = predictions.table.assign(answer=answers, certainty=certainty)

    def surest(true: int, given: int, count: int) -> pd.DataFrame:
        rows = table[(table["label"] == true) & (table["answer"] == given)]
        rows = rows.sort_values("certainty", ascending=False, kind="stable").drop_duplicates("group").head(count)
        return rows.drop(columns="certainty")

    pairs = [(1, 0), (0, 1)] if len(classes) == 2 else confused(predictions.labels, answers)
    each = ERRORS // max(len(pairs), 2) if len(pairs) < 4 else RIGHT
    errors = {f"{classes[true]} taken for {classes[given]}": surest(true, given, each) for true, given in pairs}
    right = {f"{classes[one]}, recognised": surest(one, one, RIGHT) for one in reversed(range(len(classes)))}
    return errors | right


def confused(labels: np.ndarray, answers: np.ndarray) -> list[tuple[int, int]]:
    """Return the (true, given) classes that are taken for one another, most frequent first."""
    wrong = labels != answers
    pairs, counts = np.unique(np.stack([labels[wrong], answers[wrong]], axis=1), axis=0, return_counts=True)
    return [(int(true), int(given)) for true, given in pairs[np.argsort(-counts, kind="stable")][:PAIRS]]


def sayings(predictions: Predictions, name: str, classes: Sequence[str], style: str) -> list[str]:
    """Say for each example what a model gave: the value in this style, or the likeliest of several classes."""
    values = predictions.outputs[name]
    if values.ndim == 2:
        return [f"{classes[row.argmax()]} {row.max():.2f}" for row in values]
    return [f"{value:{style}}" for value in values]


def raw_inputs(run: Run, entries: Sequence[dict[str, Any]]) -> list[bytes]:
    """Read the raw inputs: those kept in the run, else from the data, if it is still where and what it was.

    Raises:
        KerasDLError: if they are nowhere.
    """
    paths = [kept(run, entry["row"], entry["id"]) for entry in entries]
    if all(path.is_file() for path in paths):
        return [path.read_bytes() for path in paths]
    test = sources.load(run).test
    return [test.raw(entry["row"]) for entry in entries]


def kept(run: Run, row: int, name: str) -> Path:
    """Return where the raw input of a row of predictions.csv is kept."""
    suffix = ".txt" if run.task.modality == "text" else Path(name).suffix  # of "spam.csv:17" there is none
    return run.path / "shown" / f"{row:06d}{suffix}"


def pictures_of(run: Run, raw: Sequence[bytes], answers: Sequence[int]) -> list[dict[str, Any]]:
    """Return "picture" and, for a model that can be explained, "heatmap" of each image, as data URLs.

    With several classes the heatmap explains the answer that the network gave.
    """
    import tensorflow as tf

    from keras_dl.explaining import heatmap

    decode = run.task.decode(run.config, run.assets)
    images = np.stack([decode(tf.constant(data)).numpy() for data in raw])
    pictures = [{"picture": data_url(image)} for image in images]
    try:
        heats = heatmap.heatmaps(run, images, answers)
    except UsageError:  # no convolution: the pictures alone
        return pictures
    for picture, image, heat in zip(pictures, images, heats, strict=True):
        picture["heatmap"] = data_url(np.round(255 * heatmap.overlay(image, heat)).astype("uint8"))
    return pictures


def data_url(image: np.ndarray) -> str:
    """Encode a uint8 image `[height, width, 1 or 3]` as a JPEG in a data URL."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(file, "JPEG", quality=90)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def texts_of(run: Run, raw: Sequence[bytes], answers: Sequence[int]) -> list[dict[str, Any]]:
    """Return "text" of each example: as HTML, its words coloured by what they say for the explained class.

    That is the positive one of two classes; of several the answer that the network gave. Of a long text the part is
    shown that says most.
    """
    from keras_dl.explaining import words
    from keras_dl.pages import coloured

    split, score = words.tokenizer(run), words.log_odds(run)
    shown = []
    for data, answer in zip(raw, answers, strict=True):
        text, of = data.decode("utf-8", "replace"), 1 if run.task.value == "probability" else answer
        read = words.reading(run, text, split)
        weigh = partial(words.occlusion, score, read.text, of=of)
        spans = strongest_part(read.spans, weigh)
        weighted = [
            {"start": start, "end": end, "weight": weight}
            for (start, end), weight in zip(spans, weigh(spans), strict=True)
        ]
        start, end = (spans[0][0], spans[-1][1]) if spans else (0, len(text))
        before, after = ("… " if text[:start].strip() else ""), (" …" if text[end:].strip() else "")
        shown.append({"text": Markup("{}{}{}").format(before, coloured.marked(text[:end], weighted, start), after)})
    return shown


def strongest_part(
    spans: list[tuple[int, int]], weigh: Callable[[list[tuple[int, int]]], np.ndarray]
) -> list[tuple[int, int]]:
    """Return the spans of the part, of about SHOWN characters, that makes the largest difference as a whole."""
    parts: list[list[tuple[int, int]]] = [[]]
    for span in spans:
        if parts[-1] and span[1] - parts[-1][0][0] > SHOWN:
            parts.append([])
        parts[-1].append(span)
    if len(parts) == 1:
        return parts[0]
    return parts[int(np.abs(weigh([(part[0][0], part[-1][1]) for part in parts])).argmax())]
