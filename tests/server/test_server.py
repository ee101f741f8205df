"""The server as a client sees it: TensorFlow Serving's protocol, the emoji service's contract, and our own routes."""

import gzip
import json
import logging

import numpy as np
import pytest
import requests
from live_server import until
from served_models import b64, examples, post, three_models  # noqa: F401 - a fixture

from keras_dl.errors import UsageError

# TensorFlow Serving's protocol


def test_status_has_the_fields_of_tensorflow_serving(server):
    ok = {"error_code": "OK", "error_message": ""}
    wanted = {"model_version_status": [{"version": "1", "state": "AVAILABLE", "status": ok}]}
    for path in ("emoji", "emoji/versions/1", "pneumonia"):
        assert requests.get(f"{server}/v1/models/{path}", timeout=9).json() == wanted


def test_metadata_describes_the_signatures_of_an_export_as_its_saved_model_does(server, exported):
    from google.protobuf.json_format import MessageToDict
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    found = requests.get(f"{server}/v1/models/emoji/metadata", timeout=9).json()
    assert found["model_spec"] == {"name": "emoji", "signature_name": "", "version": "1"}
    given = found["metadata"]["signature_def"]["signature_def"]
    saved = SavedModel.FromString((exported("emoji") / "saved_model.pb").read_bytes())
    written = saved.meta_graphs[0].signature_def
    assert set(given) == set(written) - {"__saved_model_init_op"}
    for name, signature in given.items():
        assert signature["method_name"] == written[name].method_name
        for side in ("inputs", "outputs"):
            for key, tensor in MessageToDict(written[name], preserving_proto_field_name=True)[side].items():
                assert signature[side][key]["dtype"] == tensor["dtype"]
                sides = [{"size": one["size"], "name": ""} for one in tensor["tensor_shape"]["dim"]]
                assert signature[side][key]["tensor_shape"] == {"dim": sides, "unknown_rank": False}


@pytest.mark.parametrize("name", ["pneumonia", "emoji"])
def test_rows_and_columns_give_the_trained_models_answers(name, server, tiny_run):
    run = tiny_run(name)
    raw = [path.read_bytes() for path in examples(run)]
    live = run.predict(*map(str, examples(run)))
    rows = post(f"{server}/v1/models/{name}:predict", {"instances": [b64(one) for one in raw]}).json()["predictions"]
    key = run.task.input.raw_name
    columns = post(f"{server}/v1/models/{name}:predict", {"inputs": {key: [b64(one) for one in raw]}}).json()["outputs"]
    assert [row["label"] for row in rows] == columns["label"] == [row["label"] for row in live]
    np.testing.assert_allclose([row["probability"] for row in rows], [row["probability"] for row in live], atol=1e-5)
    np.testing.assert_allclose(columns["probability"], [row["probability"] for row in rows], atol=1e-5)


def test_a_gzip_body_is_answered_as_a_plain_one(server):
    url, sent = f"{server}/v1/models/emoji:predict", {"instances": ["I love you", "let's play ball"]}
    packed = gzip.compress(json.dumps(sent).encode())
    answer = requests.post(url, data=packed, headers={"Content-Encoding": "gzip"}, timeout=30)
    assert answer.json() == post(url, sent).json()


@pytest.mark.parametrize(
    ("encoding", "body", "status", "reason"),
    [
        ("gzip", gzip.compress(b" " * 200_000_000), 413, "limit of 3 MB"),
        ("gzip", gzip.compress(b'{"instances": ["I love you"]}')[:-12], 400, "cut off"),
        ("gzip", gzip.compress(b'{"instances": ["I love you"]}') + gzip.compress(b" "), 400, "more than one part"),
        ("gzip", b'{"instances": ["I love you"]}', 400, "the body is not gzip"),
        ("br", b"x", 415, "Content-Encoding 'br' is not supported; send gzip"),
    ],
    ids=["a bomb", "cut off", "two parts", "plain", "another"],
)
def test_a_body_that_cannot_be_unpacked_is_refused(server, encoding, body, status, reason):
    url = f"{server}/v1/models/emoji:predict"
    answer = requests.post(url, data=body, headers={"Content-Encoding": encoding}, timeout=30)
    assert answer.status_code == status
    assert reason in answer.json()["error"]


