"""TensorFlow Serving's REST protocol: its JSON to arrays and back, its signatures, its errors.

After https://www.tensorflow.org/tfx/serving/api_rest. Nothing here knows of HTTP.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import tensorflow as tf

from keras_dl.errors import BadInput

METHOD = "tensorflow/serving/predict"
VALUES = 5_000_000  # in a JSON body: 64 MB of "{},{}," would be a gigabyte of objects
INSTANCES = 10_000  # in a request


@dataclass(frozen=True)
class Signature:
    """What a signature takes, one tensor, and what it gives."""

    name: str  # of the input
    input: tf.TensorSpec
    outputs: Mapping[str, tf.TensorSpec]

    @classmethod
    def of(cls, graph: Any) -> Signature:
        """Read a concrete function's signature."""
        (spec,) = tf.nest.flatten(graph.structured_input_signature)
        return cls(spec.name, spec, {name: tf.TensorSpec(one.shape, one.dtype) for name, one in outputs(graph).items()})


@dataclass(frozen=True)
class Request:
    """A predict request, read."""

    signature: str
    batch: list[bytes] | np.ndarray  # raw inputs, or what the signature takes
    by_row: bool  # "instances" were sent, so "predictions" go back


def outputs(graph: Any) -> dict[str, Any]:
    """Return a concrete function's outputs by name, in the order of their names."""
    return dict(sorted(graph.structured_outputs.items()))


def signature_defs(graphs: Mapping[str, Any]) -> dict[str, Any]:
    """Describe concrete functions as TensorFlow Serving's metadata route does."""

    def tensor(name: str, spec: Any) -> dict[str, Any]:
        sides = [{"size": str(-1 if side is None else side), "name": ""} for side in spec.shape]
        dtype = tf.as_dtype(spec.dtype)
        named = f"DT_{dtype.name.upper()}" if dtype != tf.float32 else "DT_FLOAT"
        return {"dtype": named, "tensor_shape": {"dim": sides, "unknown_rank": False}, "name": name}

    found = {}
    for name, graph in graphs.items():
        signature = Signature.of(graph)
        found[name] = {
            "inputs": {signature.name: tensor(f"{name}_{signature.name}:0", signature.input)},
            "outputs": {
                key: tensor(f"StatefulPartitionedCall:{place}", spec)
                for place, (key, spec) in enumerate(signature.outputs.items())
            },
            "method_name": METHOD,
        }
    return found


def read(body: bytes, signatures: Mapping[str, Signature]) -> Request:
    """Read a predict request.

    Raises:
        BadInput: if it is not JSON or not what the signature takes, in TensorFlow Serving's words where it has some.
    """
    sent = parsed(body)
    if not isinstance(sent, dict):
        raise BadInput("JSON Value: Request body must be a JSON object")
    name = sent.get("signature_name") or "serving_default"
    if not isinstance(name, str) or name not in signatures:
        raise BadInput(f'Serving signature name: "{shortened(name)}" not found in signature def')
    if ("instances" in sent) == ("inputs" in sent):
        raise BadInput("JSON Value must have exactly one of the keys 'instances' (rows) and 'inputs' (columns)")
    signature, by_row = signatures[name], "instances" in sent
    values = sent["instances"] if by_row else sent["inputs"]
    values = rows(values, signature.name) if by_row else column(values, signature.name)
    return Request(name, as_batch(values, signature), by_row)


def parsed(body: bytes) -> Any:
    """Parse JSON; raises BadInput."""
    if body.count(b",") > VALUES:
        raise BadInput(f"the request has more than {VALUES:,} values; split it")
    try:
        return json.loads(body)
    except json.JSONDecodeError as error:
        raise BadInput(f"JSON Parse error: {error.msg} at offset: {error.pos}") from None
    except (ValueError, RecursionError):  # not UTF-8; nested without end
        raise BadInput("JSON Parse error: The document is not UTF-8, or nested too deeply") from None


def rows(values: Any, name: str) -> list[Any]:
    """Return the values of a request in row form: of a list of values, or of objects by input name."""
    if not isinstance(values, list) or not values:
        raise BadInput("'instances' must be a list of at least one value")
    bounded(values)
    if any(is_named(value) for value in values):
        for value in values:
            if not is_named(value) or set(value) != {name}:
                raise BadInput(f"each of 'instances' must be a value, or an object with the key '{name}' alone")
        return [value[name] for value in values]
    return values


