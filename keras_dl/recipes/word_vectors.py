"""Word vectors that a text recipe begins with: GloVe from a file or the cache, or none, said clearly."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from keras_dl.data.pretrained import glove
from keras_dl.data.pretrained.glove import Vectors
from keras_dl.errors import UsageError
from keras_dl.inputs import tokenization
from keras_dl.paths import at_home
from keras_dl.recipes import texts
from keras_dl.task import Assets


def found(embedding: str, dimension: int, words: int) -> Vectors | None:
    """Return the word vectors that a setting stands for, or None.

    Args:
        embedding: a file of GloVe's (.txt, .gz, .zip), "glove": the published ones, downloaded once, "auto": these
            where they have been downloaded, "none".
        dimension: numbers in a vector.
        words: the most frequent so many.

    Raises:
        UsageError: if there is no such file, or its vectors have another dimension.
        KerasDLError: if it cannot be read or downloaded.
    """
    path = file(embedding)
    if path is None:
        return None
    vectors = glove.vectors(path, words, dimension=dimension)
    if vectors.matrix.shape[1] != dimension:
        raise UsageError(
            f"the vectors of {path} have {vectors.matrix.shape[1]} numbers, not dimension={dimension}; "
            f"add --set dimension={vectors.matrix.shape[1]}"
        )
    return vectors


def file(embedding: str) -> Path | None:
    """Return the file that a setting stands for."""
    if embedding == "none":
        return None
    if embedding == "auto":
        return glove.cached()
    if embedding == "glove":
        return glove.download()
    path = at_home(embedding)
    if not path.is_file():
        raise UsageError(
            f"embedding={embedding}: there is no such file; choose a GloVe file, glove (downloads 862 MB), or none"
        )
    return path.resolve()


def provenance(embedding: str, dimension: int, words: int) -> str:
    """Get the vectors, and say for the run's card what the network begins with."""
    vectors = found(embedding, dimension, words)
    if vectors is None:
        return (
            "none: the vectors are trained from scratch on these few texts, so the model knows little about other "
            "words; --set embedding=glove downloads GloVe, --set embedding=PATH reads a file"
        )
    path = file(embedding)
    assert path
    left_out = f", {len(vectors.skipped)} damaged lines of the file left out" if vectors.skipped else ""
    return f"{path.name}, the first {len(vectors.words):,} words, kept as they are{left_out}"


def words(config: Any, train: Sequence[str]) -> Assets:
    """Return the vocabulary: the words that have vectors, or without any those of the training texts."""
    vectors = found(config.embedding, config.dimension, config.vocabulary)
    return texts.fitted(config, train) if vectors is None else {"vocabulary": list(vectors.words)}


def matrix(config: Any, vocabulary: Sequence[str]) -> np.ndarray | None:
    """Return `[2 + words, dimension]` with zeros for padding and for the unknown word, or None to train them."""
    vectors = found(config.embedding, config.dimension, config.vocabulary)
    if vectors is None:
        return None
    return np.concatenate(
        [np.zeros((tokenization.FIRST, config.dimension), "float32"), glove.matrix_for(vocabulary, vectors)]
    )


def mean_vector_regression(config: Any) -> BaseEstimator:
    """Return the classical baseline for few short texts: logistic regression on the mean vector of the words."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    averaging = MeanVectors(config.embedding, config.dimension, config.vocabulary)
    return make_pipeline(averaging, LogisticRegression(C=3.0, max_iter=3000))


class MeanVectors(TransformerMixin, BaseEstimator):
    """Texts to the mean vectors of their words, `[count, dimension]`; zeros where no word is known.

    Args:
        embedding: see `found`.
        dimension: numbers in a vector.
        words: the most frequent so many.
    """

    def __init__(self, embedding: str, dimension: int, words: int) -> None:
        self.embedding, self.dimension, self.words = embedding, dimension, words

    def fit(self, texts: Sequence[str], labels: Any = None) -> MeanVectors:
        vectors = found(self.embedding, self.dimension, self.words)
        assert vectors is not None
        self.known_, self.matrix_ = "\n".join(vectors.words), np.asarray(vectors.matrix)
        return self

    def transform(self, texts: Sequence[str]) -> np.ndarray:
        row_of = {word: row for row, word in enumerate(self.known_.split("\n"))}
        split = tokenization.tokens("words")
        means = np.zeros((len(texts), self.dimension), "float32")
        for place, one in enumerate(tokenization.tokenized(texts, split)):
            rows = [row_of[word.decode()] for word in one if word.decode() in row_of]
            if rows:
                means[place] = self.matrix_[rows].mean(axis=0)
        return means
