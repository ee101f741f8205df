"""The API of the server with made-up answers, for tests of the web page: sure, fast, and it fails when asked to."""

from __future__ import annotations

import asyncio
import base64
import io
import itertools
import json
import re
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import uvicorn
from PIL import Image
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from keras_dl.pages import wire
from keras_dl.task.blocks import Answer, Bar, Bars, Gauge, Panel, Picture, Spans, Word

PAGE = Path(__file__).parents[3] / "keras_dl" / "server" / "page"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SYMBOLS = {"heart": "❤️", "baseball": "⚾", "smile": "😄", "disappointed": "😞", "fork and knife": "🍴"}
KEYWORDS = {"love": "heart", "ball": "baseball", "happy": "smile", "sad": "disappointed", "pizza": "fork and knife"}
CELL = {"value": 0.953, "low": 0.931, "high": 0.972}


TITLES = {"auroc": "AUROC", "ppv": "Positive predictive value", "brier": "Brier score", "f1": "F1",
          "accuracy": "Accuracy"}  # fmt: skip
FIRST = ["auroc", "accuracy", "f1"]
METHODS = {"occlusion": "leave a word out", "attention": "attention", "grad-cam": "Grad-CAM"}


def columns(classes, value):
    """Return the columns of the table of many answers."""
    if value == "probabilities":
        each = [(f"Probability of {name}", ["probabilities", name], "percent", False) for name in classes]
        found = [("Answer", ["label"], "text", True), ("Probability", ["probability"], "percent", True), *each]
    elif value == "count":
        found = [("Cells", ["count"], "number", True), ("low", ["low"], "number", False)]
    else:
        title, style = {"probability": (f"Probability of {classes[1]}", "percent"), "score": ("Score", "number")}[value]
        file = [("of", ["of"], "text", False), ("threshold", ["threshold"], "number", False)]
        found = [("Answer", ["label"], "text", True), (title, [value], style, True), *file]
    return [dict(zip(("title", "path", "style", "shown"), one, strict=True)) for one in found]


def counting(name, title):
    """Return what `GET /v1/models` says of a model that counts: it has no classes."""
    known = model(name, title, "image", ["143", "7"], "count", choices=None, unit="cells")
    return {key: value for key, value in known.items() if key not in ("classes", "symbols", "of", "threshold")}


def model(name, title, modality, classes, value, **changes):
    """Return what `GET /v1/models` says of one model."""
    suffix = "png" if modality == "image" else "txt"
    samples = [
        {
            "name": f"{row}.{suffix}",
            "label": classes[row % len(classes)],
            "url": f"/v1/models/{name}/samples/{row}.{suffix}",
        }
        for row in range(6)
    ]
    return {
        "name": name, "title": title, "task": name, "modality": modality, "classes": classes, "symbols": {},
        "value": value,
        "of": None if value == "probabilities" else classes[-1],
        "threshold": {"probability": 0.43, "score": 12.5}.get(value),
        "choices": classes, "columns": columns(classes, value), "method_titles": METHODS,
        "intended_use": "Teaching and method comparison.", "limits": "English, one short sentence.",
        "methods": ["grad-cam"] if modality == "image" else ["occlusion"],
        "versions": [{"version": "1", "state": "AVAILABLE", "labels": [], "weight": None}],
        "samples": samples, "synthetic": False,
        "test": {
            "examples": 1786, "metrics": dict.fromkeys(("brier", "f1", "accuracy", "auroc", "ppv"), CELL),
            "titles": TITLES, "first": FIRST,
        },
    } | changes  # fmt: skip


XRAY = {
    "intended_use": "Teaching and method comparison on frontal chest radiographs of children of one to five years.",
    "limits": "Not a medical device. Trained on one hospital's images. Do not use it on patients.",
    "synthetic": True,
}
TWO = [
    {"version": "1", "state": "AVAILABLE", "labels": ["stable"], "weight": 0.9},
    {"version": "2", "state": "AVAILABLE", "labels": ["canary"], "weight": 0.1},
    {"version": "3", "state": "LOADING", "labels": [], "weight": None},
]
COLOURED = {"methods": ["occlusion", "attention"]}
LUNGS, KINDS = ["NORMAL", "PNEUMONIA"], ["NORMAL", "BACTERIAL", "VIRAL"]
MODELS = {
    one["name"]: one
    for one in (
        model("pneumonia", "Pneumonia from chest radiographs", "image", LUNGS, "probability", **XRAY),
        model("emoji", "Emoji for a sentence", "text", [*SYMBOLS], "probabilities", symbols=SYMBOLS, versions=TWO),
        model("spam", "Spam among text messages", "text", ["ham", "spam"], "probability", **COLOURED),
        model("kinds", "Normal, bacterial or viral", "image", KINDS, "probabilities", **XRAY),
        model("anomaly", "What differs from healthy lungs", "image", LUNGS, "score", **XRAY),
        counting("cells", "How many cells"),
    )
}


