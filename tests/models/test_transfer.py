"""Each backbone in the smallest size: preprocessing, freezing, batch normalisation, files of weights, heatmaps."""

import os
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.src.legacy.saving import legacy_h5_format

from keras_dl.explaining.heatmap import grad_cam
from keras_dl.models.images import transfer as module
from keras_dl.models.images.transfer import BACKBONES, backbone_of, feature_maps, freeze, load_backbone, transfer

REAL = Path(os.environ.get("KERAS_DL_REAL_DATA", Path(__file__).parents[3] / "shared" / "data"))
IMAGENET = REAL / "mobilenet_v2_0.35_224_imagenet_notop.weights.h5"

PREPROCESSING = {  # what users of keras.applications are told to call
    "MobileNetV2": keras.applications.mobilenet_v2.preprocess_input,
    "InceptionV3": keras.applications.inception_v3.preprocess_input,
    "VGG19": keras.applications.vgg19.preprocess_input,
    "ResNet101": keras.applications.resnet.preprocess_input,
}
LAYERS = {"MobileNetV2": 154, "InceptionV3": 311, "VGG19": 22, "ResNet101": 345}  # the input is one of them


def images(model):
    return np.random.default_rng(0).integers(0, 256, (3, *model.input_shape[1:]), dtype="uint8")


@pytest.fixture(scope="module", params=BACKBONES)
def model(request):
    """Every backbone once, for tests that leave the weights as they are."""
    keras.utils.set_random_seed(0)
    known = BACKBONES[request.param]
    width = {"alpha": 0.35} if known.alphas else {}
    return transfer(backbone=request.param, image_size=known.smallest, classes=3, hidden=8, **width)


@pytest.fixture
def small():
    return transfer(backbone="MobileNetV2", image_size=32, alpha=0.35, hidden=8)


def test_preprocessing_is_that_of_keras_applications(model):
    x = images(model)
    ours = keras.Model(model.input, model.get_layer("preprocessing").output)(x)
    theirs = PREPROCESSING[backbone_of(model).name](np.repeat(x, 3, axis=-1).astype("float32"))
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_a_saved_model_gives_the_same_probabilities(model, tmp_path):
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    probabilities = loaded(images(model)).numpy()
    np.testing.assert_allclose(probabilities, model(images(model)).numpy(), atol=1e-6)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)


def test_training_reaches_the_first_layer_and_leaves_the_statistics(model):
    freeze(model, before=0)
    statistics = {id(w): w.numpy() for w in model.non_trainable_weights}
    first = next(weight for weight in backbone_of(model).trainable_weights if "kernel" in weight.path)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(model(images(model), training=True)[:, 0])
    assert np.abs(tape.gradient(loss, first.value).numpy()).max() > 0
    assert all((weight.numpy() == statistics[id(weight)]).all() for weight in model.non_trainable_weights)


def test_random_weights_let_the_image_through(model):
    features = keras.Model(model.input, model.get_layer("features").output)(images(model)).numpy()
    assert np.isfinite(features).all()
    assert 1e-2 < features.max() < 1e4


def test_the_heatmap_looks_into_the_backbone(model):
    heats = [grad_cam(model, images(model), output) for output in range(3)]
    assert all(heat.shape == images(model).shape[:3] for heat in heats)
    assert np.max(heats) == pytest.approx(1)


@pytest.mark.parametrize("before", [0, 10, 20])
def test_layers_below_the_index_are_frozen_and_the_head_never(model, before):
    network = backbone_of(model)
    assert len(network.layers) == LAYERS[network.name]
    for _ in range(2):
        freeze(model, before=before)
        wanted = [index >= before and not normalises(layer) for index, layer in enumerate(network.layers)]
        assert [layer.trainable for layer in network.layers] == wanted
        assert all(layer.trainable for layer in model.layers)
    for _ in range(2):
        freeze(model, before=None)
        assert not network.trainable_weights
        assert len(model.trainable_weights) == 4
    freeze(model, before=before)
    assert network.trainable_weights


