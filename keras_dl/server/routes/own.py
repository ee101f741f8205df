"""The routes beside TensorFlow Serving's: answers in words, explanations, batches, feedback, and the emoji service."""

from __future__ import annotations

import asyncio
import json
import logging
import mimetypes
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

from fastapi import FastAPI
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse

from keras_dl.errors import BadInput, KerasDLError
from keras_dl.pages import pixels
from keras_dl.pages.wire import as_json
from keras_dl.server.asking import Desk
from keras_dl.server.batching import Batcher
from keras_dl.server.guard import Refused, failure
from keras_dl.server.models.catalogue import NotServed
from keras_dl.server.models.served import Version
from keras_dl.server.routes import rest, schemas, sent
from keras_dl.server.routes.protocol import PLACES
from keras_dl.task.blocks import Picture
from keras_dl.task.input import Upload
from keras_dl.verbs.scoring import Scores

LOG = logging.getLogger("keras_dl.server")
PIECE = 32  # inputs of a batch that go through the model together
PIECE_BYTES = 50_000_000  # after which a piece ends, however few they are


class Own:
    """The handlers."""

    def __init__(self, desk: Desk) -> None:
        """Take the desk."""
        self.desk = desk

    def who(self, request: Request) -> tuple[Version, Batcher]:
        """Return who answers what the path names."""
        path = request.path_params
        return self.desk.who(request, path["name"], path.get("version"), path.get("label"))

    async def models(self, request: Request) -> Response:
        """List the models with their versions, cards and samples."""
        catalogue, feedback = self.desk.catalogue, self.desk.journal is not None
        return JSONResponse(
            {"models": [{**catalogue.describe(name), "feedback": feedback} for name in catalogue.models]}
        )

    async def drift(self, request: Request) -> Response:
        """Say for each version of a model whether what comes in still looks like its validation part."""
        self.desk.catalogue.model(name := request.path_params["name"])
        return JSONResponse(await self.desk.aside(self.desk.drift.of, name))

    async def sample(self, request: Request) -> Response:
        """Return a sample input of a model."""
        version, _ = self.who(request)
        path = next((one for one in version.samples if one.name == request.path_params["file"]), None)
        if path is None:
            raise NotServed("there is no such sample; GET /v1/models lists them")
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        kind = "text/plain; charset=utf-8" if kind == "text/plain" else kind
        return FileResponse(path, media_type=kind, headers={"Cache-Control": "max-age=3600"})

    async def answer(self, request: Request) -> Response:
        """Answer in words."""
        asked = self.who(request)
        items, fields = await sent.items(request)
        rows = await self.desk.rows(request, asked, items)
        state = request.state
        found = {
            "predictions": rows, "request_id": state.request_id, "model": state.model, "version": str(state.version)
        }  # fmt: skip
        if str(fields.get("view", "")).lower() == "true":
            found["views"] = await self.desk.aside(lambda: [asked[0].view(row) for row in rows])
        self.note(request, asked[0], "answer", rows, [raw for _, raw in items])
        return JSONResponse(found)

    async def explain(self, request: Request) -> Response:
        """Explain one answer."""
        asked = self.who(request)
        items, fields = await sent.items(request)
        if len(items) != 1:
            raise BadInput(f"explain takes one input, not {len(items)}")
        version, raw = asked[0], items[0][1]
        (row,) = await self.desk.rows(request, asked, items)
        if "error" in row:
            raise BadInput(row["error"])
        most = version.run.task.input.most_explained
        if most is not None and len(raw) > most:
            raise BadInput(f"{len(raw):,} bytes, but a text to explain may have at most {most:,}")
        method = fields.get("method") or next(iter(version.methods), "")
        if not isinstance(method, str) or method not in version.methods:
            there = ", ".join(version.methods) or "none, because this model has no explanations"
            raise BadInput(f"method '{rest.shortened(str(method))}' must be one of: {there}")
        block = await self.desk.explained(lambda: version.explain(raw, row, method))
        self.note(request, version, "explain", [row], [raw])  # an explanation that failed is journaled as failed
        if isinstance(block, Picture) and "image/png" in request.headers.get("accept", ""):
            return Response(pixels.picture_png(block), media_type="image/png")
        found = {"prediction": row, "request_id": request.state.request_id, "method": method}
        return JSONResponse({**found, **await self.desk.aside(as_json, block)})

    async def batch(self, request: Request) -> Response:
        """Answer many inputs, as a stream of JSON lines."""
        asked = self.who(request)
        upload = await sent.many(request, asked[0].run.task)
        return StreamingResponse(self.lines(request, asked, upload), media_type="application/x-ndjson")

    async def lines(self, request: Request, asked: Any, upload: Upload) -> AsyncIterator[str]:
        """Give the lines of a batch, piece by piece; when the queue is full it waits: nobody else has to."""
        yield line({"count": upload.count})
        done = errors = 0
        scores = Scores(asked[0].run.task.output, asked[0].run.assets)
        try:
            while piece := await self.desk.aside(next_piece, upload.items):
                if request.app.state.guard.must_end():
                    yield line({"error": f"the server is stopping; send the rest, from row {done}, again"})
                    return
                rows = await self.patiently(request, asked, piece)
                self.note(request, asked[0], "batch", rows, [raw for _, raw in piece], start=done)
                if upload.labels is not None:
                    for row, labels in zip(rows, upload.labels[done:], strict=False):
                        truth = scores.add(row, labels)
                        row.update({} if truth is None else {"truth": truth})
                done += len(rows)
                errors += sum("error" in row for row in rows)
                yield "".join(line({**row, "input": rest.shortened(row["input"], 2000)}) for row in rows)
            score = await self.desk.aside(lambda: [as_json(block) for block in scores.blocks()])
        except (KerasDLError, Refused) as error:
            yield line({"error": str(error)})
            return
        except Exception:
            LOG.exception("a batch failed", extra={"facts": {"request_id": request.state.request_id}})
            yield line({"error": failure(request.state.request_id)})
            return
        told = {"score": score} if score else {}
        yield line({"done": done, "errors": errors, "request_id": request.state.request_id, **told})

    async def patiently(self, request: Request, asked: Any, piece: list[sent.Item]) -> list[dict[str, Any]]:
        """Answer a piece, coming back while there is no room."""
        for _ in range(100):
            try:
                return await self.desk.rows(request, asked, piece)
            except Refused as error:
                if error.status != 429:
                    raise
                await asyncio.sleep(0.2)
        raise Refused(503, "the server is too busy for a batch; try again later", **{"Retry-After": "30"})

    async def feedback(self, request: Request) -> Response:
        """Store the true label of a prediction."""
        name, journal = request.path_params["name"], self.desk.journal
        model = self.desk.catalogue.model(name)
        if journal is None:
            raise Refused(404, "this server stores no predictions; start it with --database sqlite:///requests.db")
        given = validated(schemas.Feedback, await request.body())
        known = await self.desk.filed(journal.version_of, given.request_id, given.index)
        if known is None or known[0] != name:
            raise Refused(
                404, f"no prediction {given.index} of '{name}' has the request id {rest.shortened(given.request_id)}"
            )
        version = model.ready.get(known[1]) or next(iter(model.ready.values()), None)
        if version is None:
            raise Refused(503, "no version of this model is loaded; try again later")
        output = version.run.task.output
        label = output.feedback(given.label, version.run.assets)
        told = (given.request_id, given.index, label, lambda answer: output.error(answer, label))
        return JSONResponse({"stored": await self.desk.filed(journal.feedback, *told)})

    # The emoji service of the course, field for field, for the first model that has emoji.

    async def emoji(self, request: Request) -> Response:
        """Return the emoji for a text."""
        given = validated(schemas.Text, await request.body())
        return JSONResponse((await self.emojis(request, [given.text]))[0])

    async def emoji_batch(self, request: Request) -> Response:
        """Return the emoji for each of a list of texts."""
        given = rest.parsed(await request.body())
        if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
            raise BadInput('send a JSON list of texts: ["I love you", "let\'s eat"]')
        rest.bounded(given)
        return JSONResponse(await self.emojis(request, given))

    async def emojis(self, request: Request, texts: list[str]) -> list[dict[str, Any]]:
        """Answer texts as the emoji service does."""
        name = self.desk.with_emoji()
        if name is None and not self.desk.catalogue.loaded.is_set():
            raise self.desk.loading()
        if name is None:
            raise NotServed("no emoji model is served; for any other model, use POST /v1/models/NAME:predict")
        version, _ = asked = self.desk.who(request, name)
        raw = [rest.as_bytes(one) for one in texts]
        answers = await self.desk.answers(request, asked, raw)
        symbols, classes = version.run.task.output.symbols, version.run.assets["classes"]
        self.desk.write_answers(request, version, answers, raw)
        found = zip(texts, answers["label"], answers["probability"], answers["probabilities"], strict=True)
        return [
            {
                "text": said,
                "emoji": symbols[label.decode()],
                "emoji_meaning": label.decode().replace("_", " "),
                "confidence": float(probability),
                "all_predictions": dict(zip((symbols[one] for one in classes), shares.tolist(), strict=True)),
            }
            for said, label, probability, shares in found
        ]

    def note(
        self,
        request: Request,
        version: Version,
        route: str,
        rows: list[dict[str, Any]],
        raw: list[bytes],
        start: int = 0,
    ) -> None:
        """Write rows into the journal, and count them for drift."""
        noted = [(version.noted(row), one) for row, one in zip(rows, raw, strict=True)]
        self.desk.compare(request, version, *version.watched_rows(rows, raw))
        self.desk.write_down(request, route, noted, start=start)


