"""Runs side by side: one table and one picture, with paired tests where they were tested on the same examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from keras_dl.errors import UsageError
from keras_dl.figures.forest import forest
from keras_dl.measures import metrics
from keras_dl.measures.metrics import DRAWS
from keras_dl.runs import predictions
from keras_dl.runs.files import replacing
from keras_dl.runs.run import Run
from keras_dl.verbs.evaluate import interval
from keras_dl.verbs.report import SEVERAL

PICTURE, FORMATS = "comparison.png", (".png", ".svg", ".pdf")
DRAWN = 4  # metrics in the picture: the first that all runs have


@dataclass(frozen=True)
class Model:
    """A run's network or baseline, and what it said of the run's test examples, sorted by id."""

    run: Run
    name: str  # of the run, as the table shows it
    model: str  # "network" or "baseline"
    table: pd.DataFrame  # id, group, label
    values: np.ndarray  # [count] or [count, classes]

    def measure(self, weights: np.ndarray | None = None) -> dict[str, float]:
        """Return the metrics of the task on examples that count so often each: `[count]`."""
        threshold = self.run.metrics["test"]["thresholds"][self.model]
        return self.run.task.evaluate(self.table["label"].to_numpy(), self.values, threshold, weights)


def compare(runs: Sequence[Run], out: str | Path | None = None) -> dict[str, Any]:
    """Compare runs and their baselines on their test parts, and draw it.

    Args:
        runs: of tasks with the same classes.
        out: the picture to write, .png, .svg or .pdf, or the folder for comparison.png; None for the working directory.

    Returns:
        `{"rows": [...], "picture": path}`; a row is each run's network or baseline: "name", "model", "run", "metrics"
        `{metric: {"value", "low", "high"}}` of those that all runs have, and "difference"
        `{metric: {"value", "low", "high", "p"}}` to the first row, or None where the test examples are not the same.

    Raises:
        UsageError: if the runs have different classes, or no metric in common.
    """
    if len({run.path.resolve() for run in runs}) < len(runs):
        raise UsageError("one run is given twice; give each once")
    target = picture_path(out)
    shared = shared_metrics(runs)
    models = [model for run, name in zip(runs, names(runs), strict=True) for model in both(run, name)]
    tested = differences(models, shared, runs[0].config.seed)
    rows = [
        {
            "name": model.name,
            "model": model.model,
            "run": str(model.run.path),
            "metrics": {name: model.run.metrics["test"][model.model][name] for name in shared},
            "difference": difference,
        }
        for model, difference in zip(models, tested, strict=True)
    ]
    networks = [model for model in models if model.model == "network" and model.values.ndim == 1]
    curves = {model.name: (model.table["label"].to_numpy(), model.values) for model in networks}
    figure = forest(rows, {name: SEVERAL.get(name, (name,))[0] for name in shared[:DRAWN]}, curves)
    with replacing(target) as temporary:
        figure.savefig(temporary, dpi=150, format=target.suffix[1:])
    return {"rows": rows, "picture": str(target)}


def picture_path(out: str | Path | None) -> Path:
    """Return the file to write.

    Raises:
        UsageError: if its name ends in nothing that can be drawn.
    """
    path = Path(out or ".")
    path = path / PICTURE if path.is_dir() else path
    if path.suffix not in FORMATS:
        raise UsageError(f"the picture {path} must end in {', '.join(FORMATS)}, or be a folder")
    return path


def shared_metrics(runs: Sequence[Run]) -> list[str]:
    """Return the metrics that all runs have, in the order of the first.

    Raises:
        UsageError: if there is none, or the runs are of different classes.
    """
    first = runs[0]
    for run in runs:
        if run.assets["classes"] != first.assets["classes"]:
            ours, theirs = (", ".join(one.assets["classes"]) for one in (first, run))
            raise UsageError(
                f"{run.path} has the classes {theirs}, {first.path} {ours}: compare runs of the same classes"
            )
    measured = [run.metrics["test"]["network"] for run in runs]
    shared = [name for name in measured[0] if all(name in one for one in measured)]
    if not shared:
        raise UsageError("these runs have no metric in common: compare runs of tasks of one kind")
    return shared


def names(runs: Sequence[Run]) -> list[str]:
    """Name the runs as briefly as tells them apart: by folder, with the task where there are several, or by path."""
    several = len({run.task.name for run in runs}) > 1
    brief = [f"{run.task.name} {run.path.name}" if several else run.path.name for run in runs]
    count = Counter(brief)
    return [name if count[name] == 1 else str(run.path) for name, run in zip(brief, runs, strict=True)]


def both(run: Run, name: str) -> Iterator[Model]:
    """Give a run's network and baseline."""
    found = predictions.read(run)
    order = np.argsort(found.table["id"].to_numpy(dtype=str), kind="stable")
    for model, values in found.outputs.items():
        yield Model(run, name, model, found.table.iloc[order].reset_index(drop=True), values[order])


def differences(models: Sequence[Model], shared: Sequence[str], seed: int) -> Iterator[dict[str, Any] | None]:
    """Give each model's metrics minus those of the first, where both had the same test examples.

    Both are measured on the same draws of whole groups. DeLong's test, the usual one for two AUROCs, takes the images
    of one patient for independent witnesses, and covers no other metric.
    """
    first = models[0]
    draws = metrics.group_draws(first.table["group"], seed, draws=DRAWS)
    asked = ["id", "label"]
    tested = [model is not first and model.table[asked].equals(first.table[asked]) for model in models]
    with tqdm(total=(1 + sum(tested)) * len(draws), desc="bootstrap", unit=" draws", disable=None) as bar:

        def measured(model: Model) -> tuple[np.ndarray, np.ndarray]:
            found = []
            for weights in (None, *draws):
                values = model.measure(weights)
                found.append([values[name] for name in shared])
                bar.update(weights is not None)
            return np.array(found[0]), np.array(found[1:])  # [metrics], [draws, metrics]

        value, drawn = measured(first) if any(tested) else (np.empty(0), np.empty(0))
        for model, same in zip(models, tested, strict=True):
            if not same:
                yield None
                continue
            other, other_drawn = measured(model)
            columns = zip(shared, other - value, (other_drawn - drawn).T, strict=True)
            yield {name: interval(name, gap, gaps) | {"p": p_value(name, gap, gaps)} for name, gap, gaps in columns}


def p_value(name: str, value: float, draws: np.ndarray) -> float | None:
    """Return the two-sided p value of a difference from its paired bootstrap draws; None where it is not defined.

    It is twice the smaller share of draws on either side of zero (Efron, Tibshirani 1993), so that it is below 0.05
    where the 95 % interval leaves zero out; one is added to count and draws, so that it is never zero (Davison,
    Hinkley 1997).

    Args:
        name: the metric; the draws of a distance are mirrored at the value, as for its interval.
        value: the difference of two models.
        draws: `[draws]`, the difference in each draw.
    """
    defined = draws[np.isfinite(draws)]
    if not len(defined):
        return None
    defined = 2 * value - defined if name in metrics.DISTANCES else defined
    fewer = min((defined <= 0).sum(), (defined >= 0).sum())
    return round(min(1.0, 2 * (int(fewer) + 1) / (len(defined) + 1)), 6)
