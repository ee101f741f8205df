"""A plain convolutional network that gives the number of cells.

Three blocks of convolution and pooling. The head of the course document flattens their map into dense layers; with few
images it learns badly: the document reports an error of 32.7 of 174 cells. The default head counts at each place of the
map and adds up. So a cell counts the same wherever it lies, and the image may have any size.
"""

import keras
from keras import layers, ops

WIDTHS = (32, 64, 128)
HEADS = ("sum", "flatten")
SCALE = 16.0  # the last dense layer gives this for one cell, so that a step of Adam moves the sum of all places little


def cells_cnn(*, head: str = "sum", image_size: int = 128, dense: int = 64, density: float = 0.0027) -> keras.Model:
    """Build the network: 32, 64 and 128 filters of 3 x 3, each with a ReLU and a maximum over 2 x 2.

    Input "image": uint8 `[batch, height, width, 3]`, 0 to 255; for "sum" both sides are multiples of 8, or what is
    beyond the last one is not looked at. Output "count": float32 `[batch, 1]`, in cells; it can be below 0.

    Args:
        head: "sum" (101,569 parameters): two dense layers at each place of the last map, and the sum over the places.
            "flatten" (4,287,809 parameters): the image resized to `image_size` px, one dense layer of 128 on the whole
            last map, as in the course document.
        image_size: side in pixels that "flatten" works on, a multiple of 8.
        dense: units of the first dense layer of "sum".
        density: cells per pixel that "sum" starts from, the mean of the training images.
    """
    if head not in HEADS:
        raise ValueError(f"head is {head!r}; allowed are {', '.join(map(repr, HEADS))}")

    # inputs
    image = keras.Input((None, None, 3), dtype="uint8", name="image")
    x = layers.Rescaling(1 / 255, name="rescale")(image)
    if head == "flatten":
        x = layers.Resizing(image_size, image_size, name="resize")(x)

    # body
    for block, filters in enumerate(WIDTHS, start=1):
        x = layers.Conv2D(
            filters, 3, padding="same", activation="relu", kernel_initializer="he_normal", name=f"block{block}_conv"
        )(x)
        x = layers.MaxPooling2D(2, name=f"block{block}_pool")(x)

    # head
    if head == "flatten":
        x = layers.Flatten(name="flatten")(x)
        x = layers.Dense(128, activation="relu", name="dense")(x)
        return keras.Model(image, layers.Dense(1, dtype="float32", name="count")(x), name="cells_cnn")
    return keras.Model(image, count_head(x, dense, density * 4 ** len(WIDTHS)), name="cells_cnn")


def count_head(x: keras.KerasTensor, dense: int, start: float) -> keras.KerasTensor:
    """Count at each place of a map `[batch, height, width, channels]`, and return the sums `[batch, 1]`.

    At first each place counts `start` cells whatever is there: so training begins at the mean count, not far from it.
    """
    x = layers.Dense(dense, activation="relu", kernel_initializer="he_normal", name="dense")(x)
    x = layers.Dense(
        1,
        kernel_initializer="zeros",
        bias_initializer=keras.initializers.Constant(SCALE * start),
        dtype="float32",
        name="scaled_cells",
    )(x)
    x = layers.Rescaling(1 / SCALE, dtype="float32", name="cells")(x)
    return layers.Identity(dtype="float32", name="count")(ops.sum(x, axis=(1, 2)))
