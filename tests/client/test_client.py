"""The client: rows from TF Serving's protocols and from our own server, and a line to act on when something fails."""

import base64
import io
import json
import re
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import PIL.Image
import pytest

from keras_dl import client
from keras_dl.client import protocol
from keras_dl.errors import KerasDLError, UsageError

pytestmark = pytest.mark.usefixtures("behind_a_proxy")
UNUSABLE = b"a text that the server cannot use"
VERSIONS = [
    {"version": "2", "state": "AVAILABLE", "labels": ["stable"]},
    {"version": "1", "state": "END", "labels": []},
]
MODELS = [
    {"name": name, "modality": kind, "versions": VERSIONS} for name, kind in (("spam", "text"), ("lungs", "image"))
]
MODELS += [{"name": "new", "versions": []}]


def answer(raw):
    """What the model of these tests says of one input."""
    return {"probability": min(len(raw), 100) / 100, "score": -1.5, "label": "spam" if b"prize" in raw else "ham"}


class Stub(ThreadingHTTPServer):
    """A server that speaks TF Serving's REST protocol for the models "spam" and "lungs", or as ours does."""

    daemon_threads = True

    def __init__(self, own=False):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.own, self.key, self.requests, self.first, self.input_type = own, None, [], [], "DT_STRING"

    def answered(self, method, path, body):
        """Return the status and the value for one request; what is in `first` comes before all else."""
        found = re.fullmatch(r"/v1/models/(\w+)(/(?:versions|labels)/\w+)?(/metadata|:\w+)?", path)
        if self.first:
            return self.first.pop(0)
        if path == "/v1/models" and self.own:
            return 200, {"models": MODELS}
        if not found:
            return 400, {"error": f"Malformed request: {method} {path}"}
        name, version, verb = found.groups()
        if name not in ("spam", "lungs") or version == "/versions/9":
            return 404, {"error": f"Servable not found for request: {name}"}
        if verb == "/metadata":
            inputs = {{"spam": "text", "lungs": "image_bytes"}[name]: {"dtype": self.input_type}}
            outputs = ["label"] if version == "/labels/lean" else ["probability", "score", "label"]
            signatures = {"serving_default": {"inputs": inputs, "outputs": {output: {} for output in outputs}}}
            return 200, {"metadata": {"signature_def": {"signature_def": signatures}}}
        raws = [base64.b64decode(one["b64"]) for one in body["instances"]]
        if UNUSABLE in raws and not self.own:
            return 400, {"error": "cannot decode\n  [[node decode]]"}
        rows = [answer(raw) for raw in raws]
        if verb == ":answer" and self.own:
            bad, more = {"input": "?", "error": "bad"}, {"input": "?", "of": "spam", "threshold": 0.5}
            rows = [row | more if raw != UNUSABLE else bad for row, raw in zip(rows, raws, strict=True)]
        return 200, {"predictions": [row["label"] for row in rows] if version == "/labels/lean" else rows}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer in one packet: the second would wait 40 ms for the first

    def do_GET(self):
        size = int(self.headers.get("Content-Length", 0))
        body = json.loads(self.rfile.read(size)) if size else None
        self.server.requests.append((self.command, unquote(self.path), body))
        if self.server.key and self.headers.get("Authorization") != f"Bearer {self.server.key}":
            status, value = 401, {"error": "no"}
        else:
            status, value, *headers = self.server.answered(self.command, self.path, body)
        content = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        for name, text in [("Content-Length", str(len(content))), *(headers[0] if status != 401 and headers else [])]:
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET  # noqa: N815 - the standard library calls it so

    def log_message(self, *_):
        pass


@contextmanager
def running(server):
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def plain():
    """A server that knows TF Serving's protocol alone."""
    with running(Stub()) as server:
        yield server


@pytest.fixture
def own():
    """A server like ours."""
    with running(Stub(own=True)) as server:
        yield server


def image(size):
    file = io.BytesIO()
    PIL.Image.new("L", (size, size), 7).save(file, "PNG")
    return file.getvalue()


# Rows


