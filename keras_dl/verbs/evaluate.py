"""Evaluation: what is chosen on validation, and what the test part then says, with intervals and a baseline beside.

The test part is read once, at the end of a training. The intervals are bootstrap intervals *by group*: whole
patients are drawn, since the images of one patient are no independent witnesses.
"""

from __future__ import annotations

import importlib.metadata
import platform
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click
import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from tqdm import tqdm

from keras_dl.errors import KerasDLError
from keras_dl.measures import metrics
from keras_dl.runs import sources
from keras_dl.runs.files import replacing
from keras_dl.runs.predictions import Predictions
from keras_dl.runs.run import Run
from keras_dl.task import Assets, Data, Split, Task
from keras_dl.training import pipeline
from keras_dl.training.pipeline import Examples
from keras_dl.verbs import gallery, report

BATCH = 64
R = TypeVar("R", bound=Run)


def conclude(run: R, model: keras.Model, data: Data, splits: dict[str, Examples], training: dict[str, Any]) -> R:
    """Turn a fitted model into a complete run: assets, baseline, test metrics, card, report; metrics.json last."""
    model = keras.Model(model.input, model.output, name=model.name)  # the same, without the optimizer's state
    with replacing(run.path / "model.keras") as temporary:
        keras.saving.save_model(model, temporary)
    baseline = run.task.baseline(run.config)
    baseline.fit(raw_or_decoded(data.train, splits["train"]), splits["train"].labels)
    save_baseline(baseline, run.path / "assets" / "baseline.skops")
    chosen = splits["validation"]
    assets = data.assets | run.task.calibrate(chosen.labels, scores(model, chosen), run.config)
    seen = raw_or_decoded(data.validation, chosen)
    assets["baseline"] = run.task.calibrate(chosen.labels, baseline_scores(run.task, baseline, seen), run.config)
    run.write("assets/assets.json", assets)

    keep_examples(run, data.test, assets["classes"])
    predictions = predict_both(run.task, assets, model, baseline, splits["test"], data.test)
    predictions.write(run, assets["classes"])
    gallery.keep(run, data.test, predictions)
    words = {**run.task.words, "baseline": getattr(baseline, "title", run.task.words["baseline"])}
    run.write("card.json", {**card(run, model, data, assets, training), "words": words})
    measured = measure(run.task, assets, predictions, run.config.seed)
    report.write(run, measured)
    run.write("metrics.json", {"test": measured})
    return type(run)(run.path)  # as it is now on disk


def evaluate(run: Run, data: str | Path | None = None) -> dict[str, Any]:
    """Evaluate a run on its own test part again, or on another set, with its stored threshold and calibration.

    Args:
        run: a complete run.
        data: a folder or archive in the layouts of the task; of one with parts the test part is taken. None for
            the test part of the run's own data.

    Examples that the run was trained or chosen on, by their file names or texts, are counted in "seen" and warned of.

    Returns:
        `{"network", "baseline", "difference": {metric: {"value", "low", "high"}}, "examples", "groups", ...}`,
        "difference" being network minus baseline on the same draws.
    """
    source = sources.folder(run) if data is None else sources.checked(run.task, data)
    own = str(source) == str(sources.folder(run))
    split = sources.load(run).test if own else run.task.read(run.config, run.assets, source)
    seen = 0 if own else seen_in_training(run, split)
    if seen:
        click.echo(
            f"{seen} of {len(split)} examples are training examples, by name or by text: too good to be true", err=True
        )
    with tempfile.TemporaryDirectory() as folder:  # for examples that do not fit in memory
        examples = pipeline.decoded(split, run.config, Path(folder) / "test", name="test")
        predictions = predict_both(run.task, run.assets, run.model, load_baseline(run), examples, split)
    return {"data": str(source), "seen": seen, **measure(run.task, run.assets, predictions, run.config.seed)}


def seen_in_training(run: Run, split: Split) -> int:
    """Count the examples that the run had in its training or validation part: by file name, texts by what they say."""
    table = pd.read_csv(run.path / "splits.csv", dtype=str, keep_default_na=False)
    table = table[table["split"] != "test"]
    if split.texts is not None:
        groups = set(table["group"])
        return sum(group in groups for group in split.groups)
    known = {Path(name).name for name in table["id"]}
    return sum(Path(name).name in known for name in split.ids)


