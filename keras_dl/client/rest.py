"""A model behind TensorFlow Serving's REST protocol, and nothing else is required of the server.

One that also knows `GET /v1/models` is ours. It is asked for whole rows: threshold and class names may differ from
version to version, and the server alone knows which version answers.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import requests

from keras_dl import inputs, registry
from keras_dl.client import protocol
from keras_dl.client.protocol import Asked, Row
from keras_dl.data.download import proxies_for
from keras_dl.errors import BadInput, KerasDLError
from keras_dl.task import Input
from keras_dl.task.blocks import Answer

DAMAGED = (ValueError, LookupError, TypeError, AttributeError)  # what reading an answer of another shape raises


class Rest:
    """A model on a server at an address "http://..." or "https://..."."""

    def __init__(self, url: str, asked: Asked) -> None:
        self.url, self.asked = url, asked
        self.name = f"{asked.model} --url {url}"
        self.session = requests.Session()
        if asked.key:
            self.session.auth = Bearer(asked.key)
        path = f"/labels/{quote(asked.label, safe='')}" if asked.label else ""
        path = path if asked.version is None else f"/versions/{asked.version}"
        self.place = f"{url}/v1/models/{quote(asked.model, safe='')}{path}"
        self.outputs: list[str] = []
        self.models: dict[str, Served] | None = None  # None: the server is not ours
        self.input: Input

    def prepare(self) -> None:
        """Ask the server what the model takes."""
        self.models = self.catalogue()
        if self.models is None:
            self.input = self.signature()
            return
        if self.asked.model not in self.models:
            raise self.absent("no such name")
        kind = self.models[self.asked.model].input
        if kind is None:
            raise KerasDLError(
                f"{self.url} has loaded no version of {self.asked.model}; see {self.url}/readyz and its log"
            )
        self.input = kind

    def close(self) -> None:
        """Close the connections."""
        self.session.close()

    def catalogue(self) -> dict[str, Served] | None:
        """Return what a server of ours has, by name; None if it is not ours."""
        response = self.send("GET", f"{self.url}/v1/models")
        try:
            return {one["name"]: Served.read(one) for one in response.json()["models"]} if response.ok else None
        except DAMAGED:
            return None

    def signature(self) -> Input:
        """Ask what the model takes and gives: keep the names of its outputs, return the kind of input."""
        response = self.send("GET", f"{self.place}/metadata")
        try:
            answer = response.json()
            if "error" in answer:
                raise self.absent(said(response))
            found = answer["metadata"]["signature_def"]["signature_def"]["serving_default"]
            self.outputs = list(found["outputs"])
            takes = {name: one["dtype"] for name, one in found["inputs"].items()}
        except DAMAGED:
            raise self.foreign() from None
        return protocol.input_of(self.asked, takes)

    def ask(self, raws: Sequence[bytes]) -> list[Row]:
        """Answer raw inputs, a row each; raises BadInput if the server cannot use one of them."""
        body = {"instances": [{"b64": base64.b64encode(raw).decode()} for raw in raws]}
        response = self.send("POST", f"{self.place}:{'predict' if self.models is None else 'answer'}", body)
        if response.status_code in (400, 413, 415, 422):
            raise BadInput(said(response))
        if response.status_code == 404:
            raise self.absent(said(response))
        if not response.ok:
            raise KerasDLError(f"{self.url} failed with status {response.status_code}: {said(response)}")
        try:
            rows = [self.worded(prediction) for prediction in response.json()["predictions"]]
        except DAMAGED:
            raise self.foreign() from None
        if len(rows) != len(raws):
            raise self.foreign()
        return rows

    def worded(self, prediction: Any) -> Row:
        """Turn one prediction into what a row says; TF Serving leaves out the name of an only output."""
        if self.models is not None:
            return {name: value for name, value in prediction.items() if name != "input"}
        return protocol.label_first(prediction if isinstance(prediction, dict) else {self.outputs[0]: prediction})

    def answer(self, row: Row) -> Answer:
        """Say a row in a few words: as its task does, where the server is ours."""
        task = self.models[self.asked.model].task if self.models else ""
        return registry.find(task).output.answer(row) if task in registry.TASKS else protocol.plain_answer(row)

    def send(self, method: str, address: str, body: Any = None) -> requests.Response:
        """Send one request, and again while the server is busy.

        Raises:
            KerasDLError: if no server answers, or not in time, or not to this key.
        """
        response = protocol.patiently(lambda: self.try_once(method, address, body), self.asked.timeout)
        if response.status_code in (401, 403):
            raise protocol.refused(self.url)
        if response.is_redirect:  # a POST that follows one becomes a GET
            raise KerasDLError(f"{self.url} redirects to {response.headers['Location']}; use that address for --url")
        return response

    def try_once(self, method: str, address: str, body: Any) -> requests.Response:
        """Send one request once."""
        timeout = self.asked.timeout
        options: Any = {"timeout": timeout, "allow_redirects": False, "proxies": proxies_for(address)}
        try:
            response = self.session.request(method, address, json=body, **options)
        except requests.Timeout:
            raise protocol.late(self.url, timeout) from None
        except requests.RequestException as error:
            raise protocol.unreachable(self.url, str(error)) from None
        if response.status_code in (429, 503):
            raise protocol.Busy(self.url, said(response), retry_after(response))
        return response

    def absent(self, reason: str) -> KerasDLError:
        """Say that the server has no such model or version, and what it has if it tells."""
        known = self.models or {}
        if self.asked.model in known:
            return protocol.absent(self.url, self.asked, reason, ", ".join(known[self.asked.model].versions))
        return protocol.absent(self.url, self.asked, reason, ", ".join(known))

    def foreign(self) -> KerasDLError:
        """Say that something else than a model server answers."""
        return KerasDLError(
            f"{self.url} does not speak TensorFlow Serving's REST protocol; is this the right port? "
            "TF Serving uses 8501, keras-dl serve uses 7860"
        )


@dataclass(frozen=True)
class Served:
    """What a server of ours says of a model."""

    input: Input | None  # None before one of its versions is loaded
    task: str
    versions: list[str]  # "2 (canary)": those that can be asked

    @classmethod
    def read(cls, model: Any) -> Served:
        """Take what is needed here from an entry of `GET /v1/models`."""
        ready = [one for one in model["versions"] if one["state"] == "AVAILABLE"]
        versions = [f"{one['version']} ({', '.join(one['labels'])})".removesuffix(" ()") for one in ready]
        return cls(inputs.find(model.get("modality", "")), str(model.get("task", "")), versions)


class Bearer(requests.auth.AuthBase):
    """Puts the key into a request. A header of the session would give way to a password of ~/.netrc."""

    def __init__(self, key: str) -> None:
        self.key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self.key}"
        return request


def said(response: requests.Response) -> str:
    """Return the server's reason, in one line."""
    try:
        reason = str(response.json()["error"])
    except DAMAGED:
        reason = response.reason or f"status {response.status_code}"
    return protocol.one_line(reason)


def retry_after(response: requests.Response) -> float | None:
    """Return the seconds that a busy server asks to wait; None if it does not say, or names a date."""
    seconds = response.headers.get("Retry-After", "")
    return float(seconds) if seconds.isascii() and seconds.isdigit() else None
