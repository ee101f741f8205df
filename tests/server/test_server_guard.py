"""What is refused before a model is asked: no key, too often, from another site."""

import socket
import threading
from urllib.parse import urlsplit

import pytest
import requests
import uvicorn
from live_server import until


@pytest.fixture
def gate(tiny_run):
    """Give a function that starts a server without models: what is refused before a model is asked."""
    from keras_dl.server import app
    from keras_dl.server.settings import Settings

    started = []

    def start(**settings):
        outermost = app.create(Settings(runs=(str(tiny_run("emoji").path),), **settings)).state.outermost
        config = uvicorn.Config(outermost, port=0, lifespan="off", log_config=None, access_log=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        started.append((server, thread))
        until(lambda: server.started)
        return f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/v1/models"

    yield start
    for server, thread in started:
        server.should_exit = True
        thread.join(20)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer other"}, 401),
        ({"X-Api-Key": "k\xe4se"}, 401),
        ({"Authorization": "Bearer secret"}, 200),
        ({"X-Api-Key": "secret"}, 200),
    ],
)
def test_a_key_is_wanted_where_one_is_set(headers, status, gate):
    url = gate(api_key="secret")
    response = requests.get(url, headers=headers, timeout=20)
    assert response.status_code == status
    assert (status == 401) == ("WWW-Authenticate" in response.headers)
    assert requests.get(url.replace("/v1/", "/%761/"), timeout=20).status_code == 401
    assert requests.get(url.replace("/v1/models", "/livez"), timeout=20).ok


def test_who_asks_too_often_waits_whatever_he_calls_himself(gate):
    url = gate(rate="3/hour")
    found = [requests.get(url, headers={"X-Client-Id": f"client-{number}"}, timeout=20) for number in range(5)]
    assert [one.status_code for one in found] == [200, 200, 200, 429, 429]
    assert 1 <= int(found[-1].headers["Retry-After"]) <= 3600
    assert requests.get(url.replace("/v1/models", "/livez"), timeout=20).ok


@pytest.mark.parametrize("origins", [(), ("https://a.example",)])
def test_other_sites_may_ask_only_if_they_are_named(origins, gate):
    url = gate(api_key="secret", allow_origin=origins)
    asked = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
    before = requests.options(url, headers={**asked, "Access-Control-Request-Headers": "x-api-key"}, timeout=20)
    found = requests.get(url, headers={**asked, "X-Api-Key": "secret"}, timeout=20)
    refused = requests.get(url, headers=asked, timeout=20)
    assert refused.status_code == 401
    allowed = [one.headers.get("Access-Control-Allow-Origin") for one in (before, found, refused)]
    assert allowed == ([*origins * 3] or [None, None, None])
    assert before.ok == bool(origins)


@pytest.mark.parametrize("path", ["/", "/static/page.js", "/v1/models"])
def test_a_websocket_is_refused(path, gate):
    address = urlsplit(gate())
    asked = f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        key = b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        connection.sendall(asked.encode() + key)
        assert b" 403 " in connection.recv(1000).split(b"\r\n")[0]
