"""Predict through a server: TensorFlow Serving's protocols, REST and gRPC, and the full rows of `keras-dl serve`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

from keras_dl.client.protocol import Asked, Row, Server
from keras_dl.errors import BadInput, UsageError
from keras_dl.inputs.given import Given, expand
from keras_dl.progress import bar
from keras_dl.task.blocks import Answer

BATCH = 32  # inputs in one request
LARGEST_BATCH = 8_000_000  # bytes of inputs in one request; a larger one goes alone


def predict(
    url: str,
    model: str,
    inputs: Iterable[str | Path],
    *,
    version: int | None = None,
    label: str | None = None,
    key: str | None = None,
    timeout: float = 30.0,
) -> list[Row]:
    """Predict files, folders and texts by a model on a server.

    Args:
        url: "http://HOST:PORT" or "https://..." for REST, "HOST:PORT" for the same as http, "grpc://HOST:PORT".
        model: its name on the server.
        inputs: as `keras_dl.verbs.predict` takes them.
        version: of the model; None for the one that the server chooses.
        label: of a version, as "stable"; instead of a version.
        key: what the server was told by --api-key.
        timeout: seconds to wait for one answer, and for a busy server to take a request.

    Returns:
        One row per input, in order, as `keras_dl.verbs.predict` gives them; from TF Serving "input", "label" and the
        model's other outputs, or "input" and "error". Class names and threshold are not known there: values of several
        classes stay a list.

    Raises:
        UsageError: if a file is not there, the address is none, or the model does not take files or texts.
        KerasDLError: if the server does not answer, wants a key, or has no such model.
    """
    return answered(url, model, inputs, version=version, label=label, key=key, timeout=timeout)[0]


def answered(
    url: str,
    model: str,
    inputs: Iterable[str | Path],
    *,
    version: int | None = None,
    label: str | None = None,
    key: str | None = None,
    timeout: float = 30.0,
) -> tuple[list[Row], Callable[[Row], Answer]]:
    """Return the rows of `predict`, and the function that says a row in a few words."""
    if version is not None and label is not None:
        raise UsageError(f"version {version} and label {label} exclude each other; give only one of them")
    if key is not None and not (key and key.isascii() and key.isprintable()):
        raise UsageError(
            "the key must consist of visible ASCII characters; use the key with which the server was started"
        )
    with closing(connect(url, Asked(model, version, label, key, timeout))) as server:
        server.prepare()
        items = list(expand(server, inputs))
        rows: list[Row] = [item.row() for item in items]
        with bar(total=len(items), desc="predict", unit=" inputs") as shown:
            for batch in batches(zip(rows, items, strict=True), server.input.check):
                fill(server, [(row, raw) for row, raw in batch if raw is not None])
                shown.update(len(batch))
        return rows, server.answer


def connect(url: str, asked: Asked) -> Server:
    """Choose the protocol by the address."""
    address = (url if "://" in url else f"http://{url}").rstrip("/")
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https", "grpc") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number
        usable = False
    if not usable:
        raise UsageError(
            f"{url} is not the address of a server; write http://HOST:8501, https://HOST or grpc://HOST:8500"
        )
    if parts.scheme == "grpc":
        from keras_dl.client.grpc import Grpc  # imports TensorFlow

        return Grpc(address, asked)
    from keras_dl.client.rest import Rest

    return Rest(address, asked)


def batches(
    pairs: Iterable[tuple[Row, Given]], check: Callable[[bytes], None]
) -> Iterator[list[tuple[Row, bytes | None]]]:
    """Read and check inputs and put them together for requests; None stands for one whose row says its error."""
    batch: list[tuple[Row, bytes | None]] = []
    size = 0
    for row, item in pairs:
        raw: bytes | None = None
        try:
            raw = item.raw()
            check(raw)
        except BadInput as error:
            row["error"], raw = str(error), None
        if batch and (len(batch) == BATCH or size + len(raw or b"") > LARGEST_BATCH):
            yield batch
            batch, size = [], 0
        batch.append((row, raw))
        size += len(raw or b"")
    if batch:
        yield batch


def fill(server: Server, batch: Sequence[tuple[Row, bytes]]) -> None:
    """Complete the rows with the answers.

    TF Serving fails a whole request for one input that it cannot use, and does not say which one: then halve it, and
    again, until the bad one is alone.
    """
    if not batch:
        return
    try:
        answers = server.ask([raw for _, raw in batch])
    except BadInput as error:
        if len(batch) == 1:
            batch[0][0]["error"] = str(error)
        else:
            middle = len(batch) // 2
            fill(server, batch[:middle])
            fill(server, batch[middle:])
    else:
        for (row, _), answer in zip(batch, answers, strict=True):
            row |= answer