def normalises(layer):
    return isinstance(layer, keras.layers.BatchNormalization)


def test_fitting_leaves_batch_normalisation_as_it_was_after_reloading_too(small, tmp_path):
    freeze(small, before=100)
    small.save(tmp_path / "model.keras")
    model = keras.saving.load_model(tmp_path / "model.keras")
    layers = backbone_of(model).layers
    before = [layer.get_weights() for layer in layers]
    model.compile(keras.optimizers.Adam(1e-2), "binary_crossentropy")
    model.fit(images(model), np.array([[0], [1], [1]]), epochs=2, verbose=0)
    changed = [
        any((now != then).any() for now, then in zip(layer.get_weights(), weights, strict=True))
        for layer, weights in zip(layers, before, strict=True)
    ]
    wanted = [index >= 100 and bool(layer.weights) and not normalises(layer) for index, layer in enumerate(layers)]
    assert changed == wanted


def test_the_head_alone_can_be_trained_on_features(small):
    features = keras.Model(small.input, small.get_layer("features").output)(images(small))
    head = keras.Model(small.get_layer("features").output, small.output)
    for before in (None, 100):
        freeze(head, before=before)
        assert len(head.trainable_weights) == 4
    np.testing.assert_allclose(head(features).numpy(), small(images(small)).numpy(), atol=1e-6)
    with pytest.raises(ValueError, match="has no backbone"):
        backbone_of(head)


def test_the_backbone_sees_the_middle_alone():
    model = transfer(backbone="MobileNetV2", image_size=48, alpha=0.35, crop=2 / 3, hidden=0)
    assert backbone_of(model).input_shape == (None, 32, 32, 3)
    assert "hidden" not in [layer.name for layer in model.layers]
    x = images(model)
    seen = keras.Model(model.input, model.get_layer("preprocessing").output)(x).numpy()
    np.testing.assert_allclose(seen[..., :1], x[:, 8:40, 8:40] / 127.5 - 1, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backbone": "VGG"}, "no backbone 'VGG'; choose from MobileNetV2, InceptionV3"),
        ({"backbone": "InceptionV3", "image_size": 74}, "74 pixels; the smallest size is 75"),
        ({"backbone": "VGG19", "crop": 0.9}, "29 pixels; the smallest size is 32"),
        ({"backbone": "VGG19", "alpha": 0.5}, "only one width: alpha must be 1, not 0.5"),
    ],
)
def test_what_a_backbone_does_not_have(settings, message):
    with pytest.raises(ValueError, match=message):
        transfer(**{"image_size": 32, **settings})


def legacy(network, path):
    """Write weights as keras.applications published them."""
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, network)
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    model = transfer(backbone="MobileNetV2", image_size=64, alpha=0.35, hidden=8)
    network = backbone_of(model)
    network.save_weights(folder / "keras3.weights.h5")
    model.save_weights(folder / "whole.weights.h5")
    legacy(network, folder / "legacy.h5")
    (folder / "cut.h5").write_bytes((folder / "legacy.h5").read_bytes()[:100_000])
    h5py.File(folder / "empty.weights.h5", "w").close()
    return folder, network.get_weights()


