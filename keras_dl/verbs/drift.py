"""Whether another set differs from what a run was chosen on: first in what comes in, then in how well it is answered.

Scores and features are compared with those of the validation part; the figures with those of the run's own test part.
The one does not tell the other: films of another scanner may look different and be answered as well, and a new share of
the classes moves the scores though each answer is as good as before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_dl.answering import reference
from keras_dl.answering.reference import Reference
from keras_dl.measures import bootstrap, shift
from keras_dl.measures.bootstrap import Draws
from keras_dl.measures.measuring import point
from keras_dl.measures.stream import MARKED, Bins
from keras_dl.pages.templates import interval, number
from keras_dl.runs import predictions
from keras_dl.runs.predictions import Predictions
from keras_dl.runs.run import Run
from keras_dl.task import Output
from keras_dl.task.blocks import Block, Prose, Table
from keras_dl.task.kinds import Found, metric_of

TITLE, FIGURES = "Compared with the validation part", "Compared with the run's own test part"
WITHOUT = (
    "This run keeps nothing of its validation part: an earlier version made it, or its network has no features. So it "
    "is not known whether the inputs differ from validation; train again to know."
)
CAPTION = (
    "The difference is this set minus the run's own test part; the interval and p are those of two independent "
    "bootstraps, by group. p is not adjusted for the number of figures."
)


def summary(output: Output, kept: Reference | None) -> dict[str, Any]:
    """Return `{"drift": {"value": bins, "unusualness": bins}}` of validation, for the assets; {} where there is none.

    It is what `server.drift` compares answers with.
    """
    if kept is None:
        return {}
    groups = len(set(kept.groups))
    value, unusualness = Bins.of(output.level(kept.values), groups), Bins.of(kept.unusualness, groups, MARKED)
    return {"drift": {"value": value.to_json(), "unusualness": unusualness.to_json()}}


def compared(run: Run, new: Predictions, *, own: bool) -> dict[str, Any]:
    """Compare what a run makes of a set with what it made of its validation and test parts.

    Args:
        run: a complete run.
        new: of the set.
        own: whether it is the run's own test part, so that its figures are the same.

    Returns:
        "features" and "scores", as `measures.shift` gives them, each with a "verdict" in words; both None for a run
        without reference.npz. "figures": `{metric: {"value", "low", "high", "p"}}`, the network's metrics on the set
        minus those on the run's own test part; None where that is the set.
    """
    output, seed, kept = run.task.output, run.config.seed, reference.read(run)
    found: dict[str, Any] = {"features": None, "scores": None, "figures": None}
    new_found = new.found(run.assets)
    if kept is not None and new.features is not None:
        pair = shift.Pair.of(kept.groups.tolist(), new_found.groups)
        found["features"] = shift.features(kept.features, new.features, pair, seed)
        levels = output.level(kept.values), output.level(new_found.values["network"])
        found["scores"] = shift.scores(*levels, pair, seed)
        for name, test in (("features", "mmd"), ("scores", "ks")):
            found[name]["verdict"] = in_words(found[name][test]["p"], found[name]["size"])
    if not own:
        found["figures"] = figures(output, predictions.read(run).found(run.assets), new_found, seed)
    return found


def in_words(p: float | None, size: str | None) -> str:
    """Say whether two sets differ, and then how much."""
    if p is None:
        return "too few groups to tell"
    if p >= shift.CERTAIN:
        return f"no difference is shown, p {p:.3f}"
    return f"they differ, p {p:.3f}: {size or 'too few groups to say how much'}"


def figures(output: Output, own: Found, new: Found, seed: int) -> dict[str, Any]:
    """Return the network's metrics on a new set minus those on the run's own test part, with intervals and p.

    The sets share no examples, so each is drawn by itself, by group.
    """
    measured = []
    for found, start in ((own, seed), (new, seed + 1)):
        measuring = output.measuring(found.truth, found.values["network"], found.assets["network"])
        (drawn,) = bootstrap.measured([measuring], Draws(found.groups, start))
        measured.append((point(measuring, len(found.truth)), drawn))
    (before, before_drawn), (after, after_drawn) = measured
    cells = {}
    for name in (name for name in after if name in before):
        value, draws = after[name] - before[name], after_drawn[name] - before_drawn[name]
        distance = metric_of(name, output.metrics).distance
        p = bootstrap.p_value(value, draws, distance) if np.isfinite(value) else None
        cells[name] = {**bootstrap.interval(value, draws, distance), "p": p}
    return cells


def blocks(run: Run, result: Mapping[str, Any]) -> list[Block]:
    """Show what `compared` found, which an evaluation has as "drift"; nothing where it has none."""
    found = result.get("drift")
    if found is None:
        return []
    features, scores = found["features"], found["scores"]
    if features is None:
        shown: list[Block] = [Prose(WITHOUT, TITLE)]
    else:
        auroc, gap, psi = features["auroc"], scores["ks"]["value"], scores["psi"]
        told = "" if auroc is None else f"a classifier tells the sets apart with AUROC {auroc:.2f}; 0.5 is chance"
        moved = f"stability index {psi['value']:.2f}, of which chance gives {psi['chance']:.2f}; largest gap {gap:.2f}"
        both = [["Features", features["verdict"], told], ["Scores", scores["verdict"], moved]]
        shown = [Table(["", "Verdict", "Size"], both, TITLE)]
    if found["figures"]:
        shown.append(
            Table(["Metric", "Difference", "p"], rows(run, found["figures"]), FIGURES, CAPTION, numeric=[1, 2])
        )
    return shown


def rows(run: Run, cells: Mapping[str, Mapping[str, float | None]]) -> list[list[str]]:
    """Write the differences of figures, a row each."""
    written = []
    for name, cell in cells.items():
        metric = run.task.output.metric(name, run.assets)
        value = f"{number(cell['value'], metric.digits, sign=True)} {interval(cell, metric.digits, sign=True)}".strip()
        written.append([metric.title, value, "" if cell["p"] is None else f"{cell['p']:.3f}"])
    return written
