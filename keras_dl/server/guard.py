"""What stands before every route: request ids, limits of size, rate and time, the key, counting, one log line each."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import re
import time
import uuid
import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse

from keras_dl.server import watching
from keras_dl.server.settings import Settings

LOG = logging.getLogger("keras_dl.server")
SANE = re.compile(r"[A-Za-z0-9_.:-]{1,100}")
COOKIE = re.compile(r"(?:^|;\s*)keras_dl_client=([\w-]{1,64})")
BODY_SECONDS = 30.0  # a client may take for sending a request
READ_SECONDS = 30.0  # a client may let a piece of its answer wait
ASKED = ("predict", "answer", "explain", "batch", "emoji", "emoji_batch")  # routes whose failures the journal counts
GONE = 499  # in log and metrics: the client went away, or does not read its answer

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Refused(Exception):  # noqa: N818 - reads as what it is
    """A request that is answered with an error; `headers` go with it."""

    def __init__(self, status: int, reason: str, **headers: str) -> None:
        super().__init__(reason)
        self.status, self.reason, self.headers = status, reason, headers


class Guard:
    """An ASGI application around another one."""

    def __init__(self, app: Any, settings: Settings) -> None:
        """Take the application and the limits."""
        self.app, self.settings = app, settings
        self.rate = parse(settings.rate) if settings.rate else None
        self.limiter = SlidingWindowCounterRateLimiter(MemoryStorage())
        self.draining_since: float | None = None
        self.loop: asyncio.AbstractEventLoop | None = None  # once it runs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "websocket":  # nothing here speaks it
            await send({"type": "websocket.close"})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        scope = self.at_root(scope)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        given = headers.get("x-request-id", "")
        state = scope.setdefault("state", {})
        state["request_id"] = given if SANE.fullmatch(given) else uuid.uuid4().hex
        state["client"], state["began"] = self.client(scope, headers), began
        status, started = 500, False

        async def sending(message: Message) -> None:
            nonlocal status, started
            if message["type"] == "http.response.start":
                status, started = message["status"], True
                message["headers"] = [*message.get("headers", ()), *self.headers(state)]
            try:
                async with asyncio.timeout(READ_SECONDS):
                    await send(message)
            except TimeoutError:  # who does not read is let go
                raise ClientDisconnect from None

        try:
            self.check(scope, headers)
            await self.app(scope, self.limited(receive, headers), sending)
        except Refused as error:
            await refusal(error)(scope, receive, sending)
        except ClientDisconnect:
            status = GONE
        except Exception as error:
            LOG.exception("a request failed", extra={"facts": {"request_id": state["request_id"]}})
            watching.ERRORS.labels(type(error).__name__).inc()
            if not started:
                await JSONResponse({"error": failure(state["request_id"])}, 500)(scope, receive, sending)
        finally:
            self.count(scope, state, status, time.perf_counter() - began)

    def at_root(self, scope: Scope) -> Scope:
        """Return a scope whose path is ours, wherever a reverse proxy shows it: taken off there or not.

        A proxy that puts "/" for a prefix without one makes "//docs" of "/keras/docs".
        """
        root, path = self.settings.root_path, f"/{scope['path'].lstrip('/')}"
        if root and (path == root or path.startswith(f"{root}/")):
            path = path.removeprefix(root) or "/"
        return {**scope, "path": path, "root_path": ""}

    def check(self, scope: Scope, headers: dict[str, str]) -> None:
        """Refuse what is not to reach a route: no key, too many, too large."""
        path = scope["path"]
        if not path.startswith(("/v1/", "/predict")) or scope["method"] == "OPTIONS":  # a browser asks without the key
            return
        if self.settings.api_key:
            bearer = headers.get("authorization", "").removeprefix("Bearer ")
            sent = headers.get("x-api-key", bearer).encode("latin-1", "replace")
            if not hmac.compare_digest(sent, self.settings.api_key.encode()):
                raise Refused(
                    401, "an API key is needed: header 'Authorization: Bearer KEY'", **{"WWW-Authenticate": "Bearer"}
                )
        address = (scope.get("client") or ("",))[0]  # anybody can call himself otherwise
        if self.rate and not self.limiter.hit(self.rate, address):
            seconds = max(1, round(self.limiter.get_window_stats(self.rate, address).reset_time - time.time()))
            raise Refused(429, f"more than {self.settings.rate} from one address", **{"Retry-After": str(seconds)})
        length = headers.get("content-length", "0")
        if length.isdigit() and int(length) > self.settings.largest_body:
            raise too_large(self.settings.largest_body)

    def limited(self, receive: Receive, headers: dict[str, str]) -> Receive:
        """Return a receive that unpacks gzip bodies, and refuses bodies that are too large or too slow."""
        deadline = time.monotonic() + BODY_SECONDS
        size, whole, unpack = 0, False, unpacking(headers.get("content-encoding", ""))

        async def receiving() -> Message:
            nonlocal size, whole
            if whole:
                return await receive()  # waits for the client to go away
            try:
                async with asyncio.timeout(max(0.001, deadline - time.monotonic())):
                    message = await receive()
            except TimeoutError:
                raise Refused(
                    408, f"the request took more than {BODY_SECONDS:.0f} s to arrive", Connection="close"
                ) from None
            body, whole = message.get("body", b""), not message.get("more_body", False)
            if unpack:
                body = unpacked(unpack, body, self.settings.largest_body - size + 1, whole=whole)
            size += len(body)
            if size > self.settings.largest_body:
                raise too_large(self.settings.largest_body)
            return {**message, "body": body}

        return receiving

    def headers(self, state: dict[str, Any]) -> list[tuple[bytes, bytes]]:
        """Return the headers that every response gets."""
        found = [(b"x-request-id", state["request_id"].encode()), (b"x-content-type-options", b"nosniff")]
        if "version" in state:
            found.append((b"x-model-version", str(state["version"]).encode()))
        if self.draining_since is not None:
            found.append((b"connection", b"close"))
        return found

    def client(self, scope: Scope, headers: dict[str, str]) -> str:
        """Return a name for who asks: a hash of what the client calls itself, or of its address."""
        named = headers.get("x-client-id", "")
        if not SANE.fullmatch(named):
            cookie = COOKIE.search(headers.get("cookie", ""))
            named = cookie[1] if cookie else (scope.get("client") or ("",))[0]
        return hashlib.blake2b(named.encode(), digest_size=12).hexdigest()

    def must_end(self) -> bool:
        """Whether the server is being stopped for so long that even a batch has to end."""
        return self.draining_since is not None and time.monotonic() > self.draining_since + self.settings.timeout

    def count(self, scope: Scope, state: dict[str, Any], status: int, seconds: float) -> None:
        """Count the request and write its line."""
        route = getattr(scope.get("route"), "name", None) or "other"
        model, version = state.get("model", ""), str(state.get("version", ""))
        if status >= 400 and model and route in ASKED:
            self.app.state.desk.write_down(Request(scope), route, [({}, b"")], status)
        watching.REQUESTS.labels(model, version, route, str(status)).inc()
        watching.SECONDS.labels(model, version, route).observe(seconds)
        facts = {
            "request_id": state["request_id"],
            "method": scope["method"],
            "path": scope["path"][:200],
            "status": status,
            "ms": round(seconds * 1e3, 2),
            **({"model": model, "version": version, "client": state["client"]} if model else {}),
        }
        quiet = route in ("livez", "readyz", "metrics", "health") and status < 400
        LOG.log(logging.DEBUG if quiet else logging.INFO, "request", extra={"facts": facts})


def unpacking(encoding: str) -> Any:
    """Return what unpacks a body of this Content-Encoding, None for a plain one."""
    if encoding.lower() in ("", "identity"):
        return None
    if encoding.lower() not in ("gzip", "x-gzip"):
        raise Refused(415, f"Content-Encoding '{encoding[:40]}' is not supported; send gzip or an uncompressed body")
    return zlib.decompressobj(wbits=31)  # gzip alone


def unpacked(unpack: Any, body: bytes, most: int, *, whole: bool) -> bytes:
    """Return the next piece of a gzip body, at most so many bytes: a small body can unpack to gigabytes."""
    try:
        found = unpack.decompress(body, most)
    except zlib.error as error:
        raise Refused(400, f"the body is not gzip, although its Content-Encoding says so: {error}") from None
    if unpack.unused_data:  # zlib would leave it out without a word
        raise Refused(400, "the gzip body has more than one part; compress it as one")
    if whole and not unpack.eof and len(found) < most:
        raise Refused(400, "the gzip body is cut off")
    return found


def failure(request_id: str) -> str:
    """Return what a client is told of a failure of ours."""
    return f"the server failed; its log gives the reason, under {request_id}"


def refusal(error: Refused) -> JSONResponse:
    """Return the response to a refused request."""
    watching.ERRORS.labels(str(error.status)).inc()
    return JSONResponse({"error": error.reason}, error.status, error.headers)


def too_large(most: int) -> Refused:
    """Return the refusal of a body that is too large."""
    return Refused(413, f"the request is larger than the limit of {most / 1e6:g} MB", Connection="close")
