"""Drift in service: whether what is asked of a version still looks like its validation part. No inputs are kept.

Of each answer two numbers are counted in bins of validation: its value (`Output.level`) and how unusual its input is.
`measures.stream` gives the alarm. All workers count together, in a file, so that their number changes nothing.

What counts as one answer: an input that the same client has sent before does not count again, as a health probe's or a
second try; nor do the samples of the page, which every visitor sends. With `burst`, of all that one client sends within
so many seconds only the first input counts: what a person tries in a row is alike, and ten alike answers are no ten
witnesses. Without it, each input must be of another patient, author or document for the stated rate of false alarms to
hold.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from keras_dl.errors import KerasDLError
from keras_dl.measures.stream import LARGE, LEAST, LIFE, PER, Bins, Stream
from keras_dl.pages.wire import as_json
from keras_dl.runs.files import replacing
from keras_dl.server import watching
from keras_dl.task.blocks import Block, Prose, Table

LOG = logging.getLogger("keras_dl.server")
REMEMBERED = 10_000  # inputs, by their hash, and clients
NUMBERS = {"value": "The answers have", "unusualness": "The unusualness of inputs has"}
CAPTION = (
    f"Shift: the population stability index of the last {LIFE:,} answers or fewer against validation, less what chance "
    f"gives. Below {LEAST:g} it is no shift, above {LARGE:g} a large one."
)
Key = tuple[str, int]  # a model's name and a version's number


@dataclass
class Watched:
    """What one version's answers are compared with, and those that are not counted yet."""

    bins: Mapping[str, Bins]
    stream: Stream
    samples: frozenset[int]  # hashes of inputs that never count
    waiting: list[Mapping[str, np.ndarray]] = field(default_factory=list)


