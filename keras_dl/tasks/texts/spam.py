"""Whether a text message is spam.

Source   course document D: `--set recipe=original`; data Almeida et al. 2011 (UCI SMS Spam Collection), CC BY 4.0
Command  keras-dl train spam --data spam.csv
Measured F1 0.970, accuracy 0.992: means of 3 seeds on about 500 of the 3,343 messages of the document's training part,
         copies kept together (TF-IDF + SVM: 0.970, 0.992); 1 min on 2 CPU cores. The document's
         recipe: 0.739, 0.924. On the document's test part: not yet measured

The document balances the classes by SMOTE between padded word ids: the point between "prize" (17) and "hello" (95) is
word 56, whatever that is. The default invents no words: it weighs n-grams of words and letters, beside an LSTM.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from keras_dl.data.pretrained import nltk_data
from keras_dl.data.sets.texts import spam
from keras_dl.data.texts import Texts
from keras_dl.errors import UsageError
from keras_dl.inputs import tokenization
from keras_dl.recipes import texts
from keras_dl.recipes.texts import TextConfig
from keras_dl.task import Assets, Ranges, Task, settings

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Spam(TextConfig):
    """The settings; in the comments the value of document D where the default is another."""

    network: Literal["wide_and_deep", "spam_lstm"] = "wide_and_deep"  # the architecture; document D: spam_lstm
    reader: Literal["mean", "bilstm", "transformer", "none"] = "bilstm"  # the deep half of the network
    coverage: float = 0.99  # about the accuracy: with less, a set would never hold both classes
    length: int = 64  # document D: 419, the longest message in characters
    characters: int = 240  # characters from the beginning whose n-grams are read in addition to words; document D: none
    vocabulary: int = 10_000
    style: Literal["words", "signs", "letters"] = "signs"  # document D: letters
    cleaning: Literal["none", "nltk"] = "none"  # document D: nltk (no stop words, WordNet's lemmas)
    dimension: int = 32  # length of the word vectors
    ngrams: Literal["", "1", "1,2", "1,2,3"] = "1,2"  # lengths of word n-grams in the wide half
    wide_rate: float = 1e-2  # Adam's learning rate for the wide half
    wide_loss: Literal["log", "hinge"] = "hinge"  # with "hinge" and decay, the wide half is a linear SVM
    decay: float = 1e-4  # L2 penalty on the weights of n-grams
    deep_share: float = 0.08  # share of the deep half in the log-odds; small, since the margins of an SVM are small
    epochs: int = 15
    patience: int = 5
    pad_front: bool = False  # pad before the words instead of after them; document D: true, as it uses no mask
    resample: Literal["none", "smote"] = "none"  # document D: smote, between word ids
    split: Literal["auto", "group"] = "auto"  # "auto": the document's split if the file is the published one

    RANGES: ClassVar[Ranges] = {
        **TextConfig.RANGES,
        "dimension": (1, 1024),
        "deep_share": (0, 1),
        "decay": (0, 10),
        "wide_rate": (1e-12, 10),
        "characters": (0, 100_000),
    }

    def __post_init__(self) -> None:
        """Refuse what no network reads."""
        super().__post_init__()
        if self.network == "spam_lstm" and self.characters:
            raise UsageError(
                "network=spam_lstm reads no characters; add --set characters=0, or use --set recipe=original"
            )
        texts.check_network(self)


ORIGINAL = {
    "network": "spam_lstm", "length": 419, "characters": 0, "dimension": 100, "vocabulary": 1_000_000,
    "style": "letters", "cleaning": "nltk", "ngrams": "", "dropout": 0.2, "epochs": 10, "patience": 5,
    "resample": "smote", "bucket": False, "pad_front": True,
}  # fmt: skip
TINY = {
    "length": 24, "vocabulary": 300, "dimension": 8, "epochs": 2, "learning_rate": 0.01, "bucket": False,
    "coverage": 0.8,
}  # fmt: skip


def prepare(config: Spam) -> dict[str, str]:
    """Say for the run's card which stop words and lemmas are used."""
    if config.cleaning == "none":
        return {}
    said = {"stop words": nltk_data.stop_words()[1], "lemmas": nltk_data.lemmas([])[1].partition(";")[0]}
    return {name: note.removeprefix(f"{name}: ") for name, note in said.items()}


def fitted(config: Spam, train: Sequence[str]) -> Assets:
    """Learn the vocabulary from the training messages, after the cleaning that the settings name."""
    if config.cleaning == "none":
        return texts.fitted(config, train)
    stop_words = sorted(nltk_data.stop_words()[0])
    every = texts.fitted(config, train, stop_words=stop_words)["vocabulary"]
    lemmas = nltk_data.lemmas(every)[0]
    known = list(dict.fromkeys(lemmas.get(word, word) for word in every))
    return {"stop_words": stop_words, "lemmas": lemmas, "vocabulary": known}


def test_rows(config: Spam, texts: Texts) -> np.ndarray | None:
    """Return the test part that the document drew, or None for a split by group."""
    return spam.document_split(texts) if config.split == "auto" else None


def resample(config: Spam) -> Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]] | None:
    """Return document D's SMOTE: new spam between the padded word ids of real spam, until there is as much as ham."""
    if config.resample == "none":
        return None
    return texts.smote


def build(config: Spam, assets: Assets) -> keras.Model:
    """Build the network that the settings name."""
    words = tokenization.FIRST + len(assets["vocabulary"])
    if config.network == "spam_lstm":
        from keras_dl.models.texts.spam_lstm import spam_lstm

        return spam_lstm(words=words, **settings.chosen(config, "length", "dimension", "dropout"))
    from keras_dl.models.texts.wide_and_deep_text import wide_and_deep_text

    ngrams = [int(order) for order in config.ngrams.split(",") if order]
    chosen = settings.chosen(config, "length", "characters", "dimension", "dropout", "reader", "decay", "deep_share")
    return wide_and_deep_text(words=words, read=config.length, ngrams=ngrams, buckets=2**18, scale="idf", **chosen)


SPAM = Task(
    name="spam",
    title="Spam among text messages",
    config=Spam(),
    recipes={"original": ORIGINAL},
    tiny=TINY,
    build=build,
    prepare=prepare,
    **texts.record(
        "spam",
        load=partial(texts.load, dataset="spam", fit=fitted, test_rows=test_rows, resample=resample),
        baseline=partial(texts.tfidf, characters=True),
        words={"example": "message", "group": "message", "baseline": "TF-IDF + SVM baseline"},
    ),
)