def test_texts_files_and_lines_are_answered_in_order_by_the_protocol_alone(plain, tmp_path, monkeypatch):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "one.txt").write_text("you won a prize")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("今日\nprize\n".encode())))
    rows = client.predict(plain.url, "spam", ["lunch at noon", tmp_path / "folder", "-"])
    assert rows == [
        {"input": "lunch at noon", **answer(b"lunch at noon")},
        {"input": str(tmp_path / "folder" / "one.txt"), **answer(b"you won a prize")},
        {"input": "今日", **answer("今日".encode())},
        {"input": "prize", **answer(b"prize")},
    ]
    assert list(rows[0])[:2] == ["input", "label"]


def test_images_are_sent_as_they_are(plain, tmp_path):
    file = tmp_path / "lung.png"
    file.write_bytes(image(40))
    (row,) = client.predict(plain.url, "lungs", [file])
    assert row == {"input": str(file), **answer(image(40))}


def test_requests_are_small(plain, monkeypatch):
    texts = [f"text {number:03d}" for number in range(70)]
    assert [row["input"] for row in client.predict(plain.url, "spam", texts)] == texts
    monkeypatch.setattr(client, "LARGEST_BATCH", 20)
    client.predict(plain.url, "spam", [*texts[:5], "a text of more than twenty bytes"])
    sizes = [len(body["instances"]) for method, _, body in plain.requests if method == "POST"]
    assert sizes == [32, 32, 6, 2, 2, 1, 1]


def test_one_input_that_the_server_cannot_use_spoils_no_other(plain):
    texts = [f"text {number}" for number in range(9)]
    texts[4:4] = [UNUSABLE.decode()]
    rows = client.predict(plain.url, "spam", texts)
    assert rows[4] == {"input": UNUSABLE.decode(), "error": "cannot decode [[node decode]]"}
    assert [row["input"] for row in rows if "label" in row] == texts[:4] + texts[5:]


def test_what_cannot_be_used_is_not_sent(plain, tmp_path):
    (tmp_path / "small.png").write_bytes(image(8))
    (tmp_path / "no.png").write_bytes(b"GIF89a")
    gif, small = client.predict(plain.url, "lungs", [tmp_path])
    assert gif["error"] == "a GIF file; convert it to JPEG or 8-bit PNG"
    assert "too small" in small["error"]
    assert client.predict(plain.url, "spam", [""]) == [{"input": "", "error": "the text is empty"}]
    assert not [method for method, *_ in plain.requests if method == "POST"]


def test_our_server_gives_whole_rows(own):
    rows = client.predict(own.url, "spam", ["prize", UNUSABLE.decode(), "lunch"])
    more = {"of": "spam", "threshold": 0.5}
    assert rows == [
        {"input": "prize", **answer(b"prize"), **more},
        {"input": UNUSABLE.decode(), "error": "bad"},
        {"input": "lunch", **answer(b"lunch"), **more},
    ]
    assert [path for _, path, _ in own.requests] == ["/v1/models", "/v1/models/spam:answer"]


@pytest.mark.parametrize(
    ("chosen", "path"), [({"version": 3}, "/versions/3"), ({"label": "stable"}, "/labels/stable"), ({}, "")]
)
def test_a_version_can_be_chosen(plain, own, chosen, path):
    for server, verb in ((plain, "predict"), (own, "answer")):
        client.predict(server.url, "spam", ["lunch"], **chosen)
        assert server.requests[-1][1] == f"/v1/models/spam{path}:{verb}"


def test_the_only_output_of_a_model_has_its_name(plain):
    assert client.predict(plain.url, "spam", ["lunch"], label="lean") == [{"input": "lunch", "label": "ham"}]


def test_an_address_without_a_scheme_is_http(own):
    rows = client.predict(f"{own.url}/", "spam", ["lunch"])
    assert client.predict(own.url.removeprefix("http://"), "spam", ["lunch"]) == rows