class Drift:
    """Counts the answers of all versions that a worker serves.

    Args:
        folder: where several workers meet; None for one alone.
        burst: seconds in which the inputs of one client count once; 0: each counts.
        clock: gives seconds.
    """

    def __init__(
        self, folder: Path | None = None, burst: float = 0.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.folder, self.burst, self.clock = folder, burst, clock
        self.watched: dict[Key, Watched] = {}
        self.sent: OrderedDict[int, None] = OrderedDict()
        self.last: OrderedDict[tuple[Key, str], float] = OrderedDict()
        self.lock = threading.Lock()

    def watch(self, key: Key, summary: Mapping[str, Any] | None, samples: Iterable[bytes] = ()) -> None:
        """Begin to count a version's answers.

        Args:
            key: the model and the version.
            summary: what its assets say of validation; None in a run of an earlier version, which is not watched.
            samples: inputs that never count.
        """
        if summary:
            bins = {name: Bins.from_json(one) for name, one in summary.items()}
            self.watched[key] = Watched(bins, Stream(bins), frozenset(map(hash, samples)))

    def note(self, key: Key, client: str, raw: Sequence[bytes], values: Mapping[str, np.ndarray]) -> None:
        """Take the numbers of answers, `[count]` each, that one client got; an input without bytes is always new."""
        if key not in self.watched:
            return
        fresh = [number for number, one in enumerate(raw) if self.is_new(key, client, one)]
        if fresh:
            self.watched[key].waiting.append({name: np.asarray(one)[fresh] for name, one in values.items()})

    def is_new(self, key: Key, client: str, raw: bytes) -> bool:
        """Whether an input counts, and remember it."""
        mark = hash((key, client, raw))
        if raw and (mark in self.sent or hash(raw) in self.watched[key].samples):
            return False
        remember(self.sent, mark, None)
        if not self.burst:
            return True
        now, before = self.clock(), self.last.get((key, client))
        if before is not None and now - before < self.burst:
            return False
        remember(self.last, (key, client), now)
        return True

    def settle(self) -> None:
        """Count what waits, and tell Prometheus what all workers have seen."""
        try:
            with self.together():
                for watched in self.watched.values():
                    waiting, watched.waiting = watched.waiting, []
                    for values in waiting:
                        watched.stream.add(values)
        except (OSError, KerasDLError) as error:  # a full disk is no reason to answer nobody
            LOG.warning("drift cannot be counted now: %s", error)
        for key, watched in list(self.watched.items()):
            publish(key, watched.stream)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Hold the streams against the other workers, as they have left them."""
        with self.lock:
            new = any(watched.waiting for watched in self.watched.values())
            if self.folder is None:
                yield
                return
            with (self.folder / "drift.lock").open("w") as door:
                fcntl.flock(door, fcntl.LOCK_EX)
                path = self.folder / "drift.json"
                kept = json.loads(path.read_text("utf-8")) if path.exists() else {}
                for key, watched in self.watched.items():
                    if (state := kept.get(written(key))) is not None:
                        watched.stream.restore(state)
                yield
                if new:
                    kept |= {written(key): watched.stream.state() for key, watched in self.watched.items()}
                    with replacing(path) as temporary:
                        temporary.write_text(json.dumps(kept), "utf-8")

    def of(self, model: str) -> dict[str, Any]:
        """Return `{"versions": {number: what `Stream.seen` says}, "blocks": that in words}` of a model."""
        self.settle()
        mine = {str(number): one.stream for (name, number), one in sorted(self.watched.items()) if name == model}
        return {
            "versions": {number: stream.seen() for number, stream in mine.items()},
            "blocks": [as_json(block) for block in shown(mine)],
        }


def shown(streams: Mapping[str, Stream]) -> list[Block]:
    """Show what was seen of each version, for whoever runs the server."""
    found = {number: stream.seen() for number, stream in streams.items()}
    said = [
        Prose(in_words(one), f"Version {number}", warning=one["alarm"] is not None) for number, one in found.items()
    ]
    rows = [
        [number, f"{one['answers']:,}", f"{one['unusual']:,}", *(f"{value:.2f}" for value in moved(one))]
        for number, one in found.items()
    ]
    columns = ["Version", "Answers", "Unusual inputs", "Shift of answers", "Shift of unusualness"]
    return [*said, Table(columns, rows, caption=CAPTION, numeric=[*range(1, len(columns))])] if rows else []


def moved(found: Mapping[str, Any]) -> list[float]:
    """Return how far each number has moved lately, 0 before there are answers."""
    return [max(found["shift"].get(name, 0.0), 0.0) for name in NUMBERS]


def publish(key: Key, stream: Stream) -> None:
    """Tell Prometheus what was seen of a version."""
    labels, found = (key[0], str(key[1])), stream.seen()
    watching.COMPARED.labels(*labels).set(found["answers"])
    watching.UNUSUAL.labels(*labels).set(found["unusual"])
    watching.EVIDENCE.labels(*labels).set(found["evidence"])
    watching.DRIFT.labels(*labels).set(found["alarm"] is not None)
    watching.ALARMS.labels(*labels).set(found["alarms"])
    for name, value in found["shift"].items():
        watching.SHIFT.labels(*labels, name).set(value)
    for name, counts in stream.counts.items():
        ends = [*(f"{edge:.6g}" for edge in stream.bins[name].edges), "+Inf"]
        for end, count in zip(ends, counts.tolist(), strict=True):
            watching.IN_BIN.labels(*labels, name, end).set(count)


def in_words(found: Mapping[str, Any]) -> str:
    """Say what was seen of a version, and what would be; `found` is what `Stream.seen` gave."""
    rate = f"There is at most one false alarm in {PER:,} answers, on average."
    within = found["sees"]
    reach = (
        f"A shift of {LARGE:g} is seen within about {within:,} answers."
        if within
        else f"The validation part is too small for a shift of {LARGE:g} to be certain."
    )
    if alarm := found["alarm"]:
        return (
            f"Drift. {NUMBERS[alarm['name']]} moved away from validation by a shift of {alarm['shift']:.2f}, since "
            f"about answer {alarm['since'] + 1:,}. Seen at answer {alarm['seen']:,}. {rate}"
        )
    if not found["answers"]:
        return f"There are no answers yet. {reach} {rate}"
    return f"No drift is shown in the last {found['recent']:,} answers. {reach} {rate}"


def workers_folder() -> Path | None:
    """Return where several workers meet, or None."""
    return Path(os.environ[watching.MULTIPLE]) if watching.MULTIPLE in os.environ else None


def remember(kept: OrderedDict[Any, Any], key: Any, value: Any) -> None:
    """Keep a value, and forget the oldest where there are too many."""
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > REMEMBERED:
        kept.popitem(last=False)


def written(key: Key) -> str:
    """Return a key as JSON takes it."""
    return f"{key[0]}/{key[1]}"