def test_the_signature_of_decoded_inputs_answers_too(server, tiny_run):
    run = tiny_run("pneumonia")
    raw = examples(run)[0].read_bytes()
    decoded = run.task.input.decode(run.config, run.assets)(raw).numpy()
    url = f"{server}/v1/models/pneumonia:predict"
    by_pixels = post(url, {"signature_name": "tensors", "instances": [decoded.tolist()]}).json()["predictions"][0]
    by_bytes = post(url, {"instances": [b64(raw)]}).json()["predictions"][0]
    assert by_pixels["probability"] == pytest.approx(by_bytes["probability"], abs=1e-5)


def test_no_inputs_at_all_are_answered_with_no_outputs(server):
    for name in ("pneumonia", "emoji"):
        outputs = post(f"{server}/v1/models/{name}:predict", {"inputs": []}).json()["outputs"]
        assert outputs["label"] == []
    assert post(f"{server}/v1/models/emoji:predict", {"signature_name": "tensors", "inputs": []}).json()["outputs"]


@pytest.mark.parametrize(
    ("method", "path", "status", "reason"),
    [
        ("GET", "/v1/models/other", 404, "Could not find any versions of model other"),
        ("POST", "/v1/models/other:predict", 404, "Servable not found for request: Latest(other)"),
        ("GET", "/v1/models/emoji/versions/7", 404, "Could not find version 7 of model emoji"),
        ("POST", "/v1/models/emoji/versions/7:predict", 404, "Servable not found for request: Specific(emoji, 7)"),
        ("GET", "/v1/models/emoji/versions/x", 404, "Servable not found for request: Specific(emoji, x)"),
        ("POST", "/v1/models/emoji/labels/beta:predict", 404, "Unrecognized servable version label: beta"),
        ("GET", "/v1/nothing", 404, "Malformed request: GET /v1/nothing"),
        ("DELETE", "/v1/models/emoji", 405, "Method Not Allowed"),
    ],
)
def test_what_is_not_served_is_refused_in_tensorflow_servings_words(method, path, status, reason, server):
    answer = requests.request(method, server + path, timeout=9)
    assert (answer.status_code, answer.json()) == (status, {"error": reason})


def test_a_broken_image_is_refused_with_the_reason_and_harms_nobody(server, tiny_run):
    good = examples(tiny_run("pneumonia"))[0].read_bytes()
    answer = post(f"{server}/v1/models/pneumonia:predict", {"instances": [b64(good), b64(good[:300])]})
    assert answer.status_code == 400
    assert set(answer.json()) == {"error"}
    assert post(f"{server}/v1/models/pneumonia:predict", {"instances": [b64(good)]}).ok


# The emoji service


def test_the_emoji_service_answers_field_for_field(server):
    assert requests.get(f"{server}/health", timeout=9).json() == {"status": "healthy"}
    answer = post(f"{server}/predict", {"text": "I love you"}).json()
    assert list(answer) == ["text", "emoji", "emoji_meaning", "confidence", "all_predictions"]
    assert answer["text"] == "I love you"
    assert set(answer["all_predictions"]) == {"❤️", "⚾", "😄", "😞", "🍴"}
    assert answer["confidence"] == pytest.approx(max(answer["all_predictions"].values()))
    assert answer["all_predictions"][answer["emoji"]] == pytest.approx(answer["confidence"])
    assert sum(answer["all_predictions"].values()) == pytest.approx(1, abs=1e-4)
    meanings = {"❤️": "heart", "⚾": "baseball", "😄": "smile", "😞": "disappointed", "🍴": "fork and knife"}
    assert answer["emoji_meaning"] == meanings[answer["emoji"]]


