"""Which of five emoji goes with a sentence: Emojify.

Source   course document A: `--set recipe=original`; the sentences are course material, GloVe is Pennington et al. 2014
Command  keras-dl train emoji --data emojify/ --set embedding=glove.6B.zip
Measured not yet measured

132 sentences teach nothing about words; what the network knows of them comes from GloVe.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from keras_dl import calibration, metrics, recipes, text, text_recipes, word_vectors
from keras_dl.datasets import emoji
from keras_dl.task import Assets, Data, Phase, Ranges, Split, Task
from keras_dl.text_recipes import TextConfig

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Emoji(TextConfig):
    """The settings; in the comments the value of document A where the default is another."""

    network: Literal["emojify", "deep_average"] = "deep_average"  # document A: emojify, two LSTMs
    embedding: str = "auto"  # word vectors: a file, "glove", "none", or "auto": GloVe where it has been downloaded
    vocabulary: int = 20_000  # most frequent words of GloVe that go into the model; document A: all 400,000
    dimension: int = 50  # of the word vectors
    length: int = 10
    dropout: float = 0.5
    epochs: int = 100
    patience: int = 20
    bucket: bool = False

    RANGES: ClassVar[Ranges] = {**TextConfig.RANGES, "dimension": (1, 1024)}


def prepare(config: Emoji) -> dict[str, str]:
    """Get the word vectors and say which they are."""
    return {"word vectors": word_vectors.provenance(config.embedding, config.dimension, config.vocabulary)}


def load(config: Emoji, source: Path) -> Data:
    """Read the sentences; the vocabulary is that of the word vectors, or of the training part without any."""
    return text_recipes.load(config, source, dataset="emoji", fit=word_vectors.words)


def build(config: Emoji, assets: Assets) -> keras.Model:
    """Build the network that the settings name, over the word vectors."""
    from keras_dl.models.deep_average import deep_average
    from keras_dl.models.emojify import emojify

    network = {"emojify": emojify, "deep_average": deep_average}[config.network]
    return network(
        words=text.FIRST + len(assets["vocabulary"]),
        classes=len(assets["classes"]),
        vectors=word_vectors.matrix(config, assets["vocabulary"]),
        **recipes.chosen(config, "length", "dimension", "dropout"),
    )


def phases(config: Emoji, data: Data) -> Sequence[Phase]:
    """Train in one phase with Adam and cross entropy."""
    return [Phase("train", config.epochs, text_recipes.compiling(config), [recipes.early_stopping])]


def baseline(config: Emoji) -> Any:
    """Return logistic regression on the mean vector of the words, or without vectors on TF-IDF."""
    vectors = word_vectors.found(config.embedding, config.dimension, config.vocabulary)
    return (
        text_recipes.tfidf(config, characters=True) if vectors is None else word_vectors.mean_vector_regression(config)
    )


EMOJI = Task(
    name="emoji",
    title="The emoji that goes with a sentence",
    config=Emoji(),
    recipes={
        "original": {"network": "emojify", "vocabulary": 400_000, "epochs": 100, "patience": 100},
    },
    tiny={"epochs": 4, "learning_rate": 0.02},
    build=build,
    **text_recipes.record(
        "emoji",
        load=load,
        prepare=prepare,
        phases=phases,
        calibrate=calibration.calibrate_classes,
        predict=calibration.classify_classes,
        evaluate=partial(metrics.multiclass_metrics, classes=emoji.CLASSES),
        value="probabilities",
        baseline=baseline,
        neighbours=5,
        words={"example": "sentence", "group": "sentence", "baseline": "mean vector + logistic regression"},
    ),
)
