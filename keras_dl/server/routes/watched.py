"""The routes for whoever watches the server: whether it lives, is ready, and what it has counted."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from starlette.responses import JSONResponse, Response

from keras_dl.server import watching
from keras_dl.server.asking import Desk
from keras_dl.server.routes import schemas


def add_watched(app: FastAPI, desk: Desk) -> None:
    """Add /livez, /readyz, /metrics, and /health of the course's emoji service."""

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
            return JSONResponse({"status": "no model can be served; the log gives the reason", "models": states}, 503)
        return JSONResponse({"status": "ready", "models": states})

    async def health() -> Response:
        """Say "healthy" where `/predict` answers, and only there: clients wait for one and then ask the other."""
        if app.state.guard.draining_since is not None:
            return JSONResponse({"status": "the server is stopping"}, 503)
        if desk.with_emoji() is None:
            why = "the models are being loaded"
            if desk.catalogue.loaded.is_set():
                why = "no emoji model is served, so /predict has no answer; GET /readyz reports on other models"
            return JSONResponse({"status": why}, 503)
        return JSONResponse({"status": "healthy"})

    async def metrics() -> Response:
        await desk.aside(desk.drift.settle)
        body, kind = await desk.aside(watching.figures)
        return Response(body, media_type=kind)

    for path, function in (("/health", health), ("/livez", livez), ("/readyz", readyz), ("/metrics", metrics)):
        name = path[1:]
        kind: Any = {"response_class": Response} if name == "metrics" else {}  # the others are JSON
        responses = schemas.WATCHED[name]
        app.add_api_route(path, function, methods=["GET"], name=name, tags=["watching"], responses=responses, **kind)
