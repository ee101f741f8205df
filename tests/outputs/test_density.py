"""Maps of density: their sum is the number, the loss `missing` against plain NumPy, and the map as an explanation."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from counted_images import picture

from keras_dl.inputs.image import ImageInput
from keras_dl.layers.losses import missing
from keras_dl.outputs.density import Density
from keras_dl.outputs.number import Number
from keras_dl.task import Config
from keras_dl.task.blocks import Picture
from keras_dl.task.kinds import Target

MAP = Density("cells")
ASSETS = {"edges": [20.0], "most": 40.0, "radius": 2.0, "coverage": 0.9}
RANDOM = np.random.default_rng(0)


def maps(*shape, unknown=0.0, seed=0):
    """Maps of density with some unknown places."""
    random = np.random.default_rng(seed)
    found = random.random((*shape, 1)).astype("float32") / 100
    return np.where(random.random(found.shape) < unknown, -1, found).astype("float32")


# The number


@pytest.mark.parametrize("shape", [(3, 16, 24), (1, 8, 8), (2, 40, 8)])
def test_the_number_is_the_sum_of_the_map_of_any_size(shape):
    outputs = maps(*shape)
    wanted = outputs.sum(axis=(1, 2, 3))
    np.testing.assert_allclose(MAP.reduced(outputs)[:, 0], wanted, rtol=1e-5)
    answered = MAP.respond(outputs, ASSETS)
    np.testing.assert_allclose(answered["number"], wanted, rtol=1e-5)
    for name, value in MAP.respond(MAP.reduced(outputs), ASSETS).items():
        np.testing.assert_allclose(answered[name], value, rtol=1e-6)
    assert MAP.respond(-outputs, ASSETS)["number"].numpy().tolist() == [0] * shape[0]
    np.testing.assert_array_equal(MAP.signatures(outputs, ASSETS)["density"], outputs)
    assert MAP.large == ("density",)


def test_sums_of_symbolic_maps_are_known_to_keras():
    assert MAP.reduced(keras.KerasTensor((None, None, None, 1))).shape == (None, 1)


def test_in_all_else_it_is_a_number():
    plain = Number("cells")
    truth = np.arange(40.0)
    both = (one.fit(truth, truth[:, None] + 1, Config(), range(40)) for one in (MAP, plain))
    assert next(both) == next(both)
    assert MAP.alike(ASSETS) == plain.alike(ASSETS), "runs of both can be compared"
    assert MAP.names(ASSETS) == plain.names(ASSETS)


# The loss


def at_stride(true, stride):
    """Add up squares of a map in plain NumPy; a square with an unknown place is unknown."""
    count, height, width, _ = true.shape
    squares = true.reshape(count, height // stride, stride, width // stride, stride)
    known = (squares >= 0).all(axis=(2, 4))[..., None]
    return known, np.where(squares < 0, 0, squares).sum(axis=(2, 4))[..., None]


@pytest.mark.parametrize("unknown", [0, 0.02, 1])
@pytest.mark.parametrize("stride", [1, 2, 8])
def test_what_is_missing_is_counted_where_it_is_known(stride, unknown):
    true, predicted = maps(3, 32, 48, unknown=unknown), maps(3, 32 // stride, 48 // stride, seed=1)
    known, there = at_stride(true, stride)
    got = missing(tf.constant(true), tf.constant(predicted))
    np.testing.assert_array_equal(got[0], known)
    np.testing.assert_allclose(got[1], np.where(known, there - predicted, 0), atol=1e-6)
    assert 0 < known.mean() < 1 or unknown != 0.02


def test_numbers_are_missing_as_numbers():
    true, predicted = np.float32([[3], [5]]), maps(2, 4, 6)
    known, error = missing(tf.constant(true), tf.constant(predicted))
    np.testing.assert_array_equal(known, [[1], [1]])
    np.testing.assert_allclose(error, true - predicted.sum(axis=(1, 2)), rtol=1e-5)
    drawn = maps(2, 8, 8, unknown=0.1)
    known, error = missing(tf.constant(drawn), tf.constant(true))
    np.testing.assert_array_equal(known, [[1], [1]])
    np.testing.assert_allclose(error, np.maximum(drawn, 0).sum(axis=(1, 2)) - true, rtol=1e-5)


def compiled(kind, stride=1, **options):
    """A network that gives its own weights as the map of a 32 x 48 px image, compiled by a kind of output."""
    image = keras.Input((None, None, 1))
    layer = keras.layers.Conv2D(1, stride, strides=stride, kernel_initializer="ones", bias_initializer="ones")
    model = keras.Model(image, layer(image))
    kind.compile(model, keras.optimizers.SGD(0.0), **options)
    return model


@pytest.mark.parametrize("stride", [1, 2, 8])
@pytest.mark.parametrize(("kind", "scale"), [(MAP, 100.0), (Number("cells"), 1.0)])
@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_loss_and_error_are_those_of_the_formulas(kind, scale, weight, stride):
    model, true = compiled(kind, stride, count_weight=weight), maps(2, 32, 48, unknown=0.01)
    images = RANDOM.random((2, 32, 48, 1)).astype("float32")
    known, there = at_stride(true, stride)
    error = np.where(known, there - model(images).numpy(), 0).astype(float)
    missed = error.sum(axis=(1, 2, 3))
    wanted = ((scale * error) ** 2).sum() / known.sum() + weight * np.mean(missed**2)
    got = model.evaluate(images, true, verbose=0, return_dict=True)
    assert got["loss"] == pytest.approx(wanted, rel=1e-3)
    assert got["mae"] == pytest.approx(np.abs(missed).mean(), rel=1e-3)


@pytest.mark.parametrize("unknown", [0, 0.3, 1])
@pytest.mark.parametrize("stride", [1, 8])
def test_gradients_are_finite_and_come_from_known_places_alone(stride, unknown):
    model, true = compiled(MAP, stride), maps(2, 32, 48, unknown=unknown)
    with tf.GradientTape() as tape:
        images = tf.ones((2, 32, 48, 1))
        loss = model.compute_loss(x=images, y=tf.constant(true), y_pred=model(images))
    for gradient in tape.gradient(loss, [weight.value for weight in model.trainable_weights]):
        assert np.isfinite(gradient).all()
        assert np.any(gradient) == at_stride(true, stride)[0].any()


def test_numbers_are_trained_by_their_squared_error():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="ones")])
    Number("cells").compile(model, keras.optimizers.SGD(0.0))
    got = model.evaluate(np.float32([[1, 2], [3, 4]]), np.float32([[5], [4]]), verbose=0, return_dict=True)
    assert got["loss"] == pytest.approx((2**2 + 3**2) / 2)
    assert got["mae"] == pytest.approx(2.5)


# The map as an explanation


def test_the_map_is_shown_beside_the_image_whatever_its_size():
    image = keras.Input((None, None, 3), dtype="uint8")
    model = keras.Model(image, keras.layers.Rescaling(1 / 255)(image)[..., 2:])
    run = SimpleNamespace(model=model, config=None, assets={}, task=SimpleNamespace(input=ImageInput(multiple=8)))
    method = MAP.methods()["density"]
    raws = [picture(0, 40, 32), picture(1, 64, 48)]
    blocks = method.explain(run, raws, [Target(0, "a higher number of cells")] * 2, False)
    assert len(blocks) == 2
    assert all(isinstance(block, Picture) for block in blocks)
    assert "adds up to the answer" in method.legend
