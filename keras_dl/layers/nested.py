"""What is inside a model, at any depth: the two things that Keras has no public name for."""

from __future__ import annotations

from collections.abc import Iterator

import keras


def layers_inside(model: keras.Model) -> Iterator[keras.Layer]:
    """Give every layer of a model, also those of nested models and of layers that hold layers.

    `Model.layers` stops at nested models, and a layer's own layers are not in it; Keras keeps `_flatten_layers` for
    this.
    """
    return iter(model._flatten_layers(include_self=False))


def inputs_of_operations(model: keras.Model) -> Iterator[tuple[keras.Operation, keras.KerasTensor]]:
    """Give each operation of a functional model with its first input, those nearest to the output first.

    Not the operation's own `.input`: that is another tensor where a layer is a nested model. Keras keeps the graph of
    this model in `_nodes_by_depth`, depth 0 being the output.
    """
    for depth in sorted(model._nodes_by_depth):
        for node in model._nodes_by_depth[depth]:
            if node.input_tensors:
                yield node.operation, node.input_tensors[0]
