"""A number with a unit: a count, say. Each answer has an interval that holds for a stated share of new examples."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_dl.errors import BadInput
from keras_dl.measures import counts
from keras_dl.outputs import interval
from keras_dl.outputs.labelled import chart
from keras_dl.task.blocks import Answer, Block, Chart, Gauge, Prose, exactly
from keras_dl.task.kinds import Assets, Column, Found, Measuring, Metric, Notable, Target
from keras_dl.task.output import Output

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

BINS = 4  # strata of the truth: with about equally many training examples each
SHOWN = 4  # examples of each kind in the gallery
TYPED = re.compile(r"\d{1,12}(\.\d{1,6})?")  # a number that feedback may give
METRICS = {
    "mae": Metric("Mean absolute error", False, "the mean distance between answer and true number, in {unit}", 2),
    "rmse": Metric("Root mean squared error", False, "as above, but large errors count more; in {unit}", 2),
    "relative_error": Metric("Relative error", False, "the mean absolute error, as a share of the true number"),
    "bias": Metric("Bias", None, "the mean of answer minus true number, in {unit}; below 0: too low", 2),
    "r2": Metric("R²", True, "the share of the variance explained; below 0: worse than always answering the mean"),
    "coverage": Metric("Coverage", None, "the share of intervals that contain the true number"),
    "width": Metric("Width of the interval", False, "the mean width of the intervals, in {unit}", 1),
}


class Number(Output):
    """One number per example, with an interval by split conformal prediction (see `measures.counts`)."""

    key = "number"
    title = "a number with its interval"
    value = "number"
    metrics = METRICS
    first = ("mae", "rmse", "relative_error", "r2")
    judged = "mae"
    style = ".1f"

    def __init__(self, unit: str) -> None:
        """Make the kind; `unit` is that of the number, in the plural: "cells"."""
        self.unit, self.stratum = unit, f"true {unit}"

    def compile(self, model: keras.Model, optimizer: Any, *, scale: float = 1.0, count_weight: float = 0.0) -> None:
        """Set the squared error as loss, and the mean absolute error of the number.

        Args:
            model: gives numbers `[batch, 1]`, or maps whose sum is the number: what is counted at each place.
            optimizer: of Keras.
            scale: of the errors of maps.
            count_weight: of the squared error of the number, beside that of maps.

        The truth is a number `[batch, 1]`, or a density map `[batch, height, width, 1]`; see `missing`.
        """
        import keras
        from keras import ops

        from keras_dl.layers.losses import missing

        def loss(true: Any, predicted: Any) -> Any:
            known, error = missing(true, predicted)
            counted = ops.sum(error, axis=tuple(range(1, len(error.shape))))
            if len(error.shape) == 2:
                return ops.square(counted)
            mean = ops.sum(ops.square(scale * error)) / ops.maximum(ops.sum(known), 1)  # none near cuts, say
            return mean + count_weight * ops.square(counted)

        def mae(true: Any, predicted: Any) -> Any:
            error = missing(true, predicted)[1]
            return ops.abs(ops.sum(error, axis=tuple(range(1, len(error.shape)))))

        model.compile(optimizer, loss, metrics=[keras.metrics.MeanMetricWrapper(mae, "mae")])

    def fit(self, truth: np.ndarray, outputs: np.ndarray, config: Any, groups: Sequence[str]) -> Assets:
        """Return what the intervals need, from the numbers `[count, 1]` on validation."""
        return interval.fit(truth, outputs[:, 0], groups, config.coverage)

    def respond(self, outputs: tf.Tensor, assets: Assets) -> dict[str, tf.Tensor]:
        """Turn numbers `[batch, 1]` into "number", 0 or more, and the ends of its interval, each `[batch]`."""
        import tensorflow as tf

        number = tf.maximum(tf.reshape(outputs, [-1]), 0.0)
        return {"number": number, **interval.ends(number, assets)}

    def baseline_outputs(self, baseline: Any, inputs: Any) -> np.ndarray:
        """Return the numbers that an estimator predicts, `[count, 1]`."""
        return np.asarray(baseline.predict(inputs)).reshape(-1, 1).astype("float32")

    def nearest(self, count: int) -> Any:
        """Return the regressor that averages the `count` nearest training examples."""
        from sklearn.neighbors import KNeighborsRegressor

        return KNeighborsRegressor(count)

    def votes(self, nearest: Any, vectors: np.ndarray) -> np.ndarray:
        """Return the mean number of the nearest training examples, `[count, 1]`."""
        return nearest.predict(vectors).reshape(-1, 1).astype("float32")

    def measuring(self, truth: np.ndarray, values: np.ndarray, assets: Assets) -> Measuring:
        """Measure numbers `[count]`, and whether their intervals hold."""
        errors = counts.numbers(truth, values)
        if assets["radius"] is None:
            return errors
        held = counts.coverage(truth, *counts.bounds(values, assets["radius"]))
        return lambda weights: {**errors(weights), **held(weights)}

    def learned(self, truth: Sequence[float] | np.ndarray) -> Assets:
        """Return what is learned from the training part: "edges", which part the strata, and "most", for the scale."""
        numbers = np.asarray(truth, dtype=float)
        inner = np.quantile(numbers, np.linspace(0, 1, BINS + 1)[1:-1])
        return {"edges": np.unique(np.round(inner, 3)).tolist(), "most": float(numbers.max())}

    def names(self, assets: Assets) -> Sequence[str]:
        """Name the strata: "up to 120", "120 to 170", "over 230"."""
        ends = [f"{edge:.13g}" for edge in assets["edges"]]
        between = [f"{low} to {high}" for low, high in itertools.pairwise(ends)]
        return [f"up to {ends[0]}", *between, f"over {ends[-1]}"]

    def strata(self, truth: np.ndarray, assets: Assets) -> np.ndarray:
        """Return the stratum of each number."""
        return np.searchsorted(np.asarray(assets["edges"]), np.asarray(truth, dtype=float), side="left")

    def summary(self, truth: np.ndarray, assets: Assets) -> dict[str, Any]:
        """Return the least, the mean and the largest number."""
        truth = np.asarray(truth, dtype=float)
        shown = (("least", np.min), ("mean", np.mean), ("most", np.max))
        return {"truth": {name: round(float(of(truth)), 3) for name, of in shown if len(truth)}}

    def counted(self, summary: Mapping[str, Any]) -> Mapping[str, str]:
        """Write the summary."""
        titles = {"least": "fewest", "mean": "on average", "most": "most"}
        return {titles[name]: f"{value:,.1f}".removesuffix(".0") for name, value in summary["truth"].items()}

    def holds(self, summary: Mapping[str, Any]) -> str:
        """Say the range of the numbers and their mean."""
        shown = self.counted(summary)
        return f"{shown['fewest']} to {shown['most']} {self.unit}, {shown['on average']} on average"

    def columns(self, assets: Assets) -> Sequence[str]:
        """Return the one column that holds a model's values."""
        return [""]

    def card(self, assets: Assets) -> dict[str, Any]:
        """Return the unit and what the interval promises."""
        return {"unit": self.unit, "radius": assets["radius"], "coverage": assets["coverage"]}

    def alike(self, assets: Assets) -> str:
        """Name the unit."""
        return f"numbers of {self.unit}"

    def row(self, response: Mapping[str, Any], assets: Assets) -> dict[str, Any]:
        """Return number, interval and unit; the interval is None where validation was too small for one."""
        ends = {name: response.get(name) for name in ("low", "high")}
        return {"number": response["number"], **ends, "coverage": assets["coverage"], "unit": self.unit}

    def answer(self, row: Mapping[str, Any]) -> Answer:
        """Say the number, and between which ends the true one lies."""
        text = f"{row['number']:.0f} {row['unit']}"
        if row["low"] is None:
            return Answer(text, "no interval: the validation part was too small")
        share = f"{exactly(row['coverage'])} interval"
        return Answer(text, f"{share} {row['low']:.0f} to {row['high']:.0f}")

    def view(self, row: Mapping[str, Any], assets: Assets) -> list[Block]:
        """Show the number on a scale, with its interval as a band."""
        said, high = self.answer(row), row["high"] or row["number"]
        most = max(assets["most"], high, 1.0)
        band = None if row["low"] is None else (row["low"], row["high"])
        share = exactly(row["coverage"])
        note = f"For {share} of inputs like those of the validation part, the true number lies in the band."
        gauge = Gauge(
            row["number"],
            0.0,
            1.05 * most,
            said.text,
            interval=band,
            ends=("0", f"{1.05 * most:.0f}"),
            note=note if band else "",
        )
        return [said, gauge]

    def target(self, row: Mapping[str, Any], assets: Assets) -> Target:
        """Return the number."""
        return Target(0, f"a higher number of {self.unit}")

    def subject(self, assets: Assets) -> str:
        """Name the number."""
        return f"a higher number of {self.unit}"

    def facts(self, assets: Assets) -> dict[str, Any]:
        """Return the unit; there are no choices."""
        return {"value": self.value, "unit": self.unit, "coverage": assets["coverage"], "choices": None, "symbols": {}}

    def table(self, assets: Assets) -> list[Column]:
        """Return the number and the ends of its interval."""
        return [
            Column(self.unit.capitalize(), ("number",), "number"),
            Column("From", ("low",), "number"),
            Column("To", ("high",), "number"),
        ]

    def explained(
        self, measured: Mapping[str, Any], assets: Assets, config: Any, words: Mapping[str, str]
    ) -> list[Prose]:
        """Explain the interval, and how it held on the test part."""
        return [interval.explained(measured, assets, words["example"])]

    def figures(self, found: Found, config: Any, words: Mapping[str, str]) -> list[Chart]:
        """Draw predicted against true numbers, and the errors over the size (Bland, Altman 1986)."""
        from keras_dl.figures import numbers

        truth = np.asarray(found.truth, dtype=float)
        low, high = counts.bounds(found.values["network"], found.assets["network"]["radius"])
        scatter = numbers.predicted_against_true(truth, found.values, (low, high), self.unit)
        agreement = numbers.bland_altman(truth, found.values["network"], self.unit)
        return [
            chart(
                "predicted",
                scatter,
                "Predicted against true numbers",
                "Predicted against true",
                f"One point per {words['example']}. On the dotted line, the answer is exact. Bars, if any: the "
                "network's intervals.",
            ),
            chart(
                "agreement",
                agreement,
                "Bland-Altman plot of the network",
                "Errors of the network (Bland-Altman)",
                "Errors against the mean of answer and truth. Line: the mean error; dashed: the range that contains "
                "95 % of normal errors. A slope means that large numbers are counted too low or too high.",
            ),
        ]

    def shares(self, summaries: Mapping[str, Mapping[str, Any]], words: Mapping[str, str]) -> Chart | None:
        """Draw the range of the numbers in each split."""
        from keras_dl.figures import numbers

        figure = numbers.ranges({name: summary["truth"] for name, summary in summaries.items()}, self.unit)
        return chart(
            "ranges", figure, "Range of the true numbers in the splits", "", "Line: minimum to maximum; point: mean."
        )

    def notable(self, found: Found) -> list[Notable]:
        """Choose the largest errors in both directions, and the answers that were nearest."""
        error = np.asarray(found.values["network"], dtype=float) - np.asarray(found.truth, dtype=float)
        order, target = np.argsort(-error, kind="stable"), Target(0, f"a higher number of {self.unit}")
        above = [row for row in order.tolist() if error[row] > 0][:SHOWN]
        below = [row for row in order[::-1].tolist() if error[row] < 0][:SHOWN]
        near = [row for row in np.argsort(np.abs(error), kind="stable").tolist() if row not in {*above, *below}]
        kinds = {"Counted too high": above, "Counted too low": below} | (
            {"Nearest to the truth": near[:2]} if near else {}
        )
        return [Notable(title, rows, [target] * len(rows), open=True) for title, rows in kinds.items()]

    def notes(self, measured: Mapping[str, Any], assets: Assets, words: Mapping[str, str]) -> str:
        """Say that the numbers are those of the unit."""
        return (
            f"These are the {words['example']}s with the largest errors. Look at them before you trust any figure "
            f"above. The numbers are {self.unit}."
        )

    def told(self, truth: Any, assets: Assets) -> str:
        """Write the number with its unit."""
        return f"{float(truth):.13g} {self.unit}"

    def sample(self, truth: Any, assets: Assets) -> str:
        """Return the number and its unit, for a file name."""
        return f"{float(truth):.13g}-{self.unit}"

    def sampled(self, stem: str, assets: Assets) -> str | None:
        """Return the number that a file name tells."""
        found = re.fullmatch(rf"({TYPED.pattern})-{re.escape(self.unit)}-\d+", stem)
        return f"{found[1]} {self.unit}" if found else None

    def noted(self, row: Mapping[str, Any]) -> tuple[str | None, float | None]:
        """Return the number, as text and as it is."""
        return f"{round(row['number'], 3):.13g}", float(row["number"])

    def feedback(self, label: str, assets: Assets) -> str:
        """Return the true number as written; raises BadInput for what is none."""
        text = label.strip().removesuffix(self.unit).strip()
        if not TYPED.fullmatch(text):
            raise BadInput(f"label '{label[:80]}' must be a number of {self.unit}, such as 174")
        return text

    def error(self, answer: str, label: str) -> float | None:
        """Return the absolute error of an answer."""
        return abs(float(answer) - float(label))
