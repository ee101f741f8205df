"""The networks for texts: the documented sizes, frozen vectors, what padding and the order of words may change."""

from functools import partial

import keras
import numpy as np
import pytest

from keras_dl.models.texts.deep_average import deep_average
from keras_dl.models.texts.emojify import emojify
from keras_dl.models.texts.imdb_bilstm import imdb_bilstm
from keras_dl.models.texts.imdb_ffn import imdb_ffn
from keras_dl.models.texts.spam_lstm import spam_lstm
from keras_dl.models.texts.wide_and_deep_text import wide_and_deep_text

WORDS = 30
VECTORS = np.random.default_rng(0).normal(size=(WORDS, 50)).astype("float32")
COUNTS = np.ones((WORDS, 1), "float32")
IDS = np.array([[3, 4, 5, 6, 0, 0], [7, 1, 0, 0, 0, 0], [0] * 6, [8, 9, 10, 11, 12, 13]], "int32")
MORE = np.pad(IDS, ((0, 0), (0, 4)))


def size(weights):
    return sum(int(np.prod(weight.shape)) for weight in weights)


def lstm(inputs, units):
    return 4 * units * (inputs + units + 1)


def wide_and_deep(reader="mean", length=6, **options):
    options = {"dimension": 8, "dropout": 0.0, "buckets": 256, "ngrams": (1, 2), **options}
    return wide_and_deep_text(words=WORDS, length=length, read=length, reader=reader, **options)


def shaken(model):
    """Give every weight that begins as zeros another value, or the wide half says nothing."""
    random = np.random.default_rng(0)
    for weight in model.trainable_weights:
        if not np.any(weight):
            weight.assign(random.normal(size=weight.shape))
    return model


def test_emojify_has_the_documented_weights_over_frozen_vectors():
    model = emojify(words=WORDS, length=10, classes=5, vectors=VECTORS)
    assert size(model.trainable_weights) == 223_877
    assert size(model.non_trainable_weights) == WORDS * 50
    own = emojify(words=WORDS, length=10, classes=5)
    assert size(own.trainable_weights) == 223_877 + WORDS * 50


def test_spam_lstm_has_the_documented_weights():
    assert spam_lstm(words=5965, length=12).count_params() == 622_933


def test_imdb_bilstm_by_formula():
    model = imdb_bilstm(words=1000, length=12)
    assert model.count_params() == 1000 * 64 + 2 * lstm(64, 64) + lstm(128, 32) + 33


def test_imdb_ffn_by_formula():
    model = imdb_ffn(words=1000, length=20)
    assert model.count_params() == 1000 * 128 + (20 * 128 + 1) * 64 + 65 * 32 + 33


@pytest.mark.parametrize("build", [emojify, partial(deep_average, weights=COUNTS)])
def test_given_vectors_stay_and_own_ones_are_trained(build):
    for vectors, stay in ((VECTORS, True), (None, False)):
        model = build(words=WORDS, length=6, classes=5, vectors=vectors)
        before = model.get_layer("embedding").get_weights()[0]
        model.compile("adam", "sparse_categorical_crossentropy", run_eagerly=True)
        model.train_on_batch(IDS, np.array([0, 1, 2, 3]))
        assert np.array_equal(model.get_layer("embedding").get_weights()[0], before) == stay
        if stay:
            np.testing.assert_array_equal(before, VECTORS)


MADE = {
    "emojify": lambda length: emojify(words=WORDS, length=length, classes=5, vectors=VECTORS),
    "deep_average": lambda length: deep_average(words=WORDS, length=length, classes=5, weights=COUNTS),
    "imdb_bilstm": lambda length: imdb_bilstm(words=WORDS, length=length),
    "wide": lambda length: wide_and_deep("none", length),
    "wide_and_mean": lambda length: wide_and_deep("mean", length),
    "wide_and_bilstm": lambda length: wide_and_deep("bilstm", length),
    "wide_and_transformer": lambda length: wide_and_deep("transformer", length),
}


