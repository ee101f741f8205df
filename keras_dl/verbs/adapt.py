"""Adapt: a new run for inputs from elsewhere that have no labels. Forward passes only; no weight is trained."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import keras
import numpy as np

from keras_dl.adapting import directory, elsewhere, labelled, normalisation
from keras_dl.answering import novelty, reference
from keras_dl.answering.answering import Network, Seen
from keras_dl.answering.novelty import Novelty
from keras_dl.answering.reference import Reference
from keras_dl.errors import KerasDLError, UsageError
from keras_dl.runs import baseline as baselines
from keras_dl.runs import marks, names, sources
from keras_dl.runs.files import replacing
from keras_dl.runs.run import Run
from keras_dl.task import Assets, Data, Split
from keras_dl.task.kinds import Found, Told
from keras_dl.training import pipeline
from keras_dl.training.own_keras import own_keras
from keras_dl.training.pipeline import Examples
from keras_dl.verbs import drift, evaluate

R = TypeVar("R", bound=Run)
FEWEST = 50  # inputs; of fewer, neither statistics nor shares can be told
MOST_UNUSUAL = 0.3  # of the inputs, after normalisation; other scanners leave some, other things nearly all


@dataclass
class Adapted:
    """What was decided, and why."""

    assets: Assets
    seen: Seen  # what the network now makes of the new inputs
    novelty: Novelty | None = None
    shares: Sequence[float] = ()  # of the classes, that the assets are made for
    said: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


@own_keras()
def adapt(run: R, data: str | Path, *, labels: int = 0, out: str | Path | None = None, name: str | None = None) -> R:
    """Make a new run for a set from elsewhere that has no labels, or few; the old run is only read.

    Args:
        run: a complete run, whose data is where it was.
        data: a folder, table or archive of inputs. Labels are ignored but for `labels`.
        labels: how many labelled examples to fit calibration and threshold to, drawn by group; 0 for none. Those of all
            others are used for nothing but to measure the new run.
        out: the directory of the new run; None for runs/TASK/TIME.
        name: what to call the new run.

    Returns:
        The new run.

    Raises:
        UsageError: if there is nothing at `data`, `out` is taken, or the run was adapted already.
        KerasDLError: if the set cannot be read, or adapting to it would do harm, with the reason.
    """
    source, path = sources.checked(run.task, data), directory.chosen(run, out)
    asked = {key: value for key, value in run.asked.items() if key not in ("task", "config")}
    asked["name"] = None if name is None else names.check(name)
    if marks.adapted(run.asked):
        raise UsageError(
            f"{run.path} was adapted already; adapt the run that it was made from: {run.asked['adapted']['run']}"
        )
    with tempfile.TemporaryDirectory() as folder:  # for examples that do not fit in memory
        found = elsewhere.read(run, source, labels=labels > 0)
        chosen = labelled.drawn(found.split.groups, labels, run.config.seed) if labels else None
        if len(found.split) < FEWEST:
            raise KerasDLError(
                f"{len(found.split)} inputs are too few to adapt to; give {FEWEST} or more, as they come"
            )
        home = sources.load(run)
        parts = {"validation": home.validation, "test": home.test, "new": found.split}
        decoded = {
            part: pipeline.decoded(split, run.config, Path(folder) / part, name=part) for part, split in parts.items()
        }
        model = Run(run.path).model  # read anew: that of the run stays as it is
        adapted = decided(run, model, home, decoded, labels=labels > 0)
        if chosen is not None:
            use_labels(run, adapted, decoded["new"], found.split, chosen)
        adapted.said += elsewhere.remarks(found)
        if known := evaluate.seen_in_training(run, found.split):
            adapted.said.append(
                f"{known} of the inputs were in training or validation of this run: they are not from elsewhere."
            )
        facts = {"run": run.name, "data": str(source), "labels": labels}
        facts |= {"examples": len(found.split), "said": adapted.said}
        with directory.building(path) as work:
            new = type(run).create(work, run.task, run.config, **asked, adapted=facts)
            directory.copy_kept(run, work)
            with replacing(work / "model.keras") as temporary:
                keras.saving.save_model(model, temporary)
            keep_reference(work, run, adapted, found.split)
            watched = drift.summary(run.task.output, reference.read(new))  # in service, the new set is no drift
            new.write("assets/assets.json", adapted.assets | watched)
            both = baselines.load(run), baselines.load_others(run)
            evaluate.write(new, new.answering, *both, home, decoded, run.card["training"])
            new.write("card.json", {**new.card, "adapted": {**facts, **adapted.facts}})
    return type(run)(path)


def decided(run: Run, model: keras.Model, home: Data, decoded: dict[str, Examples], *, labels: bool = False) -> Adapted:
    """Give the model other statistics, and return what goes with them.

    Raises:
        KerasDLError: if adapting would do harm, or there is nothing to do.
    """
    output, seed, new = run.task.output, run.config.seed, decoded["new"]
    network = Network(run.task, run.config, model)
    seen = {part: network.see(decoded[part], name=part) for part in ("validation", "new")}
    values = {part: output.values(one.outputs, run.assets) for part, one in seen.items()}
    told = Told(decoded["validation"].truth, home.validation.groups, values["validation"])
    usual, adapted = novelty.read(run.path), Adapted(dict(run.assets), seen["new"])
    answers, moved = output.moved(told, values["new"], run.assets, seed), False
    if not answers.explained:
        chances = {part: output.chances(one) for part, one in values.items()}
        moved = renormalise(model, chances, decoded, home, adapted, seed)
    if moved:
        adapted.seen = network.see(new, name="new")
        values["new"] = output.values(adapted.seen.outputs, run.assets)
        answers = output.moved(told, values["new"], run.assets, seed)
    if usual:
        adapted.facts["unusual"] = refuse_unusual(usual.unusualness(adapted.seen.vectors).numpy())
        adapted.novelty = usual.limited(adapted.seen.vectors, range(len(new)), run.config.false_alarms)
    else:
        adapted.said.append(
            "It was not checked that the inputs are of the kind that the network knows: this run cannot."
        )
    if answers.refused and not (labels and answers.shares):  # labels tell what the scores do not
        raise KerasDLError(answers.refused)
    adapted.assets |= answers.assets
    adapted.said += answers.said
    adapted.shares = answers.shares
    adapted.facts["answers"] = dict(answers.facts)
    if not (answers.assets or moved or labels):
        raise KerasDLError("there is nothing to adapt. " + " ".join(adapted.said))
    return adapted


def keep_reference(folder: Path, run: Run, adapted: Adapted, split: Split) -> None:
    """Write what is usual for the new run, and what its inputs are compared with: both are the new set."""
    if adapted.novelty:
        adapted.novelty.write(folder)
        unknown = np.full(len(split), np.nan)
        Reference.of(run.task, adapted.novelty, adapted.seen, split.groups, unknown, adapted.assets).write(folder)


def use_labels(run: Run, adapted: Adapted, new: Examples, split: Split, chosen: np.ndarray) -> None:
    """Fit what labels tell to the chosen examples, `[count]`, and measure both networks on all others."""
    output, truth, outputs = run.task.output, np.asarray(new.truth), adapted.seen.outputs
    values = output.values(outputs, adapted.assets)
    changed, said = labelled.refitted(output, truth[chosen], values[chosen], adapted.assets, adapted.shares)
    adapted.assets |= changed
    adapted.said.append(said)
    former = output.values(run.answering.network.see(new, name="former run").outputs, run.assets)
    both = {"adapted": output.values(outputs, adapted.assets)[~chosen], "former": former[~chosen]}
    groups = [group for group, taken in zip(split.groups, chosen, strict=True) if not taken]
    found = Found(truth[~chosen], groups, both, {"adapted": adapted.assets, "former": run.assets})
    adapted.facts["labelled"] = int(chosen.sum())
    adapted.facts["others"] = labelled.facts(evaluate.measure_pair(output, found, run.config.seed))


def renormalise(
    model: keras.Model,
    chances: dict[str, np.ndarray | None],
    decoded: dict[str, Examples],
    home: Data,
    adapted: Adapted,
    seed: int,
) -> bool:
    """Carry the statistics of batch normalisation over to the new inputs, and say whether there are any."""
    layers, count = len(normalisation.layers_of(model)), len(decoded["new"])
    if not layers:
        adapted.said.append("The network has no batch normalisation whose statistics come from its training.")
        return False
    shares = shares_in_training(home, None if chances["new"] is None else chances["new"].shape[1])
    each = {part: normalisation.weights(len(decoded[part]), one, shares) for part, one in chances.items()}
    here, there = (normalisation.estimated(model, decoded[part].x, each[part], seed) for part in ("validation", "new"))
    share = normalisation.weight(each["new"])
    before = normalisation.read(model)
    normalisation.write(model, [one.carried(a, b, share) for one, a, b in zip(before, here, there, strict=True)])
    adapted.facts["normalisation"] = {"layers": layers, "share": round(share, 4), "examples": count}
    adapted.said.append(
        f"Batch normalisation: the statistics of {layers} layers were moved by {100 * share:.0f} % of the difference "
        f"between the {count:,} new inputs and the validation part."
    )
    return True


def shares_in_training(home: Data, classes: int | None) -> np.ndarray | None:
    """Return the class shares of the batches that the network was trained on; None where there are no classes."""
    if classes is None:
        return None
    if home.balance != "none":
        return np.full(classes, 1 / classes)
    return np.bincount(np.asarray(home.train.truth, int), minlength=classes) / len(home.train)


def refuse_unusual(unusualness: np.ndarray) -> float:
    """Refuse a set that the network does not know at all, also when it is normalised; return the share of such inputs.

    Raises:
        KerasDLError: with the share of unusual inputs.
    """
    share = float(np.mean(unusualness > 1))
    if share > MOST_UNUSUAL:
        raise KerasDLError(
            f"{100 * share:.0f} % of the inputs are unusual for this network, even after its normalisation was adapted "
            "to them. They seem to be something else than it has learned; adapting would only hide that"
        )
    return round(share, 4)
