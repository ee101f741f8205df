"""Metrics of classifiers, with weights, so that one function serves the point estimate and each bootstrap draw."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

DRAWS = 1000  # bootstrap draws; the ends of a 95 % interval then rest on 25 draws each

DISTANCES = ("ece",)  # metrics that measure a distance: never below 0, and larger in resampled data


def binary_metrics(
    labels: np.ndarray, probabilities: np.ndarray, threshold: float, weights: np.ndarray | None = None
) -> dict[str, float]:
    """Return the metrics of a binary classifier: those of `score_metrics`, and how good the probabilities are.

    Args:
        labels: `[count]`, 0 or 1.
        probabilities: `[count]`, of class 1, in [0, 1].
        threshold: class 1 is predicted from this probability on.
        weights: `[count]`, how often each example counts; a bootstrap draw is a set of weights.

    Returns:
        auroc, accuracy, sensitivity, specificity, ppv, npv, f1, pr_auc (average precision), brier, ece (10 bins of
        equal width; Guo et al. 2017, here of the probability of class 1). A metric whose denominator is empty is nan.
    """
    labels = np.asarray(labels, dtype=bool)
    weights = np.ones(len(labels)) if weights is None else np.asarray(weights, dtype=float)
    return {
        **score_metrics(labels, probabilities, threshold, weights),
        "brier": float((weights * (probabilities - labels) ** 2).sum() / weights.sum()),
        "ece": calibration_error(labels, probabilities, weights),
    }


def two_class_metrics(
    labels: np.ndarray, probabilities: np.ndarray, threshold: float, weights: np.ndarray | None = None
) -> dict[str, float]:
    """Return `binary_metrics` and macro_f1, the mean of the F1 of both classes."""
    found = binary_metrics(labels, probabilities, threshold, weights)
    with np.errstate(invalid="ignore", divide="ignore"):
        other = 2 / (1 / np.float64(found["specificity"]) + 1 / np.float64(found["npv"]))
    return {**found, "macro_f1": float((found["f1"] + other) / 2)}


def score_metrics(
    labels: np.ndarray, scores: np.ndarray, threshold: float, weights: np.ndarray | None = None
) -> dict[str, float]:
    """Return the metrics that need no probability, only a score `[count]` that is higher for class 1.

    The other arguments are those of `binary_metrics`, and so are the results but for brier and ece.
    """
    labels = np.asarray(labels, dtype=bool)
    weights = np.ones(len(labels)) if weights is None else np.asarray(weights, dtype=float)
    predicted = scores >= threshold
    with np.errstate(invalid="ignore", divide="ignore"):
        hit, miss = weights[labels & predicted].sum(), weights[labels & ~predicted].sum()
        alarm, rest = weights[~labels & predicted].sum(), weights[~labels & ~predicted].sum()
        curve = ranking(labels, scores, weights)
        return {
            "auroc": curve["auroc"],
            "accuracy": float((hit + rest) / weights.sum()),
            "sensitivity": float(hit / (hit + miss)),
            "specificity": float(rest / (rest + alarm)),
            "ppv": float(hit / (hit + alarm)),
            "npv": float(rest / (rest + miss)),
            "f1": float(2 * hit / (2 * hit + miss + alarm)),
            "pr_auc": curve["pr_auc"],
        }


def multiclass_metrics(
    labels: np.ndarray,
    probabilities: np.ndarray,
    threshold: None = None,
    weights: np.ndarray | None = None,
    *,
    classes: Sequence[str],
) -> dict[str, float]:
    """Return the metrics of a classifier with several classes, whose answer is the likeliest one.

    Args:
        labels: `[count]`, class index.
        probabilities: `[count, classes]`.
        threshold: None; there is none.
        weights: `[count]`, how often each example counts.
        classes: the names of the classes.

    Returns:
        accuracy, balanced_accuracy (mean recall), macro_f1 (mean F1), auroc (mean of each class against the rest),
        brier (mean squared distance to the true class, 0 to 2), ece (of the likeliest class; Guo et al. 2017), and of
        each class "recall NAME" and "precision NAME". A metric whose denominator is empty is nan.
    """
    labels = np.asarray(labels, dtype=int)
    weights = np.ones(len(labels)) if weights is None else np.asarray(weights, dtype=float)
    predicted, count = probabilities.argmax(axis=1), len(classes)
    table = np.bincount(labels * count + predicted, weights, count * count).reshape(count, count)  # true, predicted
    right = predicted == labels
    with np.errstate(invalid="ignore", divide="ignore"):
        hits = table.diagonal()
        recall, precision = hits / table.sum(axis=1), hits / table.sum(axis=0)
        areas = [ranking(labels == one, probabilities[:, one], weights)["auroc"] for one in range(count)]
        return {
            "accuracy": float(hits.sum() / weights.sum()),
            "balanced_accuracy": float(recall.mean()),
            "macro_f1": float(np.mean(2 * hits / (table.sum(axis=0) + table.sum(axis=1)))),
            "auroc": float(np.mean(areas)),
            "brier": float(weights @ ((probabilities - np.eye(count)[labels]) ** 2).sum(axis=1) / weights.sum()),
            "ece": calibration_error(right, probabilities.max(axis=1), weights),
            **{f"recall {name}": float(value) for name, value in zip(classes, recall, strict=True)},
            **{f"precision {name}": float(value) for name, value in zip(classes, precision, strict=True)},
        }


def ranking(labels: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    """Return the areas under the ROC and the precision-recall curve; nan where a class has no weight.

    They are scikit-learn's roc_auc_score and average_precision_score (a test compares), at a sixtieth of their time: a
    bootstrap asks a thousand times, and the checks they repeat each time would be most of an evaluation.
    """
    order = np.argsort(-scores, kind="stable")
    last_of_ties = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    hits, alarms = (np.cumsum((weights * side)[order])[last_of_ties] for side in (labels, ~labels))
    if not hits[-1] or not alarms[-1]:
        return {"auroc": float("nan"), "pr_auc": float("nan")}
    precision = hits / np.maximum(hits + alarms, np.finfo(float).tiny)
    area = np.trapezoid(np.append(0, hits), np.append(0, alarms))
    return {
        "auroc": float(area / (hits[-1] * alarms[-1])),
        "pr_auc": float(np.diff(hits, prepend=0) @ precision / hits[-1]),
    }


def calibration_error(labels: np.ndarray, probabilities: np.ndarray, weights: np.ndarray, bins: int = 10) -> float:
    """Return the expected calibration error: the mean gap between predicted and observed share over the bins."""
    place = np.minimum((probabilities * bins).astype(int), bins - 1)
    predicted = np.bincount(place, weights * probabilities, bins)
    observed = np.bincount(place, weights * labels, bins)
    return float(np.abs(predicted - observed).sum() / weights.sum())


def group_draws(groups: Sequence[str], seed: int, draws: int = DRAWS) -> np.ndarray:
    """Draw whole groups with replacement; return how often each example then counts: `[draws, count]`.

    The images of one patient are no independent witnesses; drawing patients keeps intervals from being too narrow.
    """
    names, numbers = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    counts = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), draws)
    return counts[:, numbers]


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
    as_good = [between(probabilities, threshold) for threshold in thresholds[index >= index[best] - error]]
    low, high = np.clip([min(as_good), max(as_good)], 1e-6, 1 - 1e-6)
    odds = np.sqrt(low / (1 - low) * high / (1 - high))  # the geometric mean of odds is the middle of log-odds
    return float(odds / (1 + odds))


def sensitivity_threshold(labels: np.ndarray, probabilities: np.ndarray, sensitivity: float) -> float:
    """Return the highest threshold that reaches this sensitivity, in (0, 1]."""
    scores = np.sort(probabilities[np.asarray(labels, dtype=bool)])[::-1]
    needed = int(np.ceil(sensitivity * len(scores) - 1e-9))
    return between(probabilities, scores[max(needed, 1) - 1])


def between(probabilities: np.ndarray, threshold: float) -> float:
    """Move a threshold to the middle between the lowest score it lets through and the highest that it does not."""
    chosen, below = probabilities[probabilities >= threshold], probabilities[probabilities < threshold]
    upper = chosen.min() if len(chosen) else 1.0
    return float((upper + (below.max() if len(below) else 0.0)) / 2)
