"""Embeddings of a run: the vectors before the head, what a nearest-neighbour model makes of them, t-SNE maps.

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
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from sklearn.pipeline import Pipeline

from keras_dl.errors import KerasDLError
from keras_dl.figures import tsne
from keras_dl.progress import say
from keras_dl.runs import embeddings, sources
from keras_dl.runs.embeddings import FOLDER, Embeddings
from keras_dl.runs.files import replacing
from keras_dl.runs.run import Run
from keras_dl.task import Data
from keras_dl.task.kinds import Found
from keras_dl.training import features, pipeline
from keras_dl.training.own_keras import own_keras
from keras_dl.verbs.evaluate import measure_pair

MAPPED = 2000  # training examples in a map; more take long and hide each other


@own_keras()
def embed(run: Run, *, neighbours: int | None = None) -> dict[str, Any]:
    """Write a run's embeddings, measure a nearest-neighbour classifier on them, and draw them with t-SNE.

    The classifier asks the `neighbours` nearest training examples. Its votes are calibrated on validation as the
    network's output is, and there its threshold is chosen. A task of anomaly scores trains on one class alone: there
    the mean distance to the neighbours is the score (Bergman et al. 2020, arXiv 2002.10445).

    Args:
        run: a complete run, whose data is where it was.
        neighbours: how many; None for those of the task, or all where there are fewer.

    Returns:
        What knn.json holds: `{"network", "knn", "difference": {metric: {"value", "low", "high"}}, ...}` on the test
        part, "difference" being network minus knn on the same draws of groups; and "embeddings", the folder.

    Raises:
        UsageError: if there are not so many training examples, or the data is not what the run was trained on.
    """
    there = run.card["splits"]["train"]["examples"]
    count = min(run.task.neighbours, there) if neighbours is None else neighbours
    embeddings.check_count(count, there)
    data = sources.load(run)
    found, miniatures = computed(run, data)
    found.write(run)
    embeddings.write_miniatures(run, data.train.ids, miniatures[: len(data.train)])
    knn = embeddings.knn(found.part("train"), count, run.task.output)
    measured = measure(run, found, knn)
    run.write(f"{FOLDER}/knn.json", measured)
    rows = mapped(found, run.config.seed)
    draw(run, found.take(rows), knn[:-1].transform(found.vectors[rows]), [miniatures[row] for row in rows])
    return {"embeddings": str(run.path / FOLDER), **measured}


def computed(run: Run, data: Data) -> tuple[Embeddings, list[Any]]:
    """Return the embeddings of every example, training part first, and what stands for each of them."""
    embedder = embeddings.embedder(run.model, run.task.output)
    parts: list[np.ndarray] = []
    miniatures: list[Any] = []
    with tempfile.TemporaryDirectory() as folder:  # for examples that do not fit in memory
        for name, split in data.splits().items():
            examples = pipeline.decoded(split, run.config, Path(folder) / name, name=name)
            parts.append(features.computed(embedder, examples.x, name=name))
            miniatures.extend(run.task.input.miniatures(split, np.asarray(examples.x)))
    both = np.concatenate(parts)
    if not np.isfinite(both).all():
        raise KerasDLError(f"{run.path / 'model.keras'} gives values that are not finite; train again")
    reduced = run.task.output.reduced(keras.KerasTensor((1, *run.model.output.shape[1:])))
    width = both.shape[1] - int(np.prod(reduced.shape[1:]))
    return Embeddings(sources.table(data), both[:, :width], both[:, width:]), miniatures


def measure(run: Run, found: Embeddings, knn: Pipeline) -> dict[str, Any]:
    """Return the metrics on the test part of the network and of the model that asks the nearest examples."""
    output, validation, test = run.task.output, found.part("validation"), found.part("test")
    votes, groups = output.votes(knn, validation.vectors), validation.table["group"].tolist()
    fitted = output.fit(validation.truth, votes, run.config, groups)
    assets = {"network": run.assets, "knn": run.assets | fitted}
    raw = {"network": test.outputs, "knn": output.votes(knn, test.vectors)}
    values = {name: output.values(raw[name], assets[name]) for name in raw}
    compared = Found(test.truth, test.table["group"].tolist(), values, assets)
    return {
        **measure_pair(output, compared, run.config.seed),
        **output.summary(test.truth, run.assets),
        "neighbours": knn[-1].n_neighbors,
        **{name: value for name, value in fitted.items() if name == "calibration"},
    }


def mapped(found: Embeddings, seed: int) -> np.ndarray:
    """Return the rows that the maps show: the test part, and training examples drawn at random where they are many."""
    train, test = (np.flatnonzero(found.table["split"] == name) for name in ("train", "test"))
    drawn = np.random.default_rng(seed).choice(train, min(MAPPED, len(train)), replace=False)
    return np.concatenate([np.sort(drawn), test])


def draw(run: Run, found: Embeddings, scaled: np.ndarray, miniatures: Sequence[Any]) -> None:
    """Write the maps, and the table of where each example is in them; each is shown by its miniature."""
    examples = f"{run.task.words['example']}s"
    output, names = run.task.output, found.table["id"].to_numpy()
    pictures = isinstance(miniatures[0], np.ndarray)
    if not pictures:
        names = np.array(
            [f"{name}: {embeddings.beginning(text)}" for name, text in zip(names, miniatures, strict=True)]
        )
    points = tsne.Points(
        ids=names,
        labels=output.strata(found.truth, run.assets),
        answers=output.answered(output.values(found.outputs, run.assets), run.assets),
        tested=(found.table["split"] == "test").to_numpy(),
        classes=output.names(run.assets),
    )
    places = {}
    for dimensions in (2, 3):
        say(f"t-SNE of {len(scaled):,} {examples} in {dimensions} dimensions ...")
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
        thumbnails = np.stack(miniatures) if pictures else None
        temporary.write_text(tsne.solid(points, places[3], title, thumbnails), encoding="utf-8")
