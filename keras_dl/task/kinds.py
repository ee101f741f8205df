"""What kinds of input and output say of themselves: records, without TensorFlow.

A kind is one file in `inputs/` or `outputs/` with one subclass of `Input` or `Output`. All other code calls their
methods and never asks which kind it has. So a new kind is one file and its test.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from keras_dl.errors import KerasDLError
from keras_dl.task.blocks import Block

if TYPE_CHECKING:
    import numpy as np

Assets = dict[str, Any]
"""What is fitted on the training split or chosen on validation and travels with the model: JSON values only."""

Measuring = Callable[["np.ndarray"], dict[str, "np.ndarray"]]
"""Takes weights `[draws, count]`, how often each example counts, at least 0; gives of each metric `[draws]`.

A value is nan where the metric is not defined. What does not depend on the weights, a sort above all, is done once,
when the measurement is prepared. It may be called from several threads at once.
"""


class UnknownMetric(KerasDLError):  # noqa: N818 - reads as what it is
    """A metric without a record: nobody knows whether more of it is better."""


@dataclass(frozen=True)
class Metric:
    """What people must know of a metric."""

    title: str  # as people write it; {of} is the class in the metric's own name
    more_is_better: bool | None  # None: it has an aim of its own, as the coverage of an interval has
    meaning: str = ""  # {0} and {1} are the first two classes, {value} is what is measured
    digits: int = 3
    distance: bool = False  # never below 0, and larger in resampled data
    mixed: bool = False  # means nothing where the examples are all of one class


def metric_of(name: str, metrics: Mapping[str, Metric]) -> Metric:
    """Return the record of a metric; that of "recall heart" is the record of "recall {of}".

    Raises:
        UnknownMetric: if there is none.
    """
    found = metrics.get(name) or metrics.get(f"{name.partition(' ')[0]} {{of}}")
    if found is None:
        raise UnknownMetric(f"no metric '{name}'; choose from {', '.join(metrics)}")
    return found


@dataclass(frozen=True)
class Target:
    """What of an answer is explained."""

    index: int  # of the class, or 0
    of: str  # its name


@dataclass(frozen=True)
class Method:
    """One way to explain answers.

    `explain(run, raws, targets, brief)` gives one block for each raw input; a brief one has room in a gallery alone.
    """

    title: str  # in a list of choices
    meaning: str  # of the colours; {of} is what is explained
    legend: str  # the same in the report, as a sentence; {of} is what is explained, {0} the first class
    explain: Callable[[Any, Sequence[bytes], Sequence[Target], bool], list[Block]]
    served: bool = True  # fast enough to be asked for on a page


@dataclass(frozen=True)
class Column:
    """A column of the table of many answers."""

    title: str
    path: tuple[str, ...]  # where the value is in a row: ("probabilities", "heart")
    style: str = "text"  # "text", "percent" or "number"
    shown: bool = True  # False: in the file alone


@dataclass(frozen=True)
class Found:
    """What two models said of the same examples, and what was true."""

    truth: np.ndarray  # [count]
    groups: Sequence[str]  # [count]
    values: Mapping[str, np.ndarray]  # "network" and "baseline" -> [count, ...]: `Output.value` of each example
    assets: Mapping[str, Assets]  # of each model


@dataclass(frozen=True)
class Notable:
    """Examples worth looking at, of one kind."""

    title: str
    rows: Sequence[int]  # of `Found`
    targets: Sequence[Target]  # what is explained of each
    open: bool = False  # whether the title leaves the truth open


@dataclass(frozen=True)
class Told:
    """What a network answered to examples whose truth is known."""

    truth: np.ndarray  # [count]
    groups: Sequence[str]  # [count]
    values: np.ndarray  # [count, ...]: `Output.value` of each example


@dataclass(frozen=True)
class Moved:
    """What the answers to a set without labels change in a model's assets."""

    assets: Assets = field(default_factory=dict)  # those that change; none where nothing does
    said: Sequence[str] = ()  # what was decided and why, in sentences
    facts: Mapping[str, Any] = field(default_factory=dict)  # the same as JSON values
    explained: bool = False  # whether the answers are then as on validation, with no need to change the network
    shares: Sequence[float] = ()  # of the classes: those that the assets are then made for
    refused: str = ""  # why the set must not be adapted to; "" where it may
