"""One answer in JSON values and for people: what the kind of output says, after what casts doubt on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_dl.runs.run import Run
from keras_dl.task.blocks import Block, Prose

VERDICT = ("unusual", "unusualness")  # responses that every kind of output has; see `runs.novelty`


def worded(run: Run, answers: Mapping[str, Any]) -> dict[str, Any]:
    """Turn the answers for one example into JSON values: what `Output.row` gives, then "unusual" and "unusualness".

    "unusual" says whether the input is unlike the training data, "unusualness" how much: it is so above 1. A run of an
    earlier version has neither.
    """
    response = {name: plain(value) for name, value in answers.items()}
    verdict = {name: response.pop(name) for name in VERDICT if name in response}
    return run.task.output.row(response, run.assets) | verdict


def view(run: Run, row: Mapping[str, Any]) -> list[Block]:
    """Show one answer, as `worded` gave it. What casts doubt on it comes first."""
    doubt = [Prose(warning(row), "Unusual input", warning=True)] if row.get("unusual") else []
    return [*doubt, *run.task.output.view(row, run.assets)]


def warning(row: Mapping[str, Any]) -> str:
    """Say that an input is unusual, and how much; both from its row."""
    return (
        f"This input is unlike the training data: it is {times(row['unusualness'])} as far from it as inputs usually "
        "are at most. The model gives an answer to any input; do not trust this one."
    )


def times(unusualness: float) -> str:
    """Write a multiple of the limit: "1.3 times", "over 100 times"."""
    return "over 100 times" if unusualness > 100 else f"{unusualness:.{1 if unusualness < 10 else 0}f} times"


def plain(value: Any) -> Any:
    """Turn one NumPy value into a JSON value."""
    if isinstance(value, bytes):
        return value.decode()
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value
