"""The routes of TensorFlow Serving's REST protocol, under /v1/models."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from keras_dl.server.asking import Desk, number_of, timed
from keras_dl.server.models.catalogue import NotServed
from keras_dl.server.models.served import DEFAULT
from keras_dl.server.routes import rest, schemas

PLACES = ("", "/versions/{version}", "/labels/{label}")  # after /v1/models/{name}
BIG = 100_000  # bytes of JSON that are read beside the event loop


def add_protocol(app: FastAPI, desk: Desk) -> None:
    """Add status, metadata and predict, each for the default version, a version, and a label."""

    async def status(request: Request) -> Response:
        path = request.path_params
        name, model = path["name"], desk.catalogue.models.get(path["name"])
        states = model.states if model else {}
        number = number_of(path["version"], name) if "version" in path else None
        if "label" in path and model:
            number = model.serving.labels.get(path["label"], -1)
        if number is not None:
            states = {one: state for one, state in states.items() if one == number}
        if not states:
            which = "any versions" if number is None else f"version {path.get('version', path.get('label'))}"
            raise NotServed(f"Could not find {which} of model {name}")
        return JSONResponse(rest.version_status([(number, *state) for number, state in states.items()]))

    async def metadata(request: Request) -> Response:
        path = request.path_params
        version, _ = desk.who(request, path["name"], path.get("version"), path.get("label"))
        named = {"name": path["name"], "signature_name": "", "version": str(version.number)}
        return JSONResponse({"model_spec": named, "metadata": {"signature_def": {"signature_def": version.metadata}}})

    async def predict(request: Request) -> Response:
        path = request.path_params
        asked = desk.who(request, path["name"], path.get("version"), path.get("label"))
        version = asked[0]
        with timed(request, "read"):
            body = await request.body()
            big = len(body) > BIG
            sent = await desk.aside(rest.read, body, version.signatures) if big else rest.read(body, version.signatures)
        if isinstance(sent.batch, list) and sent.signature == DEFAULT:
            answers, raw = await desk.answers(request, asked, sent.batch), sent.batch
        else:
            answers, raw = await desk.tensors(asked, sent.signature, sent.batch), [b""] * len(sent.batch)
        with timed(request, "write"):
            response = JSONResponse(rest.written(answers, by_row=sent.by_row))
        if sent.signature not in version.run.task.output.large:  # the journal keeps no maps
            desk.write_answers(request, version, answers, raw)
        return response

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
