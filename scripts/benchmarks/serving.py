"""How fast the server answers, beside a plain FastAPI handler that calls `model.predict`.

Both servers run side by side in processes of their own and are asked in turn, over loopback, by one client: one request
at a time over one connection, then by many connections at once. The networks are the default ones, hardly trained.
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
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks import measuring
from benchmarks.measuring import Row, compared
from keras_dl.errors import KerasDLError

OURS, PLAIN = "keras-dl serve", "FastAPI + model.predict"
IMAGE = "/v1/models/pneumonia:predict"


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


def measure(rounds: int, *, quick: bool = False) -> list[Row]:
    """Train two runs for a moment, start both servers, and ask them in turn."""
    seconds = 1.0 if quick else 2.0
    with tempfile.TemporaryDirectory() as folder:
        measuring.apart(train, folder, quick)
        emoji, pneumonia = str(Path(folder) / "emoji"), str(Path(folder) / "pneumonia")
        ports = {OURS: free_port(), PLAIN: free_port()}
        ours = ["-m", "keras_dl", "serve", f"emoji={emoji}", f"pneumonia={pneumonia}", "--port", str(ports[OURS])]
        plain = [str(Path(__file__).with_name("plain_server.py")), emoji, pneumonia, "--port", str(ports[PLAIN])]
        found: dict[tuple[str, str], list[Measured]] = {}
        with running(ours, ports[OURS], "/readyz"), running(plain, ports[PLAIN], "/health"):
            for number in range(rounds + 1):
                for case in cases(Path(pneumonia)):
                    for server, port in ports.items():
                        measured = asked(port, case, seconds if number else 1.0)
                        if number:  # the first round warms up
                            found.setdefault((case.name, server), []).append(measured)
    return rows(found)


def train(folder: str, quick: bool) -> None:
    """Leave a run of each task in a folder: the default network, one epoch on the small embedded set."""
    import keras_dl

    keras_dl.train("emoji", out=Path(folder) / "emoji", epochs=1, embedding="none")
    size = {} if quick else {"image_size": 128}
    keras_dl.train("pneumonia", tiny=True, out=Path(folder) / "pneumonia", **{"epochs": 1, **size})


def cases(pneumonia: Path) -> list[Case]:
    """Return what is asked."""
    image = min((pneumonia / "examples").glob("[!.]*")).read_bytes()
    text = json.dumps({"text": "I love you"}).encode()
    rows = json.dumps({"instances": [{"b64": base64.b64encode(image).decode()}]}).encode()
    return [
        Case("emoji, one at a time", "/predict", text, 1),
        Case("emoji, 64 clients", "/predict", text, 64),
        Case("pneumonia, one at a time", IMAGE, rows, 1),
        Case("pneumonia, 16 clients", IMAGE, rows, 16),
    ]


def rows(found: dict[tuple[str, str], list[Measured]]) -> list[Row]:
    """Return rate, median and 99th percentile of each case, and what many clients at once gain."""
    kinds = {"rate": ("", "answers/s"), "median": (", median", "ms"), "p99": (", 99 % within", "ms")}
    rows = []
    for case in dict.fromkeys(name for name, _ in found):
        for kind, (said, unit) in kinds.items():
            values = {server: [getattr(one, kind) for one in found[case, server]] for server in (OURS, PLAIN)}
            rows.append(compared("serving", case + said, unit, values, OURS, PLAIN))
    many, one = "pneumonia, 16 clients", "pneumonia, one at a time"
    rates = {name: [one.rate for one in found[name, OURS]] for name in (many, one)}
    return [*rows, compared("serving", many, "answers/s", rates, many, one)._replace(other=f"{OURS}, one at a time")]


@contextlib.contextmanager
def running(arguments: list[str], port: int, ready: str) -> Iterator[None]:
    """Run a server until the block ends."""
    process = subprocess.Popen([sys.executable, *arguments], stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 120
        while not answers(port, ready):
            if process.poll() is not None or time.monotonic() > end:
                raise KerasDLError(f"the server does not start; type: python {' '.join(arguments)}")
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


def asked(port: int, case: Case, seconds: float) -> Measured:
    """Ask for some seconds, and return rate and times."""
    times = asyncio.run(ask_all(port, case, seconds))
    slowest = sorted(times)[min(len(times) - 1, round(0.99 * len(times)))]
    return Measured(len(times) / seconds, statistics.median(times) * 1e3, slowest * 1e3)


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
            raise KerasDLError(f"{case.name}: the server answers {answer[:100]!r}")
        await reader.readexactly(int(answer.lower().split(b"content-length:")[1].split(b"\r\n")[0]))
        times.append(time.perf_counter() - began)
    writer.close()
    return times


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]
