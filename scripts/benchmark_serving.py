"""How fast the server answers, beside a plain FastAPI handler that calls `model.predict`.

    python scripts/benchmark_serving.py compare EMOJI_RUN PNEUMONIA_RUN --rounds 5 --seconds 4

Both servers run side by side in processes of their own and are asked in turn, over loopback, by one client: one request
at a time over one connection, then by many connections at once. Ratios are medians over the rounds, with their range.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import http.client
import json
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import click

OURS, PLAIN = "keras-dl serve", "FastAPI + model.predict"


class Case(NamedTuple):
    """What is asked, and by how many at once."""

    name: str
    path: str
    body: bytes
    clients: int


class Measured(NamedTuple):
    """What one measurement gave."""

    rate: float  # answers per second
    median: float  # milliseconds
    p99: float


@click.group()
def main() -> None:
    """Compare the two servers, or be the plain one."""


@main.command(help=__doc__)
@click.argument("emoji")
@click.argument("pneumonia")
@click.option("--rounds", default=5, show_default=True, help="Alternating measurements of each.")
@click.option("--seconds", default=4.0, show_default=True, help="Of each measurement.")
def compare(emoji: str, pneumonia: str, rounds: int, seconds: float) -> None:
    """Measure, and print one JSON object and a table."""
    import keras_dl

    image = min((keras_dl.open_run(pneumonia).path / "examples").glob("[!.]*")).read_bytes()
    text = json.dumps({"text": "I love you"}).encode()
    rows = json.dumps({"instances": [{"b64": base64.b64encode(image).decode()}]}).encode()
    predict = "/v1/models/pneumonia:predict"
    cases = [
        Case("emoji, one at a time", "/predict", text, 1),
        Case("emoji, 64 clients", "/predict", text, 64),
        Case("pneumonia, one at a time", predict, rows, 1),
        Case("pneumonia, 16 clients", predict, rows, 16),
    ]
    ours_port, plain_port = free_port(), free_port()
    ours = ["-m", "keras_dl", "serve", f"emoji={emoji}", f"pneumonia={pneumonia}", "--port", str(ours_port)]
    plain = [__file__, "plain", emoji, pneumonia, "--port", str(plain_port)]
    found: dict[str, dict[str, list[Measured]]] = {case.name: {OURS: [], PLAIN: []} for case in cases}
    with running(ours, ours_port, "/readyz"), running(plain, plain_port, "/health"):
        for number in range(rounds + 1):
            for case in cases:
                for server, port in ((OURS, ours_port), (PLAIN, plain_port)):
                    measured = measure(port, case, seconds if number else 1.0)
                    if number:  # the first round warms up
                        found[case.name][server].append(measured)
    click.echo(json.dumps({"rounds": rounds, "seconds": seconds, "cases": found}))
    click.echo(table(found))


@main.command()
@click.argument("emoji")
@click.argument("pneumonia")
@click.option("--port", type=int, required=True)
def plain(emoji: str, pneumonia: str, port: int) -> None:
    """Serve as the first page of a tutorial does: decode one input, call `model.predict`, answer."""
    from keras_dl import devices

    devices.import_quietly()
    import tensorflow as tf
    import uvicorn
    from fastapi import FastAPI

    import keras_dl

    app = FastAPI()
    runs = {"emoji": keras_dl.open_run(emoji), "pneumonia": keras_dl.open_run(pneumonia)}
    decode = {name: run.task.decode(run.config, run.assets) for name, run in runs.items()}

    def predict(name: str, raw: bytes) -> Any:
        return runs[name].model.predict(decode[name](tf.constant(raw))[None], verbose=0)[0].tolist()

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "healthy"}

    @app.post("/predict")
    def predict_text(body: dict[str, str]) -> dict[str, Any]:
        return {"text": body["text"], "probabilities": predict("emoji", body["text"].encode())}

    @app.post("/v1/models/pneumonia:predict")
    def predict_image(body: dict[str, list[dict[str, str]]]) -> dict[str, Any]:
        images = [base64.b64decode(one["b64"]) for one in body["instances"]]
        return {"predictions": [predict("pneumonia", image) for image in images]}

    uvicorn.run(app, port=port, log_level="error")


@contextlib.contextmanager
def running(arguments: list[str], port: int, ready: str) -> Iterator[None]:
    """Run a server until the block ends."""
    process = subprocess.Popen([sys.executable, *arguments], stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 120
        while not answers(port, ready):
            if process.poll() is not None or time.monotonic() > end:
                raise click.ClickException(f"the server does not start: python {' '.join(arguments)}")
            time.sleep(0.2)
        yield
    finally:
        process.terminate()
        process.wait(60)


def answers(port: int, path: str) -> bool:
    """Whether a server says 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def measure(port: int, case: Case, seconds: float) -> Measured:
    """Ask for some seconds, and return rate and times."""
    times = asyncio.run(ask_all(port, case, seconds))
    cut = statistics.quantiles(times, n=100, method="inclusive")
    return Measured(len(times) / seconds, statistics.median(times) * 1e3, cut[98] * 1e3)


async def ask_all(port: int, case: Case, seconds: float) -> list[float]:
    """Let all clients ask, and return the seconds that each answer took."""
    end = time.perf_counter() + seconds
    found = await asyncio.gather(*(ask(port, case, end) for _ in range(case.clients)))
    return [one for times in found for one in times]


async def ask(port: int, case: Case, end: float) -> list[float]:
    """Ask over one connection, again and again."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    head = [f"POST {case.path} HTTP/1.1", "Host: x", "Content-Type: application/json"]
    head += [f"Content-Length: {len(case.body)}", "", ""]
    request, times = "\r\n".join(head).encode() + case.body, []
    while (began := time.perf_counter()) < end:
        writer.write(request)
        answer = await reader.readuntil(b"\r\n\r\n")
        if not answer.startswith(b"HTTP/1.1 200"):
            raise click.ClickException(f"{case.name}: {answer[:100]!r}")
        await reader.readexactly(int(answer.lower().split(b"content-length:")[1].split(b"\r\n")[0]))
        times.append(time.perf_counter() - began)
    writer.close()
    return times


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def table(found: dict[str, dict[str, list[Measured]]]) -> str:
    """Lay the figures out: medians over the rounds, and ratios with their range."""
    lines = ["| case | server | answers/s | median ms | p99 ms |", "|---|---|--:|--:|--:|"]
    for case, servers in found.items():
        for server, rounds in servers.items():
            rate, median, p99 = (statistics.median(column) for column in zip(*rounds, strict=True))
            lines.append(f"| {case} | {server} | {rate:.0f} | {median:.2f} | {p99:.1f} |")
    lines += ["", "| case | rate, ours / plain | median time, plain / ours |", "|---|--:|--:|"]
    for case, servers in found.items():
        pairs = list(zip(servers[OURS], servers[PLAIN], strict=True))
        rates, times = [a.rate / b.rate for a, b in pairs], [b.median / a.median for a, b in pairs]
        lines.append(f"| {case} | {spread(rates)} | {spread(times)} |")
    one, many = (found[f"pneumonia, {kind}"][OURS] for kind in ("one at a time", "16 clients"))
    gain = [b.rate / a.rate for a, b in zip(one, many, strict=True)]
    return "\n".join([*lines, "", f"pneumonia, ours: 16 clients / one at a time {spread(gain)}"])


def spread(values: list[float]) -> str:
    """Write a median with the range."""
    return f"{statistics.median(values):.1f} [{min(values):.1f}, {max(values):.1f}]"


if __name__ == "__main__":
    main()
