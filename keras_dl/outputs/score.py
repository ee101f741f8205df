"""A score that is no probability: how far an example is from the healthy ones. Only these are seen in training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_dl.measures import ranking, thresholds
from keras_dl.outputs import sets
from keras_dl.outputs.binary import METRICS
from keras_dl.outputs.ranked import Ranked
from keras_dl.task.blocks import Block, Prose
from keras_dl.task.kinds import Assets, Measuring, Method, Moved, Target, Told

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


MEASURED = {name: metric for name, metric in METRICS.items() if name not in (*sets.METRICS, "brier", "ece", "macro_f1")}


class Score(Ranked):
    """One score, higher for what is further from class 0; its threshold is set on healthy validation examples."""

    key = "score"
    title = "a score: how unusual it is"
    value = "score"
    metrics = MEASURED
    first = ("auroc", "accuracy", "sensitivity", "specificity", "f1")
    style = ".3g"  # a score may be of any size
    reach = (
        2.0  # only healthy inputs set the limit, and the sick are off it by design: 1.8 times at most, photos 2 to 37
    )
    digits = ".3g"

    def __init__(self, heatmap: Callable[[keras.Model, np.ndarray], np.ndarray]) -> None:
        """Make the kind; `heatmap(model, images)` gives where images are unlike healthy ones, in [0, 1]."""
        self.heatmap = heatmap

    def compile(self, model: keras.Model, optimizer: Any) -> None:
        """Train on the mean of the output: the model measures its own error."""
        from keras_dl.layers.losses import mean_output

        model.compile(optimizer, mean_output)

    def fit(self, truth: np.ndarray, outputs: np.ndarray, config: Any, groups: Sequence[str]) -> Assets:
        """Choose the threshold for a share of false alarms; see `thresholds.false_alarm_threshold`.

        Args:
            truth: `[count]`; only examples of class 0, the healthy ones, are looked at.
            outputs: `[count, 1]`, scores.
            config: for `false_alarms`, a share in (0, 1).
            groups: `[count]`; not looked at.

        Raises:
            KerasDLError: if no example is healthy.
        """
        healthy = outputs[np.asarray(truth) == 0, 0]
        return {"calibration": None, "threshold": thresholds.false_alarm_threshold(healthy, config.false_alarms)}

    def respond(self, outputs: tf.Tensor, assets: Assets) -> dict[str, tf.Tensor]:
        """Turn scores `[batch, 1]` into "score" `[batch]` and "label" `[batch]`, the class name at the threshold."""
        import tensorflow as tf

        score = tf.reshape(outputs, [-1])
        anomalous = tf.cast(score >= assets["threshold"], tf.int32)
        return {"score": score, "label": tf.gather(tf.constant(assets["classes"]), anomalous)}

    def baseline_outputs(self, baseline: Any, inputs: Any) -> np.ndarray:
        """Return the detector's scores, `[count, 1]`."""
        return np.asarray(baseline.decision_function(inputs)).reshape(-1, 1).astype("float32")

    def votes(self, nearest: Any, vectors: np.ndarray) -> np.ndarray:
        """Return the mean distance to the nearest training examples (Bergman et al. 2020, arXiv 2002.10445)."""
        distances, _ = nearest[-1].kneighbors(nearest[:-1].transform(vectors))
        return distances.mean(axis=1, keepdims=True).astype("float32")

    def measuring(self, truth: np.ndarray, values: np.ndarray, assets: Assets) -> Measuring:
        """Measure scores `[count]` at the threshold."""
        return ranking.scores(truth, values, assets["threshold"])

    def moved(self, validation: Told, values: np.ndarray, assets: Assets, seed: int) -> Moved:
        """Refuse: what is unusual here would become usual."""
        normal = assets["classes"][0]
        return Moved(
            refused=f"a score tells how far an input is from {normal}, and nobody says which of these inputs are "
            f"{normal}: adapting would make what is unusual usual. Train on examples of {normal} from there",
            explained=True,
        )

    def methods(self) -> Mapping[str, Method]:
        """Return the map of distances."""

        def explain(run: Any, raws: Sequence[bytes], targets: Sequence[Target], brief: bool) -> list[Block]:
            from keras_dl.explaining.heatmap import decoded, pictures

            images = decoded(run, raws)
            return pictures(images, self.heatmap(run.model, images), targets, DISTANCE, brief=brief)

        legend = (
            "Left: what the network saw. Right: how far each place is from what {0} looks like; brighter means "
            "further, on one scale for all pictures."
        )
        return {"distance": Method("distance from healthy", DISTANCE, legend, explain)}

    def scale(self, row: Mapping[str, Any]) -> tuple[float, float]:
        """Return a scale from zero on that leaves room to the right of value and threshold."""
        score, threshold = row["score"], row["threshold"]
        low, high = min(0.0, score, threshold), max(score, threshold)
        return low, low + max(high - low, 1e-9) * (1.1 if score > threshold else 1.6)

    def written(self, value: float) -> str:
        """Write a score."""
        return f"{value:.4g}"

    def advice(self, assets: Assets) -> str:
        """Say that a score is no probability."""
        return f"A score is not a probability: the higher it is, the less the image looks like {assets['classes'][0]}."

    def histogram(
        self, truth: np.ndarray, values: np.ndarray, answers: np.ndarray, classes: Sequence[str], threshold: float
    ) -> Any:
        """Draw the scores of each true class, on an axis of their own."""
        from keras_dl.figures.classes import histograms

        xlabel = f"score, higher for {classes[1]}; dashed: threshold {threshold:.3g}"
        return histograms(truth, values, answers, classes, xlabel=xlabel, threshold=threshold, shares=False)

    def explained(
        self, measured: Mapping[str, Any], assets: Assets, config: Any, words: Mapping[str, str]
    ) -> list[Prose]:
        """Explain the threshold, and that a score is no probability."""
        shown, (negative, positive) = self.thresholds(measured), assets["classes"]
        aim = f", to give about {100 * config.false_alarms:.1f}\N{NO-BREAK SPACE}% false alarms among new ones"
        return [
            Prose(
                f"The answer is {positive} if the score is **{shown['network']}** or more (baseline: "
                f"{shown['baseline']}). This threshold was chosen on the {words['example']}s of {negative} in the "
                f"validation part{aim if hasattr(config, 'false_alarms') else ''}.",
                "Threshold",
            ),
            Prose(
                f"A score is not a probability. It tells which of two {words['example']}s looks less like {negative}, "
                f"not how likely {positive} is."
            ),
        ]

    def notes(self, measured: Mapping[str, Any], assets: Assets, words: Mapping[str, str]) -> str:
        """Say that the numbers are scores, and from where on the answer is the second class."""
        shown = self.thresholds(measured)
        return (
            f"These are the errors of which the network was most certain, at most one per {words['group']}. Look at "
            f"them before you trust any figure above. The numbers are scores; the answer is {assets['classes'][-1]} if "
            f"the score is {shown['network']} or more (baseline: {shown['baseline']})."
        )


DISTANCE = "evidence for {of} (distance from healthy)"
