"""history.csv: one row per epoch, over all phases, and one for each phase that is fitted at once.

epoch        running number of the epochs of gradient steps, over all phases; empty for a phase fitted at once
phase        its name
phase_epoch  number of the epoch in its phase, from 1; empty for a phase fitted at once
...          loss and metrics of training and validation, learning_rate
seconds      that it took
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from keras_dl.errors import KerasDLError
from keras_dl.runs.files import replacing

NUMBERS = ("epoch", "phase_epoch")


def write(folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write history.csv into the folder of a run."""
    table = pd.DataFrame(rows)
    for name in NUMBERS:
        if name in table:
            table[name] = table[name].astype("Int64")  # whole numbers, also where some are missing
    with replacing(folder / "history.csv") as temporary:
        table.to_csv(temporary, index=False)


def read(folder: Path) -> pd.DataFrame:
    """Return the epochs of gradient steps of a run, with the number of each in its phase.

    Runs of earlier versions have no "phase_epoch", and give a phase that is fitted at once the number of an epoch. It
    has no loss, and its row is left out.

    Raises:
        KerasDLError: if the file is not there or does not hold what `write` wrote.
    """
    path = folder / "history.csv"
    try:
        table = pd.read_csv(path)
        if "loss" not in table:
            return table.iloc[:0].assign(phase_epoch=0)
        table = table[table["epoch"].notna() & table["loss"].notna()].reset_index(drop=True)
        begins = (table["phase"] != table["phase"].shift()).cumsum()
        counted = table.groupby(begins).cumcount() + 1
        known = table.get("phase_epoch", counted).fillna(counted)
        return table.assign(epoch=table["epoch"].astype(int), phase_epoch=known.astype(int))
    except (OSError, ValueError, KeyError) as error:
        raise KerasDLError(f"{path} cannot be read ({str(error).strip()}); train again") from None


def said(history: pd.DataFrame, epoch: int | None) -> str | None:
    """Name an epoch, by its running number, as people know it: "epoch 3", or of several phases "epoch 3 of 'all'".

    None where there is no such epoch.
    """
    rows = history[history["epoch"] == epoch]
    if not len(rows):
        return None
    several = history["phase"].nunique() > 1
    return f"epoch {rows['phase_epoch'].iloc[0]}" + (f" of '{rows['phase'].iloc[0]}'" if several else "")
