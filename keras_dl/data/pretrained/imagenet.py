"""The weights that keras.applications learned on ImageNet, without the last layer, downloaded once.

Source: the addresses and sums are those of Keras 3.15, Apache 2.0.
"""

from __future__ import annotations

from pathlib import Path

from keras_dl.data.download import cache_folder, fetch
from keras_dl.errors import UsageError

BASE = "https://storage.googleapis.com/tensorflow/keras-applications"
FILES = {  # backbone -> path below BASE, md5
    "InceptionV3": (
        "inception_v3/inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "bcbd6486424b2319ff4ef7d526e38f63",
    ),
    "VGG19": ("vgg19/vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5", "253f8cb515780f3b799900260a226db6"),
    "ResNet101": ("resnet/resnet101_weights_tf_dim_ordering_tf_kernels_notop.h5", "88cf7a10940856eca736dc7b7e228a21"),
    # One file for each width, trained with 224 pixels; Keras has no sums for them.
    "MobileNetV2": ("mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{alpha}_224_no_top.h5", None),
}


def weights(backbone: str, alpha: float = 1.0, *, base: str | None = None) -> Path:
    """Return the file of a backbone's ImageNet weights (.h5), downloaded to the cache unless it is there.

    Args:
        backbone: a name in `keras_dl.models.images.transfer.BACKBONES`.
        alpha: the width of MobileNetV2.
        base: another address that has the same files below it.

    Raises:
        UsageError: if there are no ImageNet weights for this backbone or width.
        KerasDLError: if the file cannot be downloaded, or is not the one expected.
    """
    address, md5 = source(backbone, alpha)
    if base:
        address = address.replace(BASE, base.rstrip("/"), 1)
    return fetch(address, cache_folder() / "imagenet" / address.rpartition("/")[2], md5=md5)


def source(backbone: str, alpha: float = 1.0) -> tuple[str, str | None]:
    """Return the address of a backbone's ImageNet weights, and their md5 where it is known.

    Raises:
        UsageError: if there are none.
    """
    from keras_dl.models.images.transfer import BACKBONES

    if backbone not in FILES:
        raise UsageError(f"there are no ImageNet weights for {backbone!r}; choose from {', '.join(sorted(FILES))}")
    known = BACKBONES[backbone].alphas or (1.0,)
    if alpha not in known:
        widths = ", ".join(f"{width:g}" for width in known)
        raise UsageError(f"there are no ImageNet weights for {backbone} with alpha={alpha:g}; choose from {widths}")
    path, md5 = FILES[backbone]
    return f"{BASE}/{path.format(alpha=float(alpha))}", md5
