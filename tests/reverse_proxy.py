"""A small reverse proxy for tests: it shows a server below a path, as nginx and jupyter-server-proxy do."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

HOP = ("connection", "transfer-encoding", "keep-alive", "content-length")  # headers of one connection alone


@contextmanager
def proxied(url: str, prefix: str = "", instead: str | None = "") -> Iterator[str]:
    """Show the server at `url` below a prefix; give the address with the prefix, without a slash at its end.

    Args:
        url: of the server behind.
        prefix: where its pages are, such as "/keras".
        instead: what the server sees in the prefix's place; None for the prefix itself.
    """

    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if not (self.path + "/").startswith(f"{prefix}/"):
                self.send_error(404)
                return
            path = self.path if instead is None else instead + self.path.removeprefix(prefix)
            length = int(self.headers.get("content-length", 0))
            behind = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
            behind.request(self.command, path or "/", self.rfile.read(length) or None, dict(self.headers))
            answer = behind.getresponse()
            body = answer.read()
            behind.close()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - the name says what it answers

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}{prefix}"
        finally:
            server.shutdown()
            thread.join()