def add_own(app: FastAPI, desk: Desk) -> None:
    """Add the routes."""
    own = Own(desk)
    base = "/v1/models/{name}"

    def add(method: str, path: str, function: Any, name: str, tag: str, **extra: Any) -> None:
        given = {"parameters": schemas.parameters(path), **extra}
        app.add_api_route(
            path,
            function,
            methods=[method],
            name=name,
            operation_id="_".join(re.findall(r"\w+", path.removeprefix("/v1/models/{name}")) or [name]),
            tags=[tag],
            summary=schemas.SUMMARIES.get(name),
            response_class=Response,
            responses=schemas.responses(name),
            openapi_extra=given,
        )

    add("GET", "/v1/models", own.models, "models", "keras-dl")
    add("GET", f"{base}/drift", own.drift, "drift", "keras-dl")
    add("GET", f"{base}/samples/{{file}}", own.sample, "sample", "keras-dl")
    bodies = {"answer": schemas.ANSWER, "explain": schemas.EXPLAIN, "batch": schemas.BATCH}
    for place in PLACES:
        for name, described in bodies.items():
            add("POST", f"{base}{place}:{name}", getattr(own, name), name, "keras-dl", requestBody=described)
    add("POST", f"{base}:feedback", own.feedback, "feedback", "keras-dl", requestBody=schemas.FEEDBACK)
    add("POST", "/predict", own.emoji, "emoji", "emoji service", requestBody=schemas.TEXT)
    add("POST", "/predict/batch", own.emoji_batch, "emoji_batch", "emoji service", requestBody=schemas.TEXTS)


def validated(kind: Any, body: bytes) -> Any:
    """Read a small JSON body; raises BadInput with the first thing that is wrong."""
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise BadInput(rest.shortened(f"{place}: {first['msg']}" if place else first["msg"], 200)) from None


def next_piece(items: Iterator[sent.Item]) -> list[sent.Item]:
    """Take the next inputs of a batch, as many as go through the model together or a few large ones."""
    piece: list[sent.Item] = []
    for item in items:
        piece.append(item)
        if len(piece) == PIECE or sum(len(raw) for _, raw in piece) > PIECE_BYTES:
            break
    return piece


def line(value: Any) -> str:
    """Write a line of a stream."""
    return json.dumps(value, ensure_ascii=False) + "\n"
