"""What is inside a model, at any depth. Both functions use a private name, since Keras has no public one for it."""

from __future__ import annotations

from collections.abc import Iterator

import keras


def layers_inside(model: keras.Model) -> Iterator[keras.Layer]:
    """Give every layer of a model, also those of nested models and of layers that hold layers.

    The public `Model.layers` stops at nested models, and has no layers that are inside layers.
    """
    return iter(model._flatten_layers(include_self=False))


def inputs_of_operations(model: keras.Model) -> Iterator[tuple[keras.Operation, keras.KerasTensor]]:
    """Give each operation of a functional model with its first input, those nearest to the output first.

    The public `Operation.input` is another tensor where a layer is a nested model. `_nodes_by_depth` is the graph of
    this model, depth 0 being the output.
    """
    for depth in sorted(model._nodes_by_depth):
        for node in model._nodes_by_depth[depth]:
            if node.input_tensors:
                yield node.operation, node.input_tensors[0]
