"""What outputs share that rank examples of two classes: figures, the answer at a threshold, what it is explained by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_dl.outputs import sets
from keras_dl.outputs.labelled import BAND_DRAWS, Labelled, chart
from keras_dl.task.blocks import Answer, Block, Chart, Gauge, percent
from keras_dl.task.kinds import Assets, Column, Found, Target

if TYPE_CHECKING:
    from keras_dl.measures.bootstrap import Draws

BANDS = f"Bands: 95\N{NO-BREAK SPACE}% of {BAND_DRAWS} bootstrap draws of whole {{group}}s"


class Ranked(Labelled):
    """An output of one number per example that is higher for the second class, with a threshold."""

    digits = ".3f"  # of a value and of a threshold

    def answered(self, values: np.ndarray, assets: Assets) -> np.ndarray:
        """Return class 1 from the threshold on, else class 0."""
        return (values >= assets["threshold"]).astype(int)

    def ranked(self, truth: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the labels and the values."""
        return np.asarray(truth), values

    def row(self, response: Mapping[str, Any], assets: Assets) -> dict[str, Any]:
        """Return the responses, the class that value and threshold are of, and the threshold."""
        named = sets.named(response, assets["classes"])
        return {**named, "of": assets["classes"][-1], "threshold": assets["threshold"]}

    def answer(self, row: Mapping[str, Any]) -> Answer:
        """Name the class, with the value and the threshold, and say where the other class is possible too."""
        value, threshold = row[self.value], row["threshold"]
        text = f"{self.value} of {row['of']} {value:{self.digits}}, threshold {threshold:{self.digits}}"
        return Answer(row["label"], sets.added(text, row, 2), self.symbols.get(row["label"], ""))

    def view(self, row: Mapping[str, Any], assets: Assets) -> list[Block]:
        """Show the value against the threshold."""
        low, high = self.scale(row)
        gauge = Gauge(
            row[self.value],
            low,
            high,
            text=f"{self.value} of {row['of']}: {self.written(row[self.value])}",
            threshold=row["threshold"],
            threshold_text=f"threshold {self.written(row['threshold'])}",
            ends=(assets["classes"][0], row["of"]),
            note=self.advice(assets),
        )
        return [self.answer(row), *sets.view(row, assets), gauge]

    def scale(self, row: Mapping[str, Any]) -> tuple[float, float]:
        """Return the ends of the scale that a value is shown on."""
        return 0.0, 1.0

    def written(self, value: float) -> str:
        """Write a value for people."""
        return percent(value)

    def advice(self, assets: Assets) -> str:
        """Say how a value is to be understood."""
        return ""

    def target(self, row: Mapping[str, Any], assets: Assets) -> Target:
        """Return the second class."""
        return Target(len(assets["classes"]) - 1, row["of"])

    def subject(self, assets: Assets) -> str:
        """Name the second class."""
        return assets["classes"][-1]

    def table(self, assets: Assets) -> list[Column]:
        """Return the class and its value."""
        style = "percent" if self.value == "probability" else "number"
        title = f"Probability of {assets['classes'][-1]}" if style == "percent" else "Score"
        file = [Column("of", ("of",), shown=False), Column("threshold", ("threshold",), "number", shown=False)]
        return [Column("Answer", ("label",)), Column(title, (self.value,), style), *sets.columns(assets), *file]

    def figures(self, found: Found, config: Any, words: Mapping[str, str]) -> list[Chart]:
        """Draw confusion matrices, ROC and precision-recall curves, and histograms of the values."""
        from keras_dl.figures import curves
        from keras_dl.figures.curves import Ranking
        from keras_dl.figures.plots import COLOURS
        from keras_dl.measures.bootstrap import Draws

        draws = Draws(found.groups, config.seed, draws=BAND_DRAWS)
        truth, assets = np.asarray(found.truth), found.assets["network"]
        classes, threshold = assets["classes"], assets["threshold"]
        answers = {name: self.answered(values, found.assets[name]) for name, values in found.values.items()}
        rankings = [
            Ranking(name, COLOURS[name], truth == 1, values, answers[name] == 1)
            for name, values in found.values.items()
        ]
        bands = BANDS.format(**words)
        roc = curves.roc(rankings, draws)
        recall = curves.precision_recall(rankings, draws)
        histogram = self.histogram(truth, found.values["network"], answers["network"], classes, threshold)
        title = "Probabilities by true class" if self.value == "probability" else "Scores by true class"
        return [
            *self.confusions(found, words, ", at its own threshold"),
            chart(
                "roc", roc, "ROC curves with 95 % bands", "ROC", f"{bands}. Points: at the threshold. Dotted: chance."
            ),
            chart(
                "recall",
                recall,
                "Precision-recall curves with 95 % bands",
                "Precision and recall",
                f"Bands and points as in the ROC plot. Dotted: the share of {classes[-1]}, which chance would reach.",
            ),
            *self.honesty(truth, found.values["network"], draws, words),
            chart(
                "scores",
                histogram,
                "Histogram for each class",
                title,
                "Pale bars are on the wrong side of the threshold. Less overlap is better.",
            ),
        ]

    def histogram(
        self, truth: np.ndarray, values: np.ndarray, answers: np.ndarray, classes: Sequence[str], threshold: float
    ) -> Any:
        """Draw the values of each true class, with the threshold."""
        from keras_dl.figures import classes as class_figures

        xlabel = f"probability of {classes[1]}; dashed: threshold {threshold:.2f}"
        return class_figures.histograms(truth, values, answers, classes, xlabel=xlabel, threshold=threshold)

    def honesty(self, truth: np.ndarray, values: np.ndarray, draws: Draws, words: Mapping[str, str]) -> list[Chart]:
        """Draw whether probabilities are as good as their word; nothing where they are none."""
        return []

    def thresholds(self, measured: Mapping[str, Any]) -> dict[str, str]:
        """Write the threshold of each model."""
        return {name: f"{threshold:{self.digits}}" for name, threshold in measured["thresholds"].items()}
