"""The nouns of the package: Config, Split, Data, Phase and Task.

They are plain frozen records. Nothing here imports TensorFlow, so listing tasks and checking settings stays fast.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from keras_dl.errors import UsageError
from keras_dl.task.input import Input
from keras_dl.task.kinds import Assets
from keras_dl.task.output import Output

if TYPE_CHECKING:
    import keras
    import numpy as np
    import tensorflow as tf
    from sklearn.base import BaseEstimator

Ranges = Mapping[str, tuple[float, float]]
"""What a number must lie in, by name, ends included."""


Augment = Callable[[Any, Any, Any], tuple[Any, Any]]
"""From x, y and a seed of a batch to x and y; stateless graph operations."""


WORDS = {"example": "example", "group": "group", "baseline": "classical baseline"}  # where a task has no better ones


@dataclass(frozen=True)
class Config:
    """The settings every task has; a task subclasses it once with its own published numbers."""

    recipe: str = "default"  # a named set of settings; the recipes are listed below
    seed: int = 0  # sets the split, the weights, the order of the examples and the augmentation
    epochs: int = 25  # the most epochs to train; early stopping may end sooner
    batch_size: int = 32  # examples per step, on all devices together
    learning_rate: float = 1e-3  # the highest learning rate of the training
    patience: int = 5  # training stops after this many epochs without a better validation score
    steps_per_execution: int = 8  # training steps per call of the compiled function; more steps mean less overhead
    cache_gb: float = 4.0  # gigabytes of decoded examples to keep in memory; more go to a file in the run directory
    bad_share: float = 0.05  # share of unusable files that is tolerated and reported; more is an error
    target_sensitivity: float = 0.0  # to reach on validation, in (0, 1); 0: the task's own threshold
    false_alarms: float = 0.01  # share of usual inputs that may be called unusual; the limit is set on validation
    coverage: float = 0.9  # share of new cases whose prediction set, or interval, is to contain the truth
    deterministic: bool = False  # use operations whose results repeat bit for bit; slower on some devices
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"  # for training; saved as float32
    accumulate: int = 1  # compute each batch in this many pieces, one after another, to save memory
    scale_learning_rate: bool = False  # count batch_size per device; multiply learning_rate by the number of devices

    RANGES: ClassVar[Ranges] = {
        "seed": (0, 2**31 - 1),
        "epochs": (1, 100_000),
        "batch_size": (1, 100_000),
        "learning_rate": (1e-12, 1e3),
        "patience": (1, 100_000),
        "steps_per_execution": (1, 10_000),
        "accumulate": (1, 100_000),
        "cache_gb": (0, 1e6),
        "bad_share": (0, 1),
        "target_sensitivity": (0, 0.9999),
        "false_alarms": (0.0001, 0.5),
        "coverage": (0.5, 0.999),
    }

    def __post_init__(self) -> None:
        """Refuse numbers outside their range with a UsageError that names it."""
        for name, (low, high) in self.RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise UsageError(f"setting {name}={value} must be from {low:g} to {high:g}")


@dataclass(frozen=True)
class Split:
    """One part of the data, with what evaluation needs to know of each example.

    `examples` is an *unbatched* `tf.data.Dataset` of `(x, y)`; all other fields are in its order.
    """

    examples: tf.data.Dataset
    ids: Sequence[str]  # file names, row numbers: what a person would look up
    groups: Sequence[str]  # patient, document: examples of one group are never in two splits
    truth: Sequence[Any]  # what the kind of output takes for the truth: a class index, a count
    raw: Callable[[int], bytes]  # the undecoded input of one example, as a user would send it
    strata: Sequence[int] | None = None  # what training balances by; None: nothing to balance
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)  # what else is known of each: its site
    texts: Sequence[str] = ()  # where inputs are texts: what a person reads, and what the baseline is fitted to

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Data:
    """The three splits of a data set and what was learned from its training part."""

    train: Split
    validation: Split
    test: Split
    _: KW_ONLY
    assets: Assets = field(default_factory=dict)
    augment: Augment | None = None  # training only
    balance: str = "none"  # "none" or "classes": each class is drawn equally often in training
    bucket: bool = False  # batches of texts of similar length, in training
    resample: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]] | None = None  # (x, truth) to train on
    notes: Mapping[str, Any] = field(default_factory=dict)  # what was read, merged, skipped; for card and report

    def splits(self) -> dict[str, Split]:
        """Return the three parts by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


