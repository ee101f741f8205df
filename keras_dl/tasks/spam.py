"""Whether a text message is spam.

Source   course document D: `--set recipe=original`; data Almeida et al. 2011 (UCI SMS Spam Collection), CC BY 4.0
Command  keras-dl train spam --data spam.csv
Measured not yet measured

The document balances the classes by SMOTE between padded word ids: the point between "prize" (17) and "hello" (95) is
word 56, whatever that is. The default invents no words: it weighs n-grams of words and letters, beside an LSTM.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from keras_dl import recipes, text, text_recipes
from keras_dl.task import Assets, Ranges, Task
from keras_dl.text_recipes import TextConfig

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Spam(TextConfig):
    """The settings; in the comments the value of document D where the default is another."""

    network: Literal["wide_and_deep", "spam_lstm"] = "wide_and_deep"  # document D: spam_lstm
    reader: Literal["mean", "bilstm", "transformer", "none"] = "bilstm"
    length: int = 64  # document D: 419, the longest message in characters
    characters: int = 200
    vocabulary: int = 10_000
    style: text.Style = "signs"  # document D: letters, without stop words, lemmas
    dimension: int = 32
    ngrams: Literal["", "1", "1,2", "1,2,3"] = "1,2"
    deep_share: float = 0.3  # of the deep half in the log-odds
    epochs: int = 10
    patience: int = 3
    split: Literal["auto", "group"] = "auto"  # "auto": the document's, where the file is the published one

    RANGES: ClassVar[Ranges] = {**TextConfig.RANGES, "dimension": (1, 1024), "deep_share": (0, 1)}


def build(config: Spam, assets: Assets) -> keras.Model:
    """Build the network that the settings name."""
    words = text.FIRST + len(assets["vocabulary"])
    if config.network == "spam_lstm":
        from keras_dl.models.spam_lstm import spam_lstm

        return spam_lstm(words=words, length=config.length, dropout=config.dropout)
    from keras_dl.models.wide_and_deep_text import wide_and_deep_text

    ngrams = [int(order) for order in config.ngrams.split(",") if order]
    chosen = recipes.chosen(config, "length", "characters", "dimension", "dropout", "reader")
    return wide_and_deep_text(words=words, read=config.length, ngrams=ngrams, buckets=2**18, scale="idf", **chosen)


SPAM = Task(
    name="spam",
    title="Spam among text messages",
    config=Spam(),
    tiny={"length": 24, "characters": 40, "vocabulary": 300, "dimension": 8, "epochs": 2, "learning_rate": 0.01},
    build=build,
    **text_recipes.record(
        "spam", words={"example": "message", "group": "message", "baseline": "TF-IDF + SVM baseline"}
    ),
)
