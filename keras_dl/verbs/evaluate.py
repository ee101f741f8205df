"""Evaluation: what is chosen on validation, and what the test part then says, with intervals and a baseline beside.

The test part is read once, at the end of a training. The intervals are bootstrap intervals *by group*: whole
patients are drawn, since the images of one patient are no independent witnesses.
"""

from __future__ import annotations

import importlib.metadata
import platform
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import keras
import numpy as np
import pandas as pd

from keras_dl.answering import reference
from keras_dl.answering.answering import Answering, Network
from keras_dl.errors import KerasDLError
from keras_dl.measures import bootstrap
from keras_dl.measures.bootstrap import Cell, Draws
from keras_dl.progress import say
from keras_dl.runs import baseline as baselines
from keras_dl.runs import marks, sources
from keras_dl.runs.files import replacing
from keras_dl.runs.predictions import UNUSUALNESS, Predictions
from keras_dl.runs.run import Run
from keras_dl.slicing.annotations import NOTHING, Annotations
from keras_dl.slicing.annotations import read as read_annotations
from keras_dl.slicing.sliced import sliced
from keras_dl.task import Assets, Data, Output, Split, Task
from keras_dl.task.kinds import Found
from keras_dl.training import pipeline
from keras_dl.training.own_keras import own_keras
from keras_dl.training.pipeline import Examples
from keras_dl.verbs import drift, gallery, report

R = TypeVar("R", bound=Run)


def conclude(run: R, model: keras.Model, data: Data, splits: dict[str, Examples], training: dict[str, Any]) -> R:
    """Turn a fitted model into a complete run: assets, baseline, test metrics, card, report; metrics.json last."""
    model = keras.Model(model.input, model.output, name=model.name)  # the same, without the optimizer's state
    with replacing(run.path / "model.keras") as temporary:
        keras.saving.save_model(model, temporary)
    task, output = run.task, run.task.output
    baseline = task.baseline(run.config)
    baseline.fit(fitted_to(task, data.train, splits["train"]), splits["train"].truth)
    baselines.save(baseline, run.path / "assets" / "baseline.skops")
    chosen, network = splits["validation"], Network(task, run.config, model)
    found = network.see(chosen, name="validation")
    groups = data.validation.groups
    assets = data.assets | output.fit(chosen.truth, found.outputs, run.config, groups)
    novelty = reference.keep(run, network, splits["train"], data.validation, found, assets)
    assets |= drift.summary(output, reference.read(run))
    seen = fitted_to(task, data.validation, chosen)
    assets["baseline"] = output.fit(chosen.truth, output.baseline_outputs(baseline, seen), run.config, groups)
    others = task.others(run.config)
    for title, other in others.items():
        other.fit(fitted_to(task, data.train, splits["train"]), splits["train"].truth)
        settled = output.fit(chosen.truth, output.baseline_outputs(other, seen), run.config, groups)
        assets.setdefault("others", {})[title] = settled
    if others:
        baselines.save(dict(others), run.path / "assets" / baselines.OTHERS)
    run.write("assets/assets.json", assets)
    write(run, Answering(network, assets, novelty), baseline, others, data, splits, training)
    return type(run)(run.path)  # as it is now on disk


def write(
    run: Run,
    answering: Answering,
    baseline: Any,
    others: Mapping[str, Any],
    data: Data,
    splits: dict[str, Examples],
    training: dict[str, Any],
) -> None:
    """Measure a run on its test part, and write all that follows from that; metrics.json last."""
    task, assets = run.task, answering.assets
    keep_examples(run, data.test, assets)
    predictions = predict_both(answering, baseline, splits["test"], data.test)
    predictions.write(run, task.output.columns(assets))
    gallery.keep(run, data.test, predictions.found(assets))
    words = {**task.words, "baseline": getattr(baseline, "title", task.words["baseline"])}
    run.write("card.json", {**card(run, answering, data, training), "words": words})
    measured = measure(task, assets, predictions, run.config.seed)
    measured |= measure_others(task, assets, others, splits["test"], data.test, run.config.seed)
    report.write(run, measured)
    run.write("metrics.json", {"test": measured})


