"""How long requests took: percentiles, and the interval of the median by whole clients."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_dl.measures.bootstrap import Draws
from keras_dl.server.journal.shares import cell

BLOCKS, STEPS = 500, 1000  # of clients and of latencies: as fine as the intervals of a median need


def latency(clients: np.ndarray, milliseconds: np.ndarray, seed: int) -> dict[str, Any]:
    """Return percentiles of requests' milliseconds, the median with its interval; None where there was no request.

    Whole clients are drawn for it, in blocks where they are many, and the latencies in a thousand steps of equal
    count: a draw is then one row of a matrix, however many requests there are.

    Args:
        clients: `[requests]`, number of the client that sent each request, from 0.
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
    draws = np.concatenate([*Draws(range(blocks), seed)]).astype(float)  # ten times faster than whole numbers
    below = np.cumsum(draws @ requests, axis=1)
    middle = (below < below[:, -1:] / 2).sum(axis=1)  # the step in which half of a draw's requests are reached
    # the middle one of each step's requests
    medians = milliseconds[order][(np.arange(steps) * count // steps + (np.arange(steps) + 1) * count // steps) // 2]
    p50, p95, p99 = np.percentile(milliseconds, [50, 95, 99])
    low, high = np.percentile(medians[middle], [2.5, 97.5])
    known = blocks > 1  # one client says nothing about others
    median = cell(p50, min(low, p50) if known else None, max(high, p50) if known else None)
    return {"p50": median, "p95": round(float(p95), 6), "p99": round(float(p99), 6)}