def test_a_key_is_sent_and_no_password_takes_its_place(own, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    own.key = "letmein"
    assert client.predict(own.url, "spam", ["lunch"], key="letmein")[0]["label"] == "ham"
    for key in (None, "other"):
        with pytest.raises(KerasDLError, match=r"needs another key; .*--api-key KEY"):
            client.predict(own.url, "spam", ["lunch"], key=key)


# Failures


def test_a_busy_server_is_asked_again(plain, own, monkeypatch):
    monkeypatch.setattr(protocol, "FIRST_WAIT", 0.001)
    for server in (plain, own):
        server.first = [(429, {"error": "full"}, [("Retry-After", "0")]), (503, b"loading")] * 2
        assert client.predict(server.url, "spam", ["lunch"])[0]["label"] == "ham"


@pytest.mark.parametrize("headers", [[("Retry-After", "3600")], [("Retry-After", "0")]])
def test_patience_ends(own, headers):
    own.first = [(429, {"error": "the queue\nis full"}, headers)] * 100
    with pytest.raises(KerasDLError, match=r"busy or not ready \(the queue is full\); try again later"):
        client.predict(own.url, "spam", ["lunch"])
    assert len(own.requests) == (1 if headers[0][1] == "3600" else protocol.TRIES)


def test_what_the_server_does_not_have_is_said(plain, own):
    with pytest.raises(KerasDLError, match=r"has no model ham \(no such name\); it has: spam, lungs, new$"):
        client.predict(own.url, "ham", ["lunch"])
    with pytest.raises(KerasDLError, match=r"has loaded no version of new; see .*/readyz"):
        client.predict(own.url, "new", ["lunch"])
    with pytest.raises(KerasDLError, match=r"has no model ham \(Servable not found.*\); .*--model_config_file"):
        client.predict(plain.url, "ham", ["lunch"])
    for server, known in ((plain, "TF Serving gets the names of its models"), (own, r"it has: 2 \(stable\)$")):
        with pytest.raises(KerasDLError, match=rf"has no version 9 of model spam \(Servable not found.*\); {known}"):
            client.predict(server.url, "spam", ["lunch"], version=9)


def test_no_server_no_answer_no_protocol(plain):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(KerasDLError, match=r"did not answer within 0.05 s; .*--timeout SECONDS"):
            client.predict(url, "spam", ["lunch"], timeout=0.05)
    with pytest.raises(KerasDLError, match=r"no server answers at .* \(Connection refused\); start one with keras-dl"):
        client.predict(url, "spam", ["lunch"])
    for value in (b"<html>an error page</html>", {"metadata": []}, []):
        plain.first = [(200, value)] * 2
        with pytest.raises(KerasDLError, match="does not speak TensorFlow Serving's REST protocol; is this the right"):
            client.predict(plain.url, "spam", ["lunch"])
    plain.first = [(307, {}, [("Location", "https://127.0.0.1/")])]
    with pytest.raises(KerasDLError, match=r"redirects to https://127.0.0.1/; use that address for --url"):
        client.predict(plain.url, "spam", ["lunch"])


@pytest.mark.parametrize("value", [{"predictions": []}, {"predictions": 3}, {}, b"<html>", {"predictions": ["ham", 3]}])
def test_answers_that_are_none_are_refused(own, value):
    own.first = [(200, {"models": MODELS}), (200, value)]
    with pytest.raises(KerasDLError, match="does not speak TensorFlow Serving's REST protocol"):
        client.predict(own.url, "spam", ["lunch", "prize"])
    own.first = [(200, {"models": MODELS}), (500, {"error": "boom"})]
    with pytest.raises(KerasDLError, match="failed with status 500: boom"):
        client.predict(own.url, "spam", ["lunch"])


def test_wrong_usage_says_what_to_type(plain):
    for url in ("ftp://host", "http://", "host:port", "http://host:99999", "grpc://", "http://[::1"):
        with pytest.raises(UsageError, match="is not the address of a server; write http://HOST:8501"):
            client.predict(url, "spam", ["lunch"])
    with pytest.raises(UsageError, match="version 1 and label stable exclude each other"):
        client.predict(plain.url, "spam", ["lunch"], version=1, label="stable")
    with pytest.raises(UsageError, match="visible ASCII"):
        client.predict(plain.url, "spam", ["lunch"], key="naïve\n")
    with pytest.raises(UsageError, match=f"no file 'x.txt'; .*predict spam --url {plain.url} -$"):
        client.predict(plain.url, "spam", ["x.txt"])
    with pytest.raises(UsageError, match="there is no file 'a text'; give an image file, or a folder of them"):
        client.predict(plain.url, "lungs", ["a text"])
    plain.input_type = "DT_FLOAT"
    with pytest.raises(
        UsageError, match="spam takes text of DT_FLOAT, not a file or a text; serve a model that keras-dl export wrote"
    ):
        client.predict(plain.url, "spam", ["lunch"])


def test_rest_needs_no_tensorflow():
    code = "import sys, keras_dl.client.rest; sys.exit('tensorflow' in sys.modules or 'grpc' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
