"""Embeddings of a run: the vectors before the head, what a nearest-neighbour classifier makes of them, t-SNE maps.

embeddings/vectors.npz     of every example the vector and the network's output, with id, split, group, label
embeddings/thumbnails.zip  the training images, small, so that neighbours can be shown without the data;
embeddings/texts.json      of a text task how the training texts begin
embeddings/knn.json        metrics of the nearest-neighbour classifier beside the network's
embeddings/tsne.csv        which examples the maps show, and where
embeddings/tsne-2d.png     the test part, and training examples, in a plane
embeddings/tsne-3d.html    the same in space: opens in any browser, without a network
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import click
import numpy as np
import tensorflow as tf
from sklearn.pipeline import Pipeline

from keras_dl.errors import KerasDLError
from keras_dl.figures import tsne
from keras_dl.runs import embeddings, sources
from keras_dl.runs.embeddings import FOLDER, Embeddings
from keras_dl.runs.files import replacing
from keras_dl.runs.predictions import chosen
from keras_dl.runs.run import Run
from keras_dl.task import Data
from keras_dl.training import features, pipeline
from keras_dl.verbs import evaluate

MAPPED = 2000  # training examples in a map; more take long and hide each other


def embed(run: Run, *, neighbours: int | None = None) -> dict[str, Any]:
    """Write a run's embeddings, measure a nearest-neighbour classifier on them, and draw them with t-SNE.

    The classifier asks the `neighbours` nearest training examples. Its votes are calibrated on validation as the
    network's output is, and there its threshold is chosen. A task of anomaly scores trains on one class alone: there
    the mean distance to the neighbours is the score (Bergman et al. 2020, arXiv 2002.10445).

    Args:
        run: a complete run, whose data is where it was.
        neighbours: how many; None for those of the task.

    Returns:
        What knn.json holds: `{"network", "knn", "difference": {metric: {"value", "low", "high"}}, ...}` on the test
        part, "difference" being network minus knn on the same draws of groups; and "embeddings", the folder.

    Raises:
        UsageError: if there are not so many training examples, or the data is not what the run was trained on.
    """
    count = run.task.neighbours if neighbours is None else neighbours
    embeddings.check_count(count, run.card["splits"]["train"]["examples"])
    data = sources.load(run)
    found, thumbnails = computed(run, data)
    found.write(run)
    texts = [text for split in data.splits().values() for text in split.texts or ()]
    if thumbnails is None:
        embeddings.write_texts(run, data.train.ids, texts)
    else:
        embeddings.write_thumbnails(run, data.train.ids, thumbnails[: len(data.train)])
    knn = embeddings.knn(found.part("train"), count)
    measured = measure(run, found, knn)
    run.write(f"{FOLDER}/knn.json", measured)
    rows = mapped(found, run.config.seed)
    scaled = knn[:-1].transform(found.vectors[rows])
    names = found.table["id"].to_numpy()[rows]
    if thumbnails is None:
        names = np.array([f"{name}: {embeddings.beginning(texts[row])}" for name, row in zip(names, rows, strict=True)])
    draw(run, found.take(rows), scaled, names, None if thumbnails is None else thumbnails[rows])
    return {"embeddings": str(run.path / FOLDER), **measured}


def computed(run: Run, data: Data) -> tuple[Embeddings, np.ndarray | None]:
    """Return the embeddings of every example, training part first, and thumbnails `[count, side, side, channels]`.

    Of texts there are no thumbnails.
    """
    embedder = embeddings.embedder(run.model)
    parts, thumbnails = [], []
    with tempfile.TemporaryDirectory() as folder:  # for examples that do not fit in memory
        for name, split in data.splits().items():
            examples = pipeline.decoded(split, run.config, Path(folder) / name, name=name)
            parts.append(features.computed(embedder, examples.x, name=name))
            if run.task.modality == "image":
                thumbnails.append(embeddings.thumbnails(np.asarray(examples.x)))
    both = np.concatenate(parts)
    if not np.isfinite(both).all():
        raise KerasDLError(f"{run.path / 'model.keras'} gives numbers that are not finite; train again")
    width = both.shape[1] - int(np.prod(run.model.output.shape[1:]))
    found = Embeddings(sources.table(data), both[:, :width], both[:, width:])
    return found, np.concatenate(thumbnails) if thumbnails else None


def measure(run: Run, found: Embeddings, knn: Pipeline) -> dict[str, Any]:
    """Return the metrics on the test part of the network and of the nearest-neighbour classifier."""
    validation, test = found.part("validation"), found.part("test")
    fitted = run.task.calibrate(validation.labels, votes(run, knn, validation), run.config)
    answers = {"network": (test.outputs, run.assets), "knn": (votes(run, knn, test), run.assets | fitted)}
    models = {name: (values(run, *answer), answer[1]["threshold"]) for name, answer in answers.items()}
    groups = test.table["group"]
    return {
        **evaluate.paired(run.task.evaluate, test.labels, models, groups, run.config.seed),
        "neighbours": knn[-1].n_neighbors,
        "examples": len(test.labels),
        "groups": int(groups.nunique()),
        "per_class": {name: int((test.labels == index).sum()) for index, name in enumerate(run.assets["classes"])},
        "thresholds": {name: threshold for name, (_, threshold) in models.items()},
        "calibration": fitted["calibration"],
    }


def votes(run: Run, knn: Pipeline, part: Embeddings) -> np.ndarray:
    """Return what the nearest training examples say, in the form of the network's output: `[count, 1 or classes]`.

    It is the share of a class among them, with one vote more for each class (Laplace): no share is 0 or 1 then, and
    calibration has finite log-odds to work with.
    """
    if run.task.value == "score":
        distances, _ = embeddings.nearest(knn, part.vectors)
        return distances.mean(axis=1, keepdims=True).astype("float32")
    shares = knn.predict_proba(part.vectors)
    count, classes = knn[-1].n_neighbors, shares.shape[1]
    shares = ((shares * count + 1) / (count + classes)).astype("float32")
    return shares if run.task.value == "probabilities" else shares[:, 1:]


def values(run: Run, outputs: np.ndarray, assets: dict[str, Any]) -> np.ndarray:
    """Return the values that the task's metrics are of."""
    return run.task.predict(tf.constant(outputs), assets)[run.task.value].numpy()


