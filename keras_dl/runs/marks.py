"""What a reader must know before the figures of a run: it is tiny, its data is the package's own, it was adapted.

This is decided here alone, from config.json. Card, report, terminal, notebook and served page show what it says.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_dl.task.blocks import Prose

TINY = (
    "`--tiny` trains a small model on little data within seconds, to try out the commands. Its figures and its answers "
    "mean nothing. To get meaningful ones, train on real data without `--tiny`: `keras-dl data {task}` downloads it."
)
SYNTHETIC = (
    "This run was trained on synthetic examples that come with the package, to show how everything works. Its answers "
    "and its figures say nothing about the real world. To get meaningful ones, download the real set with "
    "`keras-dl data {task}`, and train with `--data`."
)
ADAPTED = (
    "This is the run {run}, adapted without training to {examples:,} inputs in `{data}`. {said} The figures here are "
    "of the test part of the data that it was trained on: they tell what adapting costs there. To measure it on "
    "labelled data from elsewhere, run `keras-dl evaluate` with `--data` on this run and on {run}."
)


def tiny(asked: Mapping[str, Any]) -> bool:
    """Whether a run was made with --tiny; `asked` is its config.json."""
    return bool(asked.get("tiny"))


def synthetic(asked: Mapping[str, Any]) -> bool:
    """Whether a run was trained on the embedded data, also where that was written out and given as --data."""
    return bool(asked.get("synthetic", asked.get("data") is None))


def adapted(asked: Mapping[str, Any]) -> bool:
    """Whether a run was made from another one for data from elsewhere."""
    return bool(asked.get("adapted"))


def brief(asked: Mapping[str, Any]) -> list[str]:
    """Return the marks of a run in a word or two each."""
    return ["tiny"] * tiny(asked) + ["embedded data"] * synthetic(asked) + ["adapted"] * adapted(asked)


def warnings(asked: Mapping[str, Any]) -> list[Prose]:
    """Return blocks that tell the marks of a run, for everything that shows its figures; none without marks."""
    titles = ["tiny run"] * tiny(asked) + ["synthetic data"] * synthetic(asked)
    text = (TINY if tiny(asked) else SYNTHETIC).replace("{task}", asked["task"])
    blocks = [Prose(text, ", ".join(titles).capitalize(), warning=True)] if titles else []
    if adapted(asked):
        facts = dict(asked["adapted"])
        facts |= {"said": " ".join(facts["said"]), "data": Path(facts["data"]).name}  # whose folder it is, is not told
        blocks.append(Prose(ADAPTED.format(**facts), "Adapted run", warning=True))
    return blocks
