"""What goes wrong around the server: slow clients, too much at once, bombs, versions that come and go under load."""

import io
import json
import shutil
import socket
import struct
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
import requests
from live_server import serving, until

PREDICT = "/v1/models/emoji:predict"
BODY = b'{"instances": ["I love you"]}'
QUEUE = 4


@pytest.fixture(scope="module")
def folder(exported, tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults") / "emoji"
    shutil.copytree(exported("emoji"), folder / "1")
    return folder


@pytest.fixture(scope="module")
def server(folder, tmp_path_factory):
    database = f"sqlite:///{tmp_path_factory.mktemp('journal')}/requests.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("keras_dl.server.models.catalogue.EVERY", 0.1)
        with serving(folder, database=database, largest_body=2_000_000, queue=QUEUE, max_batch=2) as url:
            yield url


def connected(url, text=b""):
    address = urlsplit(url)
    connection = socket.create_connection((address.hostname, address.port), timeout=20)
    connection.sendall(text)
    return connection


def head(path, length, more=""):
    return f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n{more}\r\n".encode()


def predict(url, session=requests, **more):
    return session.post(f"{url}{PREDICT}", data=BODY, timeout=20, **more)


def read_all(connection):
    """Read an answer until the server closes the connection."""
    with connection, connection.makefile("rb") as file:
        return file.read()


def batch_of(texts):
    """Return a request for a batch that is never read, whole."""
    form = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
    body = form + b"\n".join(texts) + b"\r\n--edge--\r\n"
    return head("/v1/models/emoji:batch", len(body), "Content-Type: multipart/form-data; boundary=edge\r\n") + body


SLOW = {
    "in its first line": b"POST /v1",
    "in its headers": b"POST /v1/models/emoji:predict HTTP/1.1\r\nHost: a\r\n",
    "in its body": head(PREDICT, 1000) + b'{"inst',
    "in reading the answer": batch_of([b"\1" * 1900] * 1000),  # each is written as \\u0001,
}


@pytest.mark.parametrize("where", SLOW)
def test_slow_clients_hold_nobody_up(where, server):
    slow = [connected(server, SLOW[where]) for _ in range(3 if "reading" in where else 30)]
    try:
        for _ in range(5):
            began = time.monotonic()
            assert patient(server).status_code == 200
            assert time.monotonic() - began < 5
    finally:
        for connection in slow:
            connection.close()


def patient(url):
    """Predict, coming back where the queue is full."""
    while (response := predict(url)).status_code == 429:
        time.sleep(0.01)
    return response


def test_a_body_that_does_not_come_is_given_up(server, monkeypatch):
    monkeypatch.setattr("keras_dl.server.guard.BODY_SECONDS", 0.2)
    said = read_all(connected(server, SLOW["in its body"]))
    assert said.startswith(b"HTTP/1.1 408 ")
    assert b'{"error":"the request took more than' in said


def test_a_reader_who_does_not_read_is_let_go(server, monkeypatch, caplog):
    monkeypatch.setattr("keras_dl.server.guard.READ_SECONDS", 0.3)
    caplog.set_level("INFO", "keras_dl.server")
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((urlsplit(server).hostname, urlsplit(server).port))
        connection.sendall(SLOW["in reading the answer"])
        until(lambda: 499 in [getattr(one, "facts", {}).get("status") for one in caplog.records], 20)


def test_headers_that_do_not_end_are_given_up(server, monkeypatch):
    monkeypatch.setattr("keras_dl.server.patience.HEAD_SECONDS", 0.2)
    assert read_all(connected(server, SLOW["in its headers"])) == b""
    assert read_all(connected(server)) == b""


def test_headers_without_end_are_refused(server):
    with connected(server, b"GET / HTTP/1.1\r\n") as connection, pytest.raises(OSError, match=r"reset|Broken"):
        send_headers(connection, 10_000_000)


def send_headers(connection, size):
    for number in range(size // 100_000):
        connection.sendall(b"X-%d: %s\r\n" % (number, b"a" * 100_000))


@pytest.mark.parametrize("way", ["with its length", "in chunks"])
def test_a_body_that_is_too_large_is_refused_and_the_client_reads_why(way, server):
    body = bytes(3_000_000)
    response = requests.post(f"{server}{PREDICT}", data=body if way == "with its length" else iter([body]), timeout=20)
    assert response.status_code == 413
    assert response.json() == {"error": "the request is larger than the limit of 2 MB"}
    assert predict(server).ok


@pytest.mark.parametrize(
    ("verb", "sent"),
    [
        ("predict", b'{"signature_name": "\\ud800", "instances": ["a"]}'),
        ("explain", b'{"method": "\\ud800", "instances": ["a"]}'),
        ("predict", b'{"instances": [' + b"[" * 900 + b"]" * 900 + b"]}"),
        ("feedback", b'{"request_id": "a", "label": "b", "c\\nd": 1}'),
    ],
    ids=["half a character", "half a character to explain", "deep lists", "a strange key"],
)
def test_what_cannot_be_written_back_is_refused_all_the_same(verb, sent, server):
    response = requests.post(f"{server}/v1/models/emoji:{verb}", data=sent, timeout=20)
    assert response.status_code == 400
    assert len(response.json()["error"].splitlines()) == 1


def test_a_full_queue_sends_away_and_what_it_took_is_answered(server, monkeypatch):
    from keras_dl.server.models.served import Version

    gate, call = threading.Event(), Version.call
    monkeypatch.setattr(Version, "call", lambda *given: gate.wait(20) and call(*given))
    with ThreadPoolExecutor(12) as pool:
        asked = [pool.submit(predict, server) for _ in range(12)]
        until(lambda: sum(one.done() for one in asked) >= 12 - QUEUE - 2, 10)
        away = [one.result() for one in asked if one.done()]
        gate.set()
        answers = [one.result() for one in asked]
    assert {one.status_code for one in away} == {429}
    assert all(int(one.headers["Retry-After"]) >= 1 and "error" in one.json() for one in away)
    codes = [one.status_code for one in answers]  # a request that came late may have been sent away too
    assert set(codes) == {200, 429}
    assert codes.count(200) <= QUEUE + 2
    assert predict(server).ok


def nameless_zip():
    """Return a zip whose only file has no name: its one letter is counted to the next field."""
    whole = bytearray(zip_of(10).replace(b"a.txt", b"abcde"))
    place = whole.rindex(b"PK\1\2") + 28
    whole[place : place + 4] = struct.pack("<HH", 0, 5)
    return bytes(whole)


def zip_of(size, kind=zipfile.ZIP_DEFLATED):
    """Return a zip whose only file says that it unpacks to so many bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", kind) as archive:
        archive.writestr("a.txt", b"I love you")
    whole = bytearray(file.getvalue())
    place = whole.rindex(b"PK\1\2") + 24
    whole[place : place + 4] = struct.pack("<I", size)
    return bytes(whole)


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (zip_of(2_000_000_000), 413),
        (b"PK\3\4" + b"PK\1\2" * 200_001, 413),
        (b"text\n" + b"a\n" * 100_001, 413),
        (nameless_zip(), 400),
        (zip_of(60_000_000), "it has 60,000,000 bytes, but one file may have at most 50,000,000"),
        (zip_of(10, zipfile.ZIP_LZMA), "its compression is not supported; make the zip with Deflate"),
    ],
    ids=["a zip of gigabytes", "a zip of many", "a CSV file of many", "no name", "one large file", "another packer"],
)
def test_bombs_do_not_go_off(raw, status, server):
    began = time.monotonic()
    response = requests.post(f"{server}/v1/models/emoji:batch", files={"file": ("a", raw)}, timeout=20)
    assert response.status_code == (200 if isinstance(status, str) else status)
    assert time.monotonic() - began < 5
    if isinstance(status, str):  # what the row says
        _, row, done = map(json.loads, response.text.splitlines())
        assert row["input"] == "a.txt"
        assert row["error"].startswith(status)
        assert done["errors"] == 1


def test_json_of_millions_of_values_is_refused_before_it_is_read():
    from keras_dl.errors import BadInput
    from keras_dl.server.routes import rest

    for body in (b"[" + b"{}," * 5_000_001 + b"0]", b"[" * 100_000):
        began = time.monotonic()
        with pytest.raises(BadInput):
            rest.parsed(body)
        assert time.monotonic() - began < 2
    with pytest.raises(BadInput, match="at most 10,000"):
        rest.rows([0] * 10_001, "text")


def test_a_jpeg_of_endless_scans_is_refused_before_they_are_decoded():
    from PIL import Image

    from keras_dl.data.image_check import check
    from keras_dl.errors import BadInput

    file = io.BytesIO()
    Image.new("L", (2000, 2000)).save(file, "JPEG", progressive=True)
    whole = file.getvalue()
    check(whole)
    scan = whole[whole.rindex(b"\xff\xda") : -2]
    began = time.monotonic()
    with pytest.raises(BadInput, match="of 1,0"):
        check(whole[:-2] + scan * 1000 + whole[-2:])
    assert time.monotonic() - began < 2


def states(url):
    found = requests.get(f"{url}/v1/models/emoji", timeout=20).json()["model_version_status"]
    return {one["version"]: (one["state"], one["status"]["error_message"]) for one in found}


def test_versions_come_and_go_and_are_damaged_while_requests_run(server, folder, tmp_path, caplog):
    stop, seen = threading.Event(), []

    def ask():
        with requests.Session() as session:
            while not stop.is_set():
                seen.append(predict(server, session))

    with ThreadPoolExecutor(2) as pool:
        asking = [pool.submit(ask) for _ in range(2)]
        try:
            copy_slowly(folder / "1", folder / "2", lambda: until(lambda: "2" in states(server), 20))
            until(lambda: states(server)["2"] == ("AVAILABLE", ""), 20)
            shutil.copytree(folder / "1", tmp_path / "3")
            with (tmp_path / "3" / "saved_model.pb").open("ab") as file:
                file.write(b"\0")
            shutil.move(tmp_path / "3", folder / "3")
            until(lambda: states(server).get("3", ("",))[0] == "END", 20)
            refused = states(server)["3"][1]
            late = connected(server, head(PREDICT, len(BODY), "Connection: close\r\n"))  # version 2 is to answer it ...
            time.sleep(0.1)
            shutil.rmtree(folder / "3")
            shutil.rmtree(folder / "2")
            until(lambda: set(states(server)) == {"1"}, 20)
            time.sleep(0.3)
            late.sendall(BODY)  # ... which has gone now
            answer = read_all(late)
        finally:
            stop.set()
        for one in asking:
            one.result()
    assert refused
    assert str(folder) not in refused
    assert "saved_model.pb is changed since the export" in caplog.text
    assert b" 200 OK" in answer
    assert b"x-model-version: 2" in answer.lower()
    assert {one.status_code for one in seen} == {200}
    assert {one.headers["X-Model-Version"] for one in seen} == {"1", "2"}
    assert predict(server).headers["X-Model-Version"] == "1"


def copy_slowly(source, target, halfway):
    """Copy a version as a person does: the server sees it before all of it is there."""
    target.mkdir()
    shutil.copy(source / "saved_model.pb", target)
    halfway()
    shutil.copytree(source, target, dirs_exist_ok=True)
