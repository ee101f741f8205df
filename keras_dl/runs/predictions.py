"""predictions.csv of a run: for each test example its id, group and truth, and what network and baseline said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from keras_dl.errors import KerasDLError
from keras_dl.runs.files import replacing
from keras_dl.runs.run import Run
from keras_dl.task.kinds import Assets, Found

UNUSUALNESS = "unusualness"  # a column of the table: above 1 an input is called unusual; see `answering.novelty`
NAMED = ("id", "group", "label")  # columns that every table has


@dataclass(frozen=True)
class Predictions:
    """What models said of the same examples, in one order."""

    table: pd.DataFrame  # columns id, group, label (the truth), and what else the data says of each: site
    outputs: Mapping[str, np.ndarray]  # model -> `Output.value`: [count], or [count, columns]
    features: np.ndarray | None = None  # [count, width], as in `answering.reference`; no file keeps them

    @property
    def columns(self) -> dict[str, Sequence[Any]]:
        """What is known of each example besides: site, brightness, length; `[count]` each."""
        return {str(name): self.table[name].to_numpy() for name in self.table if name not in NAMED}

    @property
    def truth(self) -> np.ndarray:
        """The truth of each example."""
        return self.table["label"].to_numpy()

    def found(self, assets: Assets) -> Found:
        """Return what kinds of output measure and draw; `assets` are those of the run."""
        each = {"network": assets, "baseline": assets | assets["baseline"]}
        return Found(self.truth, self.table["group"].tolist(), self.outputs, each)

    def write(self, run: Run, columns: Sequence[str]) -> None:
        """Write a run's predictions.csv: a column "network", or of several columns "network NORMAL" and so on."""
        table = self.table.copy()
        for name, values in self.outputs.items():
            table[titles(name, columns)] = values.reshape(len(table), -1)
        with replacing(run.path / "predictions.csv") as temporary:
            table.to_csv(temporary, index=False)


def read(run: Run) -> Predictions:
    """Read a run's predictions.csv.

    Raises:
        KerasDLError: if it is not there or does not hold what `write` wrote.
    """
    path = run.path / "predictions.csv"
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        if missing := [name for name in NAMED if name not in table]:
            raise ValueError(f"it has no column {missing[0]}")
        columns = run.task.output.columns(run.assets)
        outputs = {name: table[titles(name, columns)].to_numpy(float) for name in ("network", "baseline")}
        outputs = {name: values[:, 0] if len(columns) == 1 else values for name, values in outputs.items()}
        for name in {"label", UNUSUALNESS} & set(table):
            table[name] = pd.to_numeric(table[name])
        if len(table) != (wanted := run.card["splits"]["test"]["examples"]):
            raise ValueError(f"it has {len(table)} of {wanted} rows")
        models = [title for name in outputs for title in titles(name, columns)]
        return Predictions(table.drop(columns=models), outputs)
    except (OSError, ValueError, KeyError) as error:
        raise KerasDLError(f"{path} cannot be read ({str(error).strip()}); train again") from None


def titles(name: str, columns: Sequence[str]) -> list[str]:
    """Return the titles of the columns of a model."""
    return [f"{name} {column}".rstrip() for column in columns]