def scores(model: keras.Model, examples: Examples) -> np.ndarray:
    """Return the network's raw outputs for every example, in order: `[count, ...]`."""
    with tqdm(total=len(examples), desc="predict", unit=" examples", disable=None) as bar:
        step = keras.callbacks.LambdaCallback(
            on_predict_batch_end=lambda batch, logs=None: bar.update(min(BATCH, bar.total - bar.n))
        )
        return model.predict(pipeline.evaluation(examples, BATCH), verbose=0, callbacks=[step])


def raw_or_decoded(split: Split, examples: Examples) -> Any:
    """Return what a baseline is fitted to: texts as they are, images as the network sees them."""
    return examples.arrays()[0] if split.texts is None else list(split.texts)


def baseline_scores(task: Task, baseline: Any, inputs: Any) -> np.ndarray:
    """Return the baseline's scores in the form of the network's: `[count, 1]`, or `[count, classes]` of several."""
    from scipy.special import expit, softmax

    margin = baseline.decision_function(inputs)  # what predict_proba would calibrate, we do ourselves
    shares = {"probability": expit, "probabilities": partial(softmax, axis=1), "score": np.asarray}[task.value]
    return shares(margin).reshape(len(margin), -1).astype("float32")


def predict_both(
    task: Task, assets: Assets, model: keras.Model, baseline: Any, examples: Examples, split: Split
) -> Predictions:
    """Return what the network and the baseline say of every example, as `Task.value`."""
    network = task.predict(tf.constant(scores(model, examples)), assets)
    margins = baseline_scores(task, baseline, raw_or_decoded(split, examples))
    other = task.predict(tf.constant(margins), assets | assets["baseline"])
    table = pd.DataFrame({"id": split.ids, "group": split.groups, "label": split.labels})
    return Predictions(table, {"network": network[task.value].numpy(), "baseline": other[task.value].numpy()})


def measure(task: Task, assets: Assets, predictions: Predictions, seed: int) -> dict[str, Any]:
    """Return the metrics of network and baseline and their difference, each with its 95 % bootstrap interval."""
    if not len(predictions.table):
        raise KerasDLError("there is no example to evaluate on; give a folder that has a test part")
    thresholds = {"network": assets["threshold"], "baseline": assets["baseline"]["threshold"]}
    outputs = {name: (predictions.outputs[name], threshold) for name, threshold in thresholds.items()}
    groups, labels = predictions.table["group"], predictions.labels
    return {
        **paired(task.evaluate, labels, outputs, groups, seed),
        "examples": len(labels),
        "groups": int(groups.nunique()),
        "per_class": {name: int((labels == index).sum()) for index, name in enumerate(assets["classes"])},
        "thresholds": thresholds,
    }


def paired(
    metrics_of: Callable[..., dict[str, float]],
    labels: np.ndarray,
    outputs: Mapping[str, tuple[np.ndarray, float | None]],
    groups: pd.Series,
    seed: int,
) -> dict[str, dict[str, Any]]:
    """Measure two models on the same examples and the same draws of groups.

    Args:
        metrics_of: `Task.evaluate`.
        labels: `[count]`.
        outputs: two models, name -> (values, threshold), as `metrics_of` takes them.
        groups: `[count]`, what is drawn as a whole.
        seed: of the draws.

    Returns:
        For each name, and for "difference" (first minus second): `{metric: {"value", "low", "high"}}`.
    """

    def both(weights: np.ndarray | None = None) -> np.ndarray:
        rows = [metrics_of(labels, values, threshold, weights) for values, threshold in outputs.values()]
        return np.array([list(row.values()) for row in rows])  # [2, metrics]

    values, threshold = next(iter(outputs.values()))
    names = list(metrics_of(labels, values, threshold))
    draws = tqdm(metrics.group_draws(groups, seed), desc="bootstrap", unit=" draws", disable=None)
    point, drawn = both(), np.stack([both(weights) for weights in draws])
    point, drawn = np.vstack([point, point[0] - point[1]]), drawn.transpose(1, 2, 0)
    drawn = np.concatenate([drawn, drawn[:1] - drawn[1:]])  # [3, metrics, draws]
    return {
        row: {name: interval(name, value, draws) for name, value, draws in zip(names, values, ends, strict=True)}
        for row, values, ends in zip((*outputs, "difference"), point, drawn, strict=True)
    }