class Stub:
    """The server's state: what it was asked, and how it is to fail."""

    def __init__(self) -> None:
        self.numbers = itertools.count(1)
        self.feedback: list[dict] = []
        self.asked: list[str] = []  # "VERB path" of each POST
        self.failures: list[tuple[str, int, dict]] = []  # part of a path, status, headers: each fails once
        self.key: str | None = None
        self.pause = 0.0  # seconds between the rows of a batch
        self.slow: dict[str, float] = {}  # input -> seconds that its answer takes
        self.models = MODELS
        self.cut: int | None = None  # rows after which a batch breaks off

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
        known = MODELS[name]
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
        rows = [row(known, *one) for one in inputs]
        await asyncio.sleep(max(self.slow.get(name, 0) for name, _ in inputs))
        if verb == "answer":
            views = [[] if "error" in one else wire.as_jsons(view(known, one)) for one in rows]
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


def row(known, name: str, data: bytes):
    """Return one answer, the same for the same input."""
    try:
        level = (
            words_level(name)
            if known["modality"] == "text"
            else float(np.asarray(Image.open(io.BytesIO(data)).convert("L")).mean() / 255)
        )
    except OSError:
        return {"input": name, "error": "no image that can be read"}
    if known["value"] == "probabilities":
        chosen = next((KEYWORDS[word] for word in KEYWORDS if word in name), known["classes"][int(level * 2.99)])
        shares = {one: 0.8 if one == chosen else 0.2 / (len(known["classes"]) - 1) for one in known["classes"]}
        return {
            "input": name,
            "label": chosen,
            "probability": 0.8,
            "probabilities": shares,
            "score": list(shares.values()),
            "of": chosen,
        }
    if known["value"] == "count":
        return {"input": name, "count": 200 * level, "low": 185 * level, "high": 220 * level}
    amount = {"probability": level} if known["value"] == "probability" else {"score": 30 * level}
    label = known["classes"][next(iter(amount.values())) >= known["threshold"]]
    note = {"note": "none of its words is known"} if name == "xyzzy" else {}
    return {"input": name, "label": label, **amount, "of": known["classes"][1], "threshold": known["threshold"], **note}


def words_level(text: str) -> float:
    return 0.97 if re.search("prize|free|won", text) else 0.0312


def view(known, answer):
    """Return the blocks of an answer, as a kind of output would."""
    if known["value"] == "count":
        count, between = answer["count"], (answer["low"], answer["high"])
        gauge = Gauge(count, 0, 200, f"{count:.0f} cells", None, "", between, ("0", "200"), "The band is for **90 %**.")
        return [Answer(f"about {count:.0f} cells", f"{between[0]:.0f} to {between[1]:.0f}"), gauge]
    label = answer["label"]
    if known["value"] == "probabilities":
        symbols = known["symbols"]
        bars = [Bar(name, share, symbols.get(name, ""), name == label) for name, share in answer["probabilities"].items()]
        return [Answer(label, "heart 0.800, and so on", symbols.get(label, "")), Bars(bars, "Probabilities")]
    value, of, threshold = known["value"], answer["of"], answer["threshold"]
    is_score = value == "score"
    amount = answer[value]
    written = (lambda number: f"{number:.2f}") if is_score else (lambda number: f"{100 * number:.0f} %")
    note = "A score is no probability." if is_score else "Calibrated."
    gauge = Gauge(
        amount, 0, 33 if is_score else 1, f"{value} of {of}: {written(amount)}", threshold,
        f"threshold {written(threshold)}", None, tuple(known["classes"]), note,
    )  # fmt: skip
    return [Answer(label, f"{value} of {of} {amount:.3f}, threshold {threshold:.3f}"), gauge]


def explained(known, answer, name: str, data: bytes, method):
    """Return the block of an explanation."""
    of = answer.get("of", "cells")
    if known["modality"] == "image":
        image = np.asarray(Image.open(io.BytesIO(data)).convert("L").resize((128, 128)))[..., None]
        y, x = np.mgrid[:128, :128]
        heat = np.exp(-((x - 85) ** 2 + (y - 78) ** 2) / 700)
        caption = f"what speaks for {of} (Grad-CAM)"
        return Picture([Panel("the model's input", image)], caption, heat, caption)
    words = []
    for found in re.finditer(r"\S+", name[:60]):
        weight = (len(found[0]) - 4) / 3 * (-1 if found[0] in ("the", "a", "not") else 1)
        words.append(Word(found.start(), found.end(), weight))
    meaning = f"the change of the log-odds of {of} when the word is left out"
    if method == "attention":
        words = [Word(word.start, word.end, abs(word.weight)) for word in words]
        meaning = "the share of the attention that the word gets"
    return Spans(name, words, len(name[:60]), of, meaning, signed=method != "attention")


def png(image: Image.Image) -> str:
    file = io.BytesIO()
    image.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


@cache
def picture(number: int) -> bytes:
    """Return a PNG that looks a little like a chest: the higher the number, the brighter."""
    y, x = np.mgrid[-1:1:160j, -1:1:160j]
    lungs = sum(np.exp(-((((x - side) / 0.3) ** 2 + (y / 0.6) ** 2) ** 2)) for side in (-0.42, 0.42))
    body = 1 / (1 + np.exp(8 * (x**2 + (y / 1.1) ** 2 - 0.9)))
    grey = 60 + 34 * number - (60 - 6 * number) * lungs * (1 + 0.2 * np.cos(16 * y)) + 60 * body
    return base64.b64decode(png(Image.fromarray(np.clip(grey, 0, 255).astype("uint8"))))


SENTENCES = ["I love you so much", "let us play ball", "I am so happy for you", "that is sad news",
             "shall we get some pizza", "you won a free prize, call now"]  # fmt: skip


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
