"""TensorFlow Serving's JSON: what is read, what is refused, what is written."""

import base64
import json

import numpy as np
import pytest
import tensorflow as tf

from keras_dl.errors import BadInput
from keras_dl.server.routes import rest
from keras_dl.server.routes.rest import Signature

OUTPUTS = {"score": tf.TensorSpec([None], tf.float32), "label": tf.TensorSpec([None], tf.string)}
SIGNATURES = {
    "serving_default": Signature("text", tf.TensorSpec([None], tf.string), OUTPUTS),
    "tensors": Signature("ids", tf.TensorSpec([None, 3], tf.int32), OUTPUTS),
    "pixels": Signature("image", tf.TensorSpec([None, 1, 2], tf.uint8), OUTPUTS),
}
HI = {"b64": base64.b64encode(b"hi\xff").decode()}


def read(**sent):
    return rest.read(json.dumps(sent).encode(), SIGNATURES)


@pytest.mark.parametrize(
    ("sent", "batch", "by_row"),
    [
        ({"instances": ["a", "ü"]}, [b"a", "ü".encode()], True),
        ({"instances": [HI]}, [b"hi\xff"], True),
        ({"instances": [{"text": "a"}, {"text": HI}]}, [b"a", b"hi\xff"], True),
        ({"inputs": ["a", HI]}, [b"a", b"hi\xff"], False),
        ({"inputs": {"text": ["a"]}}, [b"a"], False),
        ({"inputs": []}, [], False),
        ({"signature_name": "serving_default", "instances": ["a"]}, [b"a"], True),
        ({"signature_name": "", "instances": ["a"]}, [b"a"], True),
    ],
)
def test_rows_and_columns_and_bytes_are_read(sent, batch, by_row):
    assert read(**sent) == rest.Request("serving_default", batch, by_row)


def test_numbers_are_read_as_the_signature_takes_them():
    found = read(signature_name="tensors", instances=[[1, 2, 3], [4, 5, 6.0]]).batch
    assert found.dtype == np.int32
    assert found.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert read(signature_name="pixels", inputs=[]).batch.shape == (0, 1, 2)


@pytest.mark.parametrize("size", range(8))
def test_base64_is_taken_with_line_breaks_and_without_padding(size):
    raw = bytes(range(250, 250 + 3)) * 30 + b"x" * size
    whole = base64.b64encode(raw).decode()
    broken = base64.encodebytes(raw).decode().replace("\n", "\r\n")
    sent = {"instances": [{"b64": text} for text in (whole, broken, whole.rstrip("="))]}
    assert rest.read(json.dumps(sent).encode(), SIGNATURES).batch == [raw] * 3


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "JSON Parse error"),
        (b"{", "JSON Parse error.*offset: 1"),
        (b"\xff{}", "JSON Parse error"),
        (b"[" * 100_000, "JSON Parse error"),
        (b"[1]", "must be a JSON object"),
        (b"{}", "exactly one of the keys"),
        (b'{"instances": ["a"], "inputs": ["a"]}', "exactly one of the keys"),
        (b'{"instances": []}', "at least one"),
        (b'{"instances": "a"}', "must be a list"),
        (b'{"instances": [1]}', "1 is not a string"),
        (b'{"instances": [null]}', "null is not a string"),
        (b'{"instances": [["a"]]}', "is not a string"),
        (b'{"instances": [{"b64": "a"}]}', "base64"),
        (b'{"instances": [{"b64": 1}]}', "is not a string"),
        (b'{"instances": ["\\ud800"]}', "surrogate"),
        (b'{"instances": [{"other": "a"}]}', "'text' alone"),
        (b'{"instances": [{"text": "a"}, "b"]}', "'text' alone"),
        (b'{"inputs": "a"}', "first dimension"),
        (b'{"inputs": {"other": ["a"]}}', "'text' alone"),
        (b'{"signature_name": "other", "instances": ["a"]}', '"other" not found'),
        (b'{"signature_name": 1, "instances": ["a"]}', "not found"),
        (b'{"signature_name": "tensors", "instances": [[1, 2]]}', r"shape \[batch, 3\], not \[1, 2\]"),
        (b'{"signature_name": "tensors", "instances": [[1, 2], [1]]}', "lists of numbers that all have the same shape"),
        (b'{"signature_name": "tensors", "instances": [["a", "b", "c"]]}', "numbers"),
        (b'{"signature_name": "tensors", "instances": [[1, 2, 0.5]]}', "whole numbers"),
        (b'{"signature_name": "tensors", "instances": [[1, 2, 1e300]]}', "whole numbers"),
        (b'{"signature_name": "tensors", "instances": [[1, 2, NaN]]}', "whole numbers"),
        (b'{"signature_name": "tensors", "instances": [[1, 2, 99999999999999999999]]}', "numbers"),
        (b'{"signature_name": "pixels", "instances": [[[1, 256]]]}', "range of uint8"),
        (b'{"signature_name": "pixels", "instances": [[[1, -1]]]}', "range of uint8"),
    ],
)
def test_what_is_wrong_is_refused_with_the_reason(body, reason):
    with pytest.raises(BadInput, match=reason):
        rest.read(body, SIGNATURES)


def test_answers_are_written_by_row_and_by_column():
    answers = {"label": np.array([b"a", "ü".encode()], object), "score": np.array([[0.1], [0.25]], np.float32)}
    rows = [{"label": "a", "score": [0.1]}, {"label": "ü", "score": [0.25]}]
    assert rest.written(answers, by_row=True) == {"predictions": rows}
    assert rest.written(answers, by_row=False) == {"outputs": {"label": ["a", "ü"], "score": [[0.1], [0.25]]}}


def test_a_single_output_is_written_without_its_name():
    answers = {"score": np.array([0.1, 1e-7], np.float32)}
    assert rest.written(answers, by_row=True) == {"predictions": [0.1, 1e-7]}
    assert rest.written(answers, by_row=False) == {"outputs": [0.1, 1e-7]}


def test_states_of_versions_are_written_newest_first():
    found = rest.version_status([(1, "AVAILABLE", ""), (3, "END", "damaged"), (2, "LOADING", "")])
    assert [one["version"] for one in found["model_version_status"]] == ["3", "2", "1"]
    assert found["model_version_status"][0]["status"] == {"error_code": "UNKNOWN", "error_message": "damaged"}
    assert found["model_version_status"][2]["status"] == {"error_code": "OK", "error_message": ""}
