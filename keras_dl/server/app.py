"""The server's application: its routes around the models, and what stands before them."""

from __future__ import annotations

import asyncio
import importlib.metadata
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from keras_dl.errors import BadInput, KerasDLError, TooMuch
from keras_dl.server import watching
from keras_dl.server.asking import Desk
from keras_dl.server.front import add_front
from keras_dl.server.guard import Guard, Refused, failure, refusal
from keras_dl.server.journal.journal import Journal
from keras_dl.server.models import catalogue, sources
from keras_dl.server.routes.own import add_own
from keras_dl.server.routes.protocol import add_protocol
from keras_dl.server.routes.rest import shortened
from keras_dl.server.routes.watched import add_watched
from keras_dl.server.settings import Settings
from keras_dl.training import own_keras

COUNTED: set[tuple[str, str]] = set()  # versions that Prometheus knows
ABOUT = """Trained models of keras-dl: TensorFlow Serving's REST protocol under `/v1/models`, answers in words,
explanations, batches and feedback. Nothing here is a medical device."""


def create(settings: Settings, loaded: Callable[[catalogue.Catalogue], None] = lambda found: None) -> FastAPI:
    """Make the application; models are loaded when it starts, and `loaded` is called when all were tried."""
    own_keras.settle()
    found = sources.find(settings.runs, settings.name)
    journal = Journal(settings.database, keep_inputs=settings.keep_inputs) if settings.database else None
    desk = Desk(settings, catalogue.Catalogue(found, None, settings.max_batch), journal)  # type: ignore[arg-type]
    desk.catalogue.batcher = desk.batcher
    desk.catalogue.changed = lambda: count(desk)
    desk.catalogue.begun = lambda: loaded(desk.catalogue)

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
        docs_url=None,  # ours has relative addresses
        redoc_url=None,
        redirect_slashes=False,  # a redirect names the whole address, without the path that a proxy takes off
        servers=[{"url": "."}],  # from where the document is
        root_path_in_servers=False,
    )
    app.state.desk = desk
    add_protocol(app, desk)
    add_own(app, desk)
    add_watched(app, desk)
    add_front(app, settings.frame_ancestor, settings.root_path)
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


def count(desk: Desk) -> None:
    """Tell Prometheus which versions are served, and what was asked of them."""
    count_versions(desk.catalogue)
    desk.drift.settle()


def count_versions(found: catalogue.Catalogue) -> None:
    """Tell Prometheus which versions are served."""
    there = {(model.source.name, str(number)) for model in found.models.values() for number in model.ready}
    for one in COUNTED - there:
        watching.VERSIONS.labels(*one).set(0)  # with several workers no label can be removed
    for one in there:
        watching.VERSIONS.labels(*one).set(1)
    COUNTED.update(there)
