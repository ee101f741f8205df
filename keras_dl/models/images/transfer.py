"""Networks of keras.applications, pretrained on ImageNet, behind a grey radiograph and before a small head.

What a backbone wants to see (three channels, its own scale) is made inside the model, so no caller can get it wrong.
Batch normalisation stays in inference mode throughout: the statistics of a million photographs are kept, those of a
few small batches of radiographs would undo what was learned.
"""

import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
from keras import layers

TO_ONE = (1 / 127.5, -1.0)
# Networks that came from Caffe take blue, green, red, each less its mean over ImageNet. Of a grey image the three
# are equal, so their order shows in the means alone.
MINUS_MEANS = (1.0, (-103.939, -116.779, -123.68))


@dataclass(frozen=True)
class Backbone:
    """What keras.applications says of a network."""

    application: Callable[..., keras.Model]
    preprocessing: tuple[float, float | tuple[float, ...]]  # factor and offset of the grey values 0 to 255
    image_size: int  # pixels, square; it was trained with these
    smallest: int = 32  # pixels, square; it takes no less
    alphas: tuple[float, ...] = ()  # widths that there are ImageNet weights for; () where there is one width
    fades: bool = False  # whether random weights as Keras draws them let the signal die out, BatchNorm being at rest


WIDTHS = (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)
BACKBONES = {
    "MobileNetV2": Backbone(keras.applications.MobileNetV2, TO_ONE, 224, alphas=WIDTHS, fades=True),
    "InceptionV3": Backbone(keras.applications.InceptionV3, TO_ONE, 299, smallest=75, fades=True),
    "VGG19": Backbone(keras.applications.VGG19, MINUS_MEANS, 224, fades=True),
    "ResNet101": Backbone(keras.applications.ResNet101, MINUS_MEANS, 224),
}


def transfer(
    *,
    backbone: str,
    image_size: int,
    classes: int = 1,
    alpha: float = 1.0,
    crop: float = 1.0,
    hidden: int = 128,
    dropout: float = 0.5,
) -> keras.Model:
    """Build a backbone with random weights, a global average named "features", and a dense head.

    Input "image": uint8 `[batch, image_size, image_size, 1]`, grey values 0 to 255. The backbone sees the middle,
    `crop` of the side. `hidden` is the number of units before the last layer, 0 for none; `alpha` the width of
    MobileNetV2.
    Output "probability": `[batch, classes]`, sigmoid for one class, softmax for several.
    Raises ValueError for a name, a width or a size that the backbone does not have.
    """
    # inputs
    side = round(crop * image_size)
    network = bare(backbone, side, alpha)
    image = keras.Input((image_size, image_size, 1), dtype="uint8", name="image")
    x = image if side == image_size else layers.CenterCrop(side, side, name="crop")(image)
    x = preprocessed(x, backbone)

    # body
    x = network(x)
    x = layers.GlobalAveragePooling2D(name="features")(x)

    # head
    if hidden:
        x = layers.Dense(hidden, activation="relu", name="hidden")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    x = layers.Dense(classes, name="logits")(x)
    activation = "sigmoid" if classes == 1 else "softmax"
    probability = layers.Activation(activation, dtype="float32", name="probability")(x)
    model = keras.Model(image, probability, name=f"transfer_{backbone}")
    freeze(model, before=0)
    return model


def feature_maps(
    *, backbone: str, image_size: int, layers: Sequence[str], alpha: float = 1.0, weights: Path | None = None
) -> keras.Model:
    """Build a backbone up to some of its layers, whose maps are enlarged to the first one's size and joined.

    Input "image": uint8 `[batch, image_size, image_size, 1]`, grey values 0 to 255.
    Output: `[batch, height, width, channels]`, the channels of all `layers` in turn. `weights` is a file for the whole
    backbone, as `load_backbone` takes it; None for random weights. Nothing in it is trainable.
    Raises ValueError for what the backbone does not have, or a file that is not for it.
    """
    network = bare(backbone, image_size, alpha)
    if weights:
        load(network, weights)
    if unknown := [name for name in layers if name not in {layer.name for layer in network.layers}]:
        raise ValueError(f"{backbone} has no layer {unknown[0]!r}")
    maps = [network.get_layer(name).output for name in layers]
    cut = keras.Model(network.input, maps, name=backbone)
    cut.trainable = False
    image = keras.Input((image_size, image_size, 1), dtype="uint8", name="image")
    first, *others = keras.tree.flatten(cut(preprocessed(image, backbone)))
    enlarge = keras.layers.Resizing(*first.shape[1:3], name="enlarge")
    joined = keras.layers.Concatenate(name="maps")([first, *map(enlarge, others)]) if others else first
    return keras.Model(image, joined, name=f"feature_maps_{backbone}")


