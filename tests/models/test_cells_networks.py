"""The three networks that count cells: sizes, any image size, sums over parts, saving, and one small map of each."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_dl.models.images.cells_cnn import cells_cnn
from keras_dl.models.images.cells_deep import cells_deep
from keras_dl.models.images.cells_unet import cells_unet

BUILD = {
    "cnn": cells_cnn,
    "flatten": lambda: cells_cnn(head="flatten"),
    "deep": cells_deep,
    "unet": cells_unet,
}
ANY_SIZE = ["cnn", "deep", "unet"]
PARAMETERS = {"cnn": 101_569, "flatten": 4_287_809, "deep": 222_561, "unet": 122_369}
EDGE = {"cnn": 10, "deep": 42, "unet": 28}  # pixels: half of what the network sees around a place


def images(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype="uint8")


def shaken(model):
    """Return the model with weights that say something: those that begin at zero, and its statistics too."""
    random = np.random.default_rng(0)
    for weight in model.weights:
        value = np.asarray(weight)
        if not value.any() or "moving" in weight.path:
            weight.assign(value + 0.05 * random.random(value.shape).astype("float32"))
    return model


def total(model, batch):
    """Return the count of each image, from a number or from a map."""
    found = model(batch, training=False).numpy()
    return found.reshape(len(found), -1).sum(axis=1, dtype=float)


@pytest.mark.parametrize("name", BUILD)
def test_parameters_are_those_documented(name):
    model = BUILD[name]()
    assert model.count_params() == PARAMETERS[name]
    assert f"{PARAMETERS[name]:,}" in {"flatten": cells_cnn, "cnn": cells_cnn}.get(name, BUILD[name]).__doc__


@pytest.mark.parametrize("name", BUILD)
@pytest.mark.parametrize("shape", [(1, 32, 32), (2, 40, 96), (3, 64, 48)])
def test_images_of_any_size_are_counted(name, shape):
    model = shaken(BUILD[name]())
    found = model(images(*shape), training=False)
    assert found.shape == ((*shape, 1) if name == "unet" else (shape[0], 1))
    assert found.dtype == tf.float32
    assert np.isfinite(found).all()
    assert model.inputs[0].dtype == "uint8"
    assert model.input_shape == (None, None, None, 3)


@pytest.mark.parametrize("name", BUILD)
def test_a_network_is_saved_and_opened_without_code_of_its_own(name, tmp_path):
    model, batch = shaken(BUILD[name]()), images(2, 48, 64)
    model.save(tmp_path / "model.keras")
    opened = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True, compile=False)
    np.testing.assert_array_equal(opened(batch, training=False), model(batch, training=False))
    assert not any(isinstance(layer, keras.layers.Lambda) for layer in model.layers)


@pytest.mark.parametrize("name", ANY_SIZE)
def test_a_network_answers_alike_in_a_graph_of_any_size(name):
    model = shaken(BUILD[name]())
    graph = tf.function(
        lambda batch: model(batch, training=False), input_signature=[tf.TensorSpec((None, None, None, 3), tf.uint8)]
    )
    for shape in ((1, 40, 48), (2, 64, 32)):
        np.testing.assert_allclose(graph(images(*shape)), model(images(*shape), training=False), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", ANY_SIZE)
def test_two_halves_add_up_to_the_whole_but_for_what_is_near_the_cut(name):
    model, whole = shaken(BUILD[name]()), images(1, 64, 256)
    halves = total(model, whole[:, :, :128])[0] + total(model, whole[:, :, 128:])[0]
    one = total(model, whole)[0]
    assert halves == pytest.approx(one, rel=2 * EDGE[name] / 256)
    assert halves != one or name == "none", "what is near the cut is seen otherwise"


@pytest.mark.parametrize("name", ANY_SIZE)
def test_far_from_a_change_nothing_is_counted_otherwise(name):
    """The count is local: two changes that are far apart add up."""
    model, plain = shaken(BUILD[name]()), images(1, 64, 256)
    left, right = plain.copy(), plain.copy()
    left[:, 24:40, 16:32] = 255
    right[:, 24:40, 224:240] = 0
    both = left.copy()
    both[:, 24:40, 224:240] = 0
    zero, one, other, sum_ = (total(model, batch)[0] for batch in (plain, left, right, both))
    assert one != pytest.approx(zero, rel=1e-6)
    assert sum_ - zero == pytest.approx((one - zero) + (other - zero), rel=1e-2, abs=1e-4 * abs(zero))


@pytest.mark.parametrize("name", ["cnn", "deep"])
def test_training_begins_at_the_mean_count(name):
    model = {"cnn": cells_cnn, "deep": cells_deep}[name](density=0.002)
    assert total(model, images(2, 64, 80)) == pytest.approx([64 * 80 * 0.002] * 2, rel=1e-4)
    places = keras.Model(model.input, model.get_layer("cells").output)(images(1, 64, 80))
    assert places.shape == (1, 8, 10, 1)


def test_the_map_begins_near_nothing():
    assert np.abs(cells_unet()(images(2, 64, 64), training=False)).max() < 0.2


def test_an_unknown_head_is_refused_with_what_is_allowed():
    with pytest.raises(ValueError, match="'mean'; allowed are 'sum', 'flatten'"):
        cells_cnn(head="mean")


@pytest.mark.parametrize("name", BUILD)
def test_every_weight_is_reached_by_the_loss(name):
    model = shaken(BUILD[name]())
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(model(images(2, 64, 64), training=True) - 1.0))
    for weight, gradient in zip(
        model.trainable_weights, tape.gradient(loss, [one.value for one in model.trainable_weights]), strict=True
    ):
        assert gradient is not None, weight.path
        assert np.isfinite(gradient).all(), weight.path
        assert np.any(gradient), weight.path
