"""The exported SavedModel: what it holds, that it answers as the trained model does, and when it is refused."""

import importlib.util
import inspect
import json
import subprocess
import sys

import numpy as np
import pytest
from one_of_each import answer, one_of_each

pytestmark = pytest.mark.parametrize("task", one_of_each(answer))


def ask_through_the_c_api(folder: str, feed: str, fetch: str, libraries: str, *examples: str) -> None:
    """Load a SavedModel as TF Serving does, with TensorFlow's C library and no Python of TensorFlow's.

    The source of this function is run in a process of its own. It feeds the files `examples` as one batch to the
    tensor `feed` ("name:index") and prints the float32 values of the tensor `fetch` as JSON.
    """
    import ctypes
    import json
    import sys
    from ctypes import POINTER, byref, c_char_p, c_float, c_int, c_int64, c_size_t, c_void_p
    from pathlib import Path

    class Output(ctypes.Structure):
        _fields_ = (("operation", c_void_p), ("index", c_int))

    ctypes.CDLL(f"{libraries}/libtensorflow_framework.so.2", ctypes.RTLD_GLOBAL)
    library = ctypes.CDLL(f"{libraries}/libtensorflow_cc.so.2", ctypes.RTLD_GLOBAL)

    def call(name, result, *arguments):
        function = getattr(library, name)
        function.restype = result
        return function(*arguments)

    def pointer(name, *arguments):
        return c_void_p(call(name, c_void_p, *arguments))

    def checked(name, result, *arguments):
        status = pointer("TF_NewStatus")
        value = call(name, result, *arguments, status)
        assert call("TF_GetCode", c_int, status) == 0, call("TF_Message", c_char_p, status).decode()
        return value

    string, string_size = c_int(7), 24  # TF_STRING, sizeof(TF_TString)
    batch = pointer(
        "TF_AllocateTensor", string, (c_int64 * 1)(len(examples)), c_int(1), c_size_t(string_size * len(examples))
    )
    start = call("TF_TensorData", c_void_p, batch)
    for number, example in enumerate(examples):
        data = Path(example).read_bytes()
        place = c_void_p(start + number * string_size)
        call("TF_StringInit", None, place)
        call("TF_StringCopy", None, place, c_char_p(data), c_size_t(len(data)))

    graph, options = pointer("TF_NewGraph"), pointer("TF_NewSessionOptions")
    serve, none = (c_char_p * 1)(b"serve"), c_void_p()
    session = c_void_p(
        checked("TF_LoadSessionFromSavedModel", c_void_p, options, none, folder.encode(), serve, 1, graph, none)
    )

    def output(tensor):
        name, index = tensor.split(":")
        operation = call("TF_GraphOperationByName", c_void_p, graph, name.encode())
        assert operation, f"the graph has no operation {name}"
        return Output(operation, int(index))

    given, wanted, result = output(feed), output(fetch), c_void_p()
    inputs, outputs = (byref(given), byref(batch), 1), (byref(wanted), byref(result), 1)
    checked("TF_SessionRun", None, session, none, *inputs, *outputs, none, 0, none)
    values = ctypes.cast(call("TF_TensorData", c_void_p, result), POINTER(c_float))
    count = call("TF_TensorElementCount", c_int64, result)
    assert "tensorflow" not in sys.modules
    print(json.dumps([values[number] for number in range(count)]))


def test_the_c_api_that_tf_serving_uses_gives_the_trained_models_probabilities(task, tiny_run, exported):
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    run, folder = tiny_run(task), exported(task)
    saved = SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    signature = saved.meta_graphs[0].signature_def["serving_default"]
    feed, fetch = signature.inputs[run.task.input.raw_name].name, signature.outputs[run.task.output.value].name
    libraries = importlib.util.find_spec("tensorflow").submodule_search_locations[0]
    examples = [str(path) for path in sorted((run.path / "examples").iterdir())]

    program = f"{inspect.getsource(ask_through_the_c_api)}\nimport sys\nask_through_the_c_api(*sys.argv[1:])"
    command = [sys.executable, "-c", program, str(folder), feed, fetch, libraries, *examples]
    process = subprocess.run(command, capture_output=True, text=True, timeout=120)

    assert process.returncode == 0, process.stderr
    live = [row[run.task.output.value] for row in run.predict(*examples)]
    live = [list(value.values()) if isinstance(value, dict) else value for value in live]
    np.testing.assert_allclose(json.loads(process.stdout), np.ravel(live), rtol=1e-5, atol=1e-5)


def test_both_signatures_take_any_batch_size_and_name_what_they_take_and_give(task, tiny_run, exported):
    import tensorflow as tf

    run, loaded = tiny_run(task), tf.saved_model.load(str(exported(task)))
    model_input = run.model.inputs[0]
    takes = {
        "serving_default": {run.task.input.raw_name: tf.TensorSpec([None], tf.string, run.task.input.raw_name)},
        "tensors": {model_input.name: tf.TensorSpec(model_input.shape, model_input.dtype, model_input.name)},
    }
    assert set(loaded.signatures) == {*takes, *run.task.output.large}
    for name in takes:
        signature = loaded.signatures[name]
        assert signature.structured_input_signature == ((), takes[name])
        outputs = signature.structured_outputs.items()
        gives = {key: {"dtype": one.dtype.name, "shape": [None, *one.shape[1:]]} for key, one in outputs}
        assert gives == run.card["outputs"]


def test_any_batch_size_is_answered_example_by_example(task, tiny_run, exported):
    import tensorflow as tf

    run = tiny_run(task)
    signature = tf.saved_model.load(str(exported(task))).signatures["serving_default"]
    raw = [path.read_bytes() for path in sorted((run.path / "examples").iterdir())]
    together = signature(tf.constant(raw))[run.task.output.value]
    alone = [signature(tf.constant([one]))[run.task.output.value][0] for one in raw]
    np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-6)


def test_classes_threshold_and_card_travel_with_the_model(task, tiny_run, exported):
    run, extra = tiny_run(task), exported(task) / "assets.extra"
    assert json.loads((extra / "card.json").read_text()) == run.card
    assets = json.loads((extra / "assets" / "assets.json").read_text())
    assert assets == run.assets
    for name in {"classes", "threshold"} & {*assets, *run.card}:
        assert assets[name] == run.card[name]


def test_warm_up_records_are_requests_that_the_model_answers(task, tiny_run, exported):
    import tensorflow as tf
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    run, folder = tiny_run(task), exported(task)
    signatures = tf.saved_model.load(str(folder)).signatures
    records = tf.data.TFRecordDataset(str(folder / "assets.extra" / "tf_serving_warmup_requests"))
    requests = [PredictionLog.FromString(record.numpy()).predict_log.request for record in records]
    sizes = []
    for request in requests:
        assert request.model_spec.name == task
        inputs = {name: tf.constant(tf.make_ndarray(tensor)) for name, tensor in request.inputs.items()}
        sizes.append(len(signatures[request.model_spec.signature_name](**inputs)[run.task.output.value]))
    assert sizes == [1, len(list((run.path / "examples").iterdir()))]
