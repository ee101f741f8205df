"""The convolutional encoder-decoder for chest radiographs, as an anomaly detector.

Source: course document E, which says no more than that. Chosen here: three strided convolutions down to an eighth of
the side, three transposed ones back; strides instead of pooling are several times as fast, and the errors end in the
same place.
"""

import keras
from keras import layers, ops


def xray_autoencoder(*, image_size: int = 128, width: int = 16) -> keras.Model:
    """Build the network, which gives the error of its own reconstruction.

    Input "image": uint8 `[batch, image_size, image_size, 1]`, grey values 0 to 255, scaled to [0, 1] inside.
    Output "score": `[batch, 1]`, the mean over the pixels of the layer "anomaly_map", `[batch, image_size,
    image_size, 1]`: the squared error of the layer "reconstruction". Training makes the output small.
    """
    # inputs
    image = keras.Input((image_size, image_size, 1), dtype="uint8", name="image")
    grey = layers.Rescaling(1 / 255, name="rescale")(image)

    # body
    x = grey
    for number, filters in enumerate((width, 2 * width, 4 * width), start=1):
        x = layers.Conv2D(
            filters, 3, 2, padding="same", activation="relu", kernel_initializer="he_normal", name=f"encoder{number}"
        )(x)
    for number, filters in enumerate((2 * width, width), start=1):
        x = enlarging(filters, activation="relu", name=f"decoder{number}")(x)
    x = enlarging(1, activation="sigmoid", name="decoder3")(x)
    beyond = x.shape[1] - image_size  # a side that 8 does not divide comes back a little larger
    reconstruction = layers.Cropping2D(((0, beyond), (0, beyond)), name="reconstruction")(x)

    # head
    error = layers.Subtract(name="error")([grey, reconstruction])
    squares = layers.Multiply(name="anomaly_map")([error, error])
    score = layers.Activation("linear", dtype="float32", name="score")(ops.mean(squares, axis=(1, 2)))
    return keras.Model(image, score, name="xray_autoencoder")


def enlarging(filters: int, *, activation: str, name: str) -> keras.Layer:
    """Make a transposed convolution to twice the side, whose first weights keep the contrast of what comes in.

    He et al. 2015 draw them with the variance 2 / (inputs of an output). With stride 2 an output sees a quarter of
    the kernel, so it is four times that; what Keras calls "fan_out" of a transposed kernel are its inputs.
    """
    initializer = keras.initializers.VarianceScaling(8, mode="fan_out")
    return layers.Conv2DTranspose(
        filters, 3, 2, padding="same", activation=activation, kernel_initializer=initializer, name=name
    )


def anomaly_map(model: keras.Model) -> keras.Model:
    """Return the network from the image to the squared error of each pixel, `[batch, image_size, image_size, 1]`."""
    return keras.Model(model.input, model.get_layer("anomaly_map").output, name="anomaly_map")
