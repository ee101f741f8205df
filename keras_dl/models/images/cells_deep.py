"""A deeper network that gives the number of cells: residual blocks, which see 147 px across.

Against `cells_cnn` it sees a whole clump of cells and the light around it at once. It works at half of the image's
resolution from the first layer on: a cell is about 10 px across, and a quarter of the pixels takes a quarter of the
time.
"""

import keras
from keras import layers

from keras_dl.models.images.cells_cnn import count_head


def cells_deep(
    *, width: int = 16, blocks: tuple[int, ...] = (2, 2, 2), dense: int = 64, density: float = 0.0027
) -> keras.Model:
    """Build the network: a strided stem, stages of residual blocks, then a count at each place and the sum.

    Input "image": uint8 `[batch, height, width, 3]`, 0 to 255, both sides multiples of 8, or what is beyond the last
    one is not looked at. Output "count": float32 `[batch, 1]`, in cells; it can be below 0. 222,561 parameters.

    Args:
        width: channels of the first stage; each further one has twice as many.
        blocks: residual blocks of each stage.
        dense: units of the dense layer at each place.
        density: cells per pixel that training starts from, the mean of the training images.
    """
    # inputs
    image = keras.Input((None, None, 3), dtype="uint8", name="image")
    x = layers.Rescaling(1 / 255, name="rescale")(image)

    # body
    x = convolution(x, width, kernel=5, strides=2, name="stem")
    x = layers.ReLU(name="stem_relu")(x)
    for stage, count in enumerate(blocks, start=1):
        filters = width * 2 ** (stage - 1)
        if stage > 1:
            x = layers.MaxPooling2D(2, name=f"stage{stage}_pool")(x)
            x = convolution(x, filters, kernel=3, name=f"stage{stage}_widen")
            x = layers.ReLU(name=f"stage{stage}_widen_relu")(x)
        for block in range(1, count + 1):
            x = residual_block(x, filters, name=f"stage{stage}_block{block}")

    # head
    return keras.Model(image, count_head(x, dense, density * 4 ** len(blocks)), name="cells_deep")


def residual_block(x: keras.KerasTensor, filters: int, *, name: str) -> keras.KerasTensor:
    """Add two convolutions to what goes past them; the second begins at zero, so that at first nothing is added.

    That takes the place of batch normalisation, whose statistics differ between crops and whole images: an error of 1 %
    is two cells.
    """
    past = x
    x = convolution(x, filters, kernel=3, name=f"{name}_conv1")
    x = layers.ReLU(name=f"{name}_relu1")(x)
    x = convolution(x, filters, kernel=3, initializer="zeros", name=f"{name}_conv2")
    return layers.ReLU(name=f"{name}_relu2")(layers.Add(name=f"{name}_add")([past, x]))


def convolution(
    x: keras.KerasTensor, filters: int, *, kernel: int, name: str, strides: int = 1, initializer: str = "he_normal"
) -> keras.KerasTensor:
    """Convolve with zeros around the map, so that its size stays, or is divided by `strides`."""
    return layers.Conv2D(filters, kernel, strides=strides, padding="same", kernel_initializer=initializer, name=name)(x)