@pytest.mark.parametrize("name", MADE)
def test_padding_does_not_change_the_answer(name):
    keras.utils.set_random_seed(0)
    short, long = shaken(MADE[name](6)), MADE[name](10)
    for one, other in zip(short.weights, long.weights, strict=True):
        value = one.numpy()
        if one.shape != other.shape:  # of the transformer's positions, further ones, whatever they are
            value = np.concatenate([value, np.ones((4, value.shape[1]))])
        other.assign(value)
    outputs = short(IDS).numpy()
    assert np.isfinite(outputs).all(), "an empty text is a text"
    assert np.ptp(outputs[:, 0]) > 1e-4
    some = IDS.any(axis=1)
    np.testing.assert_allclose(long(MORE)[some], outputs[some], atol=1e-6)
    np.testing.assert_allclose(short(IDS[:2]), outputs[:2], atol=1e-6)  # nor do the texts beside it


@pytest.mark.parametrize(("reader", "matters"), [("mean", False), ("bilstm", True), ("transformer", True)])
def test_the_order_of_words_matters_to_those_who_read_in_order(reader, matters):
    model = wide_and_deep(reader, ngrams=())
    one, other = model(np.array([[3, 4, 5, 6, 0, 0]])).numpy(), model(np.array([[6, 5, 4, 3, 0, 0]])).numpy()
    assert (abs(one - other).max() > 1e-6) == matters


def test_words_that_do_not_count_are_in_the_first_mean_alone():
    half = np.where(np.arange(WORDS)[:, None] < 5, 1.0, 0.0)
    model = deep_average(words=WORDS, length=6, classes=5, vectors=VECTORS, weights=half)
    means = keras.Model(model.input, model.get_layer("means").output)(IDS[:1]).numpy()
    np.testing.assert_allclose(means[0, :50], VECTORS[[3, 4, 5, 6]].mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(means[0, 50:], VECTORS[[3, 4]].mean(axis=0), rtol=1e-5)
    assert deep_average(words=WORDS, length=6, classes=5, vectors=VECTORS).get_layer("dense").kernel.shape == (50, 64)


def test_the_deep_half_reads_the_beginning_and_the_wide_half_all():
    ids = np.array([[3, 4, 5, 6, 7, 8], [3, 4, 9, 10, 11, 12]])
    deep = wide_and_deep_text(words=WORDS, length=6, read=2, reader="mean", dimension=8, ngrams=())
    np.testing.assert_allclose(*deep(ids).numpy(), rtol=1e-6)
    both = shaken(wide_and_deep_text(words=WORDS, length=6, read=2, reader="mean", dimension=8, buckets=256))
    assert np.ptp(both(ids).numpy()) > 1e-4


def test_characters_are_read_by_the_wide_half_behind_the_words():
    model = wide_and_deep("mean", characters=4)
    model.get_layer("characters").weight.assign(np.random.default_rng(0).normal(size=2**18))
    ids = np.pad(IDS[[0, 0]], ((0, 0), (0, 4)))
    ids[:, 6:] = [[97, 98, 99, 100], [97, 98, 99, 0]]
    one, other = model(ids).numpy()
    assert abs(one - other) > 1e-4
    assert wide_and_deep("none", characters=1)(ids[:, :7]).shape == (2, 1)  # too few for any n-gram of them


def test_log_odds_are_the_mean_of_the_halves():
    model = shaken(wide_and_deep("mean"))
    parts = keras.Model(model.input, [model.get_layer("wide").output, model.get_layer("deep").output])
    wide, deep = (part.numpy() for part in parts(IDS))
    np.testing.assert_allclose(model(IDS), 1 / (1 + np.exp(-(wide + deep) / 2)), rtol=1e-5)
    assert "blend" not in {layer.name for layer in wide_and_deep("none").layers}


@pytest.mark.parametrize("reader", ["bilstm", "transformer"])
def test_a_saved_network_answers_the_same(reader, tmp_path):
    model = shaken(wide_and_deep(reader, characters=4))
    ids = np.pad(IDS, ((0, 0), (0, 4)), constant_values=97)
    model.save(tmp_path / "model.keras")
    np.testing.assert_allclose(keras.saving.load_model(tmp_path / "model.keras")(ids), model(ids), atol=1e-6)
