"""What the routes take and give, for the OpenAPI page; the bodies are read by hand, since they must be fast."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Text(BaseModel):
    """The emoji service's request."""

    model_config = ConfigDict(extra="ignore")
    text: str = Field(examples=["I love you"])


class Emoji(BaseModel):
    """The emoji service's answer."""

    text: str
    emoji: str
    emoji_meaning: str
    confidence: float
    all_predictions: dict[str, float]


class Feedback(BaseModel):
    """The true answer to a prediction."""

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)
    request_id: str = Field(min_length=1, max_length=100, description="X-Request-Id of the answer")
    index: int = Field(0, ge=0, le=2**31 - 1, description="which input of the request, from 0")
    label: str = Field(max_length=200, description="the true answer: one of the model's classes, or a number")


class Error(BaseModel):
    """Every error."""

    error: str


ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": Error, "description": "the request cannot be read, or the input cannot be used"},
    401: {"model": Error, "description": "an API key is needed"},
    404: {"model": Error, "description": "no such model, version or other resource"},
    408: {"model": Error, "description": "the request arrived too slowly"},
    413: {"model": Error, "description": "the request is too large"},
    429: {"model": Error, "description": "too many requests; see Retry-After"},
    503: {"model": Error, "description": "loading, or no answer in time; see Retry-After"},
}
TEXTUAL: dict[str, Any] = {"type": "string"}
ROW: dict[str, Any] = {
    "type": "object",
    "properties": {
        **dict.fromkeys(("input", "label", "error", "note"), TEXTUAL),
        "set": {"type": "array", "items": TEXTUAL, "description": "the classes that are possible"},
        "unusual": {"type": "boolean", "description": "whether the input is unlike the training data"},
        "unusualness": {"type": "number", "description": "how much; unusual above 1"},
    },
}
ONE: dict[str, Any] = {
    "anyOf": [
        {"type": "string"},
        {"type": "object", "properties": {"b64": {"type": "string", "format": "byte"}}, "required": ["b64"]},
        {"type": "array", "items": {}},
        {"type": "number"},
    ]
}
SEVERAL = {"type": "array", "items": ONE, "minItems": 1}
NAMED = {"type": "object", "additionalProperties": {"type": "array", "items": ONE}}
ROWS = {"type": "array", "items": ROW}
VIEWS = {"type": "array", "items": {"type": "array", "items": {"type": "object"}}}
FILES = {"type": "array", "items": {"type": "string", "format": "binary"}, "minItems": 1}


def body(**kinds: Any) -> dict[str, Any]:
    """Return a request body of a schema per content type."""
    content = {
        {"json": "application/json", "form": "multipart/form-data"}[kind]: {"schema": schema}
        for kind, schema in kinds.items()
    }
    return {"required": True, "content": content}


def fields(required: list[str], **properties: Any) -> dict[str, Any]:
    """Return the schema of an object."""
    return {"type": "object", "properties": properties, "required": required}


PREDICT = body(
    json={
        "oneOf": [
            fields(["instances"], signature_name={"type": "string"}, instances=SEVERAL),
            fields(["inputs"], signature_name={"type": "string"}, inputs={"anyOf": [SEVERAL, NAMED]}),
        ],
        "examples": [{"instances": ["I love you"]}],
    }
)
METHOD = {"type": "string", "description": "one of the model's methods; GET /v1/models lists them"}
VIEW = {"type": "boolean", "description": "whether to add the blocks that show each answer"}
ANSWER = body(
    json=fields(["instances"], instances=SEVERAL, view=VIEW),
    form=fields(["files"], files=FILES, view=VIEW),
)
EXPLAIN = body(
    json=fields(["instances"], instances={**SEVERAL, "maxItems": 1}, method=METHOD),
    form=fields(["files"], files={**FILES, "maxItems": 1}, method=METHOD),
)
BATCH = body(form=fields(["file"], file={"type": "string", "format": "binary"}))
FEEDBACK = body(json=Feedback.model_json_schema())
TEXT = body(json=Text.model_json_schema())
TEXTS = body(json={"type": "array", "items": {"type": "string"}, "examples": [["I love you", "let's eat"]]})
STATE = fields(["version", "state", "status"], version=TEXTUAL, state=TEXTUAL, status={"type": "object"})
ASKED = {"request_id": TEXTUAL}
JSON = "application/json"
ANSWERS: dict[str, dict[str, Any]] = {  # by route, what a good answer is: its schema by content type
    "status": {JSON: fields(["model_version_status"], model_version_status={"type": "array", "items": STATE})},
    "metadata": {JSON: fields(["model_spec", "metadata"], model_spec={"type": "object"}, metadata={"type": "object"})},
    "predict": {JSON: {"oneOf": [fields(["predictions"], predictions={"type": "array"}), fields(["outputs"])]}},
    "models": {JSON: fields(["models"], models={"type": "array", "items": {"type": "object"}})},
    "drift": {JSON: fields(["versions", "blocks"], versions={"type": "object"}, blocks={"type": "array"})},
    "sample": {"image/jpeg": {}, "image/png": {}, "text/plain": {}},
    "answer": {JSON: fields(["predictions", "request_id", "model", "version"], predictions=ROWS, views=VIEWS, **ASKED)},
    "explain": {JSON: fields(["prediction", "request_id"], prediction=ROW, **ASKED), "image/png": {}},
    "batch": {"application/x-ndjson": {}},
    "feedback": {JSON: fields(["stored"], stored={"type": "boolean"})},
    "emoji": {JSON: Emoji.model_json_schema()},
    "emoji_batch": {JSON: {"type": "array", "items": Emoji.model_json_schema()}},
}
STATUS = {"content": {JSON: {"schema": fields(["status"], status=TEXTUAL)}}, "description": "what it is"}
WATCHED: dict[str, dict[int | str, dict[str, Any]]] = {
    "health": {200: STATUS, 503: {**STATUS, "description": "POST /predict cannot answer now, with the reason"}},
    "livez": {200: STATUS},
    "readyz": {200: STATUS, 503: {**STATUS, "description": "loading or draining"}},
    "metrics": {200: {"content": {"text/plain": {}}, "description": "Prometheus' text format"}},
}
SUMMARIES = {
    "status": "The state of a model's versions",
    "metadata": "What a model's signatures take and return",
    "predict": "Predict, in rows (instances) or columns (inputs)",
    "drift": "Whether what comes in still looks like the validation part, by version",
    "answer": "Predict, with the answers in words; JSON or files",
    "explain": "The evidence for the answer: a heatmap, or the weights of words",
    "batch": "Predict the rows of a CSV file or the files of a zip, as a stream of JSON lines",
    "feedback": "Report the true answer to a prediction",
}


def responses(name: str) -> dict[int | str, dict[str, Any]]:
    """Describe what a route answers."""
    good = {kind: {"schema": schema} for kind, schema in ANSWERS[name].items()}
    return {200: {"description": "the answer", "content": good}, **ERRORS}


def parameters(path: str) -> list[dict[str, Any]]:
    """Describe the parameters in a path."""
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", path)
    ]
