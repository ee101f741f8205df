"""The API of the server with made-up answers, for tests of the web page: sure, fast, and it fails when asked to."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import re
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from page_models import MODELS, SENTENCES, explained, picture, row, view
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from keras_dl.pages import wire
from keras_dl.server.front import PAGE, policy

POLICY = policy()


class Stub:
    """The server's state: what it was asked, and how it is to fail."""

    def __init__(self) -> None:
        self.numbers = itertools.count(1)
        self.feedback: list[dict] = []
        self.asked: list[str] = []  # "VERB path" of each POST
        self.failures: list[tuple[str, int, dict]] = []  # part of a path, status, headers: each fails once
        self.key: str | None = None
        self.pause = 0.0  # seconds between the rows of a batch
        self.late = 0.0  # seconds that a sample takes
        self.slow: dict[str, float] = {}  # input -> seconds that its answer takes
        self.models = MODELS
        self.cut: int | None = None  # rows after which a batch breaks off
        self.any_image = False  # take what is none for a grey image

    def forget(self) -> None:
        """Start a new test."""
        self.__init__()

    async def guard(self, request: Request, go_on):
        """Refuse what is to fail, and what has no key; note the rest."""
        path = request.url.path
        if path.startswith("/v1/") and self.key and request.headers.get("Authorization") != f"Bearer {self.key}":
            return JSONResponse({"error": "a key is needed"}, 401)
        for failure in self.failures:
            if failure[0] in path:
                self.failures.remove(failure)
                return JSONResponse({"error": "made to fail"}, failure[1], headers=failure[2])
        if "/samples/" in path:
            await asyncio.sleep(self.late)
        if request.method == "POST":
            self.asked.append(path)
        response = await go_on(request)
        response.headers["Content-Security-Policy"] = POLICY
        return response

    async def verb(self, request: Request) -> Response:
        """Answer, explain, batch and feedback of any model and version."""
        name, version, verb = re.fullmatch(
            r"(\w+)(?:/(?:versions|labels)/(\w+))?:(\w+)", request.path_params["rest"]
        ).groups()
        known = self.models[name]
        facts = {
            "request_id": f"r{next(self.numbers)}",
            "model": name,
            "version": {"canary": "2"}.get(version, version or "1"),
        }
        if verb == "feedback":
            self.feedback.append(await request.json())
            return JSONResponse({"stored": True})
        if verb == "batch":
            async with request.form() as form:
                inputs = unpacked(form["file"].filename, await form["file"].read())
            return StreamingResponse(self.stream(known, inputs, facts), media_type="application/x-ndjson")
        body, inputs = await given(request)
        if self.any_image:
            inputs = [(name, picture(3)) for name, _ in inputs]
        rows = [row(known, *one) for one in inputs]
        await asyncio.sleep(max(self.slow.get(name, 0) for name, _ in inputs))
        if verb == "answer":
            views = [[] if "error" in one else [wire.as_json(block) for block in view(known, one)] for one in rows]
            asked = str(body.get("view")).lower() == "true"
            return JSONResponse({"predictions": rows, **({"views": views} if asked else {}), **facts})
        method = body.get("method")
        block = wire.as_json(explained(known, rows[0], *inputs[0], method))
        return JSONResponse({"prediction": rows[0], "method": method, **facts, **block})

    async def list(self, request: Request) -> Response:
        return JSONResponse({"models": [*self.models.values()]})

    async def stream(self, known, inputs, facts):
        yield json.dumps({"count": len(inputs)}) + "\n"
        rows = [row(known, *one) for one in inputs]
        for one in rows[: self.cut]:
            await asyncio.sleep(self.pause)
            yield json.dumps(one) + "\n"
        if self.cut is not None:
            yield json.dumps({"error": "the model went away"}) + "\n"
            return
        yield json.dumps({"done": len(rows), "errors": sum("error" in one for one in rows), **facts}) + "\n"


async def given(request: Request):
    """Return the form or JSON of a request, and its inputs as (name, bytes)."""
    if "json" in request.headers["Content-Type"]:
        body = await request.json()
        return body, [(text, text.encode("utf-8", "replace")) for text in body["instances"]]
    async with request.form() as form:
        return form, [(file.filename, await file.read()) for file in form.getlist("files")]


def unpacked(name: str, data: bytes):
    """Return the inputs of a batch as (name, bytes)."""
    if name.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return [(one, archive.read(one)) for one in archive.namelist()]
    return [(line, line.encode()) for line in data.decode().splitlines()[1:]]


async def sample(request: Request) -> Response:
    number, suffix = request.path_params["file"].split(".")
    if suffix == "txt":
        return Response(SENTENCES[int(number)], media_type="text/plain; charset=utf-8")
    return Response(picture(int(number)), media_type="image/png")


async def index(request: Request) -> Response:
    return FileResponse(PAGE / "index.html")


@contextmanager
def serving() -> Iterator[tuple[str, Stub]]:
    """Serve the stub on a free port in a thread of its own; give its address and its state."""
    stub = Stub()
    routes = [
        Route("/", index),
        Mount("/static", StaticFiles(directory=PAGE)),
        Route("/v1/models", stub.list),
        Route("/v1/models/{name}/samples/{file}", sample),
        Route("/v1/models/{rest:path}", stub.verb, methods=["POST"]),
    ]
    application = Starlette(routes=routes, middleware=[Middleware(BaseHTTPMiddleware, dispatch=stub.guard)])
    server = uvicorn.Server(uvicorn.Config(application, port=0, log_level="error", ws="none", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", stub
    finally:
        server.should_exit = True
        thread.join()
