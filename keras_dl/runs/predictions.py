"""predictions.csv of a run: for each test example its id, group and label, and what network and baseline said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from keras_dl.errors import KerasDLError
from keras_dl.runs.files import replacing
from keras_dl.runs.run import Run


@dataclass(frozen=True)
class Predictions:
    """What models said of the same examples, in one order."""

    table: pd.DataFrame  # columns id, group, label (class index)
    outputs: Mapping[str, np.ndarray]  # model -> `Task.value`: [count], or [count, classes] of several classes

    @property
    def labels(self) -> np.ndarray:
        """The class index of each example."""
        return self.table["label"].to_numpy()

    def answers(self, name: str, threshold: float | None) -> np.ndarray:
        """Return the class index that a model chose for each example: from the threshold on 1, or the likeliest."""
        return chosen(self.outputs[name], threshold)

    def write(self, run: Run, classes: Sequence[str]) -> None:
        """Write a run's predictions.csv: of several classes a column each, "network NORMAL" and so on."""
        table = self.table.copy()
        for name, values in self.outputs.items():
            columns = [name] if values.ndim == 1 else [f"{name} {one}" for one in classes]
            table[columns] = values.reshape(len(table), -1)
        with replacing(run.path / "predictions.csv") as temporary:
            table.to_csv(temporary, index=False)


def read(run: Run) -> Predictions:
    """Read a run's predictions.csv.

    Raises:
        KerasDLError: if it is not there or does not hold what `write` wrote.
    """
    path = run.path / "predictions.csv"
    try:
        table = pd.read_csv(path, dtype={"id": str, "group": str}, keep_default_na=False)
        outputs = {name: values_of(table, name, run.assets["classes"]) for name in ("network", "baseline")}
        return Predictions(table[["id", "group", "label"]], outputs)
    except (OSError, ValueError, KeyError) as error:
        raise KerasDLError(f"{path} cannot be read ({str(error).strip()}); train again") from None


def values_of(table: pd.DataFrame, name: str, classes: Sequence[str]) -> np.ndarray:
    """Return the column of a model, or its columns, as an array."""
    if name in table:
        return table[name].to_numpy()
    return table[[f"{name} {one}" for one in classes]].to_numpy()


def chosen(values: np.ndarray, threshold: float | None) -> np.ndarray:
    """Return the class indices that values `[count]` with a threshold, or `[count, classes]`, stand for."""
    return values.argmax(axis=1) if values.ndim == 2 else (values >= threshold).astype(int)