def freeze(model: keras.Model, before: int | None) -> None:
    """Freeze the backbone, or with `before` only its layers below that index; what is outside stays trainable.

    Batch normalisation is frozen everywhere in the backbone, its scale and shift too: that is what holds it in
    inference mode. (Calling the backbone with `training=False` does not: in a `fit`, Keras 3 hands `training=True` to
    all that is inside, and the statistics move.) A model without a backbone is left as it is.
    """
    for network in nested(model):
        network.trainable = before is not None  # sets all layers inside too
        for index, layer in enumerate(network.layers):
            if index < (before or 0) or isinstance(layer, layers.BatchNormalization):
                layer.trainable = False


def backbone_of(model: keras.Model) -> keras.Model:
    """Return the backbone inside a model; ValueError where there is none."""
    networks = nested(model)
    if not networks:
        raise ValueError(f"the model {model.name} has no backbone inside")
    return networks[0]


def load_backbone(model: keras.Model, path: Path) -> None:
    """Load the backbone's weights from a file without a top: .h5 of keras.applications, or .weights.h5 of Keras 3.

    Raises ValueError, and leaves the weights as they were, where the file is of another backbone or width.
    """
    load(backbone_of(model), path)


def load(network: keras.Model, path: Path) -> None:
    """Load all weights of a network or, with a ValueError that says in one line what differs, none."""
    before = network.get_weights()
    try:
        with warnings.catch_warnings(action="ignore"):  # of layers that are skipped; the error comes after them
            network.load_weights(path)
    except Exception as error:  # Keras, h5py and NumPy each have their own for a file that does not fit
        network.set_weights(before)  # Keras stops at the first layer that does not fit, with those before it loaded
        raise ValueError(f"{path} does not fit {network.name} without its top: {difference(error)}") from None


def difference(error: Exception) -> str:
    """Find in the long message the two shapes that differ; Keras names the network's first, then the file's."""
    shapes = re.findall(r"\([\d, ]+\)", str(error))
    if len(shapes) > 1:
        return f"its weights have the shape {shapes[1]}, not {shapes[0]}"
    return "it is damaged" if isinstance(error, OSError) else "it has other layers"


def nested(model: keras.Model) -> list[keras.Model]:
    """Return the models among a model's layers."""
    return [layer for layer in model.layers if isinstance(layer, keras.Model)]


def bare(backbone: str, side: int, alpha: float) -> keras.Model:
    """Build the network itself, without its top, named as in BACKBONES, with random weights."""
    if backbone not in BACKBONES:
        raise ValueError(f"there is no backbone {backbone!r}; choose from {', '.join(BACKBONES)}")
    known = BACKBONES[backbone]
    if side < known.smallest:
        raise ValueError(f"{backbone} cannot take images of {side} pixels; the smallest size is {known.smallest}")
    if alpha != 1 and not known.alphas:
        raise ValueError(f"{backbone} has only one width: alpha must be 1, not {alpha:g}")
    width = {"alpha": alpha} if known.alphas else {}
    network = known.application(input_shape=(side, side, 3), include_top=False, weights=None, name=backbone, **width)
    if known.fades:
        draw_weights(network, scale=127.5 * known.preprocessing[0])
    return network


def draw_weights(network: keras.Model, scale: float) -> None:
    """Draw the kernels of all convolutions as He et al. 2015 (arXiv 1502.01852), so that each layer keeps the variance.

    Keras' own draws (Glorot, and for a depthwise convolution as if it summed over all channels) halve it at least, and
    BatchNorm, which would restore it, is in inference mode: of MobileNetV2 no more than 1e-11 comes out. The first
    kernel is smaller by `scale`, that of the network's inputs.
    """
    for layer in network.layers:
        if isinstance(layer, (layers.Conv2D, layers.DepthwiseConv2D)):
            height, width, channels, _ = layer.kernel.shape
            summed = height * width * (1 if isinstance(layer, layers.DepthwiseConv2D) else channels)
            layer.kernel.assign(keras.random.normal(layer.kernel.shape, stddev=(2 / summed) ** 0.5 / scale))
            scale = 1.0


def preprocessed(image: keras.KerasTensor, backbone: str) -> keras.KerasTensor:
    """Repeat grey in three channels, and scale them as the backbone was trained."""
    factor, offset = BACKBONES[backbone].preprocessing
    x = layers.Concatenate(name="rgb")([image, image, image])
    return layers.Rescaling(factor, offset, name="preprocessing")(x)
