"""The weights that a setting names: found, downloaded, refused in one line."""

import hashlib

import h5py
import pytest

from keras_dl.data import download
from keras_dl.data.pretrained import imagenet
from keras_dl.errors import KerasDLError, UsageError
from keras_dl.models.images.transfer import backbone_of
from keras_dl.recipes import pretrained

SMALL = {"backbone": "MobileNetV2", "weights": "none", "image_size": 32, "alpha": 0.35, "hidden": 8}


@pytest.fixture(scope="module")
def network():
    return backbone_of(pretrained.build(**SMALL))


@pytest.fixture(scope="module")
def file(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "mine.weights.h5"
    network.save_weights(path)
    return path


def same(model, network):
    pairs = zip(backbone_of(model).get_weights(), network.get_weights(), strict=True)
    return all((ours == theirs).all() for ours, theirs in pairs)


def test_a_file_gives_the_backbone_its_weights(file, network):
    model = pretrained.build(**{**SMALL, "weights": str(file), "classes": 3, "dropout": 0.1})
    assert same(model, network)
    assert model.output_shape == (None, 3)
    assert not same(pretrained.build(**SMALL), network)
    for settings in ({"weights": str(file)}, {"weights": "none"}):
        maps = pretrained.feature_maps(
            **{"backbone": "MobileNetV2", "image_size": 32, "alpha": 0.35, "layers": ["Conv1_relu"]} | settings
        )
        learned = maps.get_layer("MobileNetV2").get_layer("Conv1").get_weights()[0]
        assert (learned == network.get_layer("Conv1").get_weights()[0]).all() == (settings["weights"] != "none")


def test_imagenet_weights_are_taken_from_the_cache(file, network, monkeypatch):
    asked = []
    monkeypatch.setattr(imagenet, "weights", lambda *names: asked.append(names) or file)
    assert same(pretrained.build(**{**SMALL, "weights": "imagenet"}), network)
    assert asked == [("MobileNetV2", 0.35)]


def test_without_network_the_error_names_the_three_choices(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_DL_CACHE", str(tmp_path))
    monkeypatch.setattr(download, "FIRST_PAUSE", 0)
    monkeypatch.setattr(imagenet, "BASE", "http://127.0.0.1:1")
    with pytest.raises(KerasDLError) as caught:
        pretrained.weights_file("imagenet", "VGG19")
    message = str(caught.value)
    assert message.startswith("http://127.0.0.1:1/vgg19/vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5: no connect")
    assert all(f"weights={choice}" in message for choice in ("imagenet", "PATH", "none"))
    assert "\n" not in message
    assert not isinstance(caught.value, UsageError)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backbone": "VGG"}, "backbone=VGG does not exist; choose from MobileNetV2, InceptionV3, VGG19, ResNet101"),
        ({"image_size": 31}, "image_size=31 is too small for MobileNetV2; use --set image_size=32"),
        (
            {"backbone": "InceptionV3", "alpha": 1, "image_size": 100, "crop": 0.7},
            "image_size=100 is too small for InceptionV3 with crop=0.7; use --set image_size=108",
        ),
        ({"backbone": "ResNet101"}, "alpha=0.35: ResNet101 has only one width; use --set alpha=1"),
        (
            {"weights": "imagenet", "alpha": 0.4},
            "no ImageNet weights for MobileNetV2 with alpha=0.4; choose from 0.35",
        ),
        ({"weights": "image-net"}, "weights=image-net: there is no such file; use imagenet, none, or a .h5"),
        ({"backbone": "VGG19", "alpha": 1, "unfreeze": 22}, "unfreeze=22, but the last layer of VGG19 is 21; --set"),
    ],
)
def test_settings_that_cannot_be_are_refused_in_one_line(settings, message):
    with pytest.raises(UsageError) as caught:
        pretrained.build(**{**SMALL, **settings})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_least_image_size_that_is_named_is_enough():
    model = pretrained.build(backbone="InceptionV3", weights="none", image_size=108, crop=0.7)
    assert backbone_of(model).input_shape[1] >= 75


def test_any_width_is_fine_with_random_weights():
    pretrained.check(backbone="MobileNetV2", weights="none", image_size=32, alpha=0.4)


@pytest.mark.parametrize("name", ["notes.h5", "weights.txt", "folder.h5"])
def test_a_path_that_is_no_file_of_weights(tmp_path, name):
    (tmp_path / "folder.h5").mkdir()
    (tmp_path / "notes.h5").write_text("hello")
    h5py.File(tmp_path / "weights.txt", "w").close()
    with pytest.raises(UsageError, match=f"weights={tmp_path / name}.* use imagenet, none, or a .h5 or .weights.h5"):
        pretrained.weights_file(str(tmp_path / name), "MobileNetV2")


def test_a_file_for_another_width_says_what_differs(file):
    with pytest.raises(UsageError, match=r"mine.*\(1, 1, 48, 8\), not .*\(for backbone=MobileNetV2, alpha=0.5; set"):
        pretrained.build(**{**SMALL, "weights": str(file), "alpha": 0.5})


def test_a_layer_that_is_not_there(file):
    with pytest.raises(UsageError, match="MobileNetV2 has no layer 'block9'"):
        pretrained.feature_maps(
            backbone="MobileNetV2", weights="none", image_size=32, alpha=0.35, layers=["Conv1", "block9"]
        )


def test_the_home_folder_may_be_written_as_a_tilde(file, monkeypatch):
    monkeypatch.setenv("HOME", str(file.parent))
    assert pretrained.weights_file(f"~/{file.name}", "MobileNetV2") == file


def test_provenance_names_the_file_and_its_sum(file):
    random = pretrained.provenance(backbone="VGG19", weights="none", image_size=64)
    assert random == "VGG19, random weights, not trained on ImageNet"
    named = pretrained.provenance(backbone="VGG19", weights=str(file), image_size=64)
    assert named == f"VGG19, {file.name}, sha256 {hashlib.sha256(file.read_bytes()).hexdigest()}"
