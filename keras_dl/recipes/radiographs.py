"""What the recipes for chest radiographs share: settings, reading, splits by patient, augmentation, the record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

from keras_dl.data import splits
from keras_dl.data.images import Images
from keras_dl.data.sets.images import chest_xray
from keras_dl.inputs.image import ImageInput
from keras_dl.outputs.binary import Binary
from keras_dl.outputs.classes import Classes
from keras_dl.recipes import baselines, reading
from keras_dl.task import Assets, Config, Data, Ranges, Split, settings

INPUT = ImageInput()
PNEUMONIA = Binary()  # NORMAL or PNEUMONIA
KIND = Classes()  # NORMAL, BACTERIAL or VIRAL
TINY = {"coverage": 0.8}  # the few patients of a tiny validation part promise no more


@dataclass(frozen=True)
class Radiographs(Config):
    """The settings of every recipe for radiographs; without augmentation, until a recipe says otherwise."""

    image_size: int = 128  # side of the square image, in pixels
    dropout: float = 0.5  # share of values dropped before the last layer
    coverage: float = 0.98  # about the accuracy: with less, a set would never hold both classes
    balance: Literal["classes", "none"] = "none"  # "classes": each class is drawn equally often
    rotation: float = 0.0  # largest random rotation, in degrees
    zoom: float = 0.0  # largest random zoom, as a share of the side
    stretch: float = 0.0  # largest random stretch of the width, as a share
    shift: float = 0.0  # largest random shift, as a share of the side
    flip: bool = False  # randomly swap left and right
    fill: Literal["reflect", "constant", "nearest"] = "constant"  # what to show beyond the edges; constant: black
    gamma: float = 0.0  # random exponent of the brightness, in [1 / (1 + gamma), 1 + gamma]
    contrast: float = 0.0  # largest random change of the contrast, as a share
    brightness: float = 0.0  # largest random change of the brightness, as a share of the full scale
    sharpness: float = 0.0  # random factor for fine detail, in [1 / (1 + sharpness), 1 + sharpness]
    noise: float = 0.0  # largest standard deviation of random noise, as a share of the full scale
    policy: Literal["none", "rand_augment", "cutout"] = "none"  # added from keras-cv; not repeated on resume

    RANGES: ClassVar[Ranges] = {
        **Config.RANGES,
        **dict.fromkeys(("zoom", "stretch", "shift", "contrast", "brightness", "noise", "dropout"), (0.0, 0.9)),
        "image_size": (32, 1024),
        **{"rotation": (0, 180), "gamma": (0, 10), "sharpness": (0, 10)},
    }


def load(config: Radiographs, source: Path, *, kinds: bool = False) -> Data:
    """Read a folder or archive of radiographs and split it by patient; with `kinds` into three classes."""
    images = images_of(config, source, kinds)
    rows = splits.by_group(images.groups, images.labels, seed=config.seed, parts=images.parts, classes=images.classes)
    read_image = INPUT.decode(config, {})
    return Data(
        *[reading.image_split(images.take(rows[name]), read_image) for name in splits.NAMES],
        assets={"classes": list(images.classes)},
        augment=augmentation(config),
        balance=config.balance,
        notes=reading.notes(images),
    )


def read(config: Radiographs, assets: Assets, source: Path, *, kinds: bool = False) -> Split:
    """Read a folder or archive as one test split: its test part, or all of it where it has no parts."""
    return reading.image_split(reading.test_part(images_of(config, source, kinds)), INPUT.decode(config, assets))


def images_of(config: Radiographs, source: Path, kinds: bool) -> Images:
    """Read the usable images, in two classes or in three."""
    images = chest_xray.read(source, bad_share=config.bad_share)
    return chest_xray.by_kind(images) if kinds else images


def augmentation(config: Radiographs) -> Callable[[Any, Any, Any], tuple[Any, Any]] | None:
    """Vary pose and exposure; the order matters: noise is of the detector, so it comes last."""
    pose = settings.chosen(config, "rotation", "zoom", "stretch", "shift", "flip")
    exposure = settings.chosen(config, "gamma", "contrast", "brightness", "sharpness", "noise")
    if not any(pose.values()) and not any(exposure.values()) and config.policy == "none":
        return None
    from keras_dl.recipes import augment

    steps = [augment.affine(**pose, fill=config.fill)] if any(pose.values()) else []
    steps += [augment.exposure(**exposure)] if any(exposure.values()) else []
    steps += [augment.policy(config.policy)] if config.policy != "none" else []
    return augment.chain(*steps)


BINARY: dict[str, Any] = {  # of a Task: NORMAL or PNEUMONIA
    "dataset": "images.chest_xray",
    "load": load,
    "read": read,
    "input": INPUT,
    "output": PNEUMONIA,
    "baseline": baselines.hog_svm,
    "words": {"example": "radiograph", "group": "patient", "baseline": "HOG + SVM baseline"},
    "intended_use": chest_xray.INTENDED_USE,
    "limits": chest_xray.LIMITS,
}
KINDS: dict[str, Any] = BINARY | {  # NORMAL, BACTERIAL or VIRAL
    "load": partial(load, kinds=True),
    "read": partial(read, kinds=True),
    "output": KIND,
    "unused": ("target_sensitivity",),
    "neighbours": 5,
}
