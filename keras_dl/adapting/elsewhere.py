"""A set from elsewhere, read for adapting: its inputs, and labels only where they are asked for."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_dl.errors import BadInput, KerasDLError
from keras_dl.inputs.given import Given, expand
from keras_dl.progress import bar
from keras_dl.runs.run import Run
from keras_dl.runs.sources import kind_of_reason
from keras_dl.task import Split


@dataclass(frozen=True)
class Elsewhere:
    """The new set; `split.truth` means something only where `labelled`."""

    split: Split
    labelled: bool
    left_out: Sequence[str] = ()  # reasons


def read(run: Run, source: Path, *, labels: bool) -> Elsewhere:
    """Read a set in a layout of the run's task, or, without labels, any inputs that `predict` takes.

    Args:
        run: the run to adapt; its input decodes the examples.
        source: a folder, table or archive. Of a set with parts the test part is taken.
        labels: whether labels are needed. Without them, class folders only say what belongs together.

    Raises:
        KerasDLError: if it cannot be read, or more than the run's `bad_share` of the inputs cannot be used.
    """
    try:
        return Elsewhere(run.task.read(run.config, run.assets, source), labelled=True)
    except KerasDLError as error:
        if labels:
            raise KerasDLError(f"{error}; --labels needs labels, in the layout that training reads") from None
    items = list(expand(run.task, [source]))
    good, reasons = usable(run, items)
    if not good or len(reasons) > run.config.bad_share * len(items):
        told = "; ".join(dict.fromkeys(reasons))[:200]
        raise KerasDLError(f"{source}: {len(reasons)} of {len(items)} inputs cannot be used ({told}); take them out")
    return Elsewhere(unlabelled(run, good), labelled=False, left_out=reasons)


def usable(run: Run, items: Sequence[Given]) -> tuple[list[Given], list[str]]:
    """Return the inputs that can be used, each only once, and the reasons of the others."""
    good, reasons, seen = [], [], set()
    for item in bar(items, "checking", len(items), unit=f" {run.task.input.unit}s"):
        try:
            raw = item.raw()
            run.task.input.check(raw, run.assets)
        except BadInput as error:
            reasons.append(str(error))
            continue
        digest = hashlib.sha256(raw).digest()
        if digest not in seen:
            good.append(item)
        seen.add(digest)
    return good, reasons


def unlabelled(run: Run, items: Sequence[Given]) -> Split:
    """Make a split of inputs without labels; each counts as its own group."""
    decode = run.task.input.decode(run.config, run.assets)

    def raws() -> Iterator[bytes]:
        return (item.raw() for item in items)

    raw = tf.data.Dataset.from_generator(raws, output_signature=tf.TensorSpec((), tf.string))
    names = [item.origin or item.name for item in items]
    return Split(
        raw.map(lambda one: (decode(one), tf.zeros([1])), num_parallel_calls=tf.data.AUTOTUNE, deterministic=True),
        ids=names,
        groups=names,
        truth=np.zeros(len(items)).tolist(),
        raw=lambda row: items[row].raw(),
    )


def remarks(found: Elsewhere) -> list[str]:
    """Say what was left out, and why."""
    counts = Counter(map(kind_of_reason, found.left_out))
    return [f"left out: {count} ({reason})" for reason, count in counts.most_common()]