@own_keras()
def evaluate(run: Run, data: str | Path | None = None, slices: str | Path | None = None) -> dict[str, Any]:
    """Evaluate a run on its own test part again, or on another set, with its stored threshold and calibration.

    Args:
        run: a complete run.
        data: a folder or archive in the layouts of the task; of one with parts the test part is taken. None for
            the test part of the run's own data.
        slices: a table of what else is known of the examples; see `slicing.annotations.read`.

    Examples that the run was trained or chosen on, by their file names or texts, are counted in "seen" and warned of.

    Returns:
        `{"network", "baseline", "difference": {metric: {"value", "low", "high"}}, "examples", "groups", ...}`,
        "difference" being network minus baseline on the same draws; "slices" as `slicing.sliced.sliced` gives them; and
        "drift", what `verbs.drift` says of the set.
    """
    source = sources.folder(run) if data is None else sources.checked(run.task, data)
    own = data is None or str(source) == run.asked["data"]
    split = sources.load(run).test if own else run.task.read(run.config, run.assets, source)
    annotations = NOTHING if slices is None else read_annotations(slices, split.ids)
    seen = 0 if own else seen_in_training(run, split)
    if seen:
        say(
            f"{seen} of {len(split)} examples were in the training or validation part of this run, by name or by text, "
            "so the figures are too good"
        )
    with tempfile.TemporaryDirectory() as folder:  # for examples that do not fit in memory
        examples = pipeline.decoded(split, run.config, Path(folder) / "test", name="test")
        predictions = predict_both(run.answering, baselines.load(run), examples, split)
        others = measure_others(run.task, run.assets, baselines.load_others(run), examples, split, run.config.seed)
    measured = measure(run.task, run.assets, predictions, run.config.seed, annotations)
    drifted = drift.compared(run, predictions, own=own)
    return {"data": str(source), "seen": seen, **measured, **others, "drift": drifted}


def seen_in_training(run: Run, split: Split) -> int:
    """Count the examples that the run had in its training or validation part: by file name, texts by what they say."""
    table = sources.written(run)
    table = table[table["split"] != "test"]
    return run.task.input.seen(split, set(table["id"]), set(table["group"]))


def fitted_to(task: Task, split: Split, examples: Examples) -> Any:
    """Return what a baseline is fitted to: texts as they are, images as the network sees them."""
    return task.input.fitted_to(split, lambda: examples.arrays()[0])


def predict_both(answering: Answering, baseline: Any, examples: Examples, split: Split) -> Predictions:
    """Return what the network and the baseline say of every example, as `Output.value`, and what is known of each."""
    if not len(split):
        raise KerasDLError("there are no examples to evaluate on; use a folder that has a test part")
    task, assets = answering.network.task, answering.assets
    seen = answering.network.see(examples)
    said = task.output.baseline_outputs(baseline, fitted_to(task, split, examples))
    values = {
        "network": task.output.values(seen.outputs, assets),
        "baseline": task.output.values(said, assets | assets["baseline"]),
    }
    described = task.input.described(answering.network.config, split, lambda: examples.arrays()[0])
    known = {**described, **split.columns}
    table = pd.DataFrame({"id": split.ids, "group": split.groups, "label": split.truth, **known})
    if not answering.novelty:
        return Predictions(table, values)
    table[UNUSUALNESS] = answering.novelty.unusualness(seen.vectors).numpy()
    return Predictions(table, values, answering.novelty.features(seen.vectors))


def measure(
    task: Task, assets: Assets, predictions: Predictions, seed: int, annotations: Annotations = NOTHING
) -> dict[str, Any]:
    """Return the metrics of network and baseline and their difference, each with its 95 % interval, and the slices."""
    found = predictions.found(assets)
    measured = measure_pair(task.output, found, seed) | task.output.summary(found.truth, assets)
    if UNUSUALNESS in predictions.table:
        measured["unusual"] = share_of_unusual(predictions.table[UNUSUALNESS].to_numpy(), found.groups, seed)
    measured["slices"] = sliced(task.output, found, predictions.columns, seed, annotations)
    return measured


