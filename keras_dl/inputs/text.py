"""Texts: UTF-8, turned into word ids in the graph."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_dl.errors import BadInput, UsageError
from keras_dl.inputs import tokenization
from keras_dl.inputs.given import Given
from keras_dl.task.blocks import Block, Spans
from keras_dl.task.input import Input, Upload
from keras_dl.task.kinds import Assets, Method, Target

if TYPE_CHECKING:
    from pathlib import Path

    import tensorflow as tf

FILE_NAME = re.compile(r"(?!\w+://)\S*(/\S*|\.[A-Za-z]\w{0,3})")  # of a text that is one, whole
SMALL = 4096  # bytes of texts that are checked in no time
COLOURS = "Orange words count **for {of}**, blue words **against it**: "
LONG = "; the strongest word of each text is in full colour. Of a long text, only the part that mattered most is shown."
METHODS = {  # name -> title, what a weight is, legend
    "occlusion": (
        "leaving a word out",
        "how much the log-odds of {of} change when the word is left out",
        f"{COLOURS}how much the log-odds change when the word is left out{LONG}",
    ),
    "shap": (
        "SHAP values",
        "the word's share in the log-odds of {of} (SHAP values)",
        f"{COLOURS}the word's share in the log-odds{LONG}",
    ),
    "attention": (
        "attention",
        "the share of the last layer's attention that the word gets; it proves no cause",
        f"The darker a word, the more attention it gets in the last attention layer{LONG}",
    ),
}


class TextInput(Input):
    """Texts, read as int32 word ids `[length]`, and after them the ids of a recipe's first `characters`."""

    key = "text"
    title = "a text"
    raw_name = "text"
    unit = "text"
    plural = "texts"
    wanted = "word ids of texts"
    hint = "; if it is a text: echo TEXT | keras-dl predict {name} -"
    remarks = True
    tables = True
    most_explained = 100_000

    def check(self, raw: bytes, assets: Assets | None = None) -> None:
        """Raise BadInput for bytes that are no text this package reads; see `data.texts.check`."""
        from keras_dl.data.texts import check

        check(raw)

    def tokens(self, config: Any, assets: Assets) -> tokenization.Tokens:
        """Return the function from a raw text to its words, without stop words where there are some."""
        split = tokenization.tokens(config.style)
        return tokenization.without(split, assets["stop_words"]) if assets.get("stop_words") else split

    def decode(self, config: Any, assets: Assets) -> Callable[[tf.Tensor], tf.Tensor]:
        """Return the function from a raw text to int32 `[length]` word ids, and after them a recipe's `characters`."""
        count = getattr(config, "characters", 0)
        split = self.tokens(config, assets)
        look_up = tokenization.lookup(assets["vocabulary"], assets.get("lemmas"))

        def ids(raw: tf.Tensor) -> tf.Tensor:
            import tensorflow as tf

            front = getattr(config, "pad_front", False)
            words = tokenization.padded(look_up(split(raw)), config.length, front=front)
            return tf.concat([words, tokenization.characters(raw, count)], 0) if count else words

        return ids

    def given(self, item: str) -> Iterator[Given] | None:
        """Give the lines of standard input for "-", or the text itself; None for what looks like the name of a file."""
        if item == "-":
            lines = sys.stdin.buffer.read().splitlines()
            return (Given(line.decode("utf-8", "replace"), data=line) for line in lines)
        if FILE_NAME.fullmatch(item):
            return None
        data = item.encode("utf-8", "surrogatepass")
        return iter([Given(data.decode("utf-8", "replace"), data=data)])

    def tabled(self, path: Path) -> Iterator[Given]:
        """Give the texts of a table, row by row."""
        from keras_dl.inputs.columns import listed

        try:
            found = listed(path.read_bytes())
        except (BadInput, OSError) as error:
            raise UsageError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
        for text, line in zip(found.texts, found.lines, strict=True):
            yield Given(text, data=text.encode("utf-8", "replace"), origin=f"{path.name}:{line}")

    def many(self, data: bytes, most: int) -> Upload:
        """Read the texts of a CSV file, and their labels where it has a column of them."""
        from keras_dl.inputs.columns import listed

        found = listed(data)
        items = ((text, text.encode("utf-8", "replace")) for text in found.texts)
        return Upload(len(found.texts), items, None if found.labels is None else [(one,) for one in found.labels])

    def fitted_to(self, split: Any, decoded: Callable[[], np.ndarray]) -> list[str]:
        """Return the texts as they are."""
        return list(split.texts)

    def preview(self, run: Any, raws: Sequence[bytes]) -> list[Block]:
        """Return each text."""
        texts = [raw.decode("utf-8", "replace") for raw in raws]
        return [Spans(text, [], len(text), "", "", numbers=False) for text in texts]

    def methods(self, run: Any) -> Mapping[str, Method]:
        """Return occlusion, SHAP values, and attention where the model has a layer of it."""
        from keras_dl.explaining import words

        there = ["occlusion", "shap", *(["attention"] if words.has_attention(run) else [])]
        return {name: self.method(name) for name in there}

    def method(self, name: str) -> Method:
        """Return one way to explain."""

        def explain(run: Any, raws: Sequence[bytes], targets: Sequence[Target], brief: bool) -> list[Block]:
            from keras_dl.explaining import words

            way = partial(words.spans, run, method=name, meaning=meaning, brief=brief)
            return [way(raw.decode("utf-8", "replace"), target) for raw, target in zip(raws, targets, strict=True)]

        title, meaning, legend = METHODS[name]
        return Method(title, meaning, legend, explain, served=name != "shap")

    def suffix(self, name: str) -> str:
        """Return ".txt": of "spam.csv:17" there is none."""
        return ".txt"

    def quick(self, size: int) -> bool:
        """Whether texts of so many bytes are checked in less than a millisecond."""
        return size <= SMALL

    def remark(self, config: Any, decoded: np.ndarray) -> str:
        """Say what a user should know of one decoded text."""
        words = decoded[: config.length]
        if not (words > tokenization.UNKNOWN).any():
            return "the model knows none of its words, so the answer means nothing"
        if words.all():
            return f"only its first {config.length} words or fewer were read"
        return ""

    def traits(self, config: Any, x: tf.Tensor) -> tf.Tensor:
        """Return how long texts are, how varied, and how rare their words; see `tokenization.traits`."""
        return tokenization.traits(x[:, : config.length])

    def described(self, config: Any, split: Any, decoded: Callable[[], np.ndarray]) -> Mapping[str, Any]:
        """Return how many words each text has, and the share of those that were read which the network does not know.

        Words of a text are counted between blanks.
        """
        ids = decoded()[:, : config.length]
        unknown, read = (ids == tokenization.UNKNOWN).sum(axis=1), (ids > 0).sum(axis=1)
        share = np.round(100 * unknown / np.maximum(read, 1), 1)
        return {"length (words)": [len(text.split()) for text in split.texts], "unknown words (%)": share}

    def miniatures(self, split: Any, decoded: np.ndarray) -> Sequence[str]:
        """Return the texts."""
        return split.texts

    def seen(self, split: Any, ids: set[str], groups: set[str]) -> int:
        """Count the examples whose group is in training: the group comes from what the text says."""
        return sum(group in groups for group in split.groups)
