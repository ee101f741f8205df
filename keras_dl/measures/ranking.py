"""Metrics of classifiers, and the points of their ROC and precision-recall curves; each model is sorted once.

In the order of falling scores, both areas, and the counts at a threshold, come from two running sums of the weights:
of all examples and of those of class 1. Examples with the same score count as one step of both curves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_dl.measures.calibration import BINS, bins_of
from keras_dl.measures.measuring import ratio, sums
from keras_dl.task.kinds import Measuring

TILE = 2**15  # examples in a tile, if no score has more
SMALL = 2**30  # whole weights with a sum below this are added in 32 bits, exactly and three times as fast


class Ranked:
    """Examples in the order of falling scores, in which weights are added up, tile by tile.

    Tiles are so small that their sums stay in the processor's cache, and end where a score ends.

    Args:
        labels: `[count]`, whether an example is of class 1.
        scores: `[count]`, finite, higher for class 1.
    """

    def __init__(self, labels: np.ndarray, scores: np.ndarray) -> None:
        scores = np.asarray(scores)
        self.order = np.argsort(np.negative(scores, dtype=np.result_type(scores, np.float32)), kind="stable")
        self.labels = np.asarray(labels, dtype=bool)[self.order].astype(np.int32)
        falling, count = scores[self.order], len(scores)
        stops = np.flatnonzero(np.append(falling[1:] != falling[:-1], count > 0)) + 1  # after the last of each score
        cuts = stops[np.unique(np.searchsorted(stops, np.arange(TILE, count, TILE)))] if count else stops
        edges = np.unique([0, *cuts, count])
        self.tiles = []  # where each starts and stops, and in it the last example of each score, where some are equal
        for start, stop in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            ends = stops[np.searchsorted(stops, start, "right") : np.searchsorted(stops, stop, "right")] - 1 - start
            self.tiles.append((start, stop, None if len(ends) == stop - start else ends))

    def running(self, weights: np.ndarray) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Add up weights `[draws, count]` from the highest score down.

        Returns:
            Of each tile how many examples there are down to its end; `[draws, 1 + scores]`, the weight of all examples
            above the tile, and down to each different score in it; and that of those of class 1.
        """
        kind: np.dtype[Any] = np.dtype(float)
        if weights.dtype.kind in "iub":
            most = weights.sum(axis=1, dtype=np.int64).max(initial=0)
            kind = np.dtype("int32" if most < SMALL else "int64")
        before = np.zeros((2, len(weights)), dtype=kind)
        for start, stop, ends in self.tiles:
            falling = np.take(weights, self.order[start:stop], axis=1).astype(kind, copy=False)
            sides = []
            for part, above in zip((falling, falling * self.labels[start:stop]), before, strict=True):
                added = np.empty((len(weights), 1 + (stop - start if ends is None else len(ends))), dtype=kind)
                added[:, 0] = 0
                if ends is None:
                    np.cumsum(part, axis=1, dtype=kind, out=added[:, 1:])
                else:
                    np.take(np.cumsum(part, axis=1, dtype=kind), ends, axis=1, out=added[:, 1:], mode="clip")
                added += above[:, None]
                sides.append(added)
            before = np.stack([side[:, -1] for side in sides])
            yield stop, *sides

    def steps(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the weight of all examples, and of class 1, down to each different score: `[draws, 1 + scores]`.

        The first is that above all scores, 0.
        """
        tiles = [(steps[:, 1:], hits[:, 1:]) for _, steps, hits in self.running(np.asarray(weights))]
        nothing = np.zeros((len(weights), 1))
        steps, hits = (np.concatenate([nothing, *(tile[side] for tile in tiles)], axis=1) for side in (0, 1))
        return steps, hits


@dataclass(frozen=True)
class Found:
    """What one walk through the scores finds, each `[draws]`: areas, and weights at a place in the order."""

    auroc: np.ndarray
    average_precision: np.ndarray
    chosen: np.ndarray  # weight of all examples before the place
    hit: np.ndarray  # of those of class 1 among them
    everything: np.ndarray
    positive: np.ndarray


def walk(ranked: Ranked, weights: np.ndarray, place: int = 0) -> Found:
    """Find the areas under the curves, and what is chosen at a threshold.

    The areas are scikit-learn's roc_auc_score and average_precision_score with sample_weight; both are nan where a
    class has no weight.

    Args:
        ranked: the examples.
        weights: `[draws, count]`.
        place: how many examples have a score that is at or above the threshold.
    """
    lost, gain, chosen, hit, everything, positive = np.zeros((6, len(weights)))
    done = 0
    for (stop, steps, hits), (start, _, ends) in zip(ranked.running(weights), ranked.tiles, strict=True):
        alarms, gained = steps - hits, np.diff(hits, axis=1)
        above = alarms[:, 1:] + alarms[:, :-1]  # twice the mean weight of class 0 at and above each score
        lost += np.einsum("ij,ij->i", gained, above, dtype=float) / 2  # pairs in the wrong order
        precision = np.divide(hits[:, 1:], steps[:, 1:], out=np.ones(gained.shape), where=steps[:, 1:] != 0)
        gain += np.einsum("ij,ij->i", gained, precision, dtype=float)
        if done < place <= stop:
            column = 1 + (place - 1 - start if ends is None else int(np.searchsorted(ends, place - 1 - start)))
            chosen, hit = steps[:, column].astype(float), hits[:, column].astype(float)
        everything, positive, done = steps[:, -1].astype(float), hits[:, -1].astype(float), stop
    pairs = positive * (everything - positive)
    auroc = ratio(pairs - lost, pairs)
    average = np.where(np.isnan(auroc), np.nan, ratio(gain, positive))
    return Found(auroc, average, chosen, hit, everything, positive)


def scores(labels: np.ndarray, scores: np.ndarray, threshold: float) -> Measuring:
    """Prepare the metrics that need no probability, only a score that is higher for class 1.

    Args:
        labels: `[count]`, 0 or 1.
        scores: `[count]`, finite.
        threshold: class 1 is predicted from this score on.

    Returns:
        A measurement of auroc, accuracy, sensitivity, specificity, ppv, npv, f1 and pr_auc (average precision). A
        metric whose denominator is empty is nan.
    """
    ranked = Ranked(labels, scores)
    predicted = int(np.count_nonzero(np.asarray(scores) >= threshold))

    def measured(weights: np.ndarray) -> dict[str, np.ndarray]:
        found = walk(ranked, np.asarray(weights), predicted)
        chosen, hit, everything, positive = found.chosen, found.hit, found.everything, found.positive
        miss, alarm = positive - hit, chosen - hit
        rest = everything - positive - alarm
        return {
            "auroc": found.auroc,
            "accuracy": ratio(hit + rest, everything),
            "sensitivity": ratio(hit, positive),
            "specificity": ratio(rest, rest + alarm),
            "ppv": ratio(hit, chosen),
            "npv": ratio(rest, rest + miss),
            "f1": ratio(2 * hit, 2 * hit + miss + alarm),
            "pr_auc": found.average_precision,
        }

    return measured


def binary(labels: np.ndarray, probabilities: np.ndarray, threshold: float) -> Measuring:
    """Prepare the metrics of a classifier of two classes: those of `scores`, and how good the probabilities are.

    Args:
        labels: `[count]`, 0 or 1.
        probabilities: `[count]`, of class 1, in [0, 1].
        threshold: class 1 is predicted from this probability on.

    Returns:
        A measurement of what `scores` measures, brier, and ece (10 bins of equal width; Guo et al. 2017, here of the
        probability of class 1).
    """
    ranks = scores(labels, probabilities, threshold)
    truth = np.asarray(labels, dtype=bool)
    honesty = honest(probabilities, truth, (probabilities - truth) ** 2)
    return lambda weights: {**ranks(weights), **honesty(weights)}


def two_classes(labels: np.ndarray, probabilities: np.ndarray, threshold: float) -> Measuring:
    """Prepare `binary` and macro_f1, the mean of the F1 of both classes; the arguments are those of `binary`."""
    whole = binary(labels, probabilities, threshold)

    def measured(weights: np.ndarray) -> dict[str, np.ndarray]:
        found = whole(weights)
        recall, precision = found["specificity"], found["npv"]  # of class 0
        both = np.nan_to_num(recall) + np.nan_to_num(precision)
        other = 2 * np.nan_to_num(recall * precision) / np.where(both == 0, 1, both)  # 0: true or answered, never both
        other = np.where(np.isnan(recall) & np.isnan(precision), np.nan, other)
        return {**found, "macro_f1": (found["f1"] + other) / 2}

    return measured


def honest(probabilities: np.ndarray, truth: np.ndarray, squares: np.ndarray) -> Measuring:
    """Prepare brier and ece.

    Args:
        probabilities: `[count]`, in [0, 1], of what was said to be true.
        truth: `[count]`, 0 or 1, whether it was true.
        squares: `[count]`, what the Brier score is the mean of.
    """
    place, gaps = bins_of(probabilities), probabilities.astype(float) - truth
    added = sums([place, np.full(len(place), BINS)], [gaps, squares], BINS + 1)

    def measured(weights: np.ndarray) -> dict[str, np.ndarray]:
        found, everything = added(weights), weights.sum(axis=1, dtype=float)
        return {"brier": ratio(found[:, BINS], everything), "ece": ratio(np.abs(found[:, :BINS]).sum(1), everything)}

    return measured


def classes(labels: np.ndarray, probabilities: np.ndarray, names: Sequence[str]) -> Measuring:
    """Prepare the metrics of a classifier with several classes, whose answer is the likeliest one.

    Args:
        labels: `[count]`, class index.
        probabilities: `[count, classes]`.
        names: of the classes.

    Returns:
        A measurement of accuracy, balanced_accuracy (mean recall), macro_f1 (mean F1), auroc (mean of each class
        against the rest), brier (mean squared distance to the true class, 0 to 2), ece (of the likeliest class; Guo et
        al. 2017), and of each class "recall NAME" and "precision NAME". A metric whose denominator is empty is nan.
        It keeps the order of the examples for each class, `[classes, count]`.
    """
    labels, count = np.asarray(labels, dtype=int), len(names)
    predicted, top = probabilities.argmax(axis=1), probabilities.max(axis=1)
    right = predicted == labels
    ranked = [Ranked(labels == one, probabilities[:, one]) for one in range(count)]
    added = sums([labels, count + predicted, 2 * count + labels], [1.0, 1.0, right], 3 * count)
    squares = np.zeros(len(labels))
    for one in range(count):  # not all at once: that would be a second array of the size of the probabilities
        squares += (probabilities[:, one].astype(float) - (labels == one)) ** 2
    honesty = honest(top, right, squares)

    def measured(weights: np.ndarray) -> dict[str, np.ndarray]:
        true, said, hits = np.split(added(weights), 3, axis=1)  # each [draws, classes]
        recall, precision = ratio(hits, true), ratio(hits, said)
        weights = np.asarray(weights)
        area = np.mean([walk(one, weights).auroc for one in ranked], axis=0)
        return {
            "accuracy": ratio(hits.sum(axis=1), true.sum(axis=1)),
            "balanced_accuracy": recall.mean(axis=1),
            "macro_f1": ratio(2 * hits, true + said).mean(axis=1),
            "auroc": area,
            **honesty(weights),
            **{f"recall {name}": values for name, values in zip(names, recall.T, strict=True)},
            **{f"precision {name}": values for name, values in zip(names, precision.T, strict=True)},
        }

    return measured


class Curve:
    """The ROC and the precision-recall curve of one ranking, of any weights, from one sort; made by `curve`."""

    def __init__(self, ranked: Ranked) -> None:
        self.ranked = ranked

    def roc(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return false and true positive rate from (0, 0) to (1, 1), each `[draws, scores + 1]`.

        They are the points of scikit-learn's roc_curve with drop_intermediate=False; a score without weight repeats
        the point before it. All are nan where a class has no weight.

        Args:
            weights: `[draws, count]`.
        """
        steps, hits = self.ranked.steps(weights)
        alarms = steps - hits
        return ratio(alarms, alarms[:, -1:]), ratio(hits, hits[:, -1:])

    def precision_recall(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return recall, rising, and precision, from (0, 1) on, each `[draws, scores + 1]`.

        They are the points of scikit-learn's precision_recall_curve, in reverse; a score without weight repeats the
        point before it. Recall is nan where class 1 has no weight.
        """
        steps, hits = self.ranked.steps(weights)
        return ratio(hits, hits[:, -1:]), np.divide(hits, steps, out=np.ones(steps.shape), where=steps != 0)

    def roc_on(self, grid: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return the true positive rate at false positive rates `[grid]`, straight between points: `[draws, grid]`."""
        return on(grid, *self.roc(weights))

    def precision_on(self, grid: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return the precision at recalls `[grid]`, straight between points: `[draws, grid]`."""
        return on(grid, *self.precision_recall(weights))


def curve(labels: np.ndarray, scores: np.ndarray) -> Curve:
    """Prepare the curves of labels `[count]`, 0 or 1, and scores `[count]`, finite, higher for class 1."""
    return Curve(Ranked(labels, scores))


def on(grid: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Interpolate curves x, y `[draws, n]` at `grid`; nan where x or y is."""
    rows = [
        np.full(len(grid), np.nan) if np.isnan(across[-1]) or np.isnan(up[-1]) else np.interp(grid, across, up)
        for across, up in zip(x, y, strict=True)
    ]
    return np.array(rows).reshape(len(x), len(grid))
