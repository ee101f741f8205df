import keras
import numpy as np
import pytest

from keras_dl.models.images.xray_cnn150 import xray_cnn150

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 1), dtype="uint8")


def test_layers_are_those_of_the_document():
    model = xray_cnn150()
    assert [layer.filters for layer in model.layers if isinstance(layer, keras.layers.Conv2D)] == [32, 64, 128, 256]
    assert model.get_layer("flatten").output.shape == (None, 9 * 9 * 256)
    assert sum(isinstance(layer, keras.layers.BatchNormalization) for layer in model.layers) == 4
    trainable = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    assert trainable == 320 + 18_496 + 73_856 + 295_168 + 2 * (32 + 64 + 128 + 256) + 20_736 * 128 + 128 + 129


def test_pooling_before_the_relu_changes_nothing():
    model = xray_cnn150(image_size=32)
    convolution, relu = (model.get_layer(f"block1_{name}").output for name in ("conv", "relu"))
    before, after = keras.Model(model.input, [convolution, relu])(IMAGES)
    written = keras.layers.MaxPooling2D()(keras.layers.ReLU()(before))
    np.testing.assert_array_equal(after, written)


def test_probabilities_of_one_class_and_of_several():
    one = xray_cnn150(image_size=32)(IMAGES).numpy()
    assert one.shape == (4, 1)
    assert ((one > 0) & (one < 1)).all()
    assert xray_cnn150(image_size=32, classes=3)(IMAGES).numpy().sum(axis=1) == pytest.approx(np.ones(4), abs=1e-6)


def test_it_learns():
    keras.utils.set_random_seed(0)
    model = xray_cnn150(image_size=32, dropout=0.1)
    x = np.concatenate([IMAGES // 2, 255 - IMAGES // 2])
    model.compile(keras.optimizers.Adam(1e-3), "binary_crossentropy")
    losses = model.fit(x, np.repeat([[0], [1]], 4, axis=0), epochs=12, verbose=0).history["loss"]
    assert losses[-1] < losses[0] / 4
