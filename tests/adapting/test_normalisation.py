import keras
import numpy as np
import pytest
from keras import layers

from keras_dl.adapting import normalisation
from keras_dl.adapting.normalisation import Statistics


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 1))
    x = layers.Conv2D(3, 3)(image)
    x = layers.ReLU()(layers.BatchNormalization(name="first")(x))
    x = layers.Dropout(0.5)(x)
    x = layers.BatchNormalization(name="second", momentum=0.9)(layers.Conv2D(4, 3)(x))
    x = layers.BatchNormalization(name="frozen", trainable=False)(x)
    return keras.Model(image, layers.Dense(1)(layers.GlobalAveragePooling2D()(x)))


def images(count, seed=0):
    return np.random.default_rng(seed).normal(3, 2, (count, 8, 8, 1)).astype("float32")


def everyone(x):
    return np.full(len(x), 1 / len(x))


def test_the_statistics_are_those_that_each_layer_sees_on_the_new_set(model):
    x = images(60)
    found = normalisation.estimated(model, x, everyone(x), seed=0)
    normalisation.write(model, found)
    for name, one in zip(("first", "second"), found, strict=True):
        seen = keras.Model(model.input, model.get_layer(name).input)(x, training=False).numpy()
        assert one.mean == pytest.approx(seen.mean((0, 1, 2)), abs=1e-4)
        assert one.variance == pytest.approx(seen.var((0, 1, 2)), rel=1e-3)


def test_batches_are_put_together_with_what_is_between_them(model):
    x = images(200)
    x[:100] += 4  # a batch is not as another one, where the order is that of the set
    (first, _) = normalisation.estimated(model, x, everyone(x), seed=0)
    seen = keras.Model(model.input, model.get_layer("first").input)(x).numpy()
    assert first.variance == pytest.approx(seen.var((0, 1, 2)), rel=1e-3)


def test_estimating_leaves_the_model_as_it_was(model):
    x, before = images(30), [weight.numpy() for weight in model.weights]
    rate = model.get_layer("second").momentum
    normalisation.estimated(model, x, everyone(x), seed=0)
    assert all((one == other.numpy()).all() for one, other in zip(before, model.weights, strict=True))
    assert model.get_layer("second").momentum == rate
    assert [layer.rate for layer in model.layers if isinstance(layer, layers.Dropout)] == [0.5]


def test_frozen_layers_keep_the_statistics_of_their_pretraining(model):
    assert [layer.name for layer in normalisation.layers_of(model)] == ["first", "second"]


def test_where_two_sets_are_alike_nothing_is_carried_over():
    own, here = Statistics(np.ones(2), np.full(2, 4.0)), Statistics(np.zeros(2), np.ones(2))
    same = own.carried(here, here, 1.0)
    assert (same.mean == own.mean).all()
    assert (same.variance == own.variance).all()


@pytest.mark.parametrize(("share", "mean", "variance"), [(0.0, 1, 4), (1.0, 3, 36), (0.5, 2, 12)])
def test_a_difference_is_carried_over_in_part(share, mean, variance):
    own = Statistics(np.ones(2), np.full(2, 4.0))
    here, there = Statistics(np.zeros(2), np.ones(2)), Statistics(np.full(2, 2.0), np.full(2, 9.0))
    moved = own.carried(here, there, share)
    assert moved.mean == pytest.approx([mean, mean])
    assert moved.variance == pytest.approx([variance, variance])


def test_classes_are_passed_through_in_the_shares_of_training():
    chances = np.repeat([[0.99, 0.01], [0.01, 0.99]], [10, 90], axis=0)
    each = normalisation.weights(100, chances, np.array([0.5, 0.5]))
    assert each.sum() == pytest.approx(1)
    assert each[:10].sum() == pytest.approx(0.5, abs=0.06)
    assert normalisation.weight(each) < normalisation.weight(normalisation.weights(100, None, None)), "ten count little"


def test_a_small_set_counts_little():
    assert normalisation.weight(np.full(16, 1 / 16)) == pytest.approx(0.2)
    assert normalisation.weight(np.full(6400, 1 / 6400)) == pytest.approx(0.99, abs=0.001)