def column(values: Any, name: str) -> list[Any]:
    """Return the values of a request in column form."""
    if is_named(values):
        if set(values) != {name}:
            raise BadInput(f"'inputs' must be the values, or an object with the key '{name}' alone")
        values = values[name]
    if not isinstance(values, list):
        raise BadInput("'inputs' must be a list: the first dimension is the batch")
    bounded(values)
    return values


def bounded(values: Sequence[Any]) -> None:
    """Refuse more inputs than one request may have."""
    if len(values) > INSTANCES:
        raise BadInput(f"{len(values):,} inputs, but a request may have at most {INSTANCES:,}; split it")


def is_named(value: Any) -> bool:
    """Whether it is an object by input name, not bytes written as `{"b64": ...}`."""
    return isinstance(value, dict) and set(value) != {"b64"}


def as_batch(values: list[Any], signature: Signature) -> list[bytes] | np.ndarray:
    """Turn JSON values into what a signature takes, its first dimension being the batch."""
    if signature.input.dtype == tf.string:
        return [as_bytes(value) for value in values]
    dtype, wanted = signature.input.dtype.as_numpy_dtype, signature.input.shape[1:]
    try:
        array = np.asarray(values)
    except ValueError:
        array = np.asarray(None)
    if array.dtype.kind not in "fiu" and array.size:
        raise BadInput(f"'{signature.name}' takes lists of numbers that all have the same shape")
    if not array.size and not len(values):
        array = np.zeros((0, *(side or 0 for side in wanted)))
    if not wanted.is_compatible_with(array.shape[1:]):
        shape = ", ".join("any" if side is None else str(side) for side in wanted)
        raise BadInput(f"'{signature.name}' takes shape [batch, {shape}], not {list(array.shape)}")
    with np.errstate(all="ignore"):
        cast = array.astype(dtype)
    if np.issubdtype(dtype, np.integer) and not np.array_equal(cast, array):
        raise BadInput(f"'{signature.name}' takes whole numbers in the range of {np.dtype(dtype).name}")
    return cast


def as_bytes(value: Any) -> bytes:
    """Return one raw input: a string as UTF-8, or the bytes in `{"b64": ...}`.

    As TensorFlow Serving does, base64 is taken with line breaks and without the signs that fill it up.
    """
    if isinstance(value, str):
        try:
            return value.encode("utf-8")
        except UnicodeEncodeError:
            raise BadInput("a string is not Unicode text: it contains half a surrogate pair") from None
    if isinstance(value, dict) and isinstance(value.get("b64"), str):
        try:
            text = "".join(value["b64"].split()).rstrip("=")
            return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        except (binascii.Error, ValueError):
            raise BadInput("Unable to base64 decode the value of 'b64'") from None
    raise BadInput(f'JSON Value: {shortened(value)} is not a string or {{"b64": "..."}}')


def written(answers: Mapping[str, np.ndarray], *, by_row: bool) -> dict[str, Any]:
    """Return the response: "predictions" by row, "outputs" by column; values alone where there is one output."""
    columns = {name: listed(values) for name, values in answers.items()}
    if not by_row:
        return {"outputs": columns if len(columns) > 1 else next(iter(columns.values()))}
    if len(columns) == 1:
        return {"predictions": next(iter(columns.values()))}
    return {"predictions": [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]}


def listed(values: np.ndarray) -> list[Any]:
    """Turn an array into JSON values: strings as text, floats in as many digits as tell them apart.

    Raises:
        BadInput: for what JSON has no number for; only numbers out of all range make a model say that.
    """
    if values.dtype.kind == "O":
        return [value.decode("utf-8", "replace") for value in values]
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise BadInput("the answer is not finite; the inputs are outside the range of the model")
    if values.dtype == np.float32:
        return values.astype(str).astype(float).tolist()
    return values.tolist()


def version_status(versions: Sequence[tuple[int, str, str]]) -> dict[str, Any]:
    """Describe versions, (number, state, error), the newest first, as TensorFlow Serving's status route does."""
    return {
        "model_version_status": [
            {
                "version": str(number),
                "state": state,
                "status": {"error_code": "UNKNOWN" if error else "OK", "error_message": error},
            }
            for number, state, error in sorted(versions, reverse=True)
        ]
    }


def shortened(value: Any, length: int = 80) -> str:
    """Write a value of the client's in one short line."""
    pieces = [value] if isinstance(value, str) else json.JSONEncoder(default=str).iterencode(value)
    text = "".join(piece[: 2 * length] for piece in islice(pieces, 2 * length))  # of a long value the beginning alone
    text = " ".join(text[: 2 * length].encode("utf-8", "replace").decode().split())
    return text if len(text) <= length else f"{text[: length - 1]}…"
