"""Versions of a model compared by what they did in service: failures, latency, and what feedback tells of the answers.

Answers that are right or wrong are compared by accuracy (`shares`), numbers by their mean absolute error (`means`).

A client stays with its version, and its texts and images are alike, so its predictions are no independent witnesses:
everything that is tested is drawn by whole clients. Only feedback says which answer was right; that two versions answer
differently often is no difference in accuracy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Connection

from keras_dl.errors import UsageError
from keras_dl.measures.stream import Bins, Stream
from keras_dl.server.journal import database, means, readings, shares
from keras_dl.server.journal.latency import latency

CLIENTS = 10  # with feedback, that each version needs: what fewer say is not worth a verdict
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
        by a bootstrap over clients), "feedback" `{"count", "share", "clients"}` and "accuracy"; where the journal has
        errors of the model's answers, which are numbers then, "mean_absolute_error" takes its place; "drift", what
        `drift.seen` says of its answers in the order of time, or None where the database does not know its validation
        part. A difference:
        "from", "to", "accuracy" or "mean_absolute_error" `{"value", "low", "high", "p"}`, "verdict" ("real", "not
        shown", "too little feedback"), "needed" (feedbacks per version that would show a difference of this size, or
        None), "sentence".
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
            judge, told = MEANS, readings.errors(connection, model, chosen)
            if not len(told):
                judge, told = SHARES, readings.feedback(connection, model, chosen)
            drifts = [drift(connection, model, version) for version in chosen]
            latencies = [latency(*readings.latencies(connection, model, version), seed) for version in chosen]
    finally:
        engine.dispose()
    rows = [
        {**described(traffic[version], milliseconds, judge, told[:, place]), "drift": drifted}
        for place, (version, milliseconds, drifted) in enumerate(zip(chosen, latencies, drifts, strict=True))
    ]
    differences = [difference(chosen, judge, told, other, seed) for other in range(1, len(chosen))]
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
            raise UsageError(f"version {version} of '{model}' has no requests; there is {there}")
    if len(set(versions)) < len(versions):
        raise UsageError(f"give each version once; there is {there}")
    return list(versions)


def drift(connection: Connection, model: str, version: int) -> dict[str, Any] | None:
    """Return what `server.drift` says of a version's answers, counted again; None without its validation part."""
    summary = readings.validation(connection, model, version)
    if summary is None:
        return None
    stream = Stream({name: Bins.from_json(one) for name, one in summary.items()})
    for values in readings.watched(connection, model, version):
        stream.add(values)
    return stream.seen()


def described(traffic: dict[str, int], milliseconds: dict[str, Any], judge: Judge, told: np.ndarray) -> dict[str, Any]:
    """Return a version's row."""
    count = told[:, 0].sum()
    return {
        **traffic,
        "error_share": shares.share(traffic["errors"], traffic["requests"]),
        "latency": milliseconds,
        "feedback": {
            "count": int(count),
            "share": round(count / traffic["predictions"], 6) if traffic["predictions"] else 0.0,
            "clients": int((told[:, 0] > 0).sum()),
        },
        judge.name: judge.of(told),
    }


@dataclass(frozen=True)
class Judge:
    """What feedback says of answers of one kind. It is told `[clients, versions, ...]`, the count first."""

    name: str  # of what is compared
    of: Callable[[np.ndarray], dict[str, Any]]  # of one version
    tested: Callable[[np.ndarray, int], dict[str, Any]]
    needed: Callable[[np.ndarray], int | None]
    real: str  # {more}, {second}, {first}, {gap}
    more: tuple[str, str]  # where the value is higher, where it is lower
    sizes: Callable[[float], tuple[str, str]]  # a difference, without and with its sign
    unit: str


SHARES = Judge(
    "accuracy",
    lambda judged: shares.share(judged[:, 1].sum(), judged[:, 0].sum(), shares.effective(judged)),
    shares.tested,
    shares.feedbacks_needed,
    "version {second} is {more} often right than version {first}, by {gap} percentage points",
    ("more", "less"),
    lambda gap: (f"{100 * abs(gap):.1f}", f"{100 * gap:+.1f}"),
    " percentage points",
)
MEANS = Judge(
    "mean_absolute_error",
    means.mean,
    means.tested,
    means.feedbacks_needed,
    "version {second}'s answers are {more} the truth than those of version {first}, by {gap} on average",
    ("farther from", "nearer to"),
    lambda gap: (f"{abs(gap):.3g}", f"{gap:+.3g}"),
    " in the mean error",
)


def difference(versions: Sequence[int], judge: Judge, told: np.ndarray, other: int, seed: int) -> dict[str, Any]:
    """Return how far another version is from the first, whether that is real, and a sentence."""
    pair = told[:, [0, other]]
    pair = pair[pair[..., 0].any(axis=1)]
    clients = (pair[..., 0] > 0).sum(axis=0)
    names = (versions[0], versions[other])
    both = clients.all()
    found = judge.tested(pair, seed) if both else {**shares.cell(None, None, None), "p": None}
    needed = judge.needed(pair) if both else None
    p = found["p"]
    verdict = TOO_LITTLE if p is None or clients.min() < CLIENTS else REAL if p < 0.05 else NOT_SHOWN
    return {
        **{"from": names[0], "to": names[1], judge.name: found, "verdict": verdict, "needed": needed},
        "sentence": sentence(names, judge, verdict, found, [int(number) for number in clients], needed),
    }


def sentence(
    names: tuple[int, int],
    judge: Judge,
    verdict: str,
    found: dict[str, Any],
    clients: Sequence[int],
    needed: int | None,
) -> str:
    """Say in plain words what the feedback shows."""
    if verdict == TOO_LITTLE:
        there = " and ".join(f"{count} of version {name}" for name, count in zip(names, clients, strict=True))
        return f"too little feedback: each version needs {CLIENTS} clients or more; there is feedback from {there}"
    if verdict == REAL:
        more = judge.more[0 if found["value"] > 0 else 1]
        gap, _ = judge.sizes(found["value"])
        said = judge.real.format(first=names[0], second=names[1], more=more, gap=gap)
        return f"the difference is real: {said} (p {found['p']:.3f})"
    low, high = (judge.sizes(found[name])[1] for name in ("low", "high"))
    enough = f"; to show a difference of the size seen, each version needs about {needed:,} feedbacks" if needed else ""
    return (
        f"there is no clear difference: anything from {low} to {high}{judge.unit} "
        f"fits the feedback (p {found['p']:.3f}){enough}"
    )
