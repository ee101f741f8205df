"""Networks with the weights that a setting names: ImageNet's, those of a file, or none."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from keras_dl.data.pretrained import imagenet
from keras_dl.errors import KerasDLError, UsageError
from keras_dl.paths import at_home

if TYPE_CHECKING:
    import keras


def build(
    *,
    backbone: str,
    weights: str,
    image_size: int,
    classes: int = 1,
    alpha: float = 1.0,
    crop: float = 1.0,
    hidden: int = 128,
    dropout: float = 0.5,
    unfreeze: int = 0,
) -> keras.Model:
    """Build the network of `keras_dl.models.images.transfer.transfer` with the weights that `weights_file` finds.

    `unfreeze` is the first layer of the backbone that a later phase will train: it must have that layer.
    Raises UsageError for settings that the backbone does not have or a file that is not for it, and KerasDLError where
    the weights cannot be downloaded.
    """
    from keras_dl.models.images.transfer import backbone_of, load_backbone, transfer

    check(backbone=backbone, weights=weights, image_size=image_size, alpha=alpha, crop=crop)
    model = transfer(
        backbone=backbone,
        image_size=image_size,
        classes=classes,
        alpha=alpha,
        crop=crop,
        hidden=hidden,
        dropout=dropout,
    )
    last = len(backbone_of(model).layers) - 1
    if unfreeze > last:
        raise UsageError(
            f"unfreeze={unfreeze}, but the last layer of {backbone} is {last}; --set unfreeze=0 trains all"
        )
    if path := weights_file(weights, backbone, alpha):
        with fitting(backbone, alpha):
            load_backbone(model, path)
    return model


def feature_maps(
    *, backbone: str, weights: str, image_size: int, layers: Sequence[str], alpha: float = 1.0
) -> keras.Model:
    """Build the network of `keras_dl.models.images.transfer.feature_maps` with the weights that `weights_file` finds.

    Raises UsageError and KerasDLError as `build` does.
    """
    from keras_dl.models.images import transfer

    check(backbone=backbone, weights=weights, image_size=image_size, alpha=alpha)
    path = weights_file(weights, backbone, alpha)
    with fitting(backbone, alpha):
        return transfer.feature_maps(backbone=backbone, image_size=image_size, layers=layers, alpha=alpha, weights=path)


def check(*, backbone: str, weights: str, image_size: int, alpha: float = 1.0, crop: float = 1.0) -> None:
    """Raise UsageError, before anything is built or downloaded, for settings that cannot be."""
    from keras_dl.models.images.transfer import BACKBONES

    if backbone not in BACKBONES:
        raise UsageError(f"backbone={backbone} does not exist; choose from {', '.join(BACKBONES)}")
    known = BACKBONES[backbone]
    if round(crop * image_size) < known.smallest:
        least = math.ceil(known.smallest / crop)
        cropped = f" with crop={crop:g}" if crop < 1 else ""
        raise UsageError(f"image_size={image_size} is too small for {backbone}{cropped}; use --set image_size={least}")
    if alpha != 1 and not known.alphas:
        raise UsageError(f"alpha={alpha:g}: {backbone} has only one width; use --set alpha=1")
    if weights == "imagenet":
        imagenet.source(backbone, alpha)
    elif weights != "none":
        given_file(weights)


def weights_file(weights: str, backbone: str, alpha: float = 1.0) -> Path | None:
    """Return the file that the setting `weights` names; None for random weights.

    Args:
        weights: "imagenet" (downloaded once), "none", or the path of a .h5 or .weights.h5 file.
        backbone: a name in `keras_dl.models.images.transfer.BACKBONES`.
        alpha: the width of MobileNetV2.

    Raises:
        UsageError: if there is no such file, it is no HDF5 file, or ImageNet has no weights of this width.
        KerasDLError: if the weights cannot be downloaded; it names the other choices.
    """
    if weights == "none":
        return None
    if weights != "imagenet":
        return given_file(weights)
    try:
        return imagenet.weights(backbone, alpha)
    except UsageError:
        raise
    except KerasDLError as error:
        raise KerasDLError(
            f"{error}. weights=imagenet needs a network connection once; or download this file by hand and "
            "--set weights=PATH (.h5 or .weights.h5); or --set weights=none for random weights"
        ) from error


def given_file(weights: str) -> Path:
    """Return the path of a file of weights; UsageError where it cannot be one."""
    import h5py

    path = at_home(weights)
    if not path.is_file():
        raise UsageError(f"weights={weights}: there is no such file; use imagenet, none, or a .h5 or .weights.h5 file")
    if path.suffix != ".h5" or not h5py.is_hdf5(path):
        raise UsageError(f"weights={weights} is not an HDF5 file; use imagenet, none, or a .h5 or .weights.h5 file")
    return path


def provenance(*, backbone: str, weights: str, image_size: int, alpha: float = 1.0, crop: float = 1.0) -> str:
    """Make sure that a backbone can be built and its weights are there, and say for the card which they are.

    Raises UsageError and KerasDLError as `check` and `weights_file` do.
    """
    check(backbone=backbone, weights=weights, image_size=image_size, alpha=alpha, crop=crop)
    path = weights_file(weights, backbone, alpha)
    if path is None:
        return f"{backbone}, random weights, not trained on ImageNet"
    with path.open("rb") as file:
        return f"{backbone}, {path.name}, sha256 {hashlib.file_digest(file, 'sha256').hexdigest()}"


@contextmanager
def fitting(backbone: str, alpha: float) -> Iterator[None]:
    """Turn the error of weights or layers that do not fit into one for the person who named them."""
    try:
        yield
    except ValueError as error:
        raise UsageError(f"{error} (for backbone={backbone}, alpha={alpha:g}; set these to match the file)") from None
