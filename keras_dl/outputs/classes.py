"""Several classes: a calibrated probability of each; the answer is the likeliest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_dl.measures import calibration, ranking
from keras_dl.outputs import sets
from keras_dl.outputs.binary import RELIABILITY, RIGHT_IN_80, shares_of_votes
from keras_dl.outputs.labelled import BAND_DRAWS, PAIRS, chart, few
from keras_dl.outputs.moving import Moving
from keras_dl.outputs.ranked import BANDS
from keras_dl.task.blocks import Answer, Bar, Bars, Block, Chart, Prose
from keras_dl.task.kinds import Assets, Column, Found, Measuring, Metric, Target

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from keras_dl.measures.bootstrap import Draws

METRICS = {
    "accuracy": Metric("Accuracy", True, "the share of right answers"),
    "balanced_accuracy": Metric("Balanced accuracy", True, "the mean recall of the classes"),
    "macro_f1": Metric("Macro F1", True, "the mean of the F1 of the classes, of recall and precision", mixed=True),
    "auroc": Metric(
        "AUROC",
        True,
        "the chance that an example of a class gets a higher probability of it than another example; mean of the "
        "classes",
    ),
    "brier": Metric("Brier score", False, "the mean squared distance between the probabilities and the truth, 0 to 2"),
    "ece": Metric(
        "Calibration error",
        False,
        "the mean gap between the answer's probability and the share of right answers, over ten bins",
        distance=True,
    ),
    "recall {of}": Metric("Recall of {of}", True, "the share of all {of} that is recognised"),
    "precision {of}": Metric("Precision of {of}", True, "the share of answers {of} that are right"),
    **sets.METRICS,
}

SHOWN = 10  # classes at most, where an answer or a calibration is shown


class Classes(Moving):
    """Probabilities of several classes, calibrated by one temperature and a bias for each class."""

    key = "classes"
    title = "one of several classes"
    value = "probabilities"
    metrics = METRICS
    first = ("auroc", "accuracy", "macro_f1", "balanced_accuracy", "brier", "ece")

    def __init__(self, *, biases: bool = True, symbols: Mapping[str, str] | None = None) -> None:
        """Make the kind.

        Args:
            biases: fit a bias for each class. Without them the answers stay those of the model; better where
                validation is a handful of examples.
            symbols: class -> a sign that stands for it.
        """
        self.biases, self.symbols = biases, dict(symbols or {})

    def compile(self, model: keras.Model, optimizer: Any) -> None:
        """Set cross entropy and accuracy; `model` has one output for each class, labels are class indices."""
        import keras

        metrics = [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]
        model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(), metrics=metrics)

    def fit(self, truth: np.ndarray, outputs: np.ndarray, config: Any, groups: Sequence[str]) -> Assets:
        """Fit temperature and biases by likelihood, and find the limits of the sets; there is no threshold.

        Args:
            truth: `[count]`, class index.
            outputs: `[count, classes]`, probabilities as the model gave them.
            config: for `coverage`.
            groups: `[count]`.
        """
        fitted = calibration.fit_classes(truth, outputs, biases=self.biases)
        probabilities = calibration.calibrated_classes(outputs, fitted)
        limits = sets.fit(truth, probabilities, groups, config.coverage)
        return {"calibration": fitted, "threshold": None, **limits}

    def respond(self, outputs: tf.Tensor, assets: Assets) -> dict[str, tf.Tensor]:
        """Turn probabilities `[batch, classes]` into what they mean.

        Returns:
            "probabilities": `[batch, classes]`, calibrated; "score": `[batch, classes]`, as the network gave them;
            "label": `[batch]`, the name of the likeliest class; "probability": `[batch]`, its own; "set": bool `[batch,
            classes]`, the classes that are possible, where there are limits.
        """
        import tensorflow as tf

        fitted = assets["calibration"]
        logits = tf.math.log(tf.clip_by_value(outputs, calibration.EPSILON, 1)) / fitted["temperature"]
        probabilities = tf.nn.softmax(logits + tf.constant(fitted["biases"], outputs.dtype))
        answers = tf.argmax(probabilities, axis=1)
        return {
            "probability": tf.reduce_max(probabilities, axis=1),
            "probabilities": probabilities,
            "score": outputs,
            "label": tf.gather(tf.constant(assets["classes"]), answers),
            **sets.members(probabilities, answers, assets),
        }

    def baseline_outputs(self, baseline: Any, inputs: Any) -> np.ndarray:
        """Return the softmax of the margins, `[count, classes]`."""
        from scipy.special import softmax

        return softmax(baseline.decision_function(inputs), axis=1).astype("float32")

    def votes(self, nearest: Any, vectors: np.ndarray) -> np.ndarray:
        """Return the share of each class among the nearest training examples, `[count, classes]`."""
        return shares_of_votes(nearest, vectors)

    def measuring(self, truth: np.ndarray, values: np.ndarray, assets: Assets) -> Measuring:
        """Measure probabilities `[count, classes]`, and their sets."""
        metrics = ranking.classes(truth, values, assets["classes"])
        return sets.measured(metrics, truth, sets.members(values, values.argmax(axis=1), assets), assets)

    def answered(self, values: np.ndarray, assets: Assets) -> np.ndarray:
        """Return the likeliest class."""
        return values.argmax(axis=1)

    def columns(self, assets: Assets) -> Sequence[str]:
        """Return a column for each class."""
        return assets["classes"]

    def row(self, response: Mapping[str, Any], assets: Assets) -> dict[str, Any]:
        """Return the responses, those of the classes by name, and the class that was chosen as "of"."""
        named = sets.named(response, assets["classes"])
        return {**named, "of": named["label"]}

    def valued(self, row: Mapping[str, Any]) -> Any:
        """Return the probabilities in the order of the classes."""
        return [*row["probabilities"].values()]

    def answer(self, row: Mapping[str, Any]) -> Answer:
        """Name the class, with the probabilities of all."""
        pairs = row["probabilities"].items()
        pairs = pairs if len(pairs) <= SHOWN else sorted(pairs, key=lambda pair: -pair[1])[:SHOWN]
        shares = ", ".join(f"{name} {value:.3f}" for name, value in pairs)
        certainty = sets.added(shares, row, len(row["probabilities"]))
        return Answer(row["label"], certainty, self.symbols.get(row["label"], ""))

    def view(self, row: Mapping[str, Any], assets: Assets) -> list[Block]:
        """Show a bar for each class."""
        likeliest = sorted(row["probabilities"].items(), key=lambda pair: -pair[1])[:SHOWN]
        shown = {name for name, _ in likeliest}
        bars = [
            Bar(name, share, self.symbols.get(name, ""), chosen=name == row["label"])
            for name, share in row["probabilities"].items()
            if name in shown
        ]
        others = max(0.0, 1 - sum(bar.share for bar in bars))  # float32 sums are only nearly 1
        left = len(row["probabilities"]) - len(bars)
        bars += [Bar("1 other" if left == 1 else f"{left} others", others)] if left else []
        return [self.answer(row), *sets.view(row, assets), Bars(bars, "Probabilities")]

    def target(self, row: Mapping[str, Any], assets: Assets) -> Target:
        """Return the class that was chosen."""
        return Target(assets["classes"].index(row["of"]), row["of"])

    def subject(self, assets: Assets) -> str:
        """Return what each example's answer is."""
        return "the answer it gave"

    def explained_class(self, given: int, classes: Sequence[str]) -> Target:
        """Return the class that was answered."""
        return Target(given, classes[given])

    def log_odds(self, found: np.ndarray, assets: Assets, index: int, *, plain: bool) -> np.ndarray:
        """Return the calibrated log-odds of a class against all others."""
        from scipy.special import logsumexp

        fitted = assets["calibration"]
        margins = found if plain else np.log(np.clip(found, calibration.EPSILON, 1))
        margins = margins / fitted["temperature"] + np.asarray(fitted["biases"])
        return margins[:, index] - logsumexp(np.delete(margins, index, axis=1), axis=1)

    def said(self, values: np.ndarray, assets: Assets) -> list[str]:
        """Name the likeliest class and its probability."""
        return [f"{self.titled(assets['classes'][row.argmax()])} {row.max():.2f}" for row in values]

    def certainty(self, values: np.ndarray, answers: np.ndarray) -> np.ndarray:
        """Return the probability of the answer."""
        return values.max(axis=1)

    def pairs(self, truth: np.ndarray, answers: np.ndarray, classes: Sequence[str]) -> list[tuple[int, int]]:
        """Return the classes that are taken for one another, most frequent first."""
        wrong = truth != answers
        both = np.stack([truth[wrong], answers[wrong]], axis=1)
        pairs, counts = np.unique(both, axis=0, return_counts=True)
        return [(int(true), int(given)) for true, given in pairs[np.argsort(-counts, kind="stable")][:PAIRS]]

    def table(self, assets: Assets) -> list[Column]:
        """Return the class and its probability; the file has those of all classes."""
        each = [
            Column(f"Probability of {name}", ("probabilities", name), "percent", shown=False)
            for name in assets["classes"]
        ]
        first = [Column("Answer", ("label",)), Column("Probability", ("probability",), "percent")]
        return [*first, *sets.columns(assets), *each]

    def figures(self, found: Found, config: Any, words: Mapping[str, str]) -> list[Chart]:
        """Draw confusion matrices, the curves of each class against the rest, and how honest the probabilities are."""
        from keras_dl.figures import curves
        from keras_dl.figures.classes import histograms
        from keras_dl.measures.bootstrap import Draws

        draws = Draws(found.groups, config.seed, draws=BAND_DRAWS)
        truth, classes, values = np.asarray(found.truth), found.assets["network"]["classes"], found.values["network"]
        answers = values.argmax(axis=1)
        hits, of_truth = (answers == truth).astype(int), values[np.arange(len(values)), truth]
        reliability = curves.reliability(hits, values.max(axis=1), draws, ylabel="share of right answers")
        histogram = histograms(truth, of_truth, answers, classes, xlabel="probability of the true class")
        return [
            *self.confusions(found, words, ""),
            *self.rankings(found, draws, words),
            chart(
                "reliability",
                reliability,
                "Reliability diagram of the network",
                "Calibration of the network",
                f"For the probability of the answer. {RELIABILITY.format(**words)}",
            ),
            chart(
                "scores",
                histogram,
                "Probability of the true class, for each class",
                "Probability of the true class",
                "The further right, the better." + (" Pale: another class was likelier." if few(classes) else ""),
            ),
        ]

    def rankings(self, found: Found, draws: Draws, words: Mapping[str, str]) -> list[Chart]:
        """Draw ROC and precision-recall curves of each class against the rest; of many classes the worst by name."""
        from keras_dl.figures import crowd, curves
        from keras_dl.figures.curves import Ranking
        from keras_dl.figures.plots import class_colour

        truth, classes = np.asarray(found.truth), found.assets["network"]["classes"]
        if few(classes):
            rankings = []
            for model, values in found.values.items():
                for index, name in enumerate(classes):
                    chosen, first = values.argmax(axis=1) == index, model == "network"
                    colour, shown = class_colour(index, len(classes)), name if first else ""
                    rankings.append(Ranking(shown, colour, truth == index, values[:, index], chosen, dashed=not first))
            roc, recall = curves.roc(rankings, draws), curves.precision_recall(rankings, draws)
            bands = " with 95 % bands"
            note = f"{BANDS.format(**words)}; dashed: the baseline. Points: the answers given. Dotted: chance."
            again = "Bands and points as in the ROC plot. Dotted: the share of each class, which chance would reach."
        else:
            both = [crowd.crowd(truth, values) for values in found.values.values()]
            roc, recall = crowd.roc(*both, classes), crowd.precision_recall(*both, classes)
            bands = ""
            note = (
                f"Named: the {crowd.WORST} classes with the smallest area under the curve. Grey: the range of all "
                "other classes. Thick: the mean of all classes; dashed: the baseline's mean. Dotted: chance."
            )
            again = "The same classes as in the ROC plot."
        return [
            chart("roc", roc, f"ROC curves{bands}", "ROC, each class against the rest", note),
            chart("recall", recall, f"Precision-recall curves{bands}", "Precision and recall", again),
        ]

    def explained(
        self, measured: Mapping[str, Any], assets: Assets, config: Any, words: Mapping[str, str]
    ) -> list[Prose]:
        """Explain the answer and the calibration."""
        fitted = assets["calibration"]
        sure = "it was overconfident" if fitted["temperature"] > 1 else "it was underconfident"
        pairs = list(zip(fitted["biases"], assets["classes"], strict=True))
        largest = sorted(pairs, key=lambda pair: -abs(pair[0]))[:SHOWN] if len(pairs) > SHOWN else pairs
        shifts = ", ".join(f"{f'{bias:+.2f}'.replace('-', '−')} for {name}" for bias, name in largest)
        each = "a number for each class, the largest" if len(pairs) > SHOWN else "a number for each class"
        shifted = f" and shifted by {each}: {shifts}" if self.biases else ""
        return [
            Prose("The answer is the class with the highest probability; there is no threshold.", "Answer"),
            Prose(
                f"{RIGHT_IN_80} the network's log-probabilities are divided by {fitted['temperature']:.2f} "
                f"({sure}){shifted}. {'All were' if self.biases else 'It was'} fitted on the validation part.",
                "Calibration",
            ),
            *sets.explained(measured, assets, config, words),
        ]

    def notes(self, measured: Mapping[str, Any], assets: Assets, words: Mapping[str, str]) -> str:
        """Say that the numbers are of the likeliest class."""
        return (
            f"These are the errors of which the network was most certain, at most one per {words['group']}. Look at "
            "them before you trust any figure above. The numbers are the probabilities of the answers given."
        )
