"""Two classes: one calibrated probability of the second class, and a threshold chosen on validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_dl.measures import calibration, ranking, thresholds
from keras_dl.outputs import moving, sets
from keras_dl.outputs.labelled import chart
from keras_dl.outputs.ranked import Ranked
from keras_dl.task.blocks import Chart, Prose
from keras_dl.task.kinds import Assets, Measuring, Metric, Moved, Told

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from keras_dl.measures.bootstrap import Draws

METRICS = {
    "auroc": Metric("AUROC", True, "the chance that a random example of {1} gets a higher {value} than one of {0}"),
    "accuracy": Metric("Accuracy", True, "the share of right answers"),
    "sensitivity": Metric("Sensitivity", True, "recall: the share of all {1} that is found"),
    "specificity": Metric("Specificity", True, "the share of all {0} that is recognised as {0}"),
    "ppv": Metric("Positive predictive value", True, "precision: the share of answers {1} that are right"),
    "npv": Metric("Negative predictive value", True, "the share of answers {0} that are right"),
    "f1": Metric(
        "F1", True, "the harmonic mean of recall (sensitivity) and precision (positive predictive value)", mixed=True
    ),
    "pr_auc": Metric("PR AUC", True, "the mean precision over all recalls; chance reaches the share of {1}"),
    "brier": Metric("Brier score", False, "the mean squared error of the probability"),
    "ece": Metric(
        "Calibration error",
        False,
        "the mean gap between predicted probability and observed share, over ten bins",
        distance=True,
    ),
    "macro_f1": Metric("Macro F1", True, "the mean of the F1 of {0} and that of {1}", mixed=True),
    **sets.METRICS,
}


class Binary(Ranked):
    """One probability, of class 1.

    The log-odds are calibrated by a temperature, which undoes overconfidence (Guo et al. 2017), and a bias, which
    undoes what class balancing did to the prior (Alexandari et al. 2020). The threshold maximises Youden's J, or
    reaches `config.target_sensitivity` where that is set, or is fixed.
    """

    key = "binary"
    title = "one of two classes"
    value = "probability"
    metrics = METRICS
    first = ("auroc", "accuracy", "macro_f1", "sensitivity", "specificity", "f1", "brier", "ece")

    def __init__(self, *, threshold: float | None = None, both: bool = False) -> None:
        """Make the kind.

        Args:
            threshold: a fixed one, of the calibrated probability; None: chosen on validation.
            both: whether neither class is the positive one: then macro F1 is measured too.
        """
        self.threshold, self.both = threshold, both

    def compile(self, model: keras.Model, optimizer: Any, *, loss: Any = None, label_smoothing: float = 0.0) -> None:
        """Set binary cross entropy, accuracy and AUROC.

        Args:
            model: with one output in [0, 1].
            optimizer: of Keras.
            loss: of Keras, in place of the binary cross entropy.
            label_smoothing: of the binary cross entropy, a share in [0, 1).
        """
        import keras

        loss = loss or keras.losses.BinaryCrossentropy(label_smoothing=label_smoothing)
        metrics = [keras.metrics.BinaryAccuracy(name="accuracy"), keras.metrics.AUC(name="auroc")]
        model.compile(optimizer, loss, metrics=metrics)

    def fit(self, truth: np.ndarray, outputs: np.ndarray, config: Any, groups: Sequence[str]) -> Assets:
        """Fit temperature and bias by likelihood, choose the threshold, and find the limits of the sets.

        Args:
            truth: `[count]`, 0 or 1.
            outputs: `[count, 1]`, probabilities as the model gave them.
            config: for `target_sensitivity` and `coverage`.
            groups: `[count]`.
        """
        fitted = calibration.fit_binary(truth, outputs)
        probability = calibration.calibrated_binary(outputs, fitted)
        wanted = config.target_sensitivity
        if wanted:
            chosen = thresholds.sensitivity_threshold(truth, probability, wanted)
        else:
            fixed = self.threshold
            chosen = thresholds.youden_threshold(truth, probability) if fixed is None else fixed
        marked = {"fixed_threshold": True} if self.threshold is not None and not wanted else {}
        both = np.stack([1 - probability, probability], axis=1)
        limits = sets.fit(truth, both, groups, config.coverage, "lac")
        return {"calibration": fitted, "threshold": chosen, **marked, **limits}

    def respond(self, outputs: tf.Tensor, assets: Assets) -> dict[str, tf.Tensor]:
        """Turn probabilities `[batch, 1]` into what they mean.

        Returns:
            "probability": `[batch]`, calibrated; "score": `[batch]`, as the network gave it; "label": `[batch]`, the
            class name at the run's threshold; "set": bool `[batch, 2]`, the classes that are possible, where there are
            limits.
        """
        import tensorflow as tf

        score = tf.reshape(outputs, [-1])
        clipped = tf.clip_by_value(score, calibration.EPSILON, 1 - calibration.EPSILON)
        logit = tf.math.log(clipped) - tf.math.log1p(-clipped)
        probability = tf.sigmoid(logit / assets["calibration"]["temperature"] + assets["calibration"]["bias"])
        positive = tf.cast(probability >= assets["threshold"], tf.int32)
        label = tf.gather(tf.constant(assets["classes"]), positive)
        return {"probability": probability, "score": score, "label": label, **possible(probability, positive, assets)}

    def baseline_outputs(self, baseline: Any, inputs: Any) -> np.ndarray:
        """Return the logistic function of the margins, `[count, 1]`; `predict_proba` would calibrate, we do so."""
        from scipy.special import expit

        return expit(baseline.decision_function(inputs)).reshape(-1, 1).astype("float32")

    def votes(self, nearest: Any, vectors: np.ndarray) -> np.ndarray:
        """Return the share of class 1 among the nearest training examples, `[count, 1]`."""
        return shares_of_votes(nearest, vectors)[:, 1:]

    def measuring(self, truth: np.ndarray, values: np.ndarray, assets: Assets) -> Measuring:
        """Measure probabilities `[count]` at the threshold, and their sets."""
        measure = (ranking.two_classes if self.both else ranking.binary)(truth, values, assets["threshold"])
        return sets.measured(measure, truth, possible(values, self.answered(values, assets), assets), assets)

    def chances(self, values: np.ndarray) -> np.ndarray:
        """Return the probability of each class, `[count, 2]`."""
        return np.stack([1 - values, values], axis=1)

    def moved(self, validation: Told, values: np.ndarray, assets: Assets, seed: int) -> Moved:
        """Move calibration and threshold as far as a set without labels tells; see `outputs.moving`."""
        return moving.two_classes(validation, values, assets, seed)

    def refitted(self, truth: np.ndarray, values: np.ndarray, assets: Assets, shares: Sequence[float]) -> Assets:
        """Move calibration and threshold as a few labelled examples tell."""
        return moving.refitted_two(truth, values, assets, shares)

    def log_odds(self, found: np.ndarray, assets: Assets, index: int, *, plain: bool) -> np.ndarray:
        """Return the calibrated log-odds of class 1."""
        margin = found[:, 0] if plain else calibration.log_odds(found[:, 0])
        return margin / assets["calibration"]["temperature"] + assets["calibration"]["bias"]

    def advice(self, assets: Assets) -> str:
        """Say what a calibrated probability means."""
        return f"Calibrated: of 100 cases given 80 %, about 80 are {assets['classes'][-1]}."

    def honesty(self, truth: np.ndarray, values: np.ndarray, draws: Draws, words: Mapping[str, str]) -> list[Chart]:
        """Draw the reliability diagram of the probability."""
        from keras_dl.figures import curves

        figure = curves.reliability(truth, values, draws, ylabel="observed share of the class")
        caption = RELIABILITY.format(**words)
        return [
            chart("reliability", figure, "Reliability diagram of the network", "Calibration of the network", caption)
        ]

    def explained(
        self, measured: Mapping[str, Any], assets: Assets, config: Any, words: Mapping[str, str]
    ) -> list[Prose]:
        """Explain threshold and calibration."""
        shown, positive = self.thresholds(measured), assets["classes"][-1]
        if assets.get("fixed_threshold") and not config.target_sensitivity:
            how = "It is the likelier of the two."
        elif config.target_sensitivity:
            how = f"It was chosen to reach a sensitivity of {config.target_sensitivity:.2f} on the validation part."
        else:
            how = "On the validation part, this threshold gives about the largest sum of sensitivity and specificity."
        text = (
            f"The answer is {positive} if the {self.value} is **{shown['network']}** or more "
            f"(baseline: {shown['baseline']}). {how}"
        )
        fitted = assets["calibration"]
        sure = "it was overconfident" if fitted["temperature"] > 1 else "it was underconfident"
        shift = f"{fitted['bias']:+.2f}".replace("-", "−")
        return [
            Prose(text, "Threshold"),
            Prose(
                f"{RIGHT_IN_80} the network's log-odds are divided by {fitted['temperature']:.2f} ({sure}) and shifted "
                f"by {shift}. Both numbers were fitted on the validation part.",
                "Calibration",
            ),
            *sets.explained(measured, assets, config, words),
        ]

    def notes(self, measured: Mapping[str, Any], assets: Assets, words: Mapping[str, str]) -> str:
        """Say that the numbers are probabilities."""
        return (
            f"These are the errors of which the network was most certain, at most one per {words['group']}. Look at "
            f"them before you trust any figure above. The numbers are probabilities of {assets['classes'][-1]}."
        )


RELIABILITY = (
    "On the dotted line, predicted probabilities match observed shares. Bars: 95\N{NO-BREAK SPACE}% intervals; "
    "numbers: {example}s in the bin."
)
RIGHT_IN_80 = "To make a probability of 0.8 right in about 80\N{NO-BREAK SPACE}% of cases,"


def possible(probability: Any, answers: Any, assets: Assets) -> dict[str, tf.Tensor]:
    """Return the "set" of each probability of class 1, `[batch]`."""
    import tensorflow as tf

    return sets.members(tf.stack([1 - probability, probability], axis=1), answers, assets)


def shares_of_votes(nearest: Any, vectors: np.ndarray) -> np.ndarray:
    """Return the share of each class among the nearest training examples, `[count, classes]`.

    Each class gets one vote more (Laplace): no share is 0 or 1 then, and calibration has finite log-odds to work with.
    """
    shares = nearest.predict_proba(vectors)
    count, classes = nearest[-1].n_neighbors, shares.shape[1]
    return ((shares * count + 1) / (count + classes)).astype("float32")
