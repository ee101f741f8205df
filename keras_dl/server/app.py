"""The server: its application, and how it starts and stops."""

from __future__ import annotations

import asyncio
import importlib.metadata
import logging
import math
import signal
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from limits import parse
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles

from keras_dl.errors import BadInput, KerasDLError, TooMuch, UsageError
from keras_dl.server import watching
from keras_dl.server.asking import Desk
from keras_dl.server.guard import COOKIE, Guard, Refused, failure, refusal
from keras_dl.server.journal.journal import Journal
from keras_dl.server.models import catalogue
from keras_dl.server.patience import Protocol
from keras_dl.server.routes import schemas
from keras_dl.server.routes.own import add_own
from keras_dl.server.routes.protocol import add_protocol
from keras_dl.server.routes.rest import shortened
from keras_dl.server.settings import Settings
from keras_dl.training import own_keras

LOG = logging.getLogger("keras_dl.server")
PAGE = Path(__file__).with_name("page")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'"
)
YEAR = 365 * 86400  # seconds
COUNTED: set[tuple[str, str]] = set()  # versions that Prometheus knows
ABOUT = """Trained models of keras-dl: TensorFlow Serving's REST protocol under `/v1/models`, answers in words,
explanations, batches and feedback beside it. Nothing here is a medical device."""


def create(settings: Settings) -> FastAPI:
    """Make the application; models are loaded when it starts."""
    own_keras.settle()
    found = catalogue.find(settings.runs, settings.name)
    journal = Journal(settings.database, keep_inputs=settings.keep_inputs) if settings.database else None
    desk = Desk(settings, catalogue.Catalogue(found, None, settings.max_batch), journal)  # type: ignore[arg-type]
    desk.catalogue.batcher = desk.batcher
    desk.catalogue.changed = lambda: count_versions(desk.catalogue)

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        loop = app.state.guard.loop = asyncio.get_running_loop()
        watcher = threading.Thread(target=desk.catalogue.watch, args=(loop,), name="catalogue", daemon=True)
        watcher.start()
        if settings.workers > 1:  # a worker takes requests when it can answer them; the others do until then
            await asyncio.to_thread(desk.catalogue.loaded.wait)
        yield
        await desk.catalogue.close()
        desk.close()

    app = FastAPIOffline(
        title="keras-dl",
        version=importlib.metadata.version("keras-dl"),
        description=ABOUT,
        lifespan=life,
        redoc_url=None,
    )
    app.state.desk = desk
    add_protocol(app, desk)
    add_own(app, desk)
    add_house(app, desk, settings.frame_ancestor)
    add_errors(app)
    app.state.guard = app.state.outermost = Guard(app, settings)
    if settings.allow_origin:  # around the guard, so that a browser may read its refusals too
        app.state.outermost = CORSMiddleware(
            app.state.guard,
            allow_origins=settings.allow_origin,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["X-Request-Id", "X-Model-Version", "Retry-After"],
        )
    return app


def add_house(app: FastAPI, desk: Desk, ancestors: Sequence[str] = ()) -> None:
    """Add the page, which sites named as `ancestors` may show in a frame, health and metrics."""
    policy = POLICY + "; frame-ancestors " + (" ".join(ancestors) or "'none'")

    async def health() -> dict[str, str]:
        return {"status": "healthy"}

    async def livez() -> dict[str, str]:
        return {"status": "alive"}

    async def readyz() -> Response:
        models = desk.catalogue.models.values()
        states = {model.source.name: [str(number) for number in sorted(model.ready)] for model in models}
        if app.state.guard.draining_since is not None:
            return JSONResponse({"status": "draining"}, 503)
        if not desk.catalogue.loaded.is_set():
            return JSONResponse({"status": "loading", "models": states}, 503)
        if not any(states.values()):
            return JSONResponse({"status": "no model can be served; the log says why", "models": states}, 503)
        return JSONResponse({"status": "ready", "models": states})

    async def metrics() -> Response:
        body, kind = await desk.aside(watching.figures)
        return Response(body, media_type=kind)

    async def page(request: Request) -> Response:
        headers = {"Content-Security-Policy": policy, "Referrer-Policy": "no-referrer", "Cache-Control": "no-cache"}
        response = FileResponse(PAGE / "index.html", headers=headers)
        if not COOKIE.search(request.headers.get("cookie", "")):
            same_site: Any = "none" if ancestors else "strict"  # in a frame of another site only "none" is sent
            named = {"httponly": True, "samesite": same_site, "secure": bool(ancestors)}
            response.set_cookie("keras_dl_client", uuid.uuid4().hex, max_age=YEAR, **named)
        return response

    for path, function in (("/health", health), ("/livez", livez), ("/readyz", readyz), ("/metrics", metrics)):
        name = path[1:]
        kind: Any = {"response_class": Response} if name == "metrics" else {}  # the others are JSON
        responses = schemas.WATCHED[name]
        app.add_api_route(path, function, methods=["GET"], name=name, tags=["watching"], responses=responses, **kind)
    app.add_api_route("/", page, methods=["GET"], name="page", include_in_schema=False)
    app.mount("/static", Fresh(directory=PAGE), name="static")


