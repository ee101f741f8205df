"""A small U-Net that draws a map of the density of cells; the count is the sum of the map.

Source: Ronneberger et al. 2015 (arXiv 1505.04597) for the network, Lempitsky and Zisserman 2010 for the density. It
works at half of the image's resolution, and the map is enlarged at the end: a cell is about 10 px across, and a quarter
of the pixels takes a quarter of the time.
"""

import keras
from keras import layers

SCALE = 100.0  # the last convolution gives this for one cell per pixel; densities are small, its weights need not be


def cells_unet(*, width: int = 16, levels: int = 3, momentum: float = 0.995) -> keras.Model:
    """Build the network: a strided stem, `levels` steps down and up again with two convolutions each.

    Input "image": uint8 `[batch, height, width, 3]`, 0 to 255, both sides multiples of 8 (2 to the power of `levels`).
    Output "density": float32 `[batch, height, width, 1]`, in cells per pixel; it can be a little below 0: cut at 0,
    the count would be too high. 122,369 parameters.

    Args:
        width: channels of the stem and of the first level; each further level has twice as many.
        levels: resolutions, the first of them half of the image's.
        momentum: of the batch normalisation: how much of the running statistics a step keeps. The sum over a whole map
            feels their noise, so it is higher than usual.
    """
    # inputs
    image = keras.Input((None, None, 3), dtype="uint8", name="image")
    x = layers.Rescaling(1 / 255, name="rescale")(image)

    # body
    x = convolution(x, width, kernel=5, strides=2, momentum=momentum, name="stem")
    past = []
    for level in range(1, levels + 1):
        if level > 1:
            past.append(x)
            x = layers.MaxPooling2D(2, name=f"down{level}_pool")(x)
        filters = width * 2 ** (level - 1)
        x = convolution(x, filters, momentum=momentum, name=f"down{level}_conv1")
        x = convolution(x, filters, momentum=momentum, name=f"down{level}_conv2")
    for level in range(levels - 1, 0, -1):
        x = layers.UpSampling2D(2, name=f"up{level}_grow")(x)
        x = layers.Concatenate(name=f"up{level}_join")([past.pop(), x])
        filters = width * 2 ** (level - 1)
        x = convolution(x, filters, momentum=momentum, name=f"up{level}_conv1")
        x = convolution(x, filters, momentum=momentum, name=f"up{level}_conv2")

    # head: smoothed by hand, as bilinear enlarging fails in a graph that takes images of any size (Keras 3.15)
    x = layers.Conv2D(1, 1, name="scaled_density")(x)
    x = layers.UpSampling2D(2, name="grow")(x)
    x = layers.AveragePooling2D(3, strides=1, padding="same", name="smooth")(x)
    density = layers.Rescaling(1 / SCALE, dtype="float32", name="density")(x)
    return keras.Model(image, density, name="cells_unet")


def convolution(
    x: keras.KerasTensor, filters: int, *, momentum: float, name: str, kernel: int = 3, strides: int = 1
) -> keras.KerasTensor:
    """Convolve, normalise over the batch, and cut at 0; the normalisation makes a bias useless."""
    x = layers.Conv2D(
        filters, kernel, strides=strides, padding="same", use_bias=False, kernel_initializer="he_normal", name=name
    )(x)
    x = layers.BatchNormalization(momentum=momentum, epsilon=1e-5, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)