MODES = {"loss": "min", "mae": "min", "accuracy": "max", "auroc": "max"}  # of what is monitored in training


def mode_of(monitor: str) -> str:
    """Return "min" or "max": which values of a monitored quantity, such as "val_loss", are better.

    Raises:
        UsageError: if it is not known.
    """
    name = monitor.removeprefix("val_")
    if name not in MODES:
        raise UsageError(f"monitor={monitor} is not known; choose from {', '.join(MODES)}")
    return MODES[name]


@dataclass(frozen=True)
class Phase:
    """One stretch of training: `compile(model)` freezes what is frozen and sets optimiser, loss and metrics.

    `frozen` names a layer up to which nothing is trained in this phase. Its outputs, of the plain images, are then
    computed once and kept in a cache, and only the layers behind it run in each epoch. With `fit`, the layers behind
    it are set in one go instead of by gradients: `fit(model, features, truth)` of the training part, `[count, ...]`.
    With `part`, a model that shares weights with the whole one is trained in its place.
    """

    name: str
    epochs: int
    compile: Callable[[keras.Model], None]
    callbacks: Sequence[Callable[[Config], keras.callbacks.Callback]] = ()
    monitor: str = "val_loss"  # chooses the best epoch; `mode_of` knows its direction; "": the last epoch is kept
    frozen: str = ""
    part: Callable[[keras.Model], keras.Model] | None = None
    fit: Callable[[keras.Model, np.ndarray, np.ndarray], None] | None = None
    augment: Augment | None = None  # in place of that of `Data`


@dataclass(frozen=True)
class Task:
    """A project of the package, as a record of plain functions.

    input, output                          the kinds: they own everything that depends on the kind
    prepare(config) -> {name: text}        before a training: get what the settings need, and name it for the card
    load(config, source) -> Data           read a folder, split by group, fit the assets on train
    read(config, assets, source) -> Split  read a folder as one test split, for a trained model
    build(config, assets) -> keras.Model   an uncompiled functional model
    phases(config, data) -> [Phase]        how it is trained; empty for a task without training
    baseline(config) -> estimator          the scikit-learn model a sober user would take instead
    others(config) -> {title: estimator}   more classical models, measured beside
    """

    name: str
    title: str
    dataset: str  # module of keras_dl.data.sets with download() and synthesize()
    config: Config
    tiny: Mapping[str, Any]  # settings that train in seconds
    load: Callable[[Any, Path], Data]  # Any: the task's own Config
    read: Callable[[Any, Assets, Path], Split]
    build: Callable[[Any, Assets], keras.Model]
    phases: Callable[[Any, Data], Sequence[Phase]]
    baseline: Callable[[Any], BaseEstimator]
    input: Input
    output: Output
    others: Callable[[Any], Mapping[str, BaseEstimator]] = lambda config: {}
    prepare: Callable[[Any], Mapping[str, str]] = lambda config: {}
    neighbours: int = 7  # how many the nearest-neighbour classifier asks
    recipes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # --set recipe=NAME
    unused: Sequence[str] = ()  # settings of every Config that this task does not look at: they are refused
    words: Mapping[str, str] = field(default_factory=dict)  # what "example", "group", "baseline" are called here
    intended_use: str = ""  # for card and report
    limits: str = ""  # what it must not be used for, and what is known to go wrong

    def __post_init__(self) -> None:
        """Fill in the words that the task does not say."""
        object.__setattr__(self, "words", {**WORDS, **self.words})
