"""The bag of n-grams against a count in plain Python and against scikit-learn."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

from keras_dl.layers.ngrams import NGramBag

IDS = np.random.default_rng(0).integers(1, 6, (12, 7)).astype("int32")
IDS[0] = 0  # an empty text
IDS[1, 1:] = 0
IDS[2] = 3  # one word, again and again
for row, words in enumerate((2, 3, 4, 5, 6), 3):
    IDS[row, words:] = 0
LABELS = np.array([0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1])
ORDERS = (1, 2, 3)


def grams(row, orders=ORDERS):
    """Return the n-grams of a text, in order, without those that reach into the padding."""
    words = [word for word in row.tolist() if word]
    return [tuple(words[at : at + order]) for order in orders for at in range(len(words) - order + 1)]


def bag(scale="naive_bayes", orders=ORDERS, buckets=2**20, weight=1.0):
    """A bag whose weights are all the same, so that it adds up the scales."""
    layer = NGramBag(orders, buckets, scale)
    layer.build((None, IDS.shape[1]))
    layer.weight.assign(np.full(buckets, weight, "float32"))
    return layer


def test_each_distinct_ngram_is_counted_once_and_padding_never():
    wanted = [len(set(grams(row))) for row in IDS]
    assert wanted[:3] == [0, 1, 3]
    np.testing.assert_allclose(bag()(IDS)[:, 0], wanted)
    np.testing.assert_allclose(bag(orders=(2,))(IDS)[:, 0], [len(set(grams(row, (2,)))) for row in IDS])


def test_padding_more_changes_nothing():
    layer = bag("idf")
    layer.fit(IDS, LABELS)
    np.testing.assert_allclose(layer(np.pad(IDS, ((0, 0), (0, 4)))), layer(IDS), rtol=1e-6)


def test_the_order_of_words_is_in_the_longer_ngrams_alone():
    one, other = np.array([[2, 3, 4]]), np.array([[4, 3, 2]])
    random = np.random.default_rng(1).normal(size=2**20).astype("float32")
    for orders, same in (((1,), True), ((1, 2), False)):
        layer = bag(orders=orders)
        layer.weight.assign(random)
        assert np.allclose(layer(one), layer(other), rtol=1e-5) == same


def test_naive_bayes_is_the_logarithm_of_two_shares():
    layer = bag()
    layer.fit(IDS, LABELS, batch=5)
    counts = [{}, {}]
    for row, label in zip(IDS, LABELS, strict=True):
        for gram in set(grams(row)):
            counts[label][gram] = counts[label].get(gram, 0) + 1
    wholes = [sum(one.values()) + layer.buckets for one in counts]

    def scale(gram):
        return np.log((counts[1].get(gram, 0) + 1) / wholes[1] / ((counts[0].get(gram, 0) + 1) / wholes[0]))

    wanted = [sum(scale(gram) for gram in set(grams(row))) for row in IDS]
    np.testing.assert_allclose(layer(IDS)[:, 0], wanted, rtol=1e-4, atol=1e-5)
    assert len(set(np.round(layer.scales.numpy(), 5))) > 3


def test_idf_is_that_of_scikit_learn_in_rows_of_one_length():
    layer = bag("idf")
    layer.fit(IDS, LABELS, batch=5)
    counts = CountVectorizer(analyzer=grams, binary=True).fit_transform(IDS)
    rows = TfidfTransformer().fit_transform(counts)
    np.testing.assert_allclose(layer(IDS)[:, 0], rows.toarray().sum(axis=1), rtol=1e-4, atol=1e-5)


def test_where_there_are_few_places_ngrams_share_them():
    layer = bag(buckets=4)
    places = np.asarray(layer.places(IDS))
    assert set(np.unique(places)) <= {0, 1, 2, 3}
    assert layer(IDS).numpy().max() <= 3
    assert not places[0].any()


def test_a_text_shorter_than_its_ngrams_has_none_of_them():
    layer = bag(orders=(1, 9))
    np.testing.assert_allclose(layer(IDS), bag(orders=(1,))(IDS))
    np.testing.assert_allclose(bag(orders=(8, 9))(IDS), np.zeros((12, 1)))


@pytest.mark.parametrize("scale", ["naive_bayes", "idf"])
def test_the_answer_is_linear_in_the_weights_and_their_gradient_says_so(scale):
    layer = bag(scale)
    layer.fit(IDS, LABELS)
    weights = np.random.default_rng(1).normal(size=layer.buckets).astype("float32")
    layer.weight.assign(weights)
    layer.bias.assign([0.5])
    with tf.GradientTape() as tape:
        answer = layer(IDS[5:6])
    gradient, bias = tape.gradient(answer, [layer.weight.value, layer.bias.value])
    gradient = tf.convert_to_tensor(gradient).numpy()
    assert np.count_nonzero(gradient) <= len(set(grams(IDS[5])))
    assert gradient @ weights + 0.5 == pytest.approx(answer.numpy().item(), rel=1e-4)
    assert bias.numpy() == [1]
    assert [one.name for one in layer.trainable_weights] == ["weight", "bias"]


def test_a_saved_bag_gives_the_same(tmp_path):
    layer = NGramBag((1, 3), 64, "idf", name="wide")
    inputs = keras.Input((7,), dtype="int32")
    model = keras.Model(inputs, layer(inputs))
    layer.fit(IDS, LABELS)
    layer.weight.assign(np.arange(64, dtype="float32"))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(IDS), layer(IDS))
    assert loaded.get_layer("wide").get_config() == layer.get_config()
    assert layer.compute_output_shape((5, 7)) == (5, 1)