def share_of_unusual(unusualness: np.ndarray, groups: Sequence[str], seed: int) -> Cell:
    """Return the share of examples that are called unusual, with its 95 % bootstrap interval."""
    marked = (unusualness > 1).astype(float)
    draws = Draws(groups, seed)
    each = np.concatenate([weights @ marked / weights.sum(axis=1) for weights in draws])
    return bootstrap.interval(float(marked.mean()), each)


def measure_others(
    task: Task, assets: Assets, others: Mapping[str, Any], examples: Examples, split: Split, seed: int
) -> dict[str, Any]:
    """Return `{"others": {title: {metric: cell}}}` of more classical models; nothing where there are none."""
    if not others:
        return {}
    truth, inputs = np.asarray(split.truth), fitted_to(task, split, examples)
    measuring = {}
    for title, other in others.items():
        own = assets | assets["others"][title]
        values = task.output.values(task.output.baseline_outputs(other, inputs), own)
        measuring[title] = task.output.measuring(truth, values, own)
    draws = Draws(split.groups, seed)
    each = [bootstrap.paired({title: one}, draws, task.output.metrics) for title, one in measuring.items()]
    return {"others": {title: cells for found in each for title, cells in found.items()}}


def measure_pair(output: Output, found: Found, seed: int) -> dict[str, Any]:
    """Measure two models on the same examples and the same draws of groups.

    Returns:
        For each model, and for "difference" (first minus second): `{metric: {"value", "low", "high"}}`; and what was
        settled for each model.
    """
    measuring = {
        name: output.measuring(found.truth, values, found.assets[name]) for name, values in found.values.items()
    }
    draws = Draws(found.groups, seed)
    return {
        **bootstrap.paired(measuring, draws, output.metrics),
        "examples": len(found.truth),
        "groups": draws.groups,
        **output.settled(found.assets),
    }


def keep_examples(run: Run, split: Split, assets: Assets, each: int = 4) -> None:
    """Keep a few raw test inputs of each stratum in the run: export proves itself on them, the server shows them."""
    output, truth = run.task.output, np.asarray(split.truth)
    strata = output.strata(truth, assets)
    for stratum in range(len(output.names(assets))):
        for number, row in enumerate(np.flatnonzero(strata == stratum)[:each].tolist()):
            name = f"{output.sample(truth[row], assets)}-{number}{run.task.input.suffix(split.ids[row])}"
            raw = split.raw(row)
            with replacing(run.path / "examples" / name) as temporary:
                temporary.write_bytes(raw)


def card(run: Run, answering: Answering, data: Data, training: dict[str, Any]) -> dict[str, Any]:
    """Return what a user of the model must know: inputs, outputs, data, splits, versions, device, limits."""
    model, assets = answering.network.model, answering.assets
    inputs = {tensor.name: {"dtype": tensor.dtype, "shape": list(tensor.shape)} for tensor in model.inputs}
    return {
        "task": run.task.name,
        "title": run.task.title,
        "tiny": marks.tiny(run.asked),
        "inputs": inputs,
        "outputs": {
            name: {"dtype": spec.dtype.name, "shape": [None, *spec.shape]} for name, spec in answering.specs().items()
        },
        **run.task.output.card(assets),
        "parameters": model.count_params(),
        "intended_use": run.task.intended_use,
        "limits": run.task.limits,
        "data": {
            "source": run.asked["data"] or "embedded, synthetic",
            "synthetic": marks.synthetic(run.asked),
            **provenance(run),
            "notes": dict(data.notes),
        },
        "splits": {
            name: {
                "examples": len(split),
                "groups": len(set(split.groups)),
                **run.task.output.summary(np.asarray(split.truth), assets),
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
        "title": f"your own data, in the layout of {source.TITLE}",
        "licence": f"the licence of your data; the published set has {source.LICENCE}",
        "citation": source.CITATION,
    }
