"""The accuracy of versions by feedback, and whether two differ: whole clients are drawn, their answers are alike."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit

from keras_dl.measures.bootstrap import DRAWS

Z = float(ndtri(0.975))  # of a 95 % interval
POWER = float(ndtri(0.8))  # of the next comparison


def share(hits: float, count: float, worth: float | None = None) -> dict[str, float | None]:
    """Return hits / count with Wilson's 95 % score interval (1927), as if there were `worth` independent witnesses."""
    if not count:
        return cell(None, None, None)
    return cell(hits / count, *wilson(hits / count, count if worth is None else worth))


def wilson(value: float, worth: float, z: float = Z) -> tuple[float, float]:
    """Return Wilson's score interval of a share seen in so many independent cases; `z` is the normal quantile."""
    middle = (value + z**2 / (2 * worth)) / (1 + z**2 / worth)
    half = z / (1 + z**2 / worth) * np.sqrt(value * (1 - value) / worth + (z / (2 * worth)) ** 2)
    return max(float(middle - half), 0.0), min(float(middle + half), 1.0)


def effective(judged: np.ndarray, at_least: float = 1.0) -> float:
    """Return how many independent feedbacks those of some clients are worth.

    It is their number over the design effect (Kish 1965), and less for few clients, by Student's t (Korn, Graubard
    1998).

    Args:
        judged: `[clients, 2]`, answers judged and right.
        at_least: a design effect known from elsewhere, for where their own is smaller.
    """
    count, right = judged[judged[:, 0] > 0].T
    if len(count) < 2:
        return 0.5  # next to nothing: one client does not speak for others
    effect = max(design_effect(count, right), at_least)
    return float(count.sum() / effect * (Z / stdtrit(len(count) - 1, 0.975)) ** 2)


def design_effect(count: np.ndarray, right: np.ndarray) -> float:
    """Return the variance of the accuracy by clients over what it were with independent answers, at least 1.

    Where all answers are right or all wrong, their spread says nothing; then a client's answers count as one.
    """
    clients, total, value = len(count), count.sum(), right.sum() / count.sum()
    if value in (0, 1) or clients < 2:
        return float((count**2).sum() / total)
    variance = clients / (clients - 1) * ((right - value * count) ** 2).sum() / total**2
    return max(1.0, float(variance / (value * (1 - value) / total)))


def feedbacks_needed(pair: np.ndarray) -> int | None:
    """Return how many feedbacks per version would show a difference as large as seen, with 80 % power at 5 %.

    The formula for two independent shares (Fleiss, Levin, Paik 2003, Statistical Methods for Rates and Proportions,
    section 4.2), times the design effect, since a client's answers are alike. It plans the next comparison; whether
    feedback was too little for this one it cannot say. None where no difference was seen.
    """
    first, second = (side[:, 1].sum() / side[:, 0].sum() for side in (pair[:, 0], pair[:, 1]))
    if first == second:
        return None
    mean = (first + second) / 2
    false_alarm, power = Z * np.sqrt(2 * mean * (1 - mean)), POWER
    spread = np.sqrt(first * (1 - first) + second * (1 - second))
    return int(np.ceil(((false_alarm + power * spread) / (second - first)) ** 2 * larger_effect(pair)))


def larger_effect(pair: np.ndarray) -> float:
    """Return the larger design effect of two versions."""
    return max(design_effect(*side[side[:, 0] > 0].T) for side in (pair[:, 0], pair[:, 1]))


def tested(pair: np.ndarray, seed: int) -> dict[str, float | None]:
    """Return the difference of two accuracies with its 95 % interval and two-sided p value.

    Two ways are taken, and the wider interval and the larger p value count: draws of whole clients, which know of
    clients with both versions, and Newcombe's score interval (1998), which knows that no error among few answers does
    not mean none at all, as draws would have it. Of equal versions, with five answers of a client that are alike, it
    called 0 to 3 in 100 different; a test that takes answers for independent 15 to 28 in 100.

    Args:
        pair: `[clients, 2, 2]`, answers judged and right of both versions.
    """
    (count, other_count), (right, other_right) = pair.sum(axis=0).T
    value = other_right / other_count - right / count
    gaps = draws_of_clients(pair, value, seed)
    low, high = np.percentile(gaps, [2.5, 97.5])
    score_low, score_high, score_p = newcombe(pair)
    p = max(of_draws(gaps), score_p)
    return {**cell(value, max(min(low, score_low), -1.0), min(max(high, score_high), 1.0)), "p": round(min(1.0, p), 6)}


def draws_of_clients(pair: np.ndarray, value: float, seed: int) -> np.ndarray:
    """Return the difference of the accuracies in each draw of whole clients.

    Clients are drawn as `measures.bootstrap.Draws` does, but clients with the same counts are drawn together: a hundred
    thousand clients are a few hundred kinds. Few clients vary less among themselves than those they stand for; so the
    draws are spread by Student's t (Hesterberg 2015, the expanded percentile interval).
    """
    kinds, counts = np.unique(pair.reshape(len(pair), 4), axis=0, return_counts=True)
    drawn = np.random.default_rng(seed).multinomial(len(pair), counts / len(pair), DRAWS) @ kinds
    with np.errstate(invalid="ignore"):
        gaps = drawn[:, 3] / drawn[:, 2] - drawn[:, 1] / drawn[:, 0]
    return widened(gaps, value, pair)


def widened(gaps: np.ndarray, value: float, pair: np.ndarray) -> np.ndarray:
    """Spread draws of a difference about its value, by Student's t of the version with fewer clients."""
    fewest = max(int((pair[..., 0] > 0).sum(axis=0).min()), 2)
    wider = stdtrit(fewest - 1, 0.975) / Z * np.sqrt(fewest / (fewest - 1))
    return value + wider * (gaps[np.isfinite(gaps)] - value)


def of_draws(gaps: np.ndarray) -> float:
    """Return the two-sided p value of draws of a difference; the one added: Davison, Hinkley 1997."""
    fewer = min((gaps <= 0).sum(), (gaps >= 0).sum())
    return float(2 * (int(fewer) + 1) / (len(gaps) + 1))


def newcombe(pair: np.ndarray) -> tuple[float, float, float]:
    """Return the interval of a difference of two shares by their Wilson intervals, and the p value that belongs to it.

    Newcombe 1998, method 10. The p value is that of the widest interval which leaves zero out, found by bisection.
    """
    first, second = (side[:, 1].sum() / side[:, 0].sum() for side in (pair[:, 0], pair[:, 1]))
    effect = larger_effect(pair)  # that of a few clients is often seen too small
    worth, other_worth = effective(pair[:, 0], effect), effective(pair[:, 1], effect)

    def ends(z: float) -> tuple[float, float]:
        (low, high), (other_low, other_high) = wilson(first, worth, z), wilson(second, other_worth, z)
        down, up = np.hypot(second - other_low, high - first), np.hypot(other_high - second, first - low)
        return float(second - first - down), float(second - first + up)

    out, within = 0.0, 10.0
    for _ in range(30):
        z = (out + within) / 2
        low, high = ends(z)
        out, within = (out, z) if low <= 0 <= high else (z, within)
    return *ends(Z), float(2 * ndtr(-out))


def cell(value: float | None, low: float | None, high: float | None) -> dict[str, float | None]:
    """Return a value with its interval, rounded as a reader can use it."""
    named = {"value": value, "low": low, "high": high}
    return {name: None if number is None else round(float(number), 6) for name, number in named.items()}
