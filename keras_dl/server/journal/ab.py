"""Versions of a model compared by what they did in service: errors, latency, and accuracy where feedback tells.

A client stays with its version, and its texts and images are alike, so its predictions are no independent witnesses:
everything that is tested is drawn by whole clients. Only feedback says which answer was right; that two versions answer
differently often is no difference in accuracy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit

from keras_dl.errors import UsageError
from keras_dl.measures.metrics import DRAWS, group_draws
from keras_dl.server.journal import database, readings

CLIENTS = 10  # with feedback, that each version needs: what fewer say is not worth a verdict
Z = float(ndtri(0.975))  # of a 95 % interval
BLOCKS, STEPS = 500, 1000  # of clients and of latencies: as fine as the intervals of a median need

REAL, NOT_SHOWN, TOO_LITTLE = "real", "not shown", "too little feedback"


def ab(url: str, model: str, versions: Sequence[int] | None = None, *, seed: int = 0) -> dict[str, Any]:
    """Compare versions of a model by the server's database.

    Args:
        url: the database, as the server takes it.
        model: the model's name.
        versions: which to compare, each with the first; None for all that answered.
        seed: of the bootstrap draws.

    Returns:
        `{"model", "versions": [...], "differences": [...]}`. A version: "version", "requests", "predictions", "errors"
        (requests answered with status 400 or above), "error_share" (with Wilson's interval), "clients", "latency"
        `{"p50": {"value", "low", "high"}, "p95", "p99"}` of the requests without error in milliseconds (the interval
        by a bootstrap over clients), "feedback" `{"count", "share", "clients"}` and "accuracy". A difference: "from",
        "to", "accuracy" `{"value", "low", "high", "p"}`, "verdict" ("real", "not shown", "too little feedback"),
        "needed" (feedbacks per version that would show a difference of this size, or None), "sentence".
        Intervals are of 95 %; what is not defined is None.

    Raises:
        UsageError: if there is no such database, model or version.
        KerasDLError: if the database cannot be read.
    """
    engine = database.connect(url, make=False)
    try:
        with engine.connect() as connection:
            traffic = readings.counted(connection, model)
            chosen = checked_versions(model, traffic, versions)
            judged = readings.feedback(connection, model, chosen)
            latencies = [latency(*readings.latencies(connection, model, version), seed) for version in chosen]
    finally:
        engine.dispose()
    rows = [
        described(traffic[version], milliseconds, judged[:, place])
        for place, (version, milliseconds) in enumerate(zip(chosen, latencies, strict=True))
    ]
    differences = [difference(chosen, judged, other, seed) for other in range(1, len(chosen))]
    return {"model": model, "versions": rows, "differences": differences}


def checked_versions(model: str, traffic: dict[int, Any], versions: Sequence[int] | None) -> list[int]:
    """Return the versions to compare.

    Raises:
        UsageError: if one was never asked, or is given twice.
    """
    if versions is None:
        return sorted(traffic)
    there = ", ".join(map(str, sorted(traffic)))
    for version in versions:
        if version not in traffic:
            raise UsageError(f"version {version} of '{model}' has answered nothing; there is {there}")
    if len(set(versions)) < len(versions):
        raise UsageError(f"give each version once, of {there}")
    return list(versions)


def latency(clients: np.ndarray, milliseconds: np.ndarray, seed: int) -> dict[str, Any]:
    """Return percentiles of requests' milliseconds, the median with its interval; None where there was no request.

    Whole clients are drawn for it, in blocks where they are many, and the latencies in a thousand steps of equal
    count: a draw is then one row of a matrix, however many requests there are.

    Args:
        clients: `[requests]`, whose each is, from 0.
        milliseconds: `[requests]`.
    """
    if not len(clients):
        return {"p50": cell(None, None, None), "p95": None, "p99": None}
    count = len(milliseconds)
    blocks, steps = min(clients.max() + 1, BLOCKS), min(count, STEPS)
    order = np.argsort(milliseconds, kind="stable")
    step = np.empty(count, dtype=int)
    step[order] = np.arange(count) * steps // count
    requests = np.bincount(clients % blocks * steps + step, minlength=blocks * steps).reshape(blocks, steps)
    draws = group_draws([str(number) for number in range(blocks)], seed).astype(float)  # ten times faster than whole
    below = np.cumsum(draws @ requests, axis=1)
    middle = (below < below[:, -1:] / 2).sum(axis=1)  # the step in which half of a draw's requests are reached
    # the middle one of each step's requests
    medians = milliseconds[order][(np.arange(steps) * count // steps + (np.arange(steps) + 1) * count // steps) // 2]
    p50, p95, p99 = np.percentile(milliseconds, [50, 95, 99])
    low, high = np.percentile(medians[middle], [2.5, 97.5])
    known = blocks > 1  # one client says nothing about others
    median = cell(p50, min(low, p50) if known else None, max(high, p50) if known else None)
    return {"p50": median, "p95": round(float(p95), 6), "p99": round(float(p99), 6)}


def described(traffic: dict[str, int], milliseconds: dict[str, Any], judged: np.ndarray) -> dict[str, Any]:
    """Return a version's row."""
    count, right = judged.sum(axis=0)
    return {
        **traffic,
        "error_share": share(traffic["errors"], traffic["requests"]),
        "latency": milliseconds,
        "feedback": {
            "count": int(count),
            "share": round(count / traffic["predictions"], 6),
            "clients": int((judged[:, 0] > 0).sum()),
        },
        "accuracy": share(right, count, effective(judged)),
    }


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


def difference(versions: Sequence[int], judged: np.ndarray, other: int, seed: int) -> dict[str, Any]:
    """Return how far another version's accuracy is from the first's, whether that is real, and a sentence."""
    pair = judged[:, [0, other]]
    pair = pair[pair[..., 0].any(axis=1)]
    clients = (pair[..., 0] > 0).sum(axis=0)
    names = (versions[0], versions[other])
    told = clients.all()
    accuracy = tested(pair, seed) if told else {**cell(None, None, None), "p": None}
    needed = feedbacks_needed(pair) if told else None
    p = accuracy["p"]
    verdict = TOO_LITTLE if p is None or clients.min() < CLIENTS else REAL if p < 0.05 else NOT_SHOWN
    return {
        **{"from": names[0], "to": names[1], "accuracy": accuracy, "verdict": verdict, "needed": needed},
        "sentence": sentence(names, verdict, accuracy, [int(number) for number in clients], needed),
    }


def sentence(
    names: tuple[int, int], verdict: str, accuracy: dict[str, Any], clients: Sequence[int], needed: int | None
) -> str:
    """Say in plain words what the feedback shows."""
    if verdict == TOO_LITTLE:
        found = " and ".join(f"{count} of version {name}" for name, count in zip(names, clients, strict=True))
        return f"too little feedback: of {CLIENTS} clients of each version at least; there is feedback from {found}"
    gap, low, high = (100 * accuracy[name] for name in ("value", "low", "high"))
    if verdict == REAL:
        more = "more" if gap > 0 else "less"
        return (
            f"the difference is real: version {names[1]} is {more} often right than version {names[0]}, "
            f"by {abs(gap):.1f} percentage points (p {accuracy['p']:.3f})"
        )
    enough = f"; to show a difference as seen, about {needed:,} feedbacks per version are needed" if needed else ""
    return (
        f"a difference is not shown: anything from {low:+.1f} to {high:+.1f} percentage points "
        f"fits the feedback (p {accuracy['p']:.3f}){enough}"
    )


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
    false_alarm, power = Z * np.sqrt(2 * mean * (1 - mean)), ndtri(0.8)
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
    fewer = min((gaps <= 0).sum(), (gaps >= 0).sum())
    score_low, score_high, score_p = newcombe(pair)
    p = max(2 * (int(fewer) + 1) / (len(gaps) + 1), score_p)  # the one added: Davison, Hinkley 1997
    return {**cell(value, max(min(low, score_low), -1.0), min(max(high, score_high), 1.0)), "p": round(min(1.0, p), 6)}


def draws_of_clients(pair: np.ndarray, value: float, seed: int) -> np.ndarray:
    """Return the difference of the accuracies in each draw of whole clients.

    They are the draws of `metrics.group_draws`, but clients with the same counts are drawn together: a hundred
    thousand clients are a few hundred kinds. Few clients vary less among themselves than those they stand for; so the
    draws are spread by Student's t (Hesterberg 2015, the expanded percentile interval).
    """
    kinds, counts = np.unique(pair.reshape(len(pair), 4), axis=0, return_counts=True)
    drawn = np.random.default_rng(seed).multinomial(len(pair), counts / len(pair), DRAWS) @ kinds
    with np.errstate(invalid="ignore"):
        gaps = drawn[:, 3] / drawn[:, 2] - drawn[:, 1] / drawn[:, 0]
    fewest = max(int((pair[..., 0] > 0).sum(axis=0).min()), 2)
    wider = stdtrit(fewest - 1, 0.975) / Z * np.sqrt(fewest / (fewest - 1))
    return value + wider * (gaps[np.isfinite(gaps)] - value)


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
