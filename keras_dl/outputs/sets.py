"""The prediction set of an answer: the classes that cannot be ruled out, by split conformal prediction.

A class is in the set if its score, how little it fits, is within a limit from validation (see `measures.conformal`).
Where each class has enough groups, each has a limit of its own: then the promise holds for every class, not only for a
mean that frequent classes rule. The class that is the answer is always in the set, which can only raise the coverage.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from keras_dl.measures import conformal
from keras_dl.task.blocks import Block, Prose, exactly, percent
from keras_dl.task.kinds import Assets, Column, Measuring, Metric

if TYPE_CHECKING:
    import tensorflow as tf

Method = Literal["lac", "aps", "raps"]

MANY = 10  # classes: of more, the cumulative probability is regularised
MARGIN = 1e-6  # added to limits: who is as far as the last example of validation stays in, however floats are rounded
PENALTY, FREE = 0.01, 5  # of RAPS: what each class costs beyond so many likelier ones
SHOWN = 5  # classes of a set that are named to people
PROMISE = "In {} of new cases, the true class is among those that are called possible."
METRICS = {
    "coverage": Metric("Coverage", None, "the share of prediction sets that contain the true class"),
    "set_size": Metric("Set size", False, "the mean number of classes in a prediction set"),
    "coverage {of}": Metric("Coverage of {of}", None, "the share of all {of} whose prediction set contains {of}"),
}


def scores(probabilities: tf.Tensor, method: Method) -> tf.Tensor:
    """Return how little each class fits, `[batch, classes]`; graph operations.

    Args:
        probabilities: `[batch, classes]`, calibrated.
        method: "lac": 1 - the probability of the class (Sadinle et al. 2019). "aps": the probability of all classes
            that are likelier (Romano et al. 2020, without their random part: so a set is never empty, and the same
            input always gets the same set). "raps": the same, and a penalty for a class far down the list, so that
            many improbable classes do not fill the sets (Angelopoulos et al. 2021).
    """
    import tensorflow as tf

    if method == "lac":
        return 1 - probabilities
    order = tf.argsort(probabilities, axis=1, direction="DESCENDING", stable=True)
    likelier = tf.cumsum(tf.gather(probabilities, order, batch_dims=1), axis=1, exclusive=True)
    rank = tf.argsort(order, axis=1)  # of each class, 0 for the likeliest
    found = tf.gather(likelier, rank, batch_dims=1)
    if method == "raps":
        found += PENALTY * tf.cast(tf.maximum(rank - FREE, 0), found.dtype)
    return found


def fit(
    truth: np.ndarray, probabilities: np.ndarray, groups: Sequence[str], coverage: float, method: Method | None = None
) -> dict[str, Assets | None]:
    """Find the limits on validation; they hold for an example of a new group.

    Args:
        truth: `[count]`, class index.
        probabilities: `[count, classes]`, calibrated.
        groups: `[count]`.
        coverage: share of new examples whose set is to contain the true class.
        method: of `scores`; None for "aps", or of more than MANY classes "raps".

    Returns:
        "sets": "limits" of the classes, whether they are "by_class" or one for all, "coverage" and "method". None
        where there are too few groups even for one limit: all classes would always be possible.
    """
    import tensorflow as tf

    method = method or ("raps" if probabilities.shape[1] > MANY else "aps")
    truth, names = np.asarray(truth, dtype=int), np.asarray(groups, dtype=str)
    found = scores(tf.constant(probabilities, tf.float32), method).numpy()
    own = found[np.arange(len(truth)), truth]
    of_class = [truth == one for one in range(probabilities.shape[1])]
    limits = [conformal.quantile(own[rows], names[rows], coverage) for rows in of_class]
    by_class = bool(np.isfinite(limits).all())
    if not by_class:
        limits = [conformal.quantile(own, names, coverage)] * len(limits)
    chosen = {"by_class": by_class, "coverage": coverage, "method": method}
    return {"sets": {**chosen, "limits": [limit + MARGIN for limit in limits]} if np.isfinite(limits).all() else None}


def members(probabilities: tf.Tensor, answers: tf.Tensor, assets: Assets) -> dict[str, tf.Tensor]:
    """Return "set", bool `[batch, classes]`; nothing where there are no limits. Export and metrics share it.

    Args:
        probabilities: `[batch, classes]`, calibrated.
        answers: `[batch]`, the index of the class that is answered: it is always in.
        assets: of the model; those of earlier versions have no limits.
    """
    import tensorflow as tf

    fitted = assets.get("sets")
    if not fitted:
        return {}
    found = scores(tf.cast(probabilities, tf.float32), fitted["method"])
    answered = tf.one_hot(answers, len(fitted["limits"]), on_value=True, off_value=False, dtype=tf.bool)
    return {"set": (found <= tf.constant(fitted["limits"], tf.float32)) | answered}


def measured(metrics: Measuring, truth: np.ndarray, found: Mapping[str, tf.Tensor], assets: Assets) -> Measuring:
    """Add to the metrics of answers those of their sets: what `members` found; nothing where it found none."""
    if not found:
        return metrics
    held = conformal.sets(truth, np.asarray(found["set"]), assets["classes"])
    return lambda weights: {**metrics(weights), **held(weights)}


# One answer


def named(response: Mapping[str, Any], classes: Sequence[str]) -> dict[str, Any]:
    """Return the responses with the classes by name: what is of each class as a dict, the set as a list.

    The list begins with the likeliest class, where the probability of each is among the responses.
    """
    each = {key: dict(zip(classes, value, strict=True)) for key, value in response.items() if isinstance(value, list)}
    if "set" in each:
        likely = each.get("probabilities", {})
        held = [name for name, held in each.pop("set").items() if held]
        return {**response, **each, "set": sorted(held, key=lambda name: -likely.get(name, 0))}
    return {**response, **each}


def said(row: Mapping[str, Any], classes: int) -> str:
    """Say the set of a row where it holds more than the answer: "cannot tell", "one of: heart, smile"; else ""."""
    held = row.get("set") or []
    if len(held) < 2:
        return ""
    more = f" and {len(held) - SHOWN} more" if len(held) > SHOWN else ""
    return "cannot tell" if len(held) == classes else f"one of: {', '.join(held[:SHOWN])}{more}"


def added(certainty: str, row: Mapping[str, Any], classes: int) -> str:
    """Say how sure an answer is, and the set after it."""
    return "; ".join(part for part in (certainty, said(row, classes)) if part)


def view(row: Mapping[str, Any], assets: Assets) -> list[Block]:
    """Show the set where it holds more than the answer, with its promise: not that of an input that is "unusual"."""
    text = said(row, len(assets["classes"])).replace("_", " ")
    if not text:
        return []
    promise = "" if row.get("unusual") else f" {PROMISE.format(exactly(assets['sets']['coverage']))}"
    if len(row["set"]) == len(assets["classes"]):
        possible = f"Both {' and '.join(row['set'])}" if len(row["set"]) == 2 else f"All {len(row['set'])} classes"
        reason = f"{possible} are possible; the answer is only the better guess.{promise}"
        return [Prose(reason, "Cannot tell", warning=True)]
    return [Prose(f"**{text[0].upper()}{text[1:]}.**{promise}")]


def columns(assets: Assets) -> list[Column]:
    """Return the column of a table of many answers that holds the set."""
    return [Column("Possible", ("set",))] if assets.get("sets") else []


def coverage(assets: Assets) -> dict[str, float | None]:
    """Return the coverage that sets were made for, for card and clients; None where there are no sets."""
    return {"coverage": (assets.get("sets") or {}).get("coverage")}


# The report


def explained(measured: Mapping[str, Any], assets: Assets, config: Any, words: Mapping[str, str]) -> list[Prose]:
    """Say what the sets promise, how often they held on the test part, and how large they are."""
    title, fitted, network = "Prediction sets", assets.get("sets"), measured["network"]
    if "sets" in assets and not fitted:
        few = (
            f"There are none: the validation part has too few {words['group']}s. A coverage of "
            f"{exactly(config.coverage)} needs {conformal.needed(config.coverage)}. Use more data, or train with a "
            "lower coverage, such as `--set coverage=0.8`."
        )
        return [Prose(few, title, warning=True)]
    if not fitted or "coverage" not in network:  # a run of an earlier version
        return []
    wanted, held, size = fitted["coverage"], network["coverage"], network["set_size"]["value"]
    classes = assets["classes"]
    new = f"from new {words['group']}s" if words["group"] != words["example"] else "that are new"
    which = "of each class" if fitted["by_class"] else "of all classes together (for each of them there are too few)"
    many = (
        f"**{percent(size - 1)}** of the sets hold both classes: “cannot tell”."
        if len(classes) == 2
        else f"A set holds **{size:.2f}** of the {len(classes)} classes on average."
    )
    short = held["high"] is not None and held["high"] < wanted
    return [
        Prose(
            f"Each answer comes with the classes that cannot be ruled out. Such a set should contain the true class "
            f"for **{exactly(wanted)}** of the {words['example']}s {which}, {new} and from the same source. Its limits "
            f"come from the validation part (split conformal prediction by {words['group']}, "
            f"{fitted['method'].upper()}). On the test part, "
            f"**{percent(held['value'])}** of the sets contain it{by_class(network, classes)}. {many}"
            + (" That is less than was promised." if short else ""),
            title,
        )
    ]


def by_class(network: Mapping[str, Any], classes: Sequence[str]) -> str:
    """Say the coverage of the classes in brackets; of many the two that have the lowest."""
    each = [(name, network[f"coverage {name}"]["value"]) for name in classes]
    known = sorted((value, name) for name, value in each if value is not None)
    shown = known if len(known) <= SHOWN else known[:2]
    lowest = "" if len(known) <= SHOWN else "lowest: "
    return f" ({lowest}{', '.join(f'{percent(value)} of {name}' for value, name in shown)})" if shown else ""
