"""Thresholds: from which probability or score on an answer is "yes", chosen on validation."""

from __future__ import annotations

import numpy as np

from keras_dl.errors import KerasDLError


def youden_threshold(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Return a threshold with the largest sensitivity + specificity - 1 (Youden's J, 1950), or as good as that.

    The very largest J often hangs on one or two examples. So all thresholds count whose J is within one standard
    error of it, and the middle of them, in log-odds, is taken.

    Args:
        labels: `[count]`, 0 or 1; both must occur.
        probabilities: `[count]`, of class 1.
    """
    from sklearn.metrics import roc_curve

    false_alarms, hits, thresholds = roc_curve(labels, probabilities, drop_intermediate=False)
    index = hits - false_alarms
    best = np.argmax(index)
    positives = np.sum(labels)
    negatives = len(labels) - positives
    error = np.sqrt(
        hits[best] * (1 - hits[best]) / positives + false_alarms[best] * (1 - false_alarms[best]) / negatives
    )
    as_good = thresholds[index >= index[best] - error]  # falling; the first may be infinite: nothing is let through
    ends = [between(probabilities, threshold) for threshold in as_good[[0, min(1, len(as_good) - 1), -1]]]
    low, high = np.clip([min(ends), max(ends)], 1e-6, 1 - 1e-6)
    odds = np.sqrt(low / (1 - low) * high / (1 - high))  # the geometric mean of odds is the middle of log-odds
    return float(odds / (1 + odds))


def sensitivity_threshold(labels: np.ndarray, probabilities: np.ndarray, sensitivity: float) -> float:
    """Return the highest threshold that reaches this sensitivity, in (0, 1].

    Args:
        labels: `[count]`, 0 or 1; 1 must occur.
        probabilities: `[count]`, of class 1.
        sensitivity: the share of class 1 that is let through, in (0, 1].
    """
    scores = np.sort(probabilities[np.asarray(labels, dtype=bool)])[::-1]
    needed = int(np.ceil(sensitivity * len(scores) - 1e-9))
    return between(probabilities, scores[max(needed, 1) - 1])


def between(probabilities: np.ndarray, threshold: float) -> float:
    """Move a threshold to the middle between the lowest score it lets through and the highest that it does not."""
    chosen, below = probabilities[probabilities >= threshold], probabilities[probabilities < threshold]
    upper = chosen.min() if len(chosen) else 1.0
    return float((upper + (below.max() if len(below) else 0.0)) / 2)


def false_alarm_threshold(scores: np.ndarray, share: float) -> float:
    """Return a threshold that a new healthy example reaches with a chance of at most `share`.

    Of n healthy scores it takes the k-th smallest, k = ceil((n + 1) (1 - share)), and the next larger float32: a new
    score, drawn like the n, is as likely to come at any of the n + 1 places between them (conformal prediction; Vovk et
    al. 2005). Of too few scores, n + 1 < 1 / share, none is high enough to promise that; then it is the highest.

    Args:
        scores: `[count]` or `[count, 1]`, of healthy examples alone.
        share: of false alarms, in (0, 1).

    Raises:
        KerasDLError: if there is no score.
    """
    healthy = np.sort(np.asarray(scores).reshape(-1).astype("float32"))
    if not len(healthy):
        raise KerasDLError(
            "the validation part has no healthy example to choose the threshold from; add some from other patients"
        )
    rank = min(len(healthy), int(np.ceil((len(healthy) + 1) * (1 - share) - 1e-9)))
    return float(np.nextafter(healthy[rank - 1], np.float32(np.inf)))  # from the threshold on it is an alarm
