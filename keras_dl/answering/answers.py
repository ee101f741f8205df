"""One answer in JSON values and for people: what the kind of output says, after what casts doubt on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from keras_dl.runs.run import Run
from keras_dl.task.blocks import Block, Gauge, Prose, percent

UNUSUAL = "Unusual input"
VERDICT = ("unusual", "unusualness")  # responses that every kind of output has; see `answering.novelty`


def worded(run: Run, answers: Mapping[str, Any]) -> dict[str, Any]:
    """Turn the answers for one example into JSON values: what `Output.row` gives, then "unusual" and "unusualness".

    "unusual" says whether the input is unlike the training data, "unusualness" how much: it is so above 1. A run of an
    earlier version has neither.
    """
    response = {name: plain(value) for name, value in answers.items()}
    verdict = {name: response.pop(name) for name in VERDICT if name in response}
    return run.task.output.row(response, run.assets) | verdict


def view(run: Run, row: Mapping[str, Any]) -> list[Block]:
    """Show one answer, as `worded` gave it. What casts doubt on it comes first, and no promise stands beside it."""
    blocks = run.task.output.view(row, run.assets)
    if not row.get("unusual"):
        return blocks
    unpromised = [replace(block, note="") if isinstance(block, Gauge) else block for block in blocks]
    return [*doubts(row), *unpromised]


def doubts(row: Mapping[str, Any]) -> list[Block]:
    """Return the warning that an input is unusual; nothing for a usual one."""
    return [Prose(warning(row), UNUSUAL, warning=True)] if row.get("unusual") else []


def warning(row: Mapping[str, Any]) -> str:
    """Say that an input is unusual, and how much; both from its row."""
    return (
        f"This input is unlike the training data: {times(row['unusualness'])} the usual limit. A model answers any "
        "input; do not trust this answer. Probabilities, possible classes and intervals hold only for inputs like "
        "those of the training data."
    )


def share(run: Run, measured: Mapping[str, Any]) -> str:
    """Say how many examples of an evaluation are called unusual; "" for a run of an earlier version."""
    cell = measured.get("unusual")
    if cell is None:
        return ""
    aim = f"inputs like the training data: at most {percent(run.config.false_alarms)}"
    return f"called unusual: {percent(cell['value'])} [{percent(cell['low'])}, {percent(cell['high'])}]; {aim}"


def times(unusualness: float) -> str:
    """Write a multiple of the limit: "1.02 times", "1.3 times", "over 100 times"."""
    digits = 2 if unusualness < 1.1 else 1 if unusualness < 10 else 0
    return "over 100 times" if unusualness > 100 else f"{unusualness:.{digits}f} times"


def plain(value: Any) -> Any:
    """Turn one NumPy value into a JSON value."""
    if isinstance(value, bytes):
        return value.decode()
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value
