"""ImageNet weights: the addresses and sums of keras.applications, downloaded once from a server on this machine."""

import keras
import pytest
from file_server import serving_files
from keras.src.applications import inception_v3, mobilenet_v2, resnet, vgg19

from keras_dl.data.pretrained import imagenet
from keras_dl.errors import KerasDLError, UsageError

MOBILENET = "mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5"
EMPTY = "d41d8cd98f00b204e9800998ecf8427e"  # the md5 of nothing


@pytest.fixture
def server(tmp_path):
    """The folder of a server, and its address."""
    folder = tmp_path / "server"
    (folder / "mobilenet_v2").mkdir(parents=True)
    with serving_files(folder) as site:
        yield folder, f"{site.base}/"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_DL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Asked(Exception):  # noqa: N818 - no error: how keras.applications is stopped before it downloads
    pass


@pytest.mark.parametrize(
    ("module", "backbone", "settings"),
    [
        (inception_v3, "InceptionV3", {}),
        (vgg19, "VGG19", {}),
        (resnet, "ResNet101", {}),
        *((mobilenet_v2, "MobileNetV2", {"alpha": alpha}) for alpha in (0.35, 0.5, 1.0, 1.4)),
    ],
)
def test_addresses_and_sums_are_those_of_keras_applications(monkeypatch, module, backbone, settings):
    def get_file(name, origin, file_hash=None, **_):
        raise Asked(origin, file_hash)

    monkeypatch.setattr(module.file_utils, "get_file", get_file)
    with pytest.raises(Asked) as asked:
        getattr(keras.applications, backbone)(include_top=False, input_shape=(224, 224, 3), **settings)
    assert imagenet.source(backbone, **settings) == asked.value.args


def test_weights_are_downloaded_once(server, cache):
    folder, base = server
    (folder / MOBILENET).write_bytes(b"weights")
    path = imagenet.weights("MobileNetV2", 0.35, base=base)
    assert path.parent == cache / "imagenet"
    assert path.read_bytes() == b"weights"
    (folder / MOBILENET).unlink()
    assert imagenet.weights("MobileNetV2", 0.35, base=base) == path


def test_the_part_of_an_interrupted_download_does_no_harm(server, cache):
    folder, base = server
    (folder / MOBILENET).write_bytes(b"weights")
    (cache / "imagenet").mkdir(parents=True)
    (cache / "imagenet" / f"{MOBILENET.rpartition('/')[2]}.part").write_bytes(b"wei")
    assert imagenet.weights("MobileNetV2", 0.35, base=base).read_bytes() == b"weights"


def test_sums_are_checked_where_keras_has_them(server, monkeypatch):
    folder, base = server
    (folder / "vgg19.h5").write_bytes(b"weights")
    monkeypatch.setitem(imagenet.FILES, "VGG19", ("vgg19.h5", EMPTY))
    with pytest.raises(KerasDLError, match=f"its md5 is not the expected {EMPTY}"):
        imagenet.weights("VGG19", base=base)
    (folder / "vgg19.h5").write_bytes(b"")
    assert imagenet.weights("VGG19", base=base).read_bytes() == b""


def test_without_a_known_sum_the_first_one_holds(server):
    folder, base = server
    (folder / MOBILENET).write_bytes(b"weights")
    imagenet.weights("MobileNetV2", 0.35, base=base).write_bytes(b"damaged")
    assert imagenet.weights("MobileNetV2", 0.35, base=base).read_bytes() == b"weights"


@pytest.mark.parametrize(
    ("backbone", "alpha", "message"),
    [
        ("MobileNetV2", 0.4, "for MobileNetV2 with alpha=0.4; choose from 0.35, 0.5, 0.75, 1, 1.3, 1.4"),
        ("VGG19", 0.5, "for VGG19 with alpha=0.5; choose from 1"),
        ("VGG18", 1.0, "for 'VGG18'; choose from InceptionV3, MobileNetV2, ResNet101, VGG19"),
    ],
)
def test_weights_that_imagenet_does_not_have(backbone, alpha, message):
    with pytest.raises(UsageError, match=message):
        imagenet.weights(backbone, alpha)
