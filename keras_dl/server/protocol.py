"""The routes of TensorFlow Serving's REST protocol, under /v1/models."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from keras_dl.server import rest, schemas
from keras_dl.server.asking import Desk, timed

PLACES = ("", "/versions/{version}", "/labels/{label}")  # after /v1/models/{name}
BIG = 100_000  # bytes of JSON that are read beside the event loop


def add_protocol(app: FastAPI, desk: Desk) -> None:
    """Add status, metadata and predict, each for the default version, a version, and a label."""

    async def status(request: Request) -> Response:
        path = request.path_params
        model = desk.catalogue.model(path["name"])
        states = model.states
        if "version" in path or "label" in path:
            chosen = desk.who(request, path["name"], path.get("version"), path.get("label"))[0].number
            states = {chosen: states[chosen]}
        return JSONResponse(rest.version_status([(number, *state) for number, state in states.items()]))

    async def metadata(request: Request) -> Response:
        path = request.path_params
        version, _ = desk.who(request, path["name"], path.get("version"), path.get("label"))
        named = {"name": path["name"], "signature_name": "", "version": str(version.number)}
        return JSONResponse({"model_spec": named, "metadata": {"signature_def": {"signature_def": version.metadata}}})

    async def predict(request: Request) -> Response:
        path = request.path_params
        asked = desk.who(request, path["name"], path.get("version"), path.get("label"))
        version, batcher = asked
        with timed(request, "read"):
            body = await request.body()
            big = len(body) > BIG
            sent = await desk.aside(rest.read, body, version.signatures) if big else rest.read(body, version.signatures)
        if isinstance(sent.batch, list):
            answers = await desk.answers(request, asked, sent.batch)
            desk.write_answers(request, answers, sent.batch)
        elif len(sent.batch):
            answers = await desk.in_time(
                batcher.alone(lambda: version.call(sent.signature, sent.batch), len(sent.batch))
            )
        else:
            answers = version.empty(sent.signature)
        with timed(request, "write"):
            return JSONResponse(rest.written(answers, by_row=sent.by_row))

    for place in PLACES:
        which = {"": "default", "/versions/{version}": "version", "/labels/{label}": "label"}[place]
        base = "/v1/models/{name}" + place
        about: dict[str, Any] = {"tags": ["TensorFlow Serving"], "response_class": Response}
        parameters = schemas.parameters(base)
        for method, route, path, function, body in (
            ("GET", "status", base, status, None),
            ("GET", "metadata", f"{base}/metadata", metadata, None),
            ("POST", "predict", f"{base}:predict", predict, schemas.PREDICT),
        ):
            extra = {"parameters": parameters, **({"requestBody": body} if body else {})}
            app.add_api_route(
                path,
                function,
                methods=[method],
                name=route,
                operation_id=f"{route}_{which}",
                responses=schemas.responses(route),
                summary=schemas.SUMMARIES[route],
                openapi_extra=extra,
                **about,
            )
