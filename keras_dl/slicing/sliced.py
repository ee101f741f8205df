"""From columns of what is known of examples to the slices of metrics.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_dl.measures import slices
from keras_dl.measures.bootstrap import Draws
from keras_dl.measures.measuring import point
from keras_dl.measures.slices import Judged, Slice
from keras_dl.slicing.annotations import NOTHING, Annotations
from keras_dl.slicing.levels import levels
from keras_dl.task import Output
from keras_dl.task.kinds import Found, Measuring, metric_of

ALPHA = 0.05
ALSO = ("coverage", "set_size")  # metrics that are shown besides those of `Output.first`, where there are such


def sliced(
    output: Output, found: Found, columns: Mapping[str, Sequence[Any]], seed: int, own: Annotations = NOTHING
) -> dict[str, Any]:
    """Measure the network on each slice of the test part, and compare it with the rest.

    Args:
        output: the kind.
        found: what was answered.
        columns: what the data and the inputs say of each example, `[count]` each.
        seed: of the draws.
        own: what a user's table says of them.

    Returns:
        "metric", the name of what slices are compared by, and "value", that of the whole test part; "rows", of each
        slice "column", "level", "examples", "groups", and what `measures.slices.compared` says, or "reason", why it was
        not tested; "tested", how many were; "worse", the numbers of the rows that are worse than chance explains, the
        worst first; "left_out", why a column has no slices; "notes", what of the user's table was not matched.
    """
    truth, values = np.asarray(found.truth), np.asarray(found.values["network"])
    assets, draws = found.assets["network"], Draws(found.groups, seed, slices.DRAWS)

    def prepare(chosen: np.ndarray) -> Measuring:
        return output.measuring(truth[chosen], values[chosen], assets)

    strata = np.asarray(output.strata(truth, assets))
    names = np.asarray([str(name) for name in output.names(assets)], dtype=object)
    known = {**columns, **renamed(own.columns, {*columns, output.stratum})}
    cuts = {output.stratum: levels(names[strata]), **{name: levels(column) for name, column in known.items()}}
    everything = np.zeros_like(strata)
    rows, parts, left_out = [], [], {}
    for column, cut in cuts.items():
        each = [row_of(column, level, inside, draws) for level, inside in cut.items()]
        if reason := useless(each):
            left_out[column] = reason
            continue
        rows += each
        parts += [Slice(inside, everything if column == output.stratum else strata) for inside in cut.values()]

    record = metric_of(output.judged, output.metrics)
    judged = Judged(output.judging(truth, values, assets), bool(record.more_is_better))
    whole = point(prepare(np.arange(len(truth))), len(truth))
    metrics = [
        (name, metric_of(name, output.metrics))
        for name in dict.fromkeys((output.judged, *output.first, *ALSO))
        if name in whole
    ]
    tested = [number for number, row in enumerate(rows) if "reason" not in row]
    for number, result in zip(
        tested, slices.compared([parts[number] for number in tested], prepare, judged, draws, metrics), strict=True
    ):
        if len(np.unique(strata[parts[number].inside])) == 1:
            result["metrics"] |= {name: UNDEFINED for name, record in metrics if record.mixed}
        rows[number] |= result
    return {
        "metric": output.judged,
        "value": round(whole[output.judged], 6),
        "tested": len(tested),
        "worse": worse(rows, judged.more_is_better),
        "rows": rows,
        "left_out": left_out,
        "notes": list(own.notes),
    }


UNDEFINED = {"value": None, "low": None, "high": None}


def renamed(own: Mapping[str, Sequence[Any]], taken: set[str]) -> dict[str, Sequence[Any]]:
    """Give those of a user's columns another name whose names are taken."""
    return {f"{name} (yours)" if name in taken else name: column for name, column in own.items()}


def row_of(column: str, level: str, inside: np.ndarray, draws: Draws) -> dict[str, Any]:
    """Return what is known of a slice before it is measured."""
    groups = len(np.unique(draws.numbers[inside]))
    row = {"column": column, "level": level, "examples": int(inside.sum()), "groups": groups}
    reason = slices.too_small(inside, draws.numbers)
    return {**row, "reason": reason} if reason else row


def useless(rows: Sequence[Mapping[str, Any]]) -> str:
    """Say why the levels of a column are no slices; "" where they are."""
    if len(rows) < 2:
        return "the same for all examples"
    return "too few examples of each value" if all("reason" in row for row in rows) else ""


def worse(rows: Sequence[Mapping[str, Any]], more_is_better: bool) -> list[int]:
    """Return which slices are worse by more than chance explains: the largest difference first."""
    sign = 1 if more_is_better else -1
    found = [number for number, row in enumerate(rows) if row.get("corrected", 1) < ALPHA]
    return sorted(found, key=lambda number: sign * rows[number]["difference"]["value"])
