"""How many cells a fluorescence image shows: one number from a CNN, or the sum of a density map from a U-Net.

Source   course document C: `--set recipe=original`; data Lempitsky and Zisserman 2010
Command  keras-dl train cells-unet --data cells.zip
Measured mean absolute error in cells, means of 5 draws of 28 of the 180 images: `cells-cnn` 3.00, `cells-deep` 3.52,
         `cells-unet` 2.17 (2.32 if trained on 64 images); `cells-cnn` with `recipe=original` 9.5

Ridge regression on five brightness statistics of the blue channel, a baseline, has 4.12: in these images the total
light nearly gives the count away. In the embedded ones it does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from keras_dl.outputs.density import Density
from keras_dl.outputs.number import Number
from keras_dl.recipes import counting
from keras_dl.recipes.counting import Counting
from keras_dl.task import Assets, Ranges, Task

if TYPE_CHECKING:
    from pathlib import Path

    import keras

    from keras_dl.task import Data

CELLS = Number("cells")
MAP = Density("cells")


@dataclass(frozen=True)
class CellsCNN(Counting):
    """The settings; in the comments the value of document C where the default is another."""

    head: Literal["sum", "flatten"] = "sum"  # "sum": the sum of a map; document C: flatten, then dense layers
    image_size: int = 128  # side in pixels to which head=flatten resizes; not stated in document C

    RANGES: ClassVar[Ranges] = {**Counting.RANGES, "image_size": (32, 1024)}


@dataclass(frozen=True)
class CellsUNet(Counting):
    """The settings of the U-Net."""

    width: int = 16  # channels of the first level of the U-Net
    crops: int = 4
    margin: int = 20
    crop_steps: int = 3000
    whole_steps: int = 700
    learning_rate: float = 4e-3
    whole_rate: float = 2e-4
    count_weight: float = 0.001

    RANGES: ClassVar[Ranges] = {**Counting.RANGES, "width": (2, 256)}


ORIGINAL = {"head": "flatten", "crop_steps": 0, "whole_steps": 200, "batch_size": 8, "learning_rate": 1e-3}


def load_cnn(config: CellsCNN, source: Path) -> Data:
    """Read and split counted images; the document's network takes the size of these alone."""
    return counting.load(config, source, output=CELLS, maps=False, fixed=config.head == "flatten")


def build_cnn(config: CellsCNN, assets: Assets) -> keras.Model:
    """Build three blocks of convolution and pooling with the head that the settings name."""
    from keras_dl.models.images.cells_cnn import cells_cnn

    return cells_cnn(head=config.head, image_size=config.image_size, density=assets["density"])


def build_deep(config: Counting, assets: Assets) -> keras.Model:
    """Build the deeper network, which sees 147 pixels across."""
    from keras_dl.models.images.cells_deep import cells_deep

    return cells_deep(density=assets["density"])


def build_unet(config: CellsUNet, assets: Assets) -> keras.Model:
    """Build the U-Net."""
    from keras_dl.models.images.cells_unet import cells_unet

    return cells_unet(width=config.width)


TINY: dict[str, Any] = {"crop": 32, "crop_steps": 18, "whole_steps": 9, "margin": 4}

CELLS_CNN = Task(
    name="cells-cnn",
    title="Cells in fluorescence images, counted by a CNN",
    config=CellsCNN(),
    recipes={"original": ORIGINAL},
    tiny=TINY,
    build=build_cnn,
    **counting.record(CELLS, maps=False) | {"load": load_cnn},
)
CELLS_DEEP = Task(
    name="cells-deep",
    title="Cells in fluorescence images, counted by a residual network",
    config=Counting(crop_steps=700),
    tiny=TINY,
    build=build_deep,
    **counting.record(CELLS, maps=False),
)
CELLS_UNET = Task(
    name="cells-unet",
    title="Cells in fluorescence images, counted by a density map",
    config=CellsUNet(),
    tiny={**TINY, "width": 4},
    build=build_unet,
    **counting.record(MAP, maps=True),
)
