"""A server of small files on this machine, in place of those that sets and weights are downloaded from."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Site(ThreadingHTTPServer):
    """Serves a folder; `base` is its address, and `asked` counts the requests."""

    asked = 0

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(SimpleHTTPRequestHandler):
    def do_GET(self):
        self.server.asked += 1
        super().do_GET()

    def log_message(self, *_):
        pass


@contextmanager
def serving_files(root: Path) -> Iterator[Site]:
    """Serve the files below a folder."""
    with Site(("127.0.0.1", 0), partial(Handler, directory=str(root))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
