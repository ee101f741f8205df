"""Dynamic micro-batching: requests that wait while the model runs go through it together.

One thread runs the model. What arrives meanwhile forms the next batch, so a lone request never waits for company; only
after a batch of several is the next one held back, for at most the latency budget, to fill up.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from keras_dl.errors import BadInput

Answers = dict[str, np.ndarray]  # by output name, each `[count, ...]`


class Overloaded(Exception):  # noqa: N818 - reads as what it is
    """There is no room in the queue; `retry_after` seconds from now there should be."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"too many requests are waiting; try again in {retry_after} s")
        self.retry_after = retry_after


@dataclass
class Waiting:
    """What one request waits for."""

    raw: Sequence[bytes]
    future: asyncio.Future[Answers]
    since: float = field(default_factory=time.perf_counter)


@dataclass(frozen=True)
class Limits:
    """How a batcher behaves."""

    most: int = 32  # inputs in a batch
    delay: float = 0.002  # seconds, at most, that a batch waits to fill up: the latency budget
    queue: int = 512  # inputs that may wait


class Batcher:
    """Collects inputs of concurrent requests for one version of a model, in one event loop."""

    def __init__(
        self,
        answer: Callable[[Sequence[bytes]], Answers],
        limits: Limits = Limits(),
        seen: Callable[[str, float], None] = lambda name, value: None,
    ) -> None:
        """Take the function that answers a batch, and one that is told "batch", "queue" and "run" figures."""
        self.answer, self.limits, self.seen = answer, limits, seen
        self.line: deque[Waiting] = deque()
        self.size = 0  # inputs in the line
        self.rate = 1000.0  # inputs per second, a running mean
        self.arrived = asyncio.Event()
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        self.closing = False
        self.worker = asyncio.get_running_loop().create_task(self.work())

    async def ask(self, raw: Sequence[bytes]) -> Answers:
        """Answer raw inputs, in pieces of at most a batch.

        Raises:
            Overloaded: if the queue has no room for them.
            BadInput: if one of them cannot be decoded.
        """
        loop, most, found = asyncio.get_running_loop(), self.limits.most, []
        self.check_room(min(len(raw), most))
        for at in range(0, len(raw), most):  # one piece waits at a time, so that a large request leaves room for others
            if self.worker.done():  # the version has gone since the request came; it is still here to answer it
                self.worker = loop.create_task(self.work())
            piece = Waiting(raw[at : at + most], loop.create_future())
            self.line.append(piece)
            self.size += len(piece.raw)
            self.arrived.set()
            try:
                found.append(await piece.future)
            finally:
                piece.future.cancel()  # of one that has gone away: nobody waits for it
        if len(found) == 1:
            return found[0]
        return {name: np.concatenate([one[name] for one in found]) for name in found[0]}

    async def alone(self, call: Callable[[], Any], count: int = 0) -> Any:
        """Run something else in the model's thread, between batches; `count` inputs are in it.

        Raises:
            Overloaded: if the queue has no room for them.
        """
        self.check_room(count)
        self.size += count
        try:
            return await asyncio.get_running_loop().run_in_executor(self.thread, call)
        finally:
            self.size -= count

    def check_room(self, count: int) -> None:
        """Raise Overloaded if so many inputs more are too many; into an empty queue a batch may come."""
        if count and self.size and self.size + count > self.limits.queue:
            raise Overloaded(max(1, math.ceil((self.size + count) / self.rate)))

    async def close(self) -> None:
        """Answer what waits, then stop; the thread ends with its last user."""
        self.closing = True
        self.arrived.set()
        await self.worker

    async def work(self) -> None:
        """Form batches and run them, one after the other."""
        crowded = False
        while True:
            if not self.line:
                self.arrived.clear()
                if self.closing:
                    return
                await self.arrived.wait()
                continue
            if crowded and self.size < self.limits.most and self.limits.delay and not self.closing:
                await asyncio.sleep(self.limits.delay)
            batch = self.take()
            crowded = len(batch) > 1
            if batch:
                await self.run(batch)

    def take(self) -> list[Waiting]:
        """Take the next batch out of the line, without those that nobody waits for any more."""
        batch: list[Waiting] = []
        room = self.limits.most
        while self.line and len(self.line[0].raw) <= room:
            waiting = self.line.popleft()
            self.size -= len(waiting.raw)
            if not waiting.future.done():
                batch.append(waiting)
                room -= len(waiting.raw)
        return batch

    async def run(self, batch: list[Waiting]) -> None:
        """Run a batch and hand the answers out; where it fails, each request by itself: one must not fail all."""
        raw = [one for waiting in batch for one in waiting.raw]
        began = time.perf_counter()
        for waiting in batch:
            self.seen("queue", began - waiting.since)
        try:
            found = await self.alone(lambda: self.answer(raw))
        except Exception as error:
            if len(batch) > 1:
                for waiting in batch:
                    await self.run([waiting])
            elif not batch[0].future.done():
                batch[0].future.set_exception(error if isinstance(error, BadInput) else failed(error))
            return
        spent = time.perf_counter() - began
        self.seen("run", spent)
        self.seen("batch", len(raw))
        self.rate += 0.1 * (len(raw) / max(spent, 1e-6) - self.rate)
        start = 0
        for waiting in batch:
            part = slice(start, start + len(waiting.raw))
            start = part.stop
            if not waiting.future.done():
                waiting.future.set_result({name: values[part] for name, values in found.items()})


def failed(error: Exception) -> Exception:
    """Return an error that holds no frames of the model's thread, and says what happened."""
    return RuntimeError(f"the model failed: {type(error).__name__}: {error}")