def test_the_emoji_service_takes_lists(server):
    texts = ["I love you", "let us eat", "I love you"]
    answers = post(f"{server}/predict/batch", texts).json()
    assert [one["text"] for one in answers] == texts
    alone = post(f"{server}/predict", {"text": "let us eat"}).json()
    assert answers[1]["confidence"] == pytest.approx(alone["confidence"], abs=1e-5)
    assert post(f"{server}/predict/batch", []).json() == []


@pytest.mark.parametrize("body", [b"", b"{}", b'{"text": 1}', b'{"text": ""}', b"[]", b'{"text": "\\ud800"}'])
def test_the_emoji_service_refuses_what_is_no_text(body, server):
    answer = requests.post(f"{server}/predict", data=body, timeout=9)
    assert answer.status_code == 400
    assert set(answer.json()) == {"error"}


# House


def test_every_response_has_a_request_id_the_clients_own_if_it_is_sane(server):
    assert len(requests.get(f"{server}/livez", timeout=9).headers["x-request-id"]) == 32
    own = requests.get(f"{server}/livez", headers={"X-Request-Id": "trace-7"}, timeout=9)
    assert own.headers["x-request-id"] == "trace-7"
    odd = requests.get(f"{server}/livez", headers={"X-Request-Id": "a b" * 99}, timeout=9)
    assert len(odd.headers["x-request-id"]) == 32


def test_metrics_count_requests_phases_batches_and_versions(server):
    post(f"{server}/v1/models/emoji:predict", {"instances": ["a", "b"]})
    post(f"{server}/v1/models/emoji:predict", {"instances": []})
    text = requests.get(f"{server}/metrics", timeout=9).text
    for wanted in (
        'keras_dl_requests_total{model="emoji",route="predict",status="200",version="1"}',
        'keras_dl_requests_total{model="emoji",route="predict",status="400",version="1"}',
        'keras_dl_phase_seconds_count{model="emoji",phase="run"}',
        'keras_dl_phase_seconds_count{model="emoji",phase="queue"}',
        'keras_dl_batch_size_count{model="emoji",version="1"}',
        'keras_dl_request_seconds_count{model="emoji",route="predict",version="1"}',
        'keras_dl_model_version{model="emoji",version="1"} 1.0',
    ):
        assert wanted in text


def test_each_request_leaves_one_line_with_its_id_model_and_time(server, caplog):
    with caplog.at_level(logging.INFO, "keras_dl.server"):
        answer = post(f"{server}/v1/models/emoji:predict", {"instances": ["a"]}, headers={"X-Request-Id": "line-1"})
        until(lambda: lines_of("line-1", caplog))  # it is written after the answer
    assert answer.ok
    (facts,) = lines_of("line-1", caplog)
    assert facts["status"] == 200
    assert (facts["model"], facts["version"], facts["method"]) == ("emoji", "1", "POST")
    assert facts["ms"] > 0


def lines_of(request_id, caplog):
    return [one.facts for one in caplog.records if getattr(one, "facts", {}).get("request_id") == request_id]


def test_the_pages_of_the_api_ask_nobody_else(server):
    assert requests.get(f"{server}/openapi.json", timeout=9).json()["info"]["title"] == "keras-dl"
    docs = requests.get(f"{server}/docs", timeout=9).text
    assert "http" not in docs.replace("http-equiv", "")
    page = requests.get(f"{server}/", timeout=9)
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "keras_dl_client" in page.cookies


@pytest.mark.parametrize(
    ("runs", "options", "reason"),
    [
        (["no-such-thing"], {}, "not a run directory, a task"),
        (["{run}", "{run}"], {}, "two models are called 'emoji'"),
        (["{run}", "b={run}"], {"name": "x"}, "--name is for one model"),
        (["a b={run}"], {}, "cannot be called 'a b'"),
    ],
)
def test_what_cannot_be_served_is_wrong_usage(runs, options, reason, tiny_run):
    from keras_dl.server.models import sources

    with pytest.raises(UsageError, match=reason):
        sources.find([one.format(run=tiny_run("emoji").path) for one in runs], **options)
