"""What all outputs share whose answer is one of a few classes: their names, what a part holds, the worst errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_dl.errors import BadInput
from keras_dl.outputs import sets
from keras_dl.task.blocks import Chart
from keras_dl.task.kinds import Assets, Found, Notable, Target
from keras_dl.task.output import Output

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = 10  # classes at most of which hits are shown
PAIRS, ERRORS, RIGHT = 6, 8, 2  # kinds of error at most; pictures of all of them together, and per class that is right
BAND_DRAWS = 200  # for bands one looks at; the intervals in the tables rest on more
ANSWERS = {
    "confusion-network": "Confusion matrix of the network",
    "confusion-baseline": "Confusion matrix of the baseline",
}
COUNTS = (
    "Counts, with the share of the true class below. Right answers are on the diagonal from top left to bottom right."
)
MAP = (
    "Right answers are on the diagonal from top left to bottom right; every other cell is a kind of error. Classes "
    "that are often confused are next to each other. Below: the most frequent errors, with the count and the share of "
    "the true class."
)


class Labelled(Output):
    """An output whose truth is a class index. `assets["classes"]` names the classes."""

    told_by_folders = True
    judged = "accuracy"

    def names(self, assets: Assets) -> Sequence[str]:
        """Return the names of the classes."""
        return assets["classes"]

    def strata(self, truth: np.ndarray, assets: Assets) -> np.ndarray:
        """Return the class index of each example."""
        return np.asarray(truth, dtype=np.int64)

    def judging(self, truth: np.ndarray, values: np.ndarray, assets: Assets) -> np.ndarray:
        """Return 1 for each right answer, 0 for a wrong one."""
        return (self.answered(values, assets) == np.asarray(truth)).astype(float)

    def summary(self, truth: np.ndarray, assets: Assets) -> dict[str, Any]:
        """Count the examples of each class."""
        return {
            "per_class": {name: int(np.sum(np.asarray(truth) == index)) for index, name in enumerate(assets["classes"])}
        }

    def titled(self, name: str) -> str:
        """Return the name of a class with the sign that stands for it."""
        return f"{self.symbols[name]} {name}" if name in self.symbols else name

    def counted(self, summary: Mapping[str, Any]) -> Mapping[str, str]:
        """Write the count of each class."""
        return {self.titled(name): f"{count:,}" for name, count in summary["per_class"].items()}

    def settled(self, assets: Mapping[str, Assets]) -> dict[str, Any]:
        """Return the threshold of each model, None where there is none."""
        return {"thresholds": {name: one["threshold"] for name, one in assets.items()}}

    def card(self, assets: Assets) -> dict[str, Any]:
        """Return the classes, the threshold, the calibration, and the coverage of the sets."""
        return {name: assets[name] for name in ("classes", "threshold", "calibration")} | sets.coverage(assets)

    def alike(self, assets: Assets) -> str:
        """Name the classes."""
        return f"the classes {', '.join(assets['classes'])}"

    def columns(self, assets: Assets) -> Sequence[str]:
        """Return the one column that holds a model's values."""
        return [""]

    def facts(self, assets: Assets) -> dict[str, Any]:
        """Return the classes, what the threshold is of, and the coverage of the sets."""
        classes, threshold = assets["classes"], assets["threshold"]
        return {
            "classes": classes,
            "symbols": {name: self.symbols[name] for name in classes if name in self.symbols},
            "value": self.value,
            "of": None if threshold is None else classes[-1],
            "threshold": threshold,
            **sets.coverage(assets),
            "choices": list(classes),
        }

    def told(self, truth: Any, assets: Assets) -> str:
        """Return the name of the class."""
        return assets["classes"][int(truth)]

    def sample(self, truth: Any, assets: Assets) -> str:
        """Return the name of the class."""
        return self.told(truth, assets)

    def sampled(self, stem: str, assets: Assets) -> str | None:
        """Return the class that a file name tells."""
        name = stem.rpartition("-")[0]
        return name if name in assets["classes"] else None

    def noted(self, row: Mapping[str, Any]) -> tuple[str | None, float | None]:
        """Return the class and its probability or score."""
        return row.get("label"), row.get("probability", row.get("score"))

    def feedback(self, label: str, assets: Assets) -> str:
        """Return the name of the class; raises BadInput for another one."""
        if label not in assets["classes"]:
            shown = label if len(label) <= 80 else f"{label[:79]}…"
            raise BadInput(f"label '{shown}' must be one of: {', '.join(assets['classes'])}")
        return label

    def understood(self, label: str, assets: Assets) -> float:
        """Return the index of the class whose name, sign or number a label is; raises BadInput for another one."""
        classes = assets["classes"]
        written = {plain(name): index for index, name in enumerate(classes)}
        signs = {self.symbols[name]: index for index, name in enumerate(classes) if name in self.symbols}
        known = {str(index): index for index in range(len(classes))} | signs | written  # a name comes before a number
        if plain(label) not in known:
            raise BadInput(f"label '{label[:80]}' must be one of: {', '.join(classes)}")
        return known[plain(label)]

    def certainty(self, values: np.ndarray, answers: np.ndarray) -> np.ndarray:
        """Return how sure each answer is, `[count]`; only the order counts."""
        return np.where(answers == 1, values, -values)

    def pairs(self, truth: np.ndarray, answers: np.ndarray, classes: Sequence[str]) -> list[tuple[int, int]]:
        """Return the kinds of error that are shown, as (true, given)."""
        return [(1, 0), (0, 1)]

    def notable(self, found: Found) -> list[Notable]:
        """Choose the errors and the hits that the network was surest of, of each group one at most for each kind."""
        assets, values = found.assets["network"], found.values["network"]
        classes, answers = assets["classes"], self.answered(values, assets)
        truth, groups = np.asarray(found.truth), np.asarray(found.groups, dtype=str)
        order = np.argsort(-self.certainty(values, answers), kind="stable")

        def surest(title: str, true: int, given: int, count: int) -> Notable:
            rows = order[(truth[order] == true) & (answers[order] == given)]
            _, firsts = np.unique(groups[rows], return_index=True)
            rows = rows[np.sort(firsts)][:count]
            of = self.explained_class(given, classes)
            return Notable(title, rows.tolist(), [of] * len(rows))

        pairs = self.pairs(truth, answers, classes)
        each = ERRORS // max(len(pairs), 2) if len(pairs) < 4 else RIGHT
        wrong = [
            surest(f"{self.titled(classes[true])} taken for {self.titled(classes[given])}", true, given, each)
            for true, given in pairs
        ]
        shown = list(reversed(range(len(classes))))[:KINDS]
        right = [surest(f"{self.titled(classes[one])}, recognised", one, one, RIGHT) for one in shown]
        return wrong + right

    def explained_class(self, given: int, classes: Sequence[str]) -> Target:
        """Return what of an answer is explained: of two classes always the second."""
        return Target(len(classes) - 1, classes[-1])

    def shares(self, summaries: Mapping[str, Mapping[str, Any]], words: Mapping[str, str]) -> Chart | None:
        """Draw the share of each class in each split."""
        from keras_dl.figures.classes import balance

        figure = balance({name: summary["per_class"] for name, summary in summaries.items()})
        return chart("balance", figure, "Share of each class in the splits", "", f"Numbers: {words['example']}s.")

    def confusions(self, found: Found, words: Mapping[str, str], note: str) -> list[Chart]:
        """Draw the confusion matrix of each model."""
        from keras_dl.figures.confusion import CELLS, confusion

        few = len(next(iter(found.assets.values()))["classes"]) <= CELLS
        captions = (COUNTS if few else MAP, f"The {words['baseline']} on the same {words['example']}s{note}.")
        charts = []
        for (name, title), model, caption in zip(ANSWERS.items(), found.values, captions, strict=True):
            assets = found.assets[model]
            answers = self.answered(found.values[model], assets)
            figure = confusion(model, np.asarray(found.truth), answers, assets["classes"])
            charts.append(chart(name, figure, title, title, caption))
        return charts


def chart(name: str, figure: Figure, description: str, title: str, caption: str) -> Chart:
    """Make a block of a figure; `description` is read out where the figure is not seen."""
    from keras_dl.figures import plots

    return Chart(name, plots.svg(figure, name, description), title, caption)


def few(classes: Sequence[str]) -> bool:
    """Whether each class has a colour of its own; figures of more classes name the worst alone."""
    from keras_dl.figures.plots import CLASSES

    return len(classes) <= CLASSES


def plain(label: str) -> str:
    """Return a label as it is compared: people write "Fork and knife" for "fork_and_knife"."""
    return " ".join(label.casefold().replace("_", " ").split())
