"""The real server in a thread of a test, on a free port of this machine."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import requests
import uvicorn

NO_PROXY = dict.fromkeys(("http", "https", "all"))
READY = 60  # seconds that loading may take


@contextmanager
def serving(*runs: object, ready: bool = True, **settings: object) -> Iterator[str]:
    """Serve runs as `keras-dl serve` does, and give the address; `settings` are those of `server.settings`."""
    from keras_dl.server import app
    from keras_dl.server.patience import Protocol
    from keras_dl.server.settings import Settings

    guard = app.create(Settings(runs=tuple(map(str, runs)), **settings)).state.outermost
    server = uvicorn.Server(
        uvicorn.Config(guard, port=0, log_config=None, access_log=False, timeout_graceful_shutdown=5, http=Protocol)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started)
    url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        if ready:
            until(lambda: requests.get(f"{url}/readyz", timeout=5, proxies=NO_PROXY).ok)
        yield url
    finally:
        server.should_exit = True
        thread.join(20)


def until(holds, seconds=READY):
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)
