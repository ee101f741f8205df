"""A model behind TensorFlow Serving's gRPC protocol; its stubs import TensorFlow, which takes some seconds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from keras_dl.client import protocol
from keras_dl.client.protocol import Asked, Result, Row
from keras_dl.data.download import is_this_machine
from keras_dl.errors import BadInput, KerasDLError
from keras_dl.task import Input
from keras_dl.task.blocks import Answer
from keras_dl.training.machines import devices

SIGNATURE = "serving_default"
ANY_SIZE = [(f"grpc.max_{way}_message_length", -1) for way in ("send", "receive")]  # it is 4 MB else


class Grpc:
    """A model on a server at an address "grpc://HOST:PORT"; the port is 8500 where none is given."""

    def __init__(self, url: str, asked: Asked) -> None:
        devices.import_quietly()
        import grpc
        from tensorflow_serving.apis import prediction_service_pb2_grpc

        self.url, self.asked = url, asked
        self.name = f"{asked.model} --url {url}"
        host = urlsplit(url).netloc.rpartition("@")[2]
        host = host if urlsplit(url).port else f"{host}:8500"
        options = [*ANY_SIZE, ("grpc.enable_http_proxy", int(not is_this_machine(url)))]
        self.channel = grpc.insecure_channel(host, options=options)
        self.stub = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)
        self.key = [("authorization", f"Bearer {asked.key}")] if asked.key else []
        self.raw_name = ""
        self.input: Input

    def prepare(self) -> None:
        """Ask the server what the model takes."""
        self.raw_name, self.input = self.signature()

    def close(self) -> None:
        """Close the connection."""
        self.channel.close()

    def signature(self) -> tuple[str, Input]:
        """Ask what the model takes: the name of its input, and the kind of it."""
        from tensorflow.core.framework import types_pb2
        from tensorflow_serving.apis import get_model_metadata_pb2

        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        self.fill_in(request.model_spec)
        try:
            response = self.send(self.stub.GetModelMetadata, request)
        except BadInput as error:
            raise self.absent(str(error)) from None
        found = get_model_metadata_pb2.SignatureDefMap()
        response.metadata["signature_def"].Unpack(found)
        inputs = found.signature_def[SIGNATURE].inputs
        takes = {name: types_pb2.DataType.Name(one.dtype) for name, one in inputs.items()}
        return next(iter(takes), ""), protocol.input_of(self.asked, takes)

    def ask(self, raws: Sequence[bytes]) -> list[Row]:
        """Answer raw inputs, a row each; raises BadInput if the server cannot use one of them."""
        import tensorflow as tf
        from tensorflow.core.framework import tensor_pb2, tensor_shape_pb2, types_pb2
        from tensorflow_serving.apis import predict_pb2

        shape = tensor_shape_pb2.TensorShapeProto(dim=[tensor_shape_pb2.TensorShapeProto.Dim(size=len(raws))])
        tensor = tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, tensor_shape=shape, string_val=raws)
        request = predict_pb2.PredictRequest(inputs={self.raw_name: tensor})
        self.fill_in(request.model_spec)
        request.model_spec.signature_name = SIGNATURE
        response = self.send(self.stub.Predict, request)
        columns = {name: words(tf.make_ndarray(tensor).tolist()) for name, tensor in response.outputs.items()}
        if not columns or any(not isinstance(one, list) or len(one) != len(raws) for one in columns.values()):
            raise KerasDLError(
                f"{self.url} answers {len(raws)} inputs with another number of outputs; ask it by http://"
            )
        return [protocol.label_first({name: one[row] for name, one in columns.items()}) for row in range(len(raws))]

    def answer(self, row: Row) -> Answer:
        """Say a row in a few words."""
        return protocol.plain_answer(row)

    def fill_in(self, spec: Any) -> None:
        """Write which model and version is asked into a request's ModelSpec."""
        spec.name = self.asked.model
        if self.asked.version is not None:
            spec.version.value = self.asked.version
        elif self.asked.label:
            spec.version_label = self.asked.label

    def send(self, method: Callable[..., Result], request: Any) -> Result:
        """Send one request, and again while the server is busy.

        Raises:
            BadInput: if the server cannot use it.
            KerasDLError: if no server answers, or not in time, or not to this key, or has no such model.
        """
        return protocol.patiently(lambda: self.try_once(method, request), self.asked.timeout)

    def try_once(self, method: Callable[..., Result], request: Any) -> Result:
        """Send one request once."""
        import grpc

        try:
            return method(request, timeout=self.asked.timeout, metadata=self.key)
        except grpc.RpcError as error:
            code, details = error.code(), error.details() or ""
            raise self.worded(code.name, protocol.one_line(details)) from None

    def worded(self, code: str, details: str) -> KerasDLError:
        """Turn a status of gRPC into what a person can do about it."""
        if code == "INVALID_ARGUMENT":
            return BadInput(details)
        if code == "NOT_FOUND":
            return self.absent(details)
        if code == "DEADLINE_EXCEEDED":
            return protocol.late(self.url, self.asked.timeout)
        if code in ("UNAUTHENTICATED", "PERMISSION_DENIED"):
            return protocol.refused(self.url)
        if code == "UNAVAILABLE" and ("connect" in details or "DNS" in details):
            return protocol.unreachable(self.url, details)
        if code in ("UNAVAILABLE", "RESOURCE_EXHAUSTED"):
            return protocol.Busy(self.url, details)
        return KerasDLError(
            f"{self.url} failed with {code}: {details}; is this the gRPC port? The port of TF Serving is 8500"
        )

    def absent(self, reason: str) -> KerasDLError:
        """Say that the server has no such model or version; gRPC has no way to ask which there are."""
        return protocol.absent(self.url, self.asked, reason, "")


def words(values: Any) -> Any:
    """Decode the strings among nested lists."""
    if isinstance(values, list):
        return [words(one) for one in values]
    return values.decode("utf-8", "replace") if isinstance(values, bytes) else values
