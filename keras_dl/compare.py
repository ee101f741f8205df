"""Runs side by side: one table, and paired differences where they were tested on the same examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from keras_dl.errors import UsageError
from keras_dl.evaluate import paired
from keras_dl.run import Run


def compare(runs: Sequence[Run]) -> dict[str, Any]:
    """Compare runs and their baselines on their test parts.

    Returns:
        `{"rows": [{"name", "run", "metrics": {metric: {"value", "low", "high"}}, "difference": ...}]}`: each run's
        network and baseline; "difference" is that to the first row, from draws of the same groups, or None where the
        test examples are not the same.

    Raises:
        UsageError: if the runs are of tasks with different metrics.
    """
    first = runs[0]
    if len({frozenset(run.metrics["test"]["network"]) for run in runs}) > 1:
        raise UsageError("these runs have different metrics: compare runs of tasks of one kind")
    rows: list[dict[str, Any]] = []
    reference: dict[str, Any] = {}
    for run in runs:
        table = pd.read_csv(run.path / "predictions.csv", dtype={"id": str, "group": str}, keep_default_na=False)
        for column in ("network", "baseline"):
            model = {
                "evaluate": run.task.evaluate,
                "table": table,
                "column": column,
                "threshold": run.metrics["test"]["thresholds"][column],
            }
            reference = reference or model
            same = table[["id", "label"]].equals(reference["table"][["id", "label"]])
            rows.append(
                {
                    "name": f"{run.path.name}, {column}",
                    "run": str(run.path),
                    "metrics": run.metrics["test"][column],
                    "difference": difference(model, reference, first.config.seed) if same and len(rows) else None,
                }
            )
    return {"rows": rows}


def difference(model: dict[str, Any], reference: dict[str, Any], seed: int) -> dict[str, Any]:
    """Return each metric of a model minus that of the reference, with intervals from the same draws of groups."""
    table = model["table"]
    outputs = {
        name: (one["table"][one["column"]].to_numpy(), one["threshold"])
        for name, one in (("network", model), ("baseline", reference))
    }
    return paired(model["evaluate"], table["label"].to_numpy(), outputs, table["group"], seed)["difference"]
