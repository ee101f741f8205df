"""Class shares of a set without labels, and whether nothing but these shares has changed.

"Label shift" means: the examples of a class look as before, only the classes are differently frequent. Then the new
shares can be estimated from the answers alone. The assumption can be tested: the scores of the new set must be a
mixture of the scores that the classes had on validation. Where they are not, an estimate of the shares would be wrong,
and moving the probabilities by it would do harm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from keras_dl.measures.calibration import EPSILON

GRID = 64  # points at which distributions of a score are compared
DRAWS = 300  # of the bootstrap
LEVEL = 0.2  # of the test; below it more than the shares may have changed: a doubt is enough to move nothing by them
TOLD = 0.4  # of two classes: sensitivity + specificity - 1, below which shares are a guess
APART = 0.1  # of two estimates of a share, at most, if both are to be believed
STEPS = 1000  # of expectation maximisation, at most
RIDGE = 3e-4  # weight on "not moved", where scores leave it open


def estimated_shares(probabilities: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Estimate class shares by expectation maximisation (Saerens et al. 2002).

    It is the estimate of highest likelihood where the probabilities are calibrated (Alexandari et al. 2020).

    Args:
        probabilities: `[count, classes]` of the new set, calibrated for `prior`.
        prior: `[classes]`, the class shares that the probabilities were calibrated on.

    Returns:
        `[classes]`, at least 0, their sum is 1.
    """
    ratio = np.asarray(probabilities, float) / prior
    shares = np.asarray(prior, float)
    for _ in range(STEPS):
        weighted = ratio * shares
        after = (weighted / weighted.sum(1, keepdims=True)).mean(0)
        if np.abs(after - shares).max() < 1e-6:
            return after
        shares = after
    return shares


def black_box_shares(truth: np.ndarray, answers: np.ndarray, new: np.ndarray, classes: int) -> np.ndarray:
    """Estimate class shares from how often each answer is given (Lipton et al. 2018).

    Args:
        truth: `[reference]`, class indices of validation.
        answers: `[reference]`, the answers to the same examples.
        new: `[count]`, the answers on the new set.
        classes: how many there are.

    Returns:
        `[classes]`, at least 0, their sum is 1.
    """
    return mixed(answered(truth, answers, classes), np.bincount(new, minlength=classes) / len(new))


