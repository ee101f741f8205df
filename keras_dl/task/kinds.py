"""What a kind of input or output owns: everything that depends on the kind.

A kind is one file in `inputs/` or `outputs/` with one subclass. All other code calls these methods and never asks which
kind it has. So a new kind is one file and its test.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from keras_dl.errors import KerasDLError
from keras_dl.task.blocks import Answer, Block, Chart, Prose

if TYPE_CHECKING:
    import keras
    import numpy as np
    import tensorflow as tf

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
    more_is_better: bool
    meaning: str = ""  # {0} and {1} are the first two classes, {value} is what is measured
    digits: int = 3
    distance: bool = False  # never below 0, and larger in resampled data


def metric_of(name: str, metrics: Mapping[str, Metric]) -> Metric:
    """Return the record of a metric; that of "recall heart" is the record of "recall".

    Raises:
        UnknownMetric: if there is none.
    """
    found = metrics.get(name) or metrics.get(name.partition(" ")[0])
    if found is None:
        raise UnknownMetric(f"no metric '{name}'; known: {', '.join(metrics)}")
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


class Input(ABC):
    """A kind of input. Heavy imports stand inside the methods."""

    key: ClassVar[str]  # "image"; in the API and in the export's signatures
    raw_name: ClassVar[str]  # argument of the exported signature that takes raw inputs
    unit: ClassVar[str] = "file"  # what is left out where an input cannot be used
    plural: ClassVar[str]  # "pictures"
    wanted: ClassVar[str]  # what the model's tensor holds, in words
    hint: ClassVar[str] = ""  # what else to type where there is no such file; {name} is the task's
    remarks: ClassVar[bool] = False  # whether `remark` ever says something
    most_explained: ClassVar[int | None] = None  # bytes of an input that a server explains

    @abstractmethod
    def check(self, raw: bytes) -> None:
        """Raise BadInput, with the reason, for bytes that `decode` cannot take."""

    @abstractmethod
    def decode(self, config: Any, assets: Assets) -> Callable[[tf.Tensor], tf.Tensor]:
        """Return the function from a raw scalar string to one model input, as graph operations."""

    @abstractmethod
    def given(self, item: str) -> Iterator[Any] | None:
        """Give the inputs that an argument stands for that is neither file nor folder; None where it must be one."""

    @abstractmethod
    def many(self, data: bytes, most: int) -> tuple[int, Iterator[tuple[str, bytes]]]:
        """Read an uploaded file that is no zip: the count, and name and bytes of each.

        Of more than `most` inputs a few may be missing. Raises BadInput."""

    @abstractmethod
    def fitted_to(self, split: Any, decoded: Callable[[], np.ndarray]) -> Any:
        """Return what a classical baseline is fitted to."""

    @abstractmethod
    def preview(self, run: Any, raws: Sequence[bytes]) -> list[Block]:
        """Return how each input is shown without an explanation."""

    @abstractmethod
    def methods(self, run: Any) -> Mapping[str, Method]:
        """Return the ways to explain an answer of this run, the usual one first."""

    def suffix(self, name: str) -> str:
        """Return the suffix of the file that keeps the raw input called `name`."""
        from pathlib import PurePath

        return PurePath(name).suffix

    def quick(self, size: int) -> bool:
        """Whether inputs of so many bytes are checked in less than a millisecond."""
        return False

    def remark(self, config: Any, decoded: np.ndarray) -> str:
        """Say what a user should know of one decoded input; "" mostly."""
        return ""

    def seen(self, split: Any, ids: set[str], groups: set[str]) -> int:
        """Count the examples of another set that are in a run's training part, by what tells copies here."""
        from pathlib import PurePath

        known = {PurePath(name).name for name in ids}
        return sum(PurePath(name).name in known for name in split.ids)

    @abstractmethod
    def miniatures(self, split: Any, decoded: np.ndarray) -> np.ndarray | Sequence[str]:
        """Return what stands for each example where many are shown: thumbnails `[count, side, side, ...]` or texts."""


