"""How good answers are where the truth came with the inputs: figures, and who was taken for whom.

The figures are those of the report. Each input stands for itself here: what belongs together is not known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_dl.errors import BadInput
from keras_dl.measures.bootstrap import Draws, interval
from keras_dl.task.blocks import Block, Prose, Table
from keras_dl.task.kinds import Assets, Metric
from keras_dl.task.output import Output

DRAWS = 300  # an upload may have a hundred thousand rows


class Scores:
    """Answers, and the truth of those whose label is understood, as they come."""

    def __init__(self, output: Output, assets: Assets) -> None:
        """Take the model's kind of output and its assets."""
        self.output, self.assets = output, assets
        self.truth: list[float] = []
        self.values: list[Any] = []
        self.strange: dict[str, int] = {}  # labels that are not understood -> how often

    def add(self, row: Mapping[str, Any], labels: Sequence[str]) -> str | None:
        """Take one answer and what may be its label; return the truth in words, None where no label is understood."""
        truth = next((one for one in map(self.understood, labels) if one is not None), None)
        if truth is None:
            first = next(iter(labels), "")
            self.strange[first] = self.strange.get(first, 0) + 1
            return None
        if "error" not in row:
            self.truth.append(truth)
            self.values.append(self.output.valued(row))
        return self.output.told(truth, self.assets)

    def understood(self, label: str) -> float | None:
        """Return the truth that a label tells, None for one that is not understood."""
        try:
            return self.output.understood(label, self.assets)
        except BadInput:
            return None

    def blocks(self) -> list[Block]:
        """Say how good the answers are, as far as labels are understood."""
        if not self.truth:
            return self.left_out()
        truth, values = np.asarray(self.truth), np.asarray(self.values)
        return [self.figures(truth, values), self.confusion(truth, values), *self.left_out()]

    def figures(self, truth: np.ndarray, values: np.ndarray) -> Table:
        """Return every figure with its 95 % interval."""
        measure = self.output.measuring(truth, values, self.assets)
        whole = measure(np.ones((1, len(truth)), np.int32))
        draws = [measure(weights) for weights in Draws(range(len(truth)), seed=0, draws=DRAWS)]
        first = [*self.output.first, *whole]
        rows = []
        for name in sorted(whole, key=first.index):
            record = self.output.metric(name, self.assets)
            each = np.concatenate([block[name] for block in draws])
            rows.append([record.title, *written(interval(float(whole[name][0]), each, record.distance), record)])
        caption = "Measured with your labels. The 95 % intervals treat each input as a separate case."
        title = f"How good the answers are: {len(truth):,} inputs with a label"
        return Table(["Metric", "Value", "95 % interval"], rows, title, caption, (1, 2))

    def confusion(self, truth: np.ndarray, values: np.ndarray) -> Table:
        """Count which truth got which answer."""
        names = self.output.names(self.assets)
        true, answered = self.output.strata(truth, self.assets), self.output.answered(values, self.assets)
        counts = np.zeros((len(names), len(names)), int)
        np.add.at(counts, (true, answered), 1)
        right = np.divide(counts.diagonal(), counts.sum(1), where=counts.sum(1) > 0, out=np.full(len(names), np.nan))
        rows = [
            [name, *(f"{one:,}" for one in row), "" if np.isnan(share) else f"{100 * share:.0f} %"]
            for name, row, share in zip(names, counts, right, strict=True)
        ]
        columns = ["True \\ answered", *names, "right"]
        return Table(columns, rows, "Confusion table", "", [*range(1, len(columns))])

    def left_out(self) -> list[Block]:
        """Name labels that are not understood."""
        if not self.strange:
            return []
        most = sorted(self.strange, key=lambda label: -self.strange[label])[:3]
        named = ", ".join(f"'{label[:40]}' ({self.strange[label]:,})" for label in most)
        known = ", ".join(list(self.output.names(self.assets))[:10])
        count = sum(self.strange.values())
        inputs = "1 input has" if count == 1 else f"{count:,} inputs have"
        return [Prose(f"{inputs} no label that this model knows: {named}. It knows {known}.")]


def written(cell: Mapping[str, float | None], record: Metric) -> tuple[str, str]:
    """Write a value and its interval."""
    value, low, high = (cell[name] for name in ("value", "low", "high"))
    if value is None:
        return "not defined", ""
    between = "" if low is None or high is None else f"{low:.{record.digits}f} to {high:.{record.digits}f}"
    return f"{value:.{record.digits}f}", between
