"""Runs side by side: one table and one picture, with paired tests where they were tested on the same examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from keras_dl.errors import UsageError
from keras_dl.figures.forest import forest
from keras_dl.measures import bootstrap
from keras_dl.paths import at_home
from keras_dl.runs import marks, predictions
from keras_dl.runs.files import replacing
from keras_dl.runs.run import Run
from keras_dl.task.kinds import Measuring
from keras_dl.training.own_keras import own_keras

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

    def measuring(self) -> Measuring:
        """Return the function from weights to the metrics of the task."""
        assets = self.run.assets if self.model == "network" else self.run.assets | self.run.assets["baseline"]
        return self.run.task.output.measuring(self.table["label"].to_numpy(), self.values, assets)


def compare(runs: Sequence[Run], out: str | Path | None = None) -> dict[str, Any]:
    """Compare runs and their baselines on their test parts, and write a picture; see `compared`."""
    return compared(runs, out)[0]


@own_keras()
def compared(runs: Sequence[Run], out: str | Path | None = None) -> tuple[dict[str, Any], Figure]:
    """Compare runs and their baselines on their test parts, and write a picture.

    Args:
        runs: of tasks with the same classes, or with numbers of the same unit.
        out: the picture to write, .png, .svg or .pdf, or the folder for comparison.png; None for the working directory.

    Returns:
        `{"rows": [...], "digits": {metric: how many to show}, "picture": path}`; a row is each run's network or
        baseline: "name", "model", "run", "marks" (as "embedded data"), "metrics"
        `{metric: {"value", "low", "high"}}` of those that all runs have, and "difference"
        `{metric: {"value", "low", "high", "p"}}` to the first row, or None where the test examples are not the same.
        And the figure in the picture.

    Raises:
        UsageError: if the answers of the runs cannot be compared, or they have no metric in common.
    """
    if len({run.path.resolve() for run in runs}) < len(runs):
        raise UsageError("a run is given twice; give each run once")
    target = picture_path(out)
    shared = shared_metrics(runs)
    models = [model for run, name in zip(runs, names(runs), strict=True) for model in both(run, name)]
    tested = differences(models, shared, runs[0].config.seed)
    rows = [
        {
            "name": model.name,
            "model": model.model,
            "run": str(model.run.path),
            "marks": marks.brief(model.run.asked),
            "metrics": {name: model.run.metrics["test"][model.model][name] for name in shared},
            "difference": difference,
        }
        for model, difference in zip(models, tested, strict=True)
    ]
    output, assets = runs[0].task.output, runs[0].assets
    networks = [model for model in models if model.model == "network"]
    ranked = {model.name: output.ranked(model.table["label"].to_numpy(), model.values) for model in networks}
    curves = {name: curve for name, curve in ranked.items() if curve is not None}
    figure = forest(rows, {name: output.metric(name, assets) for name in shared[:DRAWN]}, curves)
    with replacing(target) as temporary:
        figure.savefig(temporary, dpi=150, format=target.suffix[1:])
    digits = {name: output.metric(name, assets).digits for name in shared}
    return {"rows": rows, "digits": digits, "picture": str(target)}, figure


def picture_path(out: str | Path | None) -> Path:
    """Return the file to write.

    Raises:
        UsageError: if its name ends in nothing that can be drawn.
    """
    path = at_home(out or ".")
    path = path / PICTURE if path.is_dir() else path
    if path.suffix not in FORMATS:
        raise UsageError(f"the picture {path} must end in {', '.join(FORMATS)}, or be a folder")
    return path


def shared_metrics(runs: Sequence[Run]) -> list[str]:
    """Return the metrics that all runs have, in the order of the first.

    Raises:
        UsageError: if there is none, or the answers cannot be compared.
    """
    first, *others = [(run, run.task.output.alike(run.assets)) for run in runs]
    for run, alike in others:
        if alike != first[1]:
            raise UsageError(
                f"{run.path} has {alike}, but {first[0].path} has {first[1]}; compare runs with the same classes, or "
                "with numbers of the same unit"
            )
    measured = [run.metrics["test"]["network"] for run in runs]
    shared = [name for name in measured[0] if all(name in one for one in measured)]
    if not shared:
        raise UsageError("these runs have no metric in common; compare runs of tasks of the same kind")
    return shared


def names(runs: Sequence[Run]) -> list[str]:
    """Name the runs as briefly as tells them apart, by name, by task and folder, or by path; mark tiny ones."""
    several = len({run.task.name for run in runs}) > 1
    brief = [f"{run.task.name} {run.name}" if several and not run.asked.get("name") else run.name for run in runs]
    count = Counter(brief)
    clear = [name if count[name] == 1 else str(run.path) for name, run in zip(brief, runs, strict=True)]
    return [f"{name} (tiny)" if marks.tiny(run.asked) else name for name, run in zip(clear, runs, strict=True)]


def both(run: Run, name: str) -> Iterator[Model]:
    """Give a run's network and baseline."""
    found = predictions.read(run)
    order = np.argsort(found.table["id"].to_numpy(dtype=str), kind="stable")
    for model, values in found.outputs.items():
        yield Model(run, name, model, found.table.iloc[order].reset_index(drop=True), values[order])


def differences(models: Sequence[Model], shared: Sequence[str], seed: int) -> list[dict[str, Any] | None]:
    """Return each model's metrics minus those of the first, or None where their test examples are not the same."""
    first, asked = models[0], ["id", "label"]
    same = [model is not first and model.table[asked].equals(first.table[asked]) for model in models]
    if not any(same):
        return [None] * len(models)
    tested = [model for model, alike in zip(models, same, strict=True) if alike]
    found = iter(
        bootstrap.differences(
            [model.measuring() for model in (first, *tested)],
            bootstrap.Draws(first.table["group"], seed),
            first.run.task.output.metrics,
            shared,
        )
    )
    return [next(found) if alike else None for alike in same]