def mapped(found: Embeddings, seed: int) -> np.ndarray:
    """Return the rows that the maps show: the test part, and training examples drawn at random where they are many."""
    train, test = (np.flatnonzero(found.table["split"] == name) for name in ("train", "test"))
    drawn = np.random.default_rng(seed).choice(train, min(MAPPED, len(train)), replace=False)
    return np.concatenate([np.sort(drawn), test])


def draw(run: Run, found: Embeddings, scaled: np.ndarray, names: np.ndarray, thumbnails: np.ndarray | None) -> None:
    """Write the maps, and the table of where each example is in them; `names` are what one sees who points at one."""
    examples = f"{run.task.words.get('example', 'example')}s"
    points = tsne.Points(
        ids=names,
        labels=found.labels,
        answers=chosen(values(run, found.outputs, run.assets), run.assets["threshold"]),
        tested=(found.table["split"] == "test").to_numpy(),
        classes=run.assets["classes"],
    )
    places = {}
    for dimensions in (2, 3):
        click.echo(f"t-SNE of {len(scaled):,} {examples} in {dimensions} dimensions ...", err=True)
        places[dimensions] = tsne.layout(scaled, dimensions, run.config.seed)
    of = run.card["splits"]["train"]["examples"]
    title = (
        f"{run.task.title}: t-SNE of the vectors before the head (perplexity {tsne.perplexity(len(scaled)):.0f}), test "
        f"part and {(~points.tested).sum():,} of {of:,} training {examples}"
    )
    table = found.table.assign(answer=points.answers)
    table[["x", "y"]], table[["x 3-D", "y 3-D", "z 3-D"]] = places[2], places[3]
    with replacing(run.path / FOLDER / "tsne.csv") as temporary:
        table.to_csv(temporary, index=False)
    with replacing(run.path / FOLDER / "tsne-2d.png") as temporary:
        tsne.flat(points, places[2], title).savefig(temporary, dpi=130, format="png")
    with replacing(run.path / FOLDER / "tsne-3d.html") as temporary:
        temporary.write_text(tsne.solid(points, places[3], title, thumbnails), encoding="utf-8")