@pytest.mark.parametrize("name", ["keras3.weights.h5", "legacy.h5"])
def test_weights_come_from_both_kinds_of_file(files, small, name):
    folder, weights = files
    load_backbone(small, folder / name)
    for ours, theirs in zip(backbone_of(small).get_weights(), weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("name", "settings", "reason"),
    [
        # At this width the first layers are of one shape, so that Keras has loaded some when it stops.
        ("keras3.weights.h5", {"alpha": 0.5}, r"its weights have the shape \(1, 1, 48, 8\), not \(1, 1, 48, 16\)"),
        ("legacy.h5", {"alpha": 0.5}, r"its weights have the shape \(1, 1, 48, 8\), not \(1, 1, 48, 16\)"),
        ("keras3.weights.h5", {"backbone": "VGG19", "alpha": 1.0}, "it has other layers"),
        ("legacy.h5", {"backbone": "VGG19", "alpha": 1.0}, "it has other layers"),
        ("whole.weights.h5", {}, "it has other layers"),
        ("empty.weights.h5", {}, "it has other layers"),
        ("cut.h5", {}, "it is damaged"),
    ],
)
def test_weights_that_do_not_fit_are_never_loaded_in_part(files, name, settings, reason):
    path = files[0] / name
    model = transfer(**{"backbone": "MobileNetV2", "image_size": 32, "alpha": 0.35, **settings})
    before = backbone_of(model).get_weights()
    with pytest.raises(ValueError, match=f"{path} does not fit {backbone_of(model).name} .*: {reason}$") as caught:
        load_backbone(model, path)
    assert "\n" not in str(caught.value)
    for now, then in zip(backbone_of(model).get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_feature_maps_are_those_of_the_backbone(files, tmp_path):
    folder, _ = files
    names = ["block_3_expand_relu", "block_6_expand_relu"]
    maps = feature_maps(
        backbone="MobileNetV2", image_size=64, layers=names, alpha=0.35, weights=folder / "keras3.weights.h5"
    )
    x = np.full((2, 64, 64, 1), 90, "uint8")
    x[1, :32] = 200
    network = module.bare("MobileNetV2", 64, 0.35)
    network.load_weights(folder / "keras3.weights.h5")
    theirs = keras.Model(network.input, [network.get_layer(name).output for name in names])(
        np.repeat(x, 3, axis=-1) / np.float32(127.5) - 1, training=False
    )
    assert maps.output_shape == (None, 16, 16, theirs[0].shape[-1] + theirs[1].shape[-1])
    ours = maps(x).numpy()
    np.testing.assert_allclose(ours[..., : theirs[0].shape[-1]], theirs[0], atol=1e-5)
    enlarged = tf.image.resize(theirs[1], (16, 16)).numpy()
    np.testing.assert_allclose(ours[..., theirs[0].shape[-1] :], enlarged, atol=1e-5)
    maps.save(tmp_path / "maps.keras")
    np.testing.assert_allclose(keras.saving.load_model(tmp_path / "maps.keras")(x), ours, atol=1e-6)


def test_feature_maps_of_one_layer_and_of_none():
    one = feature_maps(backbone="VGG19", image_size=32, layers=["block2_conv1"])
    assert one.output_shape == (None, 16, 16, 128)
    assert not one.trainable_weights
    assert len(one.weights) == 6  # what lies behind the last map is not carried along
    with pytest.raises(ValueError, match="VGG19 has no layer 'block9'"):
        feature_maps(backbone="VGG19", image_size=32, layers=["block2_conv1", "block9"])


@pytest.mark.real
@pytest.mark.skipif(not IMAGENET.exists(), reason=f"no {IMAGENET}")
def test_imagenet_weights_give_features_that_tell_images_apart():
    model = transfer(backbone="MobileNetV2", image_size=224, alpha=0.35)
    features = keras.Model(model.input, model.get_layer("features").output)
    rows, columns = np.indices((224, 224))
    x = np.stack([127 + 120 * np.sin(rows / 9), 127 + 120 * np.sin(columns / 3), rows / 2 + columns / 2])[..., None]
    x = x.astype("uint8")
    random = features(x).numpy()
    load_backbone(model, IMAGENET)
    learned = features(x).numpy()
    assert np.abs(learned - random).max() > 0.5
    assert learned.min() >= 0  # the last activation is a ReLU that ends at 6
    assert learned.max() <= 6
    assert 0.1 < learned.mean() < 2
    assert learned.std(axis=0).mean() > 0.05  # from image to image
