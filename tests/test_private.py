"""Private names of TensorFlow, Keras and NumPy: each in one place, and each still does what it is used for.

What a test here or a test named here does not notice, nobody notices: see CONTRIBUTING.md for the list.
"""

import ast
import configparser
import re
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_dl.layers.nested import inputs_of_operations, layers_inside
from keras_dl.training import features, pipeline

ROOT = Path(__file__).parents[1]

PLACES = {  # private name -> the one file that has it
    "tensorflow.python.eager": "keras_dl/training/machines/devices.py",
    "tensorflow.python.framework.convert_to_constants": "keras_dl/training/features.py",
    "tensorflow.compiler.tf2xla.python.xla": "keras_dl/layers/lstm_steps.py",
    "tensorflow.python.ops.control_flow_util": "keras_dl/layers/lstm_steps.py",
    "_flatten_layers": "keras_dl/layers/nested.py",
    "_nodes_by_depth": "keras_dl/layers/nested.py",
    # tests alone: the tables of weights that Keras downloads, and its reader of old weight files, as references
    "keras.src.applications": "tests/data/pretrained/test_imagenet.py",
    "keras.src.legacy.saving": "tests/models/test_transfer.py",
    "tensorflow.python.eager (tests)": "tests/training/machines/test_devices.py",
}
OWN = {"self", "cls"}
PRIVATE_MODULE = re.compile(r"(tensorflow\.(python|compiler)|keras\.src|numpy\._)\b")
STANDARD = {"_asdict", "_replace", "_fields", "_exit"}  # public in spite of their names


def private_names(path):
    """Give the private names of other packages that a file uses."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.ImportFrom(module=str(module)) if PRIVATE_MODULE.match(module):
                yield module
            case ast.Import(names=names):
                yield from (alias.name for alias in names if PRIVATE_MODULE.match(alias.name))
            case ast.Attribute(value=ast.Name(id=owner), attr=name) if owner in OWN:
                continue
            case ast.Attribute(attr=name) if re.match(r"_[a-z]", name) and name not in STANDARD:
                yield name


def test_each_private_name_has_one_place():
    found = {}
    for path in sorted((ROOT / "keras_dl").rglob("*.py")):
        for name in private_names(path):
            found.setdefault(name, set()).add(str(path.relative_to(ROOT)))
    wanted = {name: {place} for name, place in PLACES.items() if place.startswith("keras_dl/")}
    assert found == wanted


def test_tests_use_no_other_private_module():
    found = {
        (name, str(path.relative_to(ROOT)))
        for path in sorted((ROOT / "tests").rglob("*.py"))
        for name in private_names(path)
        if PRIVATE_MODULE.match(name)
    }
    assert found == {(name.split(" ")[0], place) for name, place in PLACES.items() if place.startswith("tests/")}


@pytest.mark.parametrize("package", ["tensorflow", "keras"])
def test_the_next_minor_release_is_not_installed_untried(package):
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    (bounds,) = re.findall(rf"^{package}>=\S+,<(\S+)$", setup["options"]["install_requires"], re.MULTILINE)
    own = tuple(map(int, {"tensorflow": tf, "keras": keras}[package].__version__.split(".")[:2]))
    assert own < tuple(map(int, bounds.split("."))) <= (own[0], own[1] + 1)


def nested():
    """A model with a layer inside a layer, and with a nested model that is used twice."""
    x = keras.Input((4,), name="given")
    inner_in = keras.Input((3,), name="inner_in")
    inner = keras.Model(inner_in, keras.layers.Dense(3, name="deep")(inner_in), name="inner")
    wide = keras.layers.TimeDistributed(keras.layers.Dense(2, name="wrapped"), name="outer")
    y = inner(inner(keras.layers.Dense(3, name="first")(x)))
    y = wide(keras.layers.Reshape((3, 1), name="shape")(y))
    return keras.Model(x, keras.layers.Flatten(name="last")(y)), inner


def test_layers_are_found_at_any_depth():
    """`_flatten_layers`; used for heatmaps, words and synchronised batches."""
    model, _ = nested()
    names = [layer.name for layer in layers_inside(model)]
    assert {"first", "inner", "deep", "outer", "wrapped", "shape", "last"} <= set(names)
    assert len(names) == len(set(names)), "a model that is used twice is there once"
    assert not {"deep", "wrapped"} & {layer.name for layer in model.layers}, "a public name does it now: use it"


def test_operations_come_with_their_input_in_this_model_the_nearest_to_the_output_first():
    """`_nodes_by_depth`; used to find the vector that `embed` keeps."""
    model, inner = nested()
    found = list(inputs_of_operations(model))
    names = [operation.name for operation, _ in found]
    assert names[0] == "last"
    assert names[-1] == "first"
    assert names.count("inner") == 2
    shapes = [tuple(tensor.shape) for operation, tensor in found if operation is inner]
    assert shapes == [(None, 3), (None, 3)]
    for operation, tensor in found:  # each is a tensor of this model: a model to it can be made
        values = keras.Model(model.input, tensor).predict_on_batch(np.ones((1, 4), "float32"))
        assert values.shape[1:] == tuple(tensor.shape)[1:], operation.name


def test_a_constant_graph_has_no_weights_and_the_same_answers():
    """`convert_variables_to_constants_v2`; features are computed with it."""
    x = keras.Input((8, 8, 3))
    y = keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3)(x))
    model = keras.Model(x, keras.layers.GlobalAveragePooling2D()(y))
    model.layers[2].set_weights([np.full(4, value, "float32") for value in (2.0, 0.5, 0.1, 3.0)])
    graph = features.constant(model)
    kinds = {node.op for node in graph.graph.as_graph_def().node}
    assert not {kind for kind in kinds if "VarHandle" in kind or "ReadVariable" in kind}
    images = tf.random.stateless_uniform((2, 8, 8, 3), (0, 1))
    (found,) = graph(images)
    np.testing.assert_allclose(found, model(images, training=False), rtol=1e-5)
    model.layers[1].kernel.assign_add(tf.ones_like(model.layers[1].kernel))
    (again,) = graph(images)
    np.testing.assert_array_equal(again, found, err_msg="the weights are those of the moment")


def test_the_pages_of_a_mapped_file_are_given_back(tmp_path):
    """Not private any more: the map below an array is found by the public `base`, also that of a view."""
    array = np.lib.format.open_memmap(tmp_path / "a.npy", "w+", "uint8", (64, 1 << 20))
    array[:] = 1
    array.flush()

    def resident():
        text = Path("/proc/self/smaps").read_text()
        block = text[text.index(str(tmp_path)) :]
        return int(re.search(r"Rss:\s+(\d+) kB", block)[1])

    assert resident() > 60_000
    pipeline.release(array[3:])
    assert resident() < 1000
    assert array[5, 5] == 1


# The others are noticed by these tests, which fail when a name goes or does something else:
#   configure_coordination_service    tests/training/machines/test_distributed.py: a killed worker is noticed in time
#   GraphOrParentsInXlaContext        tests/layers/test_lstm.py::test_xla_may_compile_what_is_around_it
#   dynamic_update_slice              tests/layers/test_lstm.py::test_a_model_trains_and_predicts_as_with_keras
#   names of Keras' trainer functions the same: it counts how often the compiled steps are taken