def interval(name: str, value: float, draws: np.ndarray) -> dict[str, float | None]:
    """Return a metric's value with the 2.5 and 97.5 percentiles of its draws; None where it is not defined.

    A distance from perfection, such as the calibration error, grows when examples are drawn again, so that the
    percentiles may lie above the value. For these the interval is mirrored at the value (the "basic" bootstrap).
    """
    defined = draws[np.isfinite(draws)]
    low, high = np.percentile(defined, [2.5, 97.5]) if len(defined) else (np.nan, np.nan)
    if name in metrics.DISTANCES:
        low, high = 2 * value - high, 2 * value - low
        low = max(low, 0.0) if value >= 0 and defined.min(initial=0) >= 0 else low
    return {
        key: round(float(number), 6) if np.isfinite(number) else None
        for key, number in (("value", value), ("low", low), ("high", high))
    }


def keep_examples(run: Run, split: Split, classes: list[str], each: int = 4) -> None:
    """Keep a few raw test inputs of each class in the run: export proves itself on them, the server shows them."""
    for index, name in enumerate(classes):
        rows = [row for row, label in enumerate(split.labels) if label == index][:each]
        for number, row in enumerate(rows):
            suffix = Path(split.ids[row]).suffix if split.texts is None else ".txt"
            with replacing(run.path / "examples" / f"{name}-{number}{suffix}") as temporary:
                temporary.write_bytes(split.raw(row))


def save_baseline(baseline: Any, path: Path) -> None:
    """Write the fitted scikit-learn model with skops, which unlike pickle runs no code when it is read."""
    import skops.io

    with replacing(path) as temporary:
        skops.io.dump(baseline, temporary)


def load_baseline(run: Run) -> Any:
    """Read the run's baseline; it may name nothing but this package's and scikit-learn's own types."""
    import skops.io

    path = run.path / "assets" / "baseline.skops"
    named = skops.io.get_untrusted_types(file=path)
    foreign = [name for name in named if not name.startswith(("keras_dl.", "sklearn."))]
    if foreign:
        raise KerasDLError(f"{path} names types that no baseline of this package has: {', '.join(foreign)}")
    return skops.io.load(path, trusted=named)


def card(run: Run, model: keras.Model, data: Data, assets: Assets, training: dict[str, Any]) -> dict[str, Any]:
    """Return what a user of the model must know: inputs, outputs, data, splits, versions, device, limits."""
    inputs = {tensor.name: {"dtype": tensor.dtype, "shape": list(tensor.shape)} for tensor in model.inputs}
    outputs = run.task.predict(tf.zeros((1, *model.output.shape[1:])), assets)
    return {
        "task": run.task.name,
        "title": run.task.title,
        "inputs": inputs,
        "outputs": {
            name: {"dtype": tensor.dtype.name, "shape": [None, *tensor.shape[1:]]} for name, tensor in outputs.items()
        },
        "classes": assets["classes"],
        "threshold": assets["threshold"],
        "calibration": assets["calibration"],
        "parameters": model.count_params(),
        "intended_use": run.task.intended_use,
        "limits": run.task.limits,
        "data": {
            "source": run.asked["data"] or "embedded, synthetic",
            "synthetic": run.asked["data"] is None,
            **provenance(run),
            "notes": dict(data.notes),
        },
        "splits": {
            name: {
                "examples": len(split),
                "groups": len(set(split.groups)),
                "per_class": {c: list(split.labels).count(index) for index, c in enumerate(assets["classes"])},
            }
            for name, split in data.splits().items()
        },
        "training": {**training, "seed": run.config.seed, "recipe": run.config.recipe},
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in ("keras-dl", "keras", "tensorflow", "numpy")},
        },
    }


def provenance(run: Run) -> dict[str, str]:
    """Return title, licence and citation of what was trained on; of a user's own data we know the layout alone."""
    source = sources.module(run.task)
    if run.asked["data"] is None:
        return {"title": "drawn by keras-dl", "licence": "Apache 2.0", "citation": ""}
    return {
        "title": f"data of the user, in the layout of: {source.TITLE}",
        "licence": f"that of the data; the published set has {source.LICENCE}",
        "citation": source.CITATION,
    }
