"""The downloader against a server on this machine: whole, resumed, refused, damaged, offline."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from keras_dl.data import download
from keras_dl.data.download import cache_folder, fetch, made_once
from keras_dl.errors import KerasDLError

pytestmark = pytest.mark.usefixtures("behind_a_proxy")  # what is on this machine is reached all the same
DATA = np.random.default_rng(0).bytes(300_000)
SHA256 = hashlib.sha256(DATA).hexdigest()
MD5 = hashlib.md5(DATA).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves DATA at every path; what it does next and what it was asked are plain attributes."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.data = DATA
        self.failures: list[int | str] = []  # a status to answer, or "cut": close in the middle
        self.ranges = True
        self.content_type = "application/zip"
        self.requests: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/set.zip"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server: Server = self.server
        server.requests.append({name.lower(): value for name, value in self.headers.items()})
        failure = server.failures.pop(0) if server.failures else None
        if isinstance(failure, int):
            return self.send_error(failure)
        asked = self.headers.get("Range") if server.ranges else None
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        if start >= len(server.data):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(server.data)}")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        body = server.data[start:]
        self.send_response(206 if asked else 200)
        self.send_header("Content-Type", server.content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if failure == "cut" else body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(download, "FIRST_PAUSE", 0.01)
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_file_is_downloaded_once(server, tmp_path):
    target = tmp_path / "deep" / "set.zip"
    assert fetch(server.url, target, SHA256) == target
    assert target.read_bytes() == DATA
    assert sorted(path.name for path in target.parent.iterdir()) == ["set.zip"]
    server.failures = [500] * 9
    assert fetch(server.url, target, SHA256) == target
    assert len(server.requests) == 1


def test_the_cached_file_needs_no_network(tmp_path):
    target = tmp_path / "set.zip"
    target.write_bytes(DATA)
    for _ in range(2):
        assert fetch("http://127.0.0.1:1/none", target).read_bytes() == DATA


def test_a_partial_file_is_continued(server, tmp_path):
    (tmp_path / "set.zip.part").write_bytes(DATA[:123_456])
    assert fetch(server.url, tmp_path / "set.zip", SHA256).read_bytes() == DATA
    assert [request.get("range") for request in server.requests] == ["bytes=123456-"]
    assert not (tmp_path / "set.zip.part").exists()


def test_a_cut_connection_is_continued_by_itself(server, tmp_path):
    server.failures = ["cut", 503, "cut"]
    assert fetch(server.url, tmp_path / "set.zip", SHA256).read_bytes() == DATA
    assert [request.get("range") for request in server.requests] == [
        None, "bytes=131072-", "bytes=131072-", "bytes=196608-"
    ]  # fmt: skip


def test_what_arrived_before_giving_up_is_kept_for_the_next_time(server, tmp_path):
    server.failures = ["cut", 500, 500, 500]
    with pytest.raises(KerasDLError, match="the server answered 500; the part that arrived is kept"):
        fetch(server.url, tmp_path / "set.zip", SHA256)
    assert len((tmp_path / "set.zip.part").read_bytes()) == 131_072
    assert fetch(server.url, tmp_path / "set.zip", SHA256).read_bytes() == DATA


def test_a_server_without_ranges_starts_again(server, tmp_path):
    server.ranges = False
    (tmp_path / "set.zip.part").write_bytes(b"something else")
    assert fetch(server.url, tmp_path / "set.zip", SHA256).read_bytes() == DATA


@pytest.mark.parametrize(("part", "requests"), [(DATA, 1), (DATA + b"longer", 2)])
def test_a_part_that_is_whole_or_too_long(server, tmp_path, part, requests):
    (tmp_path / "set.zip.part").write_bytes(part)
    assert fetch(server.url, tmp_path / "set.zip", SHA256).read_bytes() == DATA
    assert len(server.requests) == requests


def test_a_wrong_checksum_is_an_error_and_leaves_no_file(server, tmp_path):
    with pytest.raises(KerasDLError, match=f"not the expected {'0' * 64}; try again"):
        fetch(server.url, tmp_path / "set.zip", "0" * 64)
    assert not list(tmp_path.iterdir())


def test_an_md5_will_do_where_a_source_has_no_better(server, tmp_path):
    with pytest.raises(KerasDLError, match=f"its md5 is not the expected {'0' * 32}; try again"):
        fetch(server.url, tmp_path / "set.zip", md5="0" * 32)
    assert fetch(server.url, tmp_path / "set.zip", md5=MD5).read_bytes() == DATA
    server.failures = [500] * 9
    assert fetch(server.url, tmp_path / "set.zip", md5=MD5).read_bytes() == DATA
    assert [path.name for path in tmp_path.iterdir()] == ["set.zip"]


def test_a_damaged_file_is_fetched_again(server, tmp_path):
    (tmp_path / "set.zip").write_bytes(DATA[:-1])
    assert fetch(server.url, tmp_path / "set.zip", SHA256).read_bytes() == DATA


def test_an_unknown_checksum_is_remembered_and_holds(server, tmp_path):
    target = fetch(server.url, tmp_path / "set.zip")
    assert (tmp_path / "set.zip.sha256").read_text() == f"{SHA256}  set.zip\n"
    target.unlink()
    server.data = DATA[::-1]
    with pytest.raises(KerasDLError, match=r"if the source has a new version, delete .*set\.zip\.sha256"):
        fetch(server.url, target)
    server.data = DATA
    assert fetch(server.url, target).read_bytes() == DATA


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_is_not_tried_again(server, tmp_path, status):
    server.failures = [status]
    with pytest.raises(KerasDLError, match=f"refused with {status}") as caught:
        fetch(server.url, tmp_path / "set.zip")
    assert "\n" not in str(caught.value)
    assert len(server.requests) == 1


def test_a_login_page_is_not_taken_for_the_file(server, tmp_path):
    server.content_type = "text/html; charset=utf-8"
    with pytest.raises(KerasDLError, match="the server sent a web page instead"):
        fetch(server.url, tmp_path / "set.zip")
    assert not list(tmp_path.iterdir())


def test_no_network_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "FIRST_PAUSE", 0)
    with pytest.raises(KerasDLError, match="no connection") as caught:
        fetch("http://127.0.0.1:1/set.zip", tmp_path / "set.zip")
    assert "\n" not in str(caught.value)


def test_what_is_on_another_machine_comes_through_the_proxy(server, tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url)
    assert fetch("http://sets.example/set.zip", tmp_path / "set.zip", SHA256).read_bytes() == DATA
    assert server.requests[0]["host"] == "sets.example"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://localhost:7860", True),
        ("http://LOCALHOST./x", True),
        ("http://model.localhost", True),
        ("grpc://127.8.8.8:8500", True),
        ("http://[::1]:7860/v1", True),
        ("http://0.0.0.0:7860", True),
        ("http://localhost.example", False),
        ("http://127.0.0.1.example", False),
        ("http://10.0.0.1", False),
        ("http://[2001:db8::1]", False),
    ],
)
def test_this_machine_is_known(url, expected):
    assert download.is_this_machine(url) is expected


def test_the_account_is_sent(server, tmp_path):
    fetch(server.url, tmp_path / "set.zip", auth=("ann", "key"))
    assert server.requests[0]["authorization"] == "Basic YW5uOmtleQ=="


def test_the_cache_folder_can_be_chosen(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_DL_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("KERAS_DL_CACHE")
    assert cache_folder().name == "keras-dl"


def test_made_once_is_complete_or_absent(tmp_path):
    calls = []

    def make(folder: Path, fail: bool) -> None:
        calls.append(fail)
        (folder / "half").write_text("")
        if fail:
            raise RuntimeError

    with pytest.raises(RuntimeError):
        made_once(tmp_path / "set", lambda folder: make(folder, True))
    assert not list(tmp_path.iterdir())
    for _ in range(2):
        assert list(made_once(tmp_path / "set", lambda folder: make(folder, False)).iterdir())
    assert calls == [True, False]
    (tmp_path / "file").write_text("")
    with pytest.raises(KerasDLError, match="choose another --out"):
        made_once(tmp_path / "file" / "set", lambda folder: None)
