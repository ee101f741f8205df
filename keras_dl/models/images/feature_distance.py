"""An anomaly detector on a network that is not trained: how far its features are from those of healthy images.

Source: Mahalanobis distance between features of a pretrained network, as in Rippel et al. 2020 (arXiv 2005.14140),
here of one inner layer, averaged over the image.
"""

import keras
from keras import layers, ops


def feature_distance(maps: keras.Model) -> keras.Model:
    """Put the distance behind a network that gives maps `[batch, height, width, channels]`; nothing is trained.

    The layer "whiten" is to be set so that the averages "features" of healthy images have mean 0 and covariance 1
    behind it. There the square of the length is the squared Mahalanobis distance from the healthy mean.
    Input: that of `maps`.
    Output "score": `[batch, 1]`, the squared distance divided by the number of channels, so that a healthy image has 1
    on average.
    """
    # body
    features = layers.GlobalAveragePooling2D(dtype="float32", name="features")(maps.output)
    whitened = layers.Dense(features.shape[-1], dtype="float32", name="whiten")(features)

    # head
    square = ops.mean(ops.square(whitened), axis=-1, keepdims=True)
    score = layers.Activation("linear", dtype="float32", name="score")(square)
    model = keras.Model(maps.input, score, name="feature_distance")
    model.trainable = False
    return model


def anomaly_map(model: keras.Model) -> keras.Model:
    """Return the network from the image to what each place adds to the score, `[batch, height, width, 1]`.

    Whitening is affine and the average linear, so the whitened average w is the average of the whitened places w_p,
    and the score, the mean over the channels of w * w, is the average over the places of the mean of w_p * w. The
    average of the map is thus exactly the score. A place can take away from it: less than nothing means "more healthy
    than the average".
    """
    places = model.get_layer("whiten")(model.get_layer("features").input)
    average = ops.mean(places, axis=(1, 2), keepdims=True)
    return keras.Model(model.input, ops.mean(places * average, axis=-1, keepdims=True), name="anomaly_map")
