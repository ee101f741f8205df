"""What answers to a set without labels say of it: class shares, and how far the scores have moved.

Three explanations are tried, the simplest first, and the first one that the scores do not contradict is taken:

1. Label shift: only the class shares are others. They are estimated, and probabilities and threshold follow.
2. A moved score: besides, the log-odds of each class are shifted, and stretched. That can be told without labels where
   the scores of the classes are apart: then there are two heaps, each with a place and a size.
3. Something else: then the set is refused, since any estimate would be a guess.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_dl.measures import calibration, label_shift
from keras_dl.measures.label_shift import LEVEL, Alignment, Judged, Mixture
from keras_dl.outputs import sets
from keras_dl.outputs.labelled import Labelled
from keras_dl.task.kinds import Assets, Moved, Told

ONE_CLASS = 0.98  # from this estimated share of one class on, it is as if there were no other
LEAST = 0.01  # of a share: no class is ruled out by an estimate
TWO_HEAPS = 0.85  # share of what tells the classes apart that is left when scores have moved; else one heap was cut
STRETCHED = 3.0  # a score is not stretched by more than this, nor by less than its inverse
UNKNOWN = (
    "On validation, the answers tell the classes apart too badly to say anything of the class shares of another set. "
    "Calibration and threshold stay."
)


def two_classes(validation: Told, values: np.ndarray, assets: Assets, seed: int) -> Moved:
    """Move calibration and threshold of a probability of the second class, `[count]`, as far as a set tells."""
    old, new = of_two(validation.values), of_two(values)
    found, facts = judged(validation, old, new, seed)
    if not found.known:
        return Moved(said=[UNKNOWN], facts=facts, shares=facts["before"])
    if refused := one_class(found.after, assets["classes"]):
        return Moved(facts=facts, refused=refused, explained=found.p >= LEVEL)
    if found.holds:
        if not differ(found, len(values)):
            return Moved({}, [unchanged(found, assets["classes"])], facts, True, facts["before"])
        text = f"{label_shifted(found, assets['classes'])} Probabilities and threshold were moved to these shares."
        return Moved(
            reweighted(validation, assets, change(found.before, found.after)), [text], facts, True, facts["after"]
        )
    moved = moved_score(validation, label_shift.scores_of(new), seed)
    if moved is None:
        return Moved(facts=facts, shares=facts["before"], refused=contradicted(found))
    shares = moved.explained.shares
    facts |= {"offsets": [round(one, 4) for one in moved.offsets], "slope": round(moved.slope, 4)}
    facts |= {"after": [round(float(one), 4) for one in shares], "p_moved": round(moved.explained.p, 4)}
    by = " and ".join(f"{one:+.2f} for {name}" for one, name in zip(moved.offsets, assets["classes"], strict=True))
    text = (
        f"Other class shares alone do not explain the scores well enough ({doubt(found)}). They are explained if the "
        f"log-odds of validation are moved by {by} and stretched by {moved.slope:.2f}, with "
        f"{named(shares, assets['classes'])} (p = {moved.explained.p:.2f}). Calibration and threshold were moved so."
    )
    return Moved(recalibrated(validation, moved, found.before, assets), [text], facts, False, facts["after"])


def judged(validation: Told, old: np.ndarray, new: np.ndarray, seed: int) -> tuple[Judged, dict[str, Any]]:
    """Estimate the class shares of a set, and test whether nothing else has changed; also as JSON values.

    Args:
        validation: what the network answered there.
        old: `[reference, classes]`, the probabilities on validation.
        new: `[count, classes]`, those on the new set.
        seed: of the test.
    """
    answers = old.argmax(axis=1), new.argmax(axis=1)
    found = label_shift.judged(np.asarray(validation.truth, int), validation.groups, old, new, answers, seed)
    return found, found.facts()


def moved_score(validation: Told, scores: np.ndarray, seed: int) -> Alignment | None:
    """Return how the score of two classes has moved on a set, `[count, 1]`; None where no such move explains it."""
    truth = np.asarray(validation.truth, int)
    old = label_shift.scores_of(of_two(validation.values))
    found = label_shift.aligned(Mixture(old, truth, validation.groups, 2), scores, seed)
    likely = found.explained.p >= LEVEL and found.explained.shares.max() < ONE_CLASS
    two = told_apart(found.scores, truth) >= TWO_HEAPS * told_apart(old[:, 0], truth)
    return found if likely and two and 1 / STRETCHED < found.slope < STRETCHED else None


def told_apart(scores: np.ndarray, truth: np.ndarray) -> float:
    """Return the largest sensitivity + specificity - 1 that a threshold of a score reaches."""
    from sklearn.metrics import roc_curve

    false_alarms, hits, _ = roc_curve(truth, scores)
    return float(np.max(hits - false_alarms))


def recalibrated(validation: Told, moved: Alignment, before: np.ndarray, assets: Assets) -> Assets:
    """Return calibration and threshold, fitted to validation as it would be on the new set."""
    truth, shares = np.asarray(validation.truth, int), moved.explained.shares
    weights = shares[truth] / before[truth]
    fitted = calibration.fit_log_odds(truth, moved.scores, weights)
    own = assets["calibration"]
    both = {  # first that of the run, then the new one
        "temperature": own["temperature"] * fitted["temperature"],
        "bias": own["bias"] / fitted["temperature"] + fitted["bias"],
    }
    scores = moved.scores / fitted["temperature"] + fitted["bias"]
    return {
        "calibration": both,
        "threshold": moved_threshold(assets, change(before, shares)),
        **limits(validation, of_two(1 / (1 + np.exp(-scores))), assets),
    }


def reweighted(validation: Told, assets: Assets, change: float) -> Assets:
    """Return calibration and threshold for other class shares."""
    fitted = assets["calibration"]
    scores = calibration.log_odds(validation.values) + change
    return {
        "calibration": {**fitted, "bias": fitted["bias"] + change},
        "threshold": moved_threshold(assets, change),
        **limits(validation, of_two(1 / (1 + np.exp(-scores))), assets),
    }


def limits(validation: Told, probabilities: np.ndarray, assets: Assets) -> Assets:
    """Return the limits of prediction sets, set on validation with the moved probabilities `[reference, classes]`.

    Those of each class hold whatever the class shares are; one limit for all classes is only about right then.
    """
    fitted = assets.get("sets")
    if not fitted:
        return {}
    return sets.fit(validation.truth, probabilities, validation.groups, fitted["coverage"], fitted["method"])


def of_two(positive: np.ndarray) -> np.ndarray:
    """Return the probabilities of two classes `[count, 2]` from that of the second."""
    return np.stack([1 - positive, positive], axis=-1)


def refitted_two(truth: np.ndarray, values: np.ndarray, assets: Assets, shares: Sequence[float]) -> Assets:
    """Fit temperature and bias of two classes to a few labelled examples; without them, nothing changes.

    The threshold asks for the same evidence as before: it follows the class shares, from `shares` to the mean
    probability of these examples.
    """
    fitted, own = (
        calibration.fit_log_odds(truth, calibration.log_odds(values), ridge=1 / len(truth)),
        assets["calibration"],
    )
    both = {
        "temperature": own["temperature"] * fitted["temperature"],
        "bias": own["bias"] / fitted["temperature"] + fitted["bias"],
    }
    mean = of_two(np.mean(calibration.calibrated_binary(values, fitted)))
    return {"calibration": both, "threshold": moved_threshold(assets, change(np.asarray(shares), mean))}


def moved_threshold(assets: Assets, change: float) -> float:
    """Return the threshold for other class shares.

    One that was chosen by sensitivity and specificity asks for the same evidence as before, whatever the shares are.
    """
    threshold = assets["threshold"]
    if assets.get("fixed_threshold"):
        return threshold
    odds = threshold / (1 - threshold) * np.exp(change)
    return float(odds / (1 + odds))


def change(before: np.ndarray, after: np.ndarray) -> float:
    """Return by how much other shares of two classes change the log-odds of the second."""
    finite = np.clip([before[1], after[1]], LEAST, 1 - LEAST)
    old, new = np.log(finite) - np.log1p(-finite)
    return float(new - old)


def differ(found: Judged, count: int) -> bool:
    """Whether shares differ by more than 2.5 standard errors of the difference of two shares."""
    error = np.sqrt(0.25 * (1 / count + 1 / found.reference))
    return bool(np.abs(found.after - found.before).max() > 2.5 * error)


def one_class(shares: np.ndarray, classes: Sequence[str]) -> str:
    """Return why a set must not be adapted to that seems to hold one class alone; "" where it holds several."""
    most = int(np.argmax(shares))
    if shares[most] < ONE_CLASS:
        return ""
    return (
        f"nearly all inputs seem to be {classes[most]} ({100 * shares[most]:.0f} %). A set of one class alone cannot "
        "be adapted to; give inputs of all classes, as they come"
    )


def named(shares: np.ndarray, classes: Sequence[str]) -> str:
    """Write class shares."""
    return ", ".join(f"{100 * share:.0f} % {name}" for name, share in zip(classes, shares, strict=True))


def label_shifted(found: Judged, classes: Sequence[str]) -> str:
    """Say that the class shares are others."""
    return (
        f"Class shares: validation has {named(found.before, classes)}; the new set has about "
        f"{named(found.after, classes)}. The scores look like a mixture of those on validation (p = {found.p:.2f})."
    )


def unchanged(found: Judged, classes: Sequence[str]) -> str:
    """Say that the class shares are about the same."""
    return (
        f"Class shares: about {named(found.after, classes)}, as on validation. The scores look as they do there "
        f"(p = {found.p:.2f}), so calibration and threshold stay."
    )


def contradicted(found: Judged) -> str:
    """Say that no explanation fits, and what follows."""
    return (
        f"the scores of these inputs are not explained by those on validation ({doubt(found)}), neither by other class "
        "shares nor by scores that have moved, so it cannot be told whether adapting helps. Label some, and use "
        "--labels"
    )


def doubt(found: Judged) -> str:
    """Say why other class shares alone are not taken for the reason; here a p value of 0.1 is too low for that."""
    return f"p = {found.p:.3f}, below {LEVEL:g}" if found.p < LEVEL else "two estimates of the shares differ"


class Moving(Labelled):
    """Probabilities of several classes, whose biases move with the class shares of a set from elsewhere."""

    def chances(self, values: np.ndarray) -> np.ndarray:
        """Return the probabilities."""
        return values

    def moved(self, validation: Told, values: np.ndarray, assets: Assets, seed: int) -> Moved:
        """Move the biases, if a set without labels has other class shares alone."""
        found, facts = judged(validation, validation.values, values, seed)
        if not found.known:
            return Moved(said=[UNKNOWN], facts=facts, shares=facts["before"])
        if refused := one_class(found.after, assets["classes"]):
            return Moved(facts=facts, refused=refused, explained=found.p >= LEVEL)
        if not found.holds:
            return Moved(facts=facts, shares=facts["before"], refused=contradicted(found))
        if not differ(found, len(values)):
            return Moved({}, [unchanged(found, assets["classes"])], facts, True, facts["before"])
        text = f"{label_shifted(found, assets['classes'])} The probabilities were moved to these shares."
        ratio = np.log(np.maximum(found.after, LEAST)) - np.log(np.maximum(found.before, LEAST))
        moves = by_biases(validation, assets, {"temperature": 1.0, "biases": (ratio - ratio.mean()).tolist()})
        return Moved(moves, [text], facts, True, facts["after"])

    def refitted(self, truth: np.ndarray, values: np.ndarray, assets: Assets, shares: Sequence[float]) -> Assets:
        """Fit temperature and biases to a few labelled examples; without them, nothing changes."""
        own = calibration.fit_classes(truth, values, ridge=1 / len(truth))
        return by_biases(None, assets, own)


def by_biases(validation: Told | None, assets: Assets, further: Mapping[str, Any]) -> Assets:
    """Return the calibration of several classes after another one, and the limits of their sets on validation."""
    from scipy.special import softmax

    fitted = assets["calibration"]
    biases = np.asarray(fitted["biases"]) / further["temperature"] + further["biases"]
    both = {"temperature": fitted["temperature"] * further["temperature"], "biases": biases.tolist()}
    if validation is None:
        return {"calibration": both}
    logits = np.log(np.maximum(validation.values, calibration.EPSILON)) / further["temperature"] + further["biases"]
    return {"calibration": both, **limits(validation, softmax(logits, axis=1), assets)}
