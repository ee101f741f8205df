"""The client over gRPC, against the service that TensorFlow Serving defines, on this machine."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from keras_dl import client
from keras_dl.client import protocol
from keras_dl.errors import KerasDLError, UsageError

pytestmark = pytest.mark.usefixtures("behind_a_proxy")
UNUSABLE = b"a text that the server cannot use"


@pytest.fixture(scope="module")
def service():
    """A PredictionService for the model "spam"; what it is to refuse first stands in its `first`."""
    import grpc
    import tensorflow as tf
    from tensorflow.core.framework import types_pb2
    from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2, prediction_service_pb2_grpc

    class Service(prediction_service_pb2_grpc.PredictionServiceServicer):
        def begin(self, request, context):
            self.requests.append(request)
            if self.first:
                context.abort(getattr(grpc.StatusCode, self.first.pop(0)), "as the test\nwants it")
            if self.key and ("authorization", f"Bearer {self.key}") not in context.invocation_metadata():
                context.abort(grpc.StatusCode.UNAUTHENTICATED, "no")
            if request.model_spec.name != "spam" or request.model_spec.version.value == 9:
                context.abort(grpc.StatusCode.NOT_FOUND, "Servable not found")
            if request.model_spec.version_label == "none":
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, "Unrecognized servable version label: none")

        def GetModelMetadata(self, request, context):  # noqa: N802 - the service calls it so
            self.begin(request, context)
            found = get_model_metadata_pb2.SignatureDefMap()
            found.signature_def["serving_default"].inputs["text"].dtype = getattr(types_pb2, self.input_type)
            response = get_model_metadata_pb2.GetModelMetadataResponse()
            response.metadata["signature_def"].Pack(found)
            return response

        def Predict(self, request, context):  # noqa: N802 - the service calls it so
            self.begin(request, context)
            raws = tf.make_ndarray(request.inputs["text"]).tolist()
            if UNUSABLE in raws:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, "cannot use it")
            response = predict_pb2.PredictResponse()
            columns = {
                "probabilities": [[0.25, 0.75]] * len(raws),
                "label": [b"spam" if b"prize" in raw else "jambon cuit, à point".encode() for raw in raws],
            }
            for name, values in columns.items():
                response.outputs[name].CopyFrom(tf.make_tensor_proto(values[self.lost :]))
            return response

    found = Service()
    server = grpc.server(ThreadPoolExecutor(2))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(found, server)
    found.url = f"grpc://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield found
    server.stop(None).wait()


@pytest.fixture(autouse=True)
def fresh(service):
    service.first, service.requests, service.key, service.input_type, service.lost = [], [], None, "DT_STRING", 0


def test_rows_are_in_order_and_one_bad_input_spoils_no_other(service):
    texts = [f"text {number}" for number in range(33)] + [UNUSABLE.decode(), "prize\0", ""]
    rows = client.predict(service.url, "spam", texts)
    other = {"label": "jambon cuit, à point", "probabilities": [0.25, 0.75]}
    assert rows[:33] == [{"input": text, **other} for text in texts[:33]]
    assert rows[33:] == [
        {"input": UNUSABLE.decode(), "error": "cannot use it"},
        {"input": "prize\0", "label": "spam", "probabilities": [0.25, 0.75]},
        {"input": "", "error": "the text is empty"},
    ]
    assert list(service.requests[1].inputs["text"].string_val) == [text.encode() for text in texts[:32]]


def test_version_label_signature_and_key_are_sent(service):
    service.key = "letmein"
    client.predict(service.url, "spam", ["lunch"], version=3, key="letmein")
    assert service.requests[-1].model_spec.version.value == 3
    assert service.requests[-1].model_spec.signature_name == "serving_default"
    client.predict(service.url, "spam", ["lunch"], label="stable", key="letmein")
    assert service.requests[-1].model_spec.version_label == "stable"
    with pytest.raises(KerasDLError, match="needs another key"):
        client.predict(service.url, "spam", ["lunch"])


def test_a_busy_server_is_asked_again_but_not_for_ever(service, monkeypatch):
    monkeypatch.setattr(protocol, "FIRST_WAIT", 0.001)
    service.first = ["UNAVAILABLE", "RESOURCE_EXHAUSTED"]
    assert client.predict(service.url, "spam", ["prize"])[0]["label"] == "spam"
    service.first = ["UNAVAILABLE"] * 100
    with pytest.raises(KerasDLError, match=r"busy or not ready \(as the test wants it\); try again later"):
        client.predict(service.url, "spam", ["prize"])


def test_failures_say_what_to_do(service):
    for model, chosen in (("ham", {}), ("spam", {"version": 9}), ("spam", {"label": "none"})):
        with pytest.raises(KerasDLError, match=rf"has no .*model {model} .*(not found|Unrecognized).*--model_name or"):
            client.predict(service.url, model, ["lunch"], **chosen)
    for code, reason in (("INTERNAL", "failed with INTERNAL: as the test wants it; "), ("DEADLINE_EXCEEDED", "within")):
        service.first = [code]
        with pytest.raises(KerasDLError, match=reason):
            client.predict(service.url, "spam", ["lunch"])
    with pytest.raises(KerasDLError, match=r"no server answers at grpc://127.0.0.1:1 \(Connection refused\)"):
        client.predict("grpc://127.0.0.1:1", "spam", ["lunch"])
    service.lost = 1
    with pytest.raises(KerasDLError, match="answers 2 inputs with another number of outputs"):
        client.predict(service.url, "spam", ["lunch", "prize"])
    service.input_type = "DT_INT32"
    with pytest.raises(UsageError, match="model spam takes text of DT_INT32"):
        client.predict(service.url, "spam", ["lunch"])
