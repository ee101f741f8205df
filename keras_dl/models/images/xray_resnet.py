"""A small residual network for chest radiographs, trained from random weights.

Source: He et al. 2016 (arXiv 1512.03385), narrowed to what 5,000 grey images can teach. Against the four-block CNN
it has a global average instead of a flattened map, so that a shift of the chest is not another input, and it
standardises each image, so that exposure is not either.
"""

import keras
from keras import layers, ops


def xray_resnet(*, image_size: int = 128, classes: int = 1, width: int = 16, dropout: float = 0.3) -> keras.Model:
    """Build the network: a strided stem, four stages of two residual blocks, global average, one dense layer.

    Input "image": uint8 `[batch, image_size, image_size, 1]`, grey values 0 to 255, standardised per image inside.
    Output "probability": `[batch, classes]`, sigmoid for one class, softmax for several.
    """
    # inputs
    image = keras.Input((image_size, image_size, 1), dtype="uint8", name="image")
    x = layers.Rescaling(1 / 255, name="rescale")(image)
    x = standardised(x)

    # body
    x = normalised_convolution(x, width, kernel=5, strides=2, name="stem")
    x = layers.ReLU(name="stem_relu")(x)
    for stage, filters in enumerate((width, 2 * width, 4 * width, 8 * width), start=1):
        x = residual_block(x, filters, strides=1 if stage == 1 else 2, name=f"stage{stage}_block1")
        x = residual_block(x, filters, strides=1, name=f"stage{stage}_block2")
    x = layers.GlobalAveragePooling2D(name="average")(x)
    x = layers.Dropout(dropout, name="dropout")(x)

    # head
    x = layers.Dense(classes, name="logits")(x)
    activation = "sigmoid" if classes == 1 else "softmax"
    probability = layers.Activation(activation, dtype="float32", name="probability")(x)
    return keras.Model(image, probability, name="xray_resnet")


def standardised(x: keras.KerasTensor) -> keras.KerasTensor:
    """Give each image mean 0 and standard deviation 1 over its pixels; an image of one grey stays 0."""
    mean = ops.mean(x, axis=(1, 2, 3), keepdims=True)
    deviation = ops.std(x, axis=(1, 2, 3), keepdims=True)
    return (x - mean) / (deviation + 1e-3)


def residual_block(x: keras.KerasTensor, filters: int, *, strides: int, name: str) -> keras.KerasTensor:
    """Add two convolutions to what goes past them; the way past averages where the block halves the image."""
    past = x
    if strides > 1:
        past = layers.AveragePooling2D(strides, name=f"{name}_past_average")(past)
    if x.shape[-1] != filters:
        past = normalised_convolution(past, filters, kernel=1, strides=1, name=f"{name}_past")
    x = normalised_convolution(x, filters, kernel=3, strides=strides, name=f"{name}_conv1")
    x = layers.ReLU(name=f"{name}_relu1")(x)
    x = normalised_convolution(x, filters, kernel=3, strides=1, name=f"{name}_conv2")
    return layers.ReLU(name=f"{name}_relu2")(layers.Add(name=f"{name}_add")([past, x]))


def normalised_convolution(
    x: keras.KerasTensor, filters: int, *, kernel: int, strides: int, name: str
) -> keras.KerasTensor:
    """Convolve without a bias, which the batch normalisation after it would take out again."""
    x = layers.Conv2D(
        filters, kernel, strides=strides, padding="same", use_bias=False, kernel_initializer="he_normal", name=name
    )(x)
    # A short memory (Keras' default is 0.99): a training has a few thousand steps, and validation looks at each epoch.
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_norm")(x)
