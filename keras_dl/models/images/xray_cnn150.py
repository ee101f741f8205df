"""The convolutional network for radiographs of 150 pixels.

Source: course document B, which gives the convolutions (32, 64, 128, 256 filters), ReLU, batch normalisation, dropout,
a dense head and a sigmoid. It leaves open, and here is: 3x3 kernels with padding; max pooling by 2 after each ReLU and
before the normalisation; half of the dropout behind each block, all of it in the head; 128 units in the head.
"""

import keras
from keras import layers


def xray_cnn150(*, image_size: int = 150, classes: int = 1, hidden: int = 128, dropout: float = 0.5) -> keras.Model:
    """Build the network: four convolutional blocks, one hidden dense layer, one output.

    Input "image": uint8 `[batch, image_size, image_size, 1]`, grey values 0 to 255, scaled to [0, 1] inside.
    Output "probability": `[batch, classes]`, sigmoid for one class, softmax for several.
    """
    # inputs
    image = keras.Input((image_size, image_size, 1), dtype="uint8", name="image")
    x = layers.Rescaling(1 / 255, name="rescale")(image)

    # body
    for number, filters in enumerate((32, 64, 128, 256), start=1):
        x = layers.Conv2D(filters, 3, padding="same", name=f"block{number}_conv")(x)
        # Pooling before the ReLU gives the same numbers (the ReLU is monotone) on a quarter of the pixels.
        x = layers.MaxPooling2D(name=f"block{number}_pool")(x)
        x = layers.ReLU(name=f"block{number}_relu")(x)
        # A short memory (Keras' default is 0.99): a training has a few thousand steps, and validation looks at each
        # epoch.
        x = layers.BatchNormalization(momentum=0.9, name=f"block{number}_norm")(x)
        x = layers.Dropout(dropout / 2, name=f"block{number}_dropout")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(hidden, activation="relu", name="hidden")(x)
    x = layers.Dropout(dropout, name="dropout")(x)

    # head
    x = layers.Dense(classes, name="logits")(x)
    activation = "sigmoid" if classes == 1 else "softmax"
    probability = layers.Activation(activation, dtype="float32", name="probability")(x)
    return keras.Model(image, probability, name="xray_cnn150")
