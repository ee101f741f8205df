"""Wide and deep (Cheng et al. 2016) for two classes of texts: a bag of n-grams beside a network that reads in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import keras

from keras_dl.layers.blend import Blend
from keras_dl.layers.ngrams import NGramBag
from keras_dl.models.texts.deep_average import mean
from keras_dl.models.texts.imdb_bilstm import bilstm
from keras_dl.models.texts.text_transformer import transformer

HEADS = 4  # of the transformer; `recipes.texts` refuses a dimension that is no multiple
Reader = Literal["mean", "bilstm", "transformer", "none"]


def wide_and_deep_text(
    *,
    words: int,
    length: int,
    read: int,
    reader: Reader = "mean",
    dimension: int = 64,
    dropout: float = 0.5,
    ngrams: Sequence[int] = (1, 2),
    scale: Literal["naive_bayes", "idf"] = "naive_bayes",
    buckets: int = 2**20,
    decay: float = 0.0,
    characters: int = 0,
    deep_share: float = 0.5,
) -> keras.Model:
    """Build the model: int32 `[batch, length + characters]` to a probability `[batch, 1]`.

    The log-odds are a weighted mean of what each part says: every n-gram has a weight of its own; the deep part sees
    word vectors, in order. The parts are best trained apart (`part_of`): trained together, the part that learns by
    heart first leaves the other nothing to learn.

    Args:
        words: size of the vocabulary, padding and the unknown word included.
        length: word ids in the input.
        read: how many of them the deep half reads, from the beginning.
        reader: the deep half: "mean" of the word vectors, "bilstm", "transformer", or "none".
        dimension: of the word vectors.
        dropout: in the deep half.
        ngrams: lengths of word n-grams; none: no wide half.
        scale: of the n-grams, see `NGramBag`.
        buckets: places for n-grams of words.
        decay: L2 penalty on the weights of n-grams.
        characters: code points in the input, behind the words; their 2- to 5-grams have places too.
        deep_share: of the deep part in the log-odds; the wide part has the rest.
    """
    inputs = keras.Input((length + characters,), dtype="int32", name="ids")
    ids = inputs[:, :length] if characters else inputs

    parts = []
    if ngrams:
        said = [NGramBag(ngrams, buckets, scale, decay, name="words")(ids)]
        if characters:
            said.append(NGramBag((2, 3, 4, 5), 2**18, scale, decay, name="characters")(inputs[:, length:]))
        parts.append(Blend([1.0] * len(said), name="wide")(said))
    if reader != "none":
        x = deep(ids[:, :read], reader, words, dimension, dropout)
        parts.append(keras.layers.Dense(1, name="deep")(x))

    shares = [1 - deep_share, deep_share] if len(parts) > 1 else [1.0]
    log_odds = Blend(shares, name="log_odds")(parts)
    probability = keras.layers.Activation("sigmoid", name="probability")(log_odds)
    return keras.Model(inputs, probability, name=f"wide_and_{reader}")


def deep(ids: Any, reader: Reader, words: int, dimension: int, dropout: float) -> Any:
    """Return what the deep half sees in a text: `[batch, width]`."""
    x = keras.layers.Embedding(words, dimension, mask_zero=reader == "bilstm", name="embedding")(ids)
    x = keras.layers.SpatialDropout1D(dropout / 2, name="word_dropout")(x)
    if reader == "bilstm":
        return bilstm(x, units=64, dropout=dropout)
    if reader == "transformer":
        return transformer(ids, x, heads=HEADS, dropout=dropout / 2)
    x = mean(x, keras.ops.cast(keras.ops.not_equal(ids, 0), x.dtype)[..., None])
    x = keras.layers.Dense(64, activation="relu", name="dense1")(keras.layers.Dropout(dropout, name="dropout1")(x))
    return keras.layers.Dense(32, activation="relu", name="dense2")(keras.layers.Dropout(dropout, name="dropout2")(x))


def part_of(model: keras.Model, part: Literal["wide", "deep"]) -> keras.Model:
    """Return the model that answers by one part alone; it shares that part's weights."""
    probability = keras.layers.Activation("sigmoid", name=f"{part}_probability")(model.get_layer(part).output)
    return keras.Model(model.input, probability, name=part)