class Output(ABC):
    """A kind of output. `assets` are the model's; heavy imports stand inside the methods."""

    key: ClassVar[str]
    value: ClassVar[str]  # the response that is measured and kept in predictions.csv
    metrics: ClassVar[Mapping[str, Metric]]  # the first is the one the verdict is about
    first: ClassVar[Sequence[str]] = ()  # metrics that most people ask for
    style: ClassVar[str] = ".2f"  # of a value among others
    symbols: Mapping[str, str] = {}  # answer -> a sign that stands for it

    # Training and answering

    @abstractmethod
    def compile(self, model: keras.Model, optimizer: Any, **options: Any) -> None:
        """Set optimizer, loss and training metrics."""

    @abstractmethod
    def fit(self, truth: np.ndarray, outputs: np.ndarray, config: Any) -> Assets:
        """Choose on validation what `respond` needs: calibration, threshold, interval.

        Args:
            truth: `[count]`.
            outputs: `[count, ...]`, what `reduced` makes of the model's outputs.
            config: of the run.
        """

    @abstractmethod
    def respond(self, outputs: tf.Tensor, assets: Assets) -> dict[str, tf.Tensor]:
        """Turn the model's outputs `[batch, ...]` into what they mean, by name; graph operations, for the export."""

    def reduced(self, outputs: Any) -> Any:
        """Return what is measured of the model's outputs, before calibration: they may be large, maps say.

        Written with `keras.ops`, since symbolic tensors are reduced too.
        """
        return outputs

    def values(self, outputs: np.ndarray, assets: Assets) -> np.ndarray:
        """Return the values that are measured: those of `Output.value`, for reduced outputs `[count, ...]`."""
        import tensorflow as tf

        return self.respond(tf.constant(outputs), assets)[self.value].numpy()

    @abstractmethod
    def baseline_outputs(self, baseline: Any, inputs: Any) -> np.ndarray:
        """Return what a fitted classical model says, in the form of `reduced` outputs."""

    def nearest(self, count: int) -> Any:
        """Return the scikit-learn model that asks the `count` nearest training examples."""
        from sklearn.neighbors import KNeighborsClassifier

        return KNeighborsClassifier(count)

    @abstractmethod
    def votes(self, nearest: Any, vectors: np.ndarray) -> np.ndarray:
        """Return what the nearest training examples say, in the form of `reduced` outputs.

        Args:
            nearest: fitted by `runs.embeddings.knn`.
            vectors: `[count, width]`.
        """

    # Measuring

    @abstractmethod
    def measuring(self, truth: np.ndarray, values: np.ndarray, assets: Assets) -> Measuring:
        """Return the function from weights to metrics; what can be prepared once is prepared here."""

    def metric(self, name: str, assets: Assets) -> Metric:
        """Return a metric's record with the names of this model in it; raises UnknownMetric."""
        record = metric_of(name, self.metrics)
        names = {"of": name.partition(" ")[2], "value": self.value}
        title, meaning = (text.format(*self.names(assets), **names) for text in (record.title, record.meaning))
        return replace(record, title=title, meaning=meaning)

    @abstractmethod
    def names(self, assets: Assets) -> Sequence[str]:
        """Return the names of the strata."""

    @abstractmethod
    def strata(self, truth: np.ndarray, assets: Assets) -> np.ndarray:
        """Return the stratum of each example `[count]`, an index into `names`."""

    @abstractmethod
    def answered(self, values: np.ndarray, assets: Assets) -> np.ndarray:
        """Return the stratum that each answer stands for, `[count]`, an index into `names`."""

    @abstractmethod
    def summary(self, truth: np.ndarray, assets: Assets) -> dict[str, Any]:
        """Say what a part holds, as JSON values."""

    @abstractmethod
    def counted(self, summary: Mapping[str, Any]) -> Mapping[str, str]:
        """Write a summary for a table: column -> text."""

    def holds(self, summary: Mapping[str, Any]) -> str:
        """Say what a part holds, in a few words."""
        return ", ".join(f"{text} {name}" for name, text in self.counted(summary).items())

    def settled(self, assets: Mapping[str, Assets]) -> dict[str, Any]:
        """Return what was settled on validation for each model, as metrics.json keeps it."""
        return {}

    @abstractmethod
    def columns(self, assets: Assets) -> Sequence[str]:
        """Name the columns of predictions.csv that hold one model's values: "" stands for the model's name alone."""

    @abstractmethod
    def card(self, assets: Assets) -> dict[str, Any]:
        """Return what card.json says of the output."""

    @abstractmethod
    def alike(self, assets: Assets) -> str:
        """Say in words what the output is of; runs can be compared where this is the same."""

    def ranked(self, truth: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Return labels of 0 and 1 and scores, where a ROC curve says something."""
        return None

    # Showing

    @abstractmethod
    def row(self, response: Mapping[str, Any], assets: Assets) -> dict[str, Any]:
        """Turn the responses for one example into JSON values."""

    @abstractmethod
    def answer(self, row: Mapping[str, Any]) -> Answer:
        """Say the answer in a few words, and how sure it is."""

    @abstractmethod
    def view(self, row: Mapping[str, Any], assets: Assets) -> list[Block]:
        """Show one answer; the first block is `answer`."""

    @abstractmethod
    def target(self, row: Mapping[str, Any], assets: Assets) -> Target:
        """Return what of an answer is explained."""

    @abstractmethod
    def subject(self, assets: Assets) -> str:
        """Name what of an answer is explained, where many answers are: "the answer it gave"."""

    def methods(self) -> Mapping[str, Method]:
        """Return ways to explain an answer that only this kind has; they come before those of the input."""
        return {}

    def log_odds(self, found: np.ndarray, assets: Assets, index: int, *, plain: bool) -> np.ndarray:
        """Return how much the model's outputs `[count, ...]` speak for what is explained: `[count]`.

        `plain`: they were taken before the last activation.
        """
        return found[:, index]

    @abstractmethod
    def said(self, values: np.ndarray, assets: Assets) -> list[str]:
        """Say each value in a word or two, for captions."""

    @abstractmethod
    def facts(self, assets: Assets) -> dict[str, Any]:
        """Return what a client of the server needs to know, as JSON values."""

    @abstractmethod
    def table(self, assets: Assets) -> list[Column]:
        """Return the columns of a table of many answers."""

    # The report

    @abstractmethod
    def explained(
        self, measured: Mapping[str, Any], assets: Assets, config: Any, words: Mapping[str, str]
    ) -> list[Prose]:
        """Explain what was settled on validation."""

    @abstractmethod
    def figures(self, found: Found, config: Any, words: Mapping[str, str]) -> list[Chart]:
        """Draw what the models answered on the test part."""

    def shares(self, summaries: Mapping[str, Mapping[str, Any]], words: Mapping[str, str]) -> Chart | None:
        """Draw what each split holds, from its `summary`."""
        return None

    @abstractmethod
    def notable(self, found: Found) -> list[Notable]:
        """Choose the examples that are worth looking at: worst errors first."""

    @abstractmethod
    def notes(self, found: Mapping[str, Any], assets: Assets, words: Mapping[str, str]) -> str:
        """Say what is shown of the notable examples, and what their numbers are."""

    # Samples, journal and feedback

    @abstractmethod
    def told(self, truth: Any, assets: Assets) -> str:
        """Say the truth of one example, for people."""

    @abstractmethod
    def sample(self, truth: Any, assets: Assets) -> str:
        """Return the beginning of the file name of a kept example, which tells the truth."""

    def sampled(self, stem: str, assets: Assets) -> str | None:
        """Return the truth that the file name of a kept example tells, for people."""
        return stem.rpartition("-")[0] or None

    @abstractmethod
    def noted(self, row: Mapping[str, Any]) -> tuple[str | None, float | None]:
        """Return what the journal keeps of an answer: text and value."""

    @abstractmethod
    def feedback(self, label: str, assets: Assets) -> str:
        """Return the true answer as the journal keeps it; raises BadInput with what is allowed."""

    def error(self, answer: str, label: str) -> float | None:
        """Return how far an answer was from the truth; None where an answer is right or wrong."""
        return None
