import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_dl.models.images.xray_cnn import xray_cnn


def test_parameters_are_those_of_the_document_layer_by_layer():
    model = xray_cnn()
    counts = {layer.name: sum(int(np.prod(w.shape)) for w in layer.trainable_weights) for layer in model.layers}
    assert {name: count for name, count in counts.items() if count} == {
        "block1_conv": 320, "block1_norm": 64, "block2_conv": 18_496, "block2_norm": 128,
        "block3_conv": 73_856, "block3_norm": 256, "block4_conv": 295_168, "block4_norm": 512,
        "dense1": 4_194_560, "dense2": 32_896, "logits": 129,
    }  # fmt: skip
    assert sum(counts.values()) == 4_616_385


def test_several_classes_end_in_a_softmax():
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 1), dtype="uint8")
    probabilities = xray_cnn(image_size=32, classes=3)(images).numpy()
    assert probabilities.sum(axis=1) == pytest.approx([1, 1], abs=1e-6)


def test_first_weights_are_drawn_as_pytorch_draws_them():
    keras.utils.set_random_seed(0)
    kernel, bias = xray_cnn().get_layer("dense1").get_weights()
    assert np.abs(kernel).max() == pytest.approx(1 / 128, rel=1e-3)  # 1 / sqrt(fan in of 16,384)
    assert kernel.std() == pytest.approx(1 / 128 / np.sqrt(3), rel=1e-2)
    assert 0 < np.abs(bias).max() <= 1 / 128


def test_pooling_before_the_relu_changes_neither_outputs_nor_gradients():
    model = xray_cnn(image_size=32)
    pool, relu = (model.get_layer(f"block1_{name}") for name in ("pool", "relu"))
    assert pool.input is model.get_layer("block1_norm").output
    assert relu.input is pool.output
    drawn = np.random.default_rng(0).integers(-2, 3, (4, 32, 32, 32)).astype("float32")  # with equal ones in a window
    found = []
    for first, second in ((pool, relu), (relu, pool)):
        before = tf.Variable(drawn)
        with tf.GradientTape() as tape:
            after = second(first(before))
            loss = tf.reduce_sum(after * tf.cast(tf.range(tf.shape(after)[-1]), "float32"))
        found.append((after, tape.gradient(loss, before)))
    (ours, ours_gradient), (written, written_gradient) = found
    np.testing.assert_array_equal(ours, written)
    np.testing.assert_array_equal(ours_gradient, written_gradient)
    assert np.any(ours_gradient)


def test_weights_ported_from_pytorch_give_the_same_outputs():
    torch = pytest.importorskip("torch", reason="compares with PyTorch: pip install 'keras-dl[bench]'")
    torch.manual_seed(0)
    blocks = []
    for before, after in ((1, 32), (32, 64), (64, 128), (128, 256)):
        convolution = torch.nn.Conv2d(before, after, 3, padding=1)
        norm = torch.nn.BatchNorm2d(after)
        blocks += [convolution, norm, torch.nn.ReLU(), torch.nn.MaxPool2d(2), torch.nn.Dropout(0.25)]
    dense = [torch.nn.Linear(16384, 256), torch.nn.Linear(256, 128), torch.nn.Linear(128, 1)]
    rest = [torch.nn.Flatten(), dense[0], torch.nn.ReLU(), torch.nn.Dropout(), dense[1], torch.nn.ReLU()]
    theirs = torch.nn.Sequential(*blocks, *rest, torch.nn.Dropout(), dense[2], torch.nn.Sigmoid())
    images = np.random.default_rng(0).integers(0, 256, (8, 128, 128, 1), dtype="uint8")
    batch = torch.from_numpy(images.transpose(0, 3, 1, 2)).float() / 255
    with torch.no_grad():
        for layer in dense:
            layer.weight.mul_(6)  # as drawn they give all images nearly the same probability
    theirs.train()(batch)  # moves the running statistics away from 0 and 1
    ours = xray_cnn()
    ported = zip([m for m in theirs if list(m.parameters())], [w for w in ours.layers if w.weights], strict=True)
    for source, target in ported:
        weight, bias = source.weight.detach().numpy(), source.bias.detach().numpy()
        if isinstance(source, torch.nn.Conv2d):
            target.set_weights([weight.transpose(2, 3, 1, 0), bias])
        elif isinstance(source, torch.nn.BatchNorm2d):
            target.set_weights([weight, bias, source.running_mean.numpy(), source.running_var.numpy()])
        elif target.name == "dense1":  # PyTorch flattens channels first
            target.set_weights([weight.reshape(256, 256, 8, 8).transpose(2, 3, 1, 0).reshape(16384, 256), bias])
        else:
            target.set_weights([weight.T, bias])
    with torch.no_grad():
        wanted = theirs.eval()(batch).numpy()
    assert wanted.std() > 1e-2
    np.testing.assert_allclose(ours(images, training=False), wanted, atol=1e-4)
