"""Pneumonia from chest radiographs: the four-block CNN.

Source   course document A (PyTorch), ported; data Kermany et al. 2018, CC BY 4.0
Command  keras-dl train pneumonia --data chest_xray/
Measured not yet measured
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from keras_dl import recipes
from keras_dl.metrics import binary_metrics
from keras_dl.task import Assets, Config, Data, Split, Task

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Pneumonia(Config):
    """The settings of the pneumonia CNN."""

    image_size: int = 128  # pixels, square; document A
    dropout: float = 0.5  # in the dense layers, half of it in the blocks; document A
    balance: str = "classes"  # each class is drawn equally often; document A
    rotation: float = 15.0  # degrees; document A
    zoom: float = 0.05  # share; the "small affine" of document A
    stretch: float = 0.0  # share, of the width alone
    shift: float = 0.05  # share of the side
    flip: bool = True  # document A


def load(config: Pneumonia, source: Path) -> Data:
    """Read a folder or archive of radiographs and split it by patient."""
    from keras_dl import augment
    from keras_dl.datasets import chest_xray, splits

    images = chest_xray.read(source, bad_share=config.bad_share)
    index = splits.by_group(images.groups, images.labels, seed=config.seed, parts=images.parts)
    decode = recipes.grey_image(config.image_size)
    parts = {name: recipes.image_split(images.take(rows), decode) for name, rows in index.items()}
    moved = augment.affine(
        rotation=config.rotation,
        zoom=config.zoom,
        stretch=config.stretch,
        shift=config.shift,
        flip=config.flip,
    )
    assets = {"classes": list(images.classes)}
    return Data(**parts, assets=assets, augment=moved, balance=config.balance, notes=recipes.image_notes(images))


def read(config: Pneumonia, assets: Assets, source: Path) -> Split:
    """Read a folder or archive as one test split: its test part, or all of it where it has no parts."""
    from keras_dl.datasets import chest_xray

    images = chest_xray.read(source, bad_share=config.bad_share)
    return recipes.image_split(recipes.test_part(images), recipes.grey_image(config.image_size))


def build(config: Pneumonia, assets: Assets) -> keras.Model:
    """Build the network."""
    from keras_dl.models.xray_cnn import xray_cnn

    return xray_cnn(image_size=config.image_size, classes=1, dropout=config.dropout)


def compile_model(model: keras.Model, config: Pneumonia) -> None:
    """Set Adam and the binary cross entropy."""
    import keras

    model.compile(
        optimizer=keras.optimizers.Adam(config.learning_rate),
        loss=keras.losses.BinaryCrossentropy(),
        metrics=[keras.metrics.BinaryAccuracy(name="accuracy"), keras.metrics.AUC(name="auroc")],
    )


PNEUMONIA = Task(
    name="pneumonia",
    title="Pneumonia from chest radiographs",
    dataset="chest_xray",
    config=Pneumonia(),
    tiny={"image_size": 32, "epochs": 2},
    load=load,
    read=read,
    check=recipes.check_image,
    decode=lambda config, assets: recipes.grey_image(config.image_size),
    raw_name="image_bytes",
    build=build,
    phases=recipes.single_phase(compile_model, callbacks=[recipes.early_stopping, recipes.plateau]),
    evaluate=binary_metrics,
    predict=recipes.classify,
    baseline=recipes.hog_svm,
    intended_use="Teaching and method comparison on frontal chest radiographs of children of one to five years.",
    limits=(
        "Not a medical device. Trained on one hospital's images: a network trained on this very set fell from AUROC "
        "0.95 to 0.54 at another hospital (doi 10.1007/s10140-021-01954-x). Do not use it on patients."
    ),
)
