"""Whether another set differs from what a run was chosen on: first in what comes in, then in how well it is answered.

Scores and features are compared with those of the validation part; the figures with those of the run's own test part.
The one does not tell the other: films of another scanner may look different and be answered as well, and a new class
share moves the scores though each answer is as good as before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_dl.measures import bootstrap, shift
from keras_dl.measures.bootstrap import Draws
from keras_dl.measures.measuring import point
from keras_dl.pages.templates import number
from keras_dl.runs.reference import Reference
from keras_dl.task import Output
from keras_dl.task.kinds import Found

WITHOUT = "this run was made by an earlier version and keeps nothing of its validation part; train again to compare"
UNTOLD = "too few groups to tell"


def compared(output: Output, reference: Reference, new: Reference, seed: int) -> dict[str, Any]:
    """Compare what the network makes of a new set with what it made of validation.

    Args:
        output: the kind of output of the run.
        reference: of the validation part.
        new: of the other set.
        seed: of subsample and permutations.

    Returns:
        "features" and "scores", as `measures.shift` gives them, each with a "sentence"; "unusual", the share of inputs
        marked as unusual: `{"validation", "set"}`.
    """
    pair = shift.Pair.of(reference.groups, new.groups)
    features = shift.features(reference.features, new.features, pair, seed)
    scores = shift.scores(output.level(reference.values), output.level(new.values), pair, seed)
    auroc = "" if features["auroc"] is None else f"a classifier tells the sets apart with AUROC {features['auroc']:.2f}"
    gap = f"the stability index is {scores['psi']['value']:.2f}, by chance {scores['psi']['chance']:.2f}"
    return {
        "features": features | {"sentence": said(features["mmd"]["p"], features["size"], auroc)},
        "scores": scores | {"sentence": said(scores["psi"]["p"], scores["size"], gap)},
        "unusual": {"validation": unusual(reference), "set": unusual(new)},
    }


def said(p: float | None, size: str | None, meaning: str) -> str:
    """Say whether there is a difference, and then how large it is."""
    if p is None:
        return UNTOLD
    how = f" ({meaning})" if meaning else ""
    if p >= shift.CERTAIN:
        return f"no difference is shown, p {p:.3f}{how}"
    return f"they differ, p {p:.3f}; the difference is {size or 'not measured: there are too few groups'}{how}"


def unusual(reference: Reference) -> float:
    """Return the share of inputs that are marked as unusual."""
    return round(float(np.mean(reference.unusualness > 1)), 6)


def figures(output: Output, own: Found, new: Found, seed: int) -> dict[str, Any]:
    """Return the network's metrics on a new set minus those on the run's own test part, with intervals and p.

    The sets share no examples, so each is drawn by itself, by group.

    Returns:
        `{metric: {"value", "low", "high", "p"}}` of the metrics that both have.
    """
    measured = []
    for found, start in ((own, seed), (new, seed + 1)):
        measuring = output.measuring(found.truth, found.values["network"], found.assets["network"])
        (drawn,) = bootstrap.measured([measuring], Draws(found.groups, start))
        measured.append((point(measuring, len(found.truth)), drawn))
    (before, before_drawn), (after, after_drawn) = measured
    cells: dict[str, Any] = {}
    for name in after:
        if name in before:
            value, draws = after[name] - before[name], after_drawn[name] - before_drawn[name]
            distance = output.metrics[name].distance if name in output.metrics else False
            p = bootstrap.p_value(value, draws, distance)
            cells[name] = {**bootstrap.interval(value, draws, distance), "p": p}
    return cells


def changed(cells: Mapping[str, Mapping[str, float | None]], names: Sequence[str]) -> str:
    """Say which figures differ."""
    certain = [name for name in names if (p := cells[name]["p"]) is not None and p < shift.CERTAIN]
    if not certain:
        return "no figure differs from that of the run's own test part"
    each = (f"{name} by {number(cells[name]['value'], 3)}" for name in certain)
    return f"differing from the run's own test part: {', '.join(each)}"
