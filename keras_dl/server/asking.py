"""From raw inputs to answers: check them, put them into the model's batches, write down what was said."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

import numpy as np
from starlette.requests import Request

from keras_dl.errors import BadInput
from keras_dl.server import watching
from keras_dl.server.batching import Batcher, Limits, Overloaded
from keras_dl.server.drift import Drift, workers_folder
from keras_dl.server.guard import Refused
from keras_dl.server.journal.journal import Journal
from keras_dl.server.models.catalogue import Catalogue, NotServed
from keras_dl.server.models.served import Version
from keras_dl.server.settings import Settings

LOG = logging.getLogger("keras_dl.server")
MOST_WAITING = 16  # explanations, and feedbacks
Result = TypeVar("Result")


class Desk:
    """Where the routes ask: it knows the models, their batchers, the journal, and the threads for slow work."""

    def __init__(self, settings: Settings, catalogue: Catalogue, journal: Journal | None) -> None:
        """Take what the server was started with."""
        self.settings, self.catalogue, self.journal = settings, catalogue, journal
        self.checkers = ThreadPoolExecutor(2, thread_name_prefix="check")
        self.explainer = ThreadPoolExecutor(1, thread_name_prefix="explain")
        self.clerk = ThreadPoolExecutor(1, thread_name_prefix="feedback")  # a slow database must not stop the others
        self.waiting = {"explain": 0, "feedback": 0}
        self.drift = Drift(workers_folder() if settings.workers > 1 else None, settings.burst)

    def who(
        self, request: Request, name: str, version: str | None = None, label: str | None = None
    ) -> tuple[Version, Batcher]:
        """Return who answers a request, and note it for log, headers and metrics."""
        state = request.state
        if not self.catalogue.loaded.is_set() and not getattr(self.catalogue.models.get(name), "ready", None):
            raise self.loading()
        number = None if version is None else number_of(version, name)
        found, batcher = self.catalogue.resolve(name, number, label, state.client)
        state.model, state.version, state.drawn = name, found.number, version is None and label is None
        return found, batcher

    def with_emoji(self) -> str | None:
        """Return the first model that is ready to answer with emoji, for the emoji service of the course."""
        models = self.catalogue.models.values()
        return next((m.source.name for m in models for v in m.ready.values() if v.run.task.output.symbols), None)

    def loading(self) -> Refused:
        """Return the refusal of a request that comes before the models."""
        return Refused(503, "the models are being loaded; try again in a moment", **{"Retry-After": "2"})

    async def answers(
        self, request: Request, asked: tuple[Version, Batcher], raw: Sequence[bytes]
    ) -> dict[str, np.ndarray]:
        """Answer inputs, all or none.

        Raises:
            BadInput: if one cannot be used.
            Refused: if there is no room, or it took too long.
        """
        version, batcher = asked
        if not raw:
            return version.empty("serving_default")
        with timed(request, "check"):
            for reason in await self.refusals(version, raw):
                if reason:
                    raise BadInput(reason)
        return await self.in_time(batcher.ask(raw))

    async def tensors(
        self, asked: tuple[Version, Batcher], signature: str, batch: Sequence[Any] | np.ndarray
    ) -> dict[str, np.ndarray]:
        """Answer inputs as a signature takes them, `[count, ...]`, between the batches of others.

        Raises:
            BadInput: if one cannot be used, or their answers have different shapes.
            Refused: if there is no room, or it took too long.
        """
        version, batcher = asked
        if isinstance(batch, list):  # raw inputs
            for reason in await self.refusals(version, batch):
                if reason:
                    raise BadInput(reason)
        most = version.signatures[signature].input.shape[0] or self.settings.max_batch
        pieces = [batch[at : at + most] for at in range(0, len(batch), most)]
        parts = [
            await self.in_time(batcher.alone(partial(version.call, signature, piece), len(piece))) for piece in pieces
        ] or [version.empty(signature)]
        if any(len({part[name].shape[1:] for part in parts}) > 1 for name in parts[0]):
            raise BadInput("these inputs have answers of different shapes; send one at a time")
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    async def rows(
        self, request: Request, asked: tuple[Version, Batcher], items: Sequence[tuple[str, bytes]]
    ) -> list[dict[str, Any]]:
        """Return a row in words for each named input, in order; one that cannot be used has its "error"."""
        version, batcher = asked
        rows: list[dict[str, Any]] = [{"input": name} for name, _ in items]
        reasons = await self.refusals(version, [raw for _, raw in items])
        for row, reason in zip(rows, reasons, strict=True):
            row.update({"error": reason} if reason else {})
        good = [(row, raw) for row, (_, raw) in zip(rows, items, strict=True) if "error" not in row]
        if not good:
            return rows
        try:
            found = await self.in_time(batcher.ask([raw for _, raw in good]))
            answers = [(found, number) for number in range(len(good))]
        except BadInput:  # the check let something through: find out which
            alone = await asyncio.gather(*(self.one(batcher, row, raw) for row, raw in good))
            good = [pair for pair in good if "error" not in pair[0]]
            answers = [(one, 0) for one in alone if one is not None]
        notes = await self.aside(version.notes, [raw for _, raw in good])
        for (row, _), (found, number), note in zip(good, answers, notes, strict=True):
            row.update(version.row(found, number) | ({"note": note} if note else {}))
        return rows

    async def one(self, batcher: Batcher, row: dict[str, Any], raw: bytes) -> dict[str, np.ndarray] | None:
        """Answer one input; where it cannot be used, say so in its row."""
        try:
            return await self.in_time(batcher.ask([raw]))
        except BadInput as error:
            row["error"] = str(error)
            return None

    async def in_time(self, work: Any) -> Any:
        """Wait for the model for as long as a request may take."""
        try:
            async with asyncio.timeout(self.settings.timeout):
                return await work
        except TimeoutError:
            raise Refused(503, f"no answer within {self.settings.timeout:g} s", **{"Retry-After": "5"}) from None
        except Overloaded as error:
            raise refused(error) from None

    async def refusals(self, version: Version, raw: Sequence[bytes]) -> list[str]:
        """Return why each input cannot be used, "" for one that can; what takes a while is looked at in a thread."""
        kind = version.run.task.input
        check = partial(kind.check, assets=version.run.assets)
        if kind.quick(sum(map(len, raw))):
            return [refusal(check, one) for one in raw]
        return await self.aside(lambda: [refusal(check, one) for one in raw])

    async def aside(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """Do slow work beside the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self.checkers, work, *arguments)

    async def explained(self, work: Callable[[], Result]) -> Result:
        """Explain something, one after the other; raises Refused if too many wait for that."""
        return await self.one_by_one("explain", self.explainer, work)

    async def filed(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """Ask the journal, one after the other; raises Refused if too many wait for that."""
        return await self.one_by_one("feedback", self.clerk, lambda: work(*arguments))

    async def one_by_one(self, line: str, thread: ThreadPoolExecutor, work: Callable[[], Result]) -> Result:
        """Do slow work in a thread of its own."""
        if self.waiting[line] >= MOST_WAITING:
            raise refused(Overloaded(5))
        self.waiting[line] += 1
        try:
            return await self.in_time(asyncio.get_running_loop().run_in_executor(thread, work))
        finally:
            self.waiting[line] -= 1

    def write_answers(
        self, request: Request, version: Version, answers: Mapping[str, Any], raw: Sequence[bytes]
    ) -> None:
        """Record what `predict` answered."""
        self.compare(request, version, version.watched(answers), raw)
        rows = [version.row(answers, number) for number in range(len(raw))] if self.journal else []
        self.write_down(request, "predict", [(version.noted(row), one) for row, one in zip(rows, raw, strict=False)])

    def compare(
        self, request: Request, version: Version, values: Mapping[str, Any] | None, raw: Sequence[bytes]
    ) -> None:
        """Count the numbers of answers that are watched for drift, `[count]` each; None: those of an older run."""
        if values is not None:
            self.drift.note((request.state.model, version.number), request.state.client, raw, values)

    def write_down(
        self,
        request: Request,
        route: str,
        rows: Sequence[tuple[Mapping[str, Any], bytes]],
        status: int = 200,
        start: int = 0,
    ) -> None:
        """Record predictions: for each what `Version.noted` says, and the input; `start` numbers the first."""
        if self.journal is None or not hasattr(request.state, "version"):
            return
        state = request.state
        same = {
            "request_id": state.request_id,
            "time": datetime.now(UTC),
            "model": state.model,
            "version": state.version,
            "client": state.client,
            "route": route,
            "drawn": state.drawn,
            "status": status,
            "milliseconds": (time.perf_counter() - state.began) * 1e3,
        }
        keep = self.settings.keep_inputs
        self.journal.record(
            [
                {**same, **noted, "number": start + number, "input": raw if keep else None}
                for number, (noted, raw) in enumerate(rows)
            ]
        )
        watching.UNWRITTEN.set(self.journal.dropped)

    def limits(self) -> Limits:
        """Return how batchers behave."""
        return Limits(self.settings.max_batch, self.settings.max_delay / 1e3, self.settings.queue)

    def batcher(self, name: str, version: Version) -> Batcher:
        """Make the batcher of a version, which counts; to be called in the event loop."""
        summary = version.run.assets.get("drift")
        self.drift.watch((name, version.number), summary, (path.read_bytes() for path in version.samples))
        if self.journal and summary:
            self.clerk.submit(self.journal.know, name, version.number, summary)
        phases = {phase: watching.PHASES.labels(name, phase) for phase in ("queue", "run")}
        sizes = watching.BATCHES.labels(name, str(version.number))

        def seen(what: str, value: float) -> None:
            (sizes if what == "batch" else phases[what]).observe(value)

        return Batcher(version.answer, self.limits(), seen)

    def close(self) -> None:
        """Stop the threads and write the last rows."""
        self.checkers.shutdown(wait=False)
        self.explainer.shutdown(wait=False)
        self.clerk.shutdown(wait=False)
        if self.journal:
            self.journal.close()


class Unread(bytes):
    """Nothing, in place of an input that could not even be read, with the reason."""

    reason: str

    def __new__(cls, reason: str) -> Unread:
        """Make one."""
        made = super().__new__(cls)
        made.reason = reason
        return made


def refusal(check: Callable[[bytes], None], raw: bytes) -> str:
    """Return why an input cannot be used, or ""."""
    if isinstance(raw, Unread):
        return raw.reason
    try:
        check(raw)
    except BadInput as error:
        return str(error)
    return ""


class timed:  # noqa: N801 - used as a statement
    """Measures a phase of a request."""

    def __init__(self, request: Request, phase: str) -> None:
        """Take the request, whose model is known, and the phase's name."""
        self.figure = watching.PHASES.labels(getattr(request.state, "model", ""), phase)

    def __enter__(self) -> None:
        self.began = time.perf_counter()

    def __exit__(self, *_: Any) -> None:
        self.figure.observe(time.perf_counter() - self.began)


def number_of(version: str, name: str) -> int:
    """Read a version's number in an address."""
    if not (version.isascii() and version.isdigit()) or len(version) > 18:
        raise NotServed(f"Servable not found for request: Specific({name}, {version[:80]})")
    return int(version)


def refused(error: Overloaded) -> Refused:
    """Return the refusal of a request that finds no room."""
    return Refused(429, str(error), **{"Retry-After": str(error.retry_after)})
