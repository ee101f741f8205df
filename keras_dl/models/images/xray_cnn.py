"""The four-block convolutional network for chest radiographs, ported from PyTorch.

Source: course document A. What the port must carry over is written at each place: PyTorch and Keras differ in
the defaults of batch normalisation and in how they draw initial weights.
"""

import keras
from keras import layers


def xray_cnn(*, image_size: int = 128, classes: int = 1, width: int = 32, dropout: float = 0.5) -> keras.Model:
    """Build the network: four convolutional blocks, two hidden dense layers, one output.

    Input "image": uint8 `[batch, image_size, image_size, 1]`, grey values 0 to 255, scaled to [0, 1] inside.
    Output "probability": `[batch, classes]`, sigmoid for one class, softmax for several.
    With 128 pixels and one class it has 4,616,385 trainable parameters, as PyTorch counts them.
    """
    # inputs
    image = keras.Input((image_size, image_size, 1), dtype="uint8", name="image")
    x = layers.Rescaling(1 / 255, name="rescale")(image)

    # body
    for number, filters in enumerate((width, 2 * width, 4 * width, 8 * width), start=1):
        x = torch_layer(layers.Conv2D, 9 * x.shape[-1], filters, 3, padding="same", name=f"block{number}_conv")(x)
        # PyTorch's momentum of 0.1 is the share of the new batch, Keras' 0.9 that of the old average.
        x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"block{number}_norm")(x)
        # Pooling before the ReLU gives the same numbers (the ReLU is monotone) on a quarter of the pixels.
        x = layers.MaxPooling2D(name=f"block{number}_pool")(x)
        x = layers.ReLU(name=f"block{number}_relu")(x)
        x = layers.Dropout(dropout / 2, name=f"block{number}_dropout")(x)
    x = layers.Flatten(name="flatten")(x)
    for number, units in enumerate((8 * width, 4 * width), start=1):
        x = torch_layer(layers.Dense, x.shape[-1], units, activation="relu", name=f"dense{number}")(x)
        x = layers.Dropout(dropout, name=f"dense{number}_dropout")(x)

    # head
    x = torch_layer(layers.Dense, x.shape[-1], classes, name="logits")(x)
    activation = "sigmoid" if classes == 1 else "softmax"
    probability = layers.Activation(activation, dtype="float32", name="probability")(x)
    return keras.Model(image, probability, name="xray_cnn")


def torch_layer(layer: type[keras.Layer], fan_in: int, *arguments, **settings) -> keras.Layer:
    """Make a layer whose first weights are drawn as PyTorch draws them: uniform in +-1 / sqrt(fan_in)."""
    uniform = keras.initializers.RandomUniform
    limit = fan_in**-0.5
    return layer(
        *arguments,
        kernel_initializer=uniform(-limit, limit),
        bias_initializer=uniform(-limit, limit),
        **settings,
    )