class Fresh(StaticFiles):
    """Files that a browser asks for again: after an upgrade it must not mix old and new ones."""

    def file_response(self, *arguments: Any, **options: Any) -> Response:
        """Return a file with that wish."""
        response = super().file_response(*arguments, **options)
        response.headers["Cache-Control"] = "no-cache"
        return response


def add_errors(app: FastAPI) -> None:
    """Answer every error as `{"error": ...}`."""

    async def bad_input(request: Request, error: Any) -> Response:
        return JSONResponse({"error": str(error)}, 413 if isinstance(error, TooMuch) else 400)

    async def not_served(request: Request, error: Any) -> Response:
        return JSONResponse({"error": shortened(str(error), 300)}, 404)

    async def refused(request: Request, error: Any) -> Response:
        return refusal(error)

    async def unavailable(request: Request, error: Any) -> Response:
        return JSONResponse({"error": str(error)}, 503, {"Retry-After": "5"})

    async def http(request: Request, error: Any) -> Response:
        reason = {404: f"Malformed request: {request.method} {shortened(request.url.path, 200)}"}.get(
            error.status_code, error.detail
        )
        return JSONResponse({"error": reason}, error.status_code, error.headers)

    async def failed(request: Request, error: Any) -> Response:  # and the guard writes it down
        return JSONResponse({"error": failure(request.state.request_id)}, 500)

    app.add_exception_handler(Exception, failed)
    app.add_exception_handler(BadInput, bad_input)
    app.add_exception_handler(catalogue.NotServed, not_served)
    app.add_exception_handler(Refused, refused)
    app.add_exception_handler(KerasDLError, unavailable)
    app.add_exception_handler(HTTPException, http)


def count_versions(found: catalogue.Catalogue) -> None:
    """Tell Prometheus which versions are served."""
    there = {(model.source.name, str(number)) for model in found.models.values() for number in model.ready}
    for one in COUNTED - there:
        watching.VERSIONS.labels(*one).set(0)  # with several workers no label can be removed
    for one in there:
        watching.VERSIONS.labels(*one).set(1)
    COUNTED.update(there)


def from_environment() -> Any:
    """Make the application of a worker process."""
    watching.log_lines()
    watching.forget_the_dead()
    settings = Settings.from_environment()
    app = create(settings)
    stop: Any = signal.getsignal(signal.SIGTERM)  # uvicorn has set its own before it makes the application
    begin = partial(begin_to_stop, app.state.guard, settings.drain)
    signal.signal(signal.SIGTERM, lambda sig, frame: begin(partial(stop, sig, frame)))
    return app.state.outermost


def begin_to_stop(guard: Guard, drain: float, stop: Callable[[], None]) -> None:
    """Say that the server is not ready, serve on for a while, and then stop; a second signal does not wait.

    For a signal handler, which may interrupt anything, even the writing of a log line: it only leaves word with the
    event loop. To log here could fail in the middle of another line, and then nothing would ever stop.
    """
    again, guard.draining_since = guard.draining_since is not None, guard.draining_since or time.monotonic()
    if again or not drain or guard.loop is None:
        stop()
    else:
        guard.loop.call_soon_threadsafe(stop_later, guard.loop, drain, stop)


def stop_later(loop: asyncio.AbstractEventLoop, drain: float, stop: Callable[[], None]) -> None:
    """Stop after some seconds, and say so."""
    loop.call_later(drain, stop)
    LOG.info("draining for %g s", drain)


class Server(uvicorn.Server):
    """Uvicorn's server, which at SIGTERM says that it is not ready, serves on for a while, and then shuts down."""

    def __init__(self, config: uvicorn.Config, guard: Guard, drain: float) -> None:
        """Take uvicorn's configuration, the guard, and seconds."""
        super().__init__(config)
        self.guard, self.drain = guard, drain

    async def shutdown(self, sockets: Any = None) -> None:
        """Shut down; a stop that was asked for is no failure, so the signal is not raised again: exit code 0."""
        await super().shutdown(sockets)
        self._captured_signals.clear()

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Begin to stop."""
        begin_to_stop(self.guard, self.drain, partial(super().handle_exit, sig, frame))


def serve(settings: Settings) -> None:
    """Serve until a signal says stop."""
    check(settings)
    watching.log_lines()
    options: dict[str, Any] = {
        "host": settings.host,
        "port": settings.port,
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "timeout_graceful_shutdown": math.ceil(settings.timeout) + 10,
        "timeout_keep_alive": 30,
        "timeout_worker_healthcheck": 15,  # a worker that imports TensorFlow from a cold disk is not dead
        "http": Protocol,
        "backlog": 2048,
    }
    if settings.workers > 1:
        settings.to_environment()
        with watching.shared_figures():
            uvicorn.run("keras_dl.server.app:from_environment", factory=True, workers=settings.workers, **options)
        return
    app = create(settings)
    Server(uvicorn.Config(app.state.outermost, **options), app.state.guard, settings.drain).run()


def check(settings: Settings) -> None:
    """Say what is wrong before anything starts; a worker that cannot start would be started again and again.

    Raises:
        UsageError: if there is nothing to serve, or the rate is none.
        KerasDLError: if the database cannot be reached.
    """
    catalogue.find(settings.runs, settings.name)
    try:
        parse(settings.rate or "1/second")
    except ValueError:
        raise UsageError(f"--rate {settings.rate} must be a number per unit of time, such as 50/second") from None
    if settings.database:
        Journal(settings.database).close()
