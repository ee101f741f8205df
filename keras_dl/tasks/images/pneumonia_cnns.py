"""Pneumonia from chest radiographs: two small networks of the course documents, from random weights, as written there.

Source   `pneumonia-cnn150`: course document B (reported: test accuracy .8189); `pneumonia-simple-cnn`: document E
         (reported: "very low"); data Kermany et al. 2018, CC BY 4.0
Command  keras-dl train pneumonia-cnn150 --data chest_xray/
Measured `pneumonia-simple-cnn`: AUROC 0.997, accuracy 0.973, means of 3 seeds on about 785 of the published training
         radiographs, split by patient (HOG + SVM: 0.991, 0.957); 6 min on 2 CPU cores. `pneumonia-cnn150`:
         0.986, 0.938 (0.992, 0.961). On the published test part: not yet measured

They are kept as the documents have them, to stand beside `pneumonia`; what a document leaves open is said below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from keras_dl.recipes import fitting, radiographs
from keras_dl.recipes.radiographs import Radiographs
from keras_dl.task import Assets, Data, Phase, Task

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class CNN150(Radiographs):
    """The settings of document B."""

    image_size: int = 150
    epochs: int = 12
    learning_rate: float = 3e-4  # Adam
    rotation: float = 30.0
    zoom: float = 0.2
    shift: float = 0.1
    flip: bool = True
    fill: Literal["reflect", "constant", "nearest"] = "nearest"  # not in the document; Keras' default at that time


@dataclass(frozen=True)
class SimpleCNN(Radiographs):
    """The settings of document E, which gives network, optimiser and loss."""

    image_size: int = 96  # not in the document
    epochs: int = 10  # not in the document
    learning_rate: float = 1e-3  # the document names Adam; this is its default


def build_cnn150(config: CNN150, assets: Assets) -> keras.Model:
    """Build the network of document B."""
    from keras_dl.models.images.xray_cnn150 import xray_cnn150

    return xray_cnn150(image_size=config.image_size, dropout=config.dropout)


def build_simple_cnn(config: SimpleCNN, assets: Assets) -> keras.Model:
    """Build the network of document E."""
    from keras_dl.models.images.xray_simple_cnn import xray_simple_cnn

    return xray_simple_cnn(image_size=config.image_size, dropout=config.dropout)


def phases(config: Radiographs, data: Data) -> Sequence[Phase]:
    """Train in one phase; halve the rate when the accuracy on validation stands still."""
    callbacks = [
        partial(fitting.plateau, monitor="val_accuracy"),
        partial(fitting.early_stopping, monitor="val_accuracy"),
    ]

    def compile_model(model: keras.Model) -> None:
        import keras

        radiographs.PNEUMONIA.compile(model, keras.optimizers.Adam(config.learning_rate))

    return [Phase("train", config.epochs, compile_model, callbacks, "val_accuracy")]


PNEUMONIA_CNN150 = Task(
    name="pneumonia-cnn150",
    title="Pneumonia from chest radiographs, the CNN at 150 pixels",
    config=CNN150(),
    tiny={"image_size": 32, "epochs": 2, **radiographs.TINY},
    build=build_cnn150,
    phases=phases,
    **radiographs.BINARY,
)
PNEUMONIA_SIMPLE_CNN = Task(
    name="pneumonia-simple-cnn",
    title="Pneumonia from chest radiographs, the simple CNN",
    config=SimpleCNN(),
    tiny={"image_size": 32, "epochs": 2, **radiographs.TINY},
    build=build_simple_cnn,
    phases=phases,
    **radiographs.BINARY,
)
