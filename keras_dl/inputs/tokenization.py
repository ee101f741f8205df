"""From a raw text to the integers that a model reads, in the graph: the exported model takes plain strings.

0 is padding, after the words, or before them with `front`. 1 is a word outside the vocabulary, which follows from 2 on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    import tensorflow as tf

Style = Literal["words", "signs", "letters"]
Tokens = Callable[["tf.Tensor"], "tf.Tensor"]

UNKNOWN, FIRST = 1, 2
ONE_BY_ONE = r"([\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{So}])"  # scripts without blanks, and emoji
STYLES = {  # what is kept, beside blanks; everything else becomes a blank
    "words": r"[^\p{L}\p{M}\p{N}\p{So}']+",
    "signs": r"[^\p{L}\p{M}\p{N}\p{So}\p{P}\p{Sc}\p{Sm}']+",
    "letters": r"[^\p{L}\p{M}]+",
}
COMMON = 100  # words that nearly every text uses some of
RARELY = 0.005  # a share of unknown words below this is no news
BUCKETS = 2**63 - 1  # of the fingerprint: so many that two words hardly ever share one


def tokens(style: Style = "words") -> Tokens:
    """Return the function from a raw text, a scalar string, to its lower-case tokens `[count]`.

    What is no UTF-8 is replaced, so that a served model answers whatever it is sent. Chinese, Japanese and Thai
    characters and emoji are tokens of their own.

    Args:
        style: "words": letters, digits and apostrophes; "signs": punctuation and currency too, as tokens of their
            own; "letters": letters alone.
    """
    import tensorflow as tf

    def split(raw: tf.Tensor) -> tf.Tensor:
        text = lower_case(raw)
        text = tf.strings.regex_replace(text, "[\ufe00-\ufe0f]", "")  # choose the look of the emoji before them
        text = tf.strings.regex_replace(text, "[\u2018\u2019]", "'")
        text = tf.strings.regex_replace(text, STYLES[style], " ")
        if style == "signs":
            text = tf.strings.regex_replace(text, r"([\p{P}\p{Sc}\p{Sm}])", r" \1 ")
            text = tf.strings.regex_replace(text, r"(\p{L}) ' (\p{L})", r"\1'\2")  # don't is one word
        text = tf.strings.regex_replace(text, ONE_BY_ONE, r" \1 ")
        if style == "words":
            for quotes in (r"'+(\s|$)", r"(^|\s)'+"):  # one after the other: the blank between two quotes is of both
                text = tf.strings.regex_replace(text, quotes, " ")
        return tf.strings.split(text)

    return split


def lower_case(raw: tf.Tensor) -> tf.Tensor:
    """Return a text in lower case; blanks for what is no UTF-8 and for control characters: `lower` ends at a zero."""
    import tensorflow as tf

    blanks = {"errors": "replace", "replacement_char": 32, "replace_control_characters": True}
    return tf.strings.lower(tf.strings.unicode_transcode(raw, "UTF-8", "UTF-8", **blanks), encoding="utf-8")


def without(split: Tokens, stop_words: Iterable[str]) -> Tokens:
    """Return the same function without some words."""
    known = fingerprints(sorted(stop_words))

    def rest(raw: tf.Tensor) -> tf.Tensor:
        import tensorflow as tf

        found = split(raw)
        return tf.boolean_mask(found, places(found, known) < 0)

    return rest


def vocabulary(texts: Sequence[str], split: Tokens, *, size: int, least: int = 1) -> list[str]:
    """Return the words of texts that occur at least `least` times, the `size` most frequent at most, frequent first."""
    counts: Counter[bytes] = Counter()
    for found in tokenized(texts, split):
        counts.update(found)
    ranked = sorted(((-count, word.decode()) for word, count in counts.items() if count >= least))
    return [word for _, word in ranked[:size]]


def tokenized(texts: Sequence[str], split: Tokens) -> Iterable[list[bytes]]:
    """Give the tokens of each text, in order."""
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices(list(texts))
    data = data.map(split, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return (found.tolist() for found in data.prefetch(64).as_numpy_iterator())


def lookup(words: Sequence[str], lemmas: Mapping[str, str] | None = None) -> Tokens:
    """Return the function from tokens `[count]` to int32 ids `[count]`.

    A table in the graph would have to be tracked wherever the function goes; the sorted fingerprints of the words
    are plain constants.

    Args:
        words: the vocabulary; its first word has the id 2.
        lemmas: other forms of words in the vocabulary, which share its id.
    """
    ids = {word: number for number, word in enumerate(words, FIRST)}
    ids |= {form: ids[word] for form, word in (lemmas or {}).items() if word in ids and form not in ids}
    known = fingerprints(list(ids))
    order = np.argsort(known, kind="stable")
    values = np.array([*ids.values(), UNKNOWN], np.int32)[[*order, len(order)]]

    def look_up(found: tf.Tensor) -> tf.Tensor:
        import tensorflow as tf

        return tf.gather(tf.constant(values), places(found, known[order]) % len(values))

    return look_up


def fingerprints(words: Sequence[str]) -> np.ndarray:
    """Return TensorFlow's 63-bit hash of each word, in the order given."""
    import tensorflow as tf

    with tf.device("CPU:0"), tf.init_scope():
        return tf.strings.to_hash_bucket_fast(tf.constant(list(words), tf.string), BUCKETS).numpy()