def answered(truth: np.ndarray, answers: np.ndarray, classes: int) -> np.ndarray:
    """Return how often each class gets each answer, `[classes, answers]`."""
    counts = np.zeros((classes, classes))
    np.add.at(counts, (truth, answers), 1)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def mixed(parts: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return the shares `[classes]` in which `parts` `[classes, points]` best mix to `whole`; their sum is 1."""
    from scipy.optimize import nnls

    if len(parts) == 2:
        direction = parts[1] - parts[0]
        share = np.clip((whole - parts[0]) @ direction / max(direction @ direction, 1e-12), 0, 1)
        return np.array([1 - share, share])
    heavy = 1e3  # of the equation that the sum is 1
    shares, _ = nnls(np.vstack([parts.T, heavy * np.ones(len(parts))]), np.append(whole, heavy))
    return shares / shares.sum()


@dataclass(frozen=True)
class Explained:
    """How well a mixture of the classes' scores on validation explains the scores of a new set."""

    shares: np.ndarray  # [classes], of the best mixture
    distance: float  # mean squared difference of the distributions, times the number of examples
    p: float  # how often a set that is such a mixture is as far from it: small means that more than shares has changed


@dataclass(frozen=True)
class Mixture:
    """The scores that each class had on validation, against which the scores of new sets are held."""

    scores: np.ndarray  # [reference, kinds], one or several scores of each example
    truth: np.ndarray  # [reference], class indices; each class must occur
    groups: Sequence[str]  # [reference], what belongs together: it is drawn together
    classes: int

    def explains(self, scores: np.ndarray, seed: int = 0, draws: int = DRAWS) -> Explained:
        """Hold the scores `[count, kinds]` of a new set against the best mixture, with a bootstrap test by group.

        The distance is Cramér and von Mises', summed over the kinds of score. A draw takes the groups of validation
        twice: once for the parts of the mixture, once for a set as large as the new one with the estimated shares.
        """
        scores = np.asarray(scores, float)
        count, points = len(scores), self.points(scores)
        below = [below_points(self.scores[self.truth == one], points) for one in range(self.classes)]
        shares, distance = closest(np.stack([one.mean(0) for one in below]), below_points(scores, points).mean(0))
        groups, random, as_far = np.asarray(self.groups, str), np.random.default_rng(seed), 0
        units = [np.unique(groups[self.truth == one], return_inverse=True)[1] for one in range(self.classes)]
        for _ in range(draws):
            parts = np.stack([drawn(one, unit, None, random) for one, unit in zip(below, units, strict=True)])
            sizes = random.multinomial(count, shares)
            wholes = [
                drawn(one, unit, size, random) * size / count
                for one, unit, size in zip(below, units, sizes, strict=True)
                if size
            ]
            as_far += closest(parts, np.sum(wholes, axis=0))[1] >= distance
        return Explained(shares, count * distance, (1 + as_far) / (1 + draws))

    def points(self, scores: np.ndarray) -> list[np.ndarray]:
        """Return the points at which distributions are compared: quantiles of validation and new set together."""
        both = np.concatenate([self.scores, scores])
        weights = np.repeat([1 / len(self.scores), 1 / len(scores)], [len(self.scores), len(scores)])
        wanted = (np.arange(GRID) + 0.5) / GRID
        found = []
        for column in both.T:
            order = np.argsort(column)
            places = np.searchsorted(np.cumsum(weights[order]) / 2, wanted)
            found.append(column[order][np.minimum(places, len(column) - 1)])
        return found


def below_points(scores: np.ndarray, points: list[np.ndarray]) -> np.ndarray:
    """Return for each example whether its scores are at or below each point: `[count, kinds * points]`."""
    return np.concatenate([column[:, None] <= at for column, at in zip(scores.T, points, strict=True)], 1).astype(float)


def closest(parts: np.ndarray, whole: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the shares of the best mixture and its mean squared difference from the whole."""
    shares = mixed(parts, whole)
    return shares, float(np.mean((shares @ parts - whole) ** 2))


def drawn(below: np.ndarray, unit: np.ndarray, size: int | None, random: np.random.Generator) -> np.ndarray:
    """Return the distribution of whole groups, drawn with replacement: as many as there are, or `size` examples."""
    groups = unit.max() + 1
    count = groups if size is None else max(1, round(size * groups / len(unit)))
    weights = random.multinomial(count, np.full(groups, 1 / groups))[unit]
    return weights @ below / weights.sum()


@dataclass(frozen=True)
class Alignment:
    """How the score of two classes has moved on a new set: each class by an offset, and both stretched alike."""

    scores: np.ndarray  # [reference], those of validation, moved so
    offsets: tuple[float, float]  # of the middle of each class
    slope: float  # of the distances from these middles
    explained: Explained  # of the new set, by the moved scores


def aligned(mixture: Mixture, scores: np.ndarray, seed: int = 0) -> Alignment:
    """Find how the scores of two classes must have moved, so that a new set looks like a mixture of them.

    That is known only where the scores of the classes are apart: then a set has two heaps, each with a place and a
    size. Which heap is which class cannot be seen: their order is taken to be that of validation.

    Args:
        mixture: of one score and two classes.
        scores: `[count, 1]`, of the new set.
        seed: of the test.
    """
    from scipy.optimize import minimize

    old, truth, scores = mixture.scores[:, 0], mixture.truth, np.asarray(scores, float)
    middles = np.array([np.median(old[truth == one]) for one in (0, 1)])
    spread = float(np.std(old))

    def moved(parameters: np.ndarray) -> np.ndarray:
        middle = middles[truth]
        return middle + spread * parameters[truth] + np.exp(parameters[2]) * (old - middle)

    points = mixture.points(scores)
    whole = below_points(scores, points).mean(0)

    def distance(parameters: np.ndarray) -> float:
        now = moved(parameters)[:, None]
        parts = np.stack([below_points(now[truth == one], points).mean(0) for one in (0, 1)])
        return closest(parts, whole)[1] + RIDGE * float(np.sum(parameters**2))

    begun = [(0, 0), (0.5, 0), (0, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, -0.5)]  # of the offsets
    simplices = [np.vstack([np.zeros(3), 0.3 * np.eye(3)]) + np.array([*one, 0]) for one in begun]
    found = [minimize(distance, one[0], method="Nelder-Mead", options={"initial_simplex": one}) for one in simplices]
    best = min(found, key=lambda one: one.fun).x
    now = moved(best)
    explained = replace(mixture, scores=now[:, None]).explains(scores, seed)
    first, second = (float(one) for one in spread * best[:2])
    return Alignment(now, (first, second), float(np.exp(best[2])), explained)


@dataclass(frozen=True)
class Judged:
    """Whether a new set has other class shares, and nothing else has changed."""

    before: np.ndarray  # [classes], the shares on validation
    after: np.ndarray  # [classes], the estimate by expectation maximisation
    counted: np.ndarray  # [classes], the estimate from how often each answer is given
    p: float  # of the test that the scores are a mixture of those on validation
    reference: int  # how many examples validation has
    apart: float  # how well answers tell the classes apart, 0 to 1: the smallest singular value of `answered`

    @property
    def known(self) -> bool:
        """Whether the answers tell the classes apart well enough to say anything of their shares."""
        return self.apart >= TOLD

    @property
    def holds(self) -> bool:
        """Whether the test passes, and both estimates say about the same."""
        return self.p >= LEVEL and float(np.abs(self.after - self.counted).max()) <= APART

    def facts(self) -> dict[str, Any]:
        """Return it as JSON values."""
        shares = {"before": self.before, "after": self.after, "from_answers": self.counted}
        rounded = {name: [round(float(one), 4) for one in part] for name, part in shares.items()}
        return {**rounded, "p": round(self.p, 4), "label_shift": self.holds}


def judged(
    truth: np.ndarray,
    groups: Sequence[str],
    old: np.ndarray,
    new: np.ndarray,
    answers: tuple[np.ndarray, np.ndarray],
    seed: int = 0,
) -> Judged:
    """Estimate the class shares of a new set in two ways, and test whether nothing else has changed.

    Args:
        truth: `[reference]`, class indices of validation.
        groups: `[reference]`, what belongs together.
        old: `[reference, classes]`, calibrated probabilities on validation.
        new: `[count, classes]`, those on the new set.
        answers: class indices, `[reference]` on validation and `[count]` on the new set.
        seed: of the test.
    """
    classes = old.shape[1]
    before = np.bincount(truth, minlength=classes) / len(truth)
    found = Mixture(scores_of(old), truth, groups, classes).explains(scores_of(new), seed)
    counted = black_box_shares(truth, *answers, classes)
    apart = np.linalg.svd(answered(truth, answers[0], classes), compute_uv=False).min()
    return Judged(before, estimated_shares(new, before), counted, found.p, len(truth), float(apart))


def scores_of(probabilities: np.ndarray) -> np.ndarray:
    """Return the log-odds of each class `[count, classes]`; of two classes, those of the second alone `[count, 1]`."""
    finite = np.clip(np.asarray(probabilities, float), EPSILON, 1 - EPSILON)
    scores = np.log(finite) - np.log1p(-finite)
    return scores[:, 1:] if scores.shape[1] == 2 else scores
