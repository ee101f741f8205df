"""What a network makes of an example on its way to the answer: a short vector after each stage."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_dl.layers.nested import inputs_of_operations

WIDE = 2560  # channels: a wider vector is a map laid flat, and the stage of that map is there anyway
NARROW = 4  # channels: fewer are the image itself, or a map of the answer


def staged(model: keras.Model) -> keras.Model:
    """Return the model that gives the vectors of all stages, and the answer last, in one pass.

    A stage is all that has one resolution; its vector is the mean of each channel of its last maps `[batch, height,
    width, channels]` over all places. Where the size of images is open, stages are told apart by their channels. A
    vector `[batch, width]` that a layer with weights takes is a stage as well, so the last one is the embedding. Stages
    inside a nested model count too.

    Returns:
        The model from the input of `model` to a list of float32 vectors and, last, the output of `model`. A network
        without such vectors, as one that counts words, gives its output alone. All weights are shared.
    """
    found: list[Any] = []

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(layer, keras.Model):
            return layer(*args, **kwargs)
        *inside, answer = keras.Model(layer.input, [*stages(layer), layer.output], name=layer.name)(*args)
        found.extend(inside)
        return answer

    whole = model
    if any(isinstance(layer, keras.Model) for layer in model.layers):
        whole = keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=call)
    found.extend(stages(whole))
    inner = keras.Model(whole.input, [*found, whole.output], name="inner")  # nested: its operations keep their names
    given = keras.Input(batch_shape=model.input.shape, dtype=model.input.dtype, name="given")
    *maps, answer = keras.tree.flatten(inner(given))
    return keras.Model(given, [*map(averaged, maps), answer], name="staged")


def stages(model: keras.Model) -> list[keras.KerasTensor]:
    """Return the last maps of each resolution, and the vectors that layers with weights take, first stage first."""
    found: dict[Any, keras.KerasTensor] = {}
    for operation, given in reversed(list(inputs_of_operations(model))):
        shape = given.shape[1:]
        if not keras.backend.is_float_dtype(given.dtype):
            continue
        if len(shape) == 3 and shape[-1] >= NARROW:
            found[shape[:2] if all(shape[:2]) else shape] = given
        elif len(shape) == 1 and 1 < shape[0] <= WIDE and getattr(operation, "weights", None):
            found[shape] = given
    return list(found.values())


def averaged(given: keras.KerasTensor) -> keras.KerasTensor:
    """Return the mean of each channel of maps over all places, float32 `[batch, channels]`; vectors as they are."""
    given = ops.cast(given, "float32")
    return given if len(given.shape) == 2 else ops.mean(given, axis=(1, 2))