def places(found: tf.Tensor, known: np.ndarray) -> tf.Tensor:
    """Return for each token `[count]` where in the sorted fingerprints it is, or -1."""
    import tensorflow as tf

    known = np.sort(known)
    if not len(known):
        return tf.fill(tf.shape(found), -1)
    marks = tf.strings.to_hash_bucket_fast(found, BUCKETS)
    place = tf.minimum(tf.searchsorted(tf.constant(known), marks), len(known) - 1)
    return tf.where(tf.gather(tf.constant(known), place) == marks, place, -1)


def padded(ids: tf.Tensor, length: int, *, front: bool = False) -> tf.Tensor:
    """Return the first `length` ids, with zeros after them, or before them, where there are fewer: int32 `[length]`."""
    import tensorflow as tf

    ids = tf.cast(ids[:length], tf.int32)
    zeros = length - tf.shape(ids)[0]
    return tf.ensure_shape(tf.pad(ids, [[zeros, 0] if front else [0, zeros]]), (length,))


def characters(raw: tf.Tensor, length: int) -> tf.Tensor:
    """Return the code points of the first `length` characters, lower case, zeros after them: int32 `[length]`."""
    import tensorflow as tf

    text = tf.strings.regex_replace(lower_case(raw), r"\s+", " ")
    return padded(tf.strings.unicode_decode(text, "UTF-8"), length)


def traits(ids: tf.Tensor) -> tf.Tensor:
    """Return what word ids `[batch, length]` tell of texts, float32 `[batch, 6]`.

    Logarithms of the number of words, of the number of different words, and of the share of unknown ones; mean and
    standard deviation of the logarithm of the ids of known words, which rise as words get rarer; and the share of the
    COMMON most frequent words.
    """
    import tensorflow as tf

    def count(mask: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(tf.cast(mask, tf.float32), axis=1)

    words, known = count(ids > 0), tf.cast(ids > UNKNOWN, tf.float32)
    ordered = tf.sort(ids, axis=1)
    changes = (ordered[:, 1:] != ordered[:, :-1]) & (ordered[:, 1:] > UNKNOWN)
    different = count(changes) + count(ordered[:, :1] > UNKNOWN)
    rarity = tf.math.log(tf.cast(tf.maximum(ids, 1), tf.float32))
    of_known = tf.maximum(tf.reduce_sum(known, axis=1), 1.0)
    mean = tf.reduce_sum(rarity * known, axis=1) / of_known
    variance = tf.reduce_sum(tf.square(rarity - mean[:, None]) * known, axis=1) / of_known
    of_all = tf.maximum(words, 1.0)
    unknown = tf.math.log(count(ids == UNKNOWN) / of_all + RARELY)
    common = count((ids > UNKNOWN) & (ids < FIRST + COMMON)) / of_all
    columns = (tf.math.log1p(words), tf.math.log1p(different), unknown, mean, tf.sqrt(variance), common)
    return tf.stack(columns, axis=1)
