"""How long, and how much of it, the server waits for the head of a request; uvicorn alone would wait for ever."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 15.0  # from a connection's first moment, or first byte after an answer, to the end of the headers
HEAD_BYTES = 65_536


class Protocol(HttpToolsProtocol):
    """Uvicorn's protocol, which closes a connection whose request does not come and refuses endless headers."""

    head_timer: asyncio.TimerHandle | None = None
    head_bytes = 0

    def connection_made(self, transport: Any) -> None:
        """Begin to wait."""
        super().connection_made(transport)
        self.expect_head()

    def data_received(self, data: bytes) -> None:
        """Take bytes of a request."""
        if self.cycle is None or self.cycle.response_complete:
            self.expect_head()
        super().data_received(data)
        if self.head_timer is not None:  # the headers go on
            self.head_bytes += len(data)
            if self.head_bytes > HEAD_BYTES and not self.transport.is_closing():
                self.send_400_response("The headers are too large.")

    def on_headers_complete(self) -> None:
        """Stop to wait: the guard measures the body."""
        self.stop_timer()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self.stop_timer()
        super().connection_lost(exc)

    def expect_head(self) -> None:
        """Give the client its time, once."""
        if self.head_timer is None:
            self.head_bytes = 0
            self.head_timer = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def stop_timer(self) -> None:
        """Stop to wait."""
        if self.head_timer is not None:
            self.head_timer.cancel()
            self.head_timer = None
