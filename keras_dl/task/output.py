"""What a kind of output owns: loss, calibration, metrics, words, figures, feedback."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from keras_dl.task.blocks import Answer, Block, Chart, Prose
from keras_dl.task.kinds import (
    Assets,
    Column,
    Found,
    Measuring,
    Method,
    Metric,
    Moved,
    Notable,
    Target,
    Told,
    metric_of,
)

if TYPE_CHECKING:
    import keras
    import numpy as np
    import tensorflow as tf


class Output(ABC):
    """A kind of output. `assets` are the model's; heavy imports stand inside the methods."""

    key: ClassVar[str]
    title: ClassVar[str]  # "one of two classes"
    value: ClassVar[str]  # the response that is measured and kept in predictions.csv
    metrics: ClassVar[Mapping[str, Metric]]  # the verdict is about the first one that `measuring` gives
    first: ClassVar[Sequence[str]] = ()  # metrics that most people ask for
    judged: ClassVar[str]  # the metric that slices are compared by: a mean of one number for each example
    stratum: str = "class"  # what a stratum is called
    style: ClassVar[str] = ".2f"  # of a value among others
    unit: str = ""  # of the values, in the plural
    large: ClassVar[Sequence[str]] = ()  # names of `signatures`
    symbols: Mapping[str, str] = {}  # answer -> a sign that stands for it
    reach: ClassVar[float] = 1.0  # times the limit of usual inputs that one may be off before it is called unusual
    told_by_folders: ClassVar[bool] = False  # whether the name of a folder may be the truth of the inputs in it

    # Training and answering

    @abstractmethod
    def compile(self, model: keras.Model, optimizer: Any) -> None:
        """Set optimizer, loss and training metrics; a kind may take more, such as another loss."""

    @abstractmethod
    def fit(self, truth: np.ndarray, outputs: np.ndarray, config: Any, groups: Sequence[str]) -> Assets:
        """Choose on validation what `respond` needs: calibration, threshold, prediction set or interval.

        Args:
            truth: `[count]`.
            outputs: `[count, ...]`, what `reduced` makes of the model's outputs.
            config: of the run.
            groups: `[count]`, what each example belongs to: what is to hold for new ones is fitted by group.
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

    def level(self, values: np.ndarray) -> np.ndarray:
        """Return the number of each answer that is watched for drift, `[count]`: the one that `noted` keeps.

        It is the highest of an answer's values `[count, ...]`: a score, a number, the probability of the likeliest.
        """
        return values.reshape(len(values), -1).max(axis=1)

    @abstractmethod
    def baseline_outputs(self, baseline: Any, inputs: Any) -> np.ndarray:
        """Return what a fitted classical model says, in the form of `reduced` outputs."""

    def nearest(self, count: int) -> Any:
        """Return the scikit-learn model that asks the `count` nearest training examples."""
        from sklearn.neighbors import KNeighborsClassifier

        return KNeighborsClassifier(count)

    @abstractmethod
    def votes(self, nearest: Any, vectors: np.ndarray) -> np.ndarray:
        """Return what the fitted `runs.embeddings.knn` says of vectors `[count, width]`, in the form of `reduced`."""

    # Measuring

    @abstractmethod
    def measuring(self, truth: np.ndarray, values: np.ndarray, assets: Assets) -> Measuring:
        """Return the function from weights to metrics; what can be prepared once is prepared here."""

    def judging(self, truth: np.ndarray, values: np.ndarray, assets: Assets) -> np.ndarray:
        """Return the number of each example, `[count]`, whose mean is the metric `judged`: here the absolute error."""
        return abs(values.astype(float) - truth)

    def metric(self, name: str, assets: Assets) -> Metric:
        """Return a metric's record with the names of this model in it; raises UnknownMetric."""
        record = metric_of(name, self.metrics)
        names = {"of": name.partition(" ")[2], "value": self.value, "unit": self.unit or "its unit"}
        title, meaning = (text.format(*self.names(assets), **names) for text in (record.title, record.meaning))
        return replace(record, title=title, meaning=meaning)

    @abstractmethod
    def names(self, assets: Assets) -> Sequence[str]:
        """Return the names of the strata."""

    @abstractmethod
    def strata(self, truth: np.ndarray, assets: Assets) -> np.ndarray:
        """Return the stratum of each example `[count]`, an index into `names`."""

    def answered(self, values: np.ndarray, assets: Assets) -> np.ndarray:
        """Return the stratum that each answer stands for, `[count]`, an index into `names`."""
        return self.strata(values, assets)

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

    # Adapting to a set from elsewhere

    def chances(self, values: np.ndarray) -> np.ndarray | None:
        """Return the probability of each class `[count, classes]` in values; None where they say no such thing."""
        return None

    def moved(self, validation: Told, values: np.ndarray, assets: Assets, seed: int) -> Moved:
        """Return what the answers to a set without labels change.

        Args:
            validation: what the network answered there.
            values: `[count, ...]`, `Output.value` of each example of the new set.
            assets: the model's.
            seed: of the draws of tests.
        """
        return Moved(said=[f"Answers that are {self.title} have nothing that could be moved without labels."])

    def refitted(self, truth: np.ndarray, values: np.ndarray, assets: Assets, shares: Sequence[float]) -> Assets:
        """Return what labelled examples of a new set change in assets; a few of them change little.

        Args:
            truth: `[count]`, of the labelled examples.
            values: `[count, ...]`, `Output.value` with these assets.
            assets: the model's, as `moved` left them.
            shares: class shares that they are made for, as `moved` says.
        """
        return {}

    # Showing

    def signatures(self, outputs: tf.Tensor, assets: Assets) -> Mapping[str, tf.Tensor]:
        """Return the tensors that are too large to go with every answer; graph operations.

        Each has a signature of its own in the export, called like it, which takes one raw input.
        """
        return {}

    @abstractmethod
    def row(self, response: Mapping[str, Any], assets: Assets) -> dict[str, Any]:
        """Turn the responses for one example into JSON values."""

    def valued(self, row: Mapping[str, Any]) -> Any:
        """Return the value in a row, as `measuring` takes it of many."""
        return row[self.value]

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

    def said(self, values: np.ndarray, assets: Assets) -> list[str]:
        """Say each value in a word or two, for captions."""
        return [f"{value:{self.style}}" for value in values]

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
    def notes(self, measured: Mapping[str, Any], assets: Assets, words: Mapping[str, str]) -> str:
        """Say what is shown of the notable examples, and what their numbers are."""

    # Samples, journal and feedback

    @abstractmethod
    def told(self, truth: Any, assets: Assets) -> str:
        """Say the truth of one example, for people."""

    @abstractmethod
    def sample(self, truth: Any, assets: Assets) -> str:
        """Return the beginning of the file name of a kept example, which tells the truth."""

    @abstractmethod
    def sampled(self, stem: str, assets: Assets) -> str | None:
        """Return the truth that the file name of a kept example tells, for people; None where it tells none."""

    @abstractmethod
    def noted(self, row: Mapping[str, Any]) -> tuple[str | None, float | None]:
        """Return what the journal keeps of an answer: text and value."""

    @abstractmethod
    def feedback(self, label: str, assets: Assets) -> str:
        """Return the true answer as the journal keeps it; raises BadInput with what is allowed."""

    def understood(self, label: str, assets: Assets) -> float:
        """Return the truth, as it is measured, that a label in a file of somebody's tells; raises BadInput."""
        return float(self.feedback(label, assets))

    def error(self, answer: str, label: str) -> float | None:
        """Return how far an answer was from the truth; None where an answer is right or wrong."""
        return None
