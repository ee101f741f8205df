"""The mean absolute error of versions by feedback, and whether two differ: whole clients are drawn.

Answers of one client are alike here too. Everywhere `errors` is `[clients, 3]`: of how many answers the error is known,
the sum of the errors, and the sum of their squares. A `pair` is `[clients, 2, 3]`.
"""

from __future__ import annotations

import numpy as np
from scipy.special import stdtrit

from keras_dl.measures.bootstrap import DRAWS
from keras_dl.server.journal.shares import POWER, Z, cell, of_draws, widened

BLOCKS = 2000  # of clients that are drawn together, where they are more


def mean(errors: np.ndarray) -> dict[str, float | None]:
    """Return the mean absolute error with its 95 % interval; a single client gives none.

    The interval is that of a ratio of two sums over clients (Cochran 1977, section 6.3), by Student's t.
    """
    count, total = errors[:, 0].sum(), errors[:, 1].sum()
    clients = int((errors[:, 0] > 0).sum())
    if not count:
        return cell(None, None, None)
    value = total / count
    if clients < 2:
        return cell(value, None, None)
    half = stdtrit(clients - 1, 0.975) * np.sqrt(variance(errors))
    return cell(value, max(value - half, 0.0), value + half)


def variance(errors: np.ndarray) -> float:
    """Return the variance of the mean error, as it differs from client to client."""
    count, total, _ = errors[errors[:, 0] > 0].T
    clients, value = len(count), total.sum() / count.sum()
    return float(clients / (clients - 1) * ((total - value * count) ** 2).sum() / count.sum() ** 2)


def of_one_answer(errors: np.ndarray) -> float:
    """Return the variance of the error from answer to answer."""
    count, total, squares = errors.sum(axis=0)
    return max(float(squares / count - (total / count) ** 2), 0.0)


def design_effect(errors: np.ndarray) -> float:
    """Return the variance of the mean over what it were with independent answers, at least 1 (Kish 1965)."""
    alone = of_one_answer(errors) / errors[:, 0].sum()
    if (errors[:, 0] > 0).sum() < 2 or not alone:
        return 1.0
    return max(1.0, variance(errors) / alone)


def tested(pair: np.ndarray, seed: int) -> dict[str, float | None]:
    """Return the difference of two mean errors with its 95 % interval and two-sided p value, by draws of clients."""
    (count, total, _), (other_count, other_total, _) = pair.sum(axis=0)
    value = other_total / other_count - total / count
    gaps = draws_of_clients(pair, value, seed)
    low, high = np.percentile(gaps, [2.5, 97.5])
    return {**cell(value, min(low, value), max(high, value)), "p": round(min(1.0, of_draws(gaps)), 6)}


def draws_of_clients(pair: np.ndarray, value: float, seed: int) -> np.ndarray:
    """Return the difference of the mean errors in each draw of whole clients, spread by Student's t.

    More than BLOCKS clients are drawn in blocks of about equally many.
    """
    blocks = np.zeros((min(len(pair), BLOCKS), *pair.shape[1:]))
    np.add.at(blocks, np.arange(len(pair)) % len(blocks), pair)
    shares = np.full(len(blocks), 1 / len(blocks))
    drawn = np.random.default_rng(seed).multinomial(len(blocks), shares, DRAWS) @ blocks.reshape(len(blocks), -1)
    with np.errstate(invalid="ignore", divide="ignore"):
        gaps = drawn[:, 4] / drawn[:, 3] - drawn[:, 1] / drawn[:, 0]
    return widened(gaps, value, pair)


def feedbacks_needed(pair: np.ndarray) -> int | None:
    """Return how many feedbacks per version would show a difference as large as seen, with 80 % power at 5 %.

    The formula for the means of two samples (Chow, Shao, Wang 2008, Sample Size Calculations in Clinical Research,
    section 3.2), times the design effect. None where no difference was seen.
    """
    first, second = (side[:, 1].sum() / side[:, 0].sum() for side in (pair[:, 0], pair[:, 1]))
    if first == second:
        return None
    both = sum(of_one_answer(side) for side in (pair[:, 0], pair[:, 1]))
    effect = max(design_effect(side) for side in (pair[:, 0], pair[:, 1]))
    return int(np.ceil((Z + POWER) ** 2 * both / (second - first) ** 2 * effect))
