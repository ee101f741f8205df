"""What REST and gRPC share: what is asked of a server, patience with a busy one, and how its refusals are worded."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from keras_dl import inputs
from keras_dl.errors import KerasDLError, UsageError
from keras_dl.inputs.given import Taker
from keras_dl.task import Input
from keras_dl.task.blocks import Answer

TRIES = 6  # of a request to a busy server
FIRST_WAIT = 0.25  # seconds before the second try where the server names no time; doubled each time
LONGEST_REASON = 300  # characters of what a server says

Row = dict[str, Any]
Result = TypeVar("Result")


@dataclass(frozen=True)
class Asked:
    """Which model is asked, and how."""

    model: str
    version: int | None = None
    label: str | None = None
    key: str | None = None
    timeout: float = 30.0  # seconds

    def __str__(self) -> str:
        if self.version is not None:
            return f"version {self.version} of model {self.model}"
        return f"version '{self.label}' of model {self.model}" if self.label else f"model {self.model}"


class Server(Taker, Protocol):
    """One model on a server; its kind of input is known once it is prepared."""

    def prepare(self) -> None:
        """Ask the server what the model takes."""

    def ask(self, raws: Sequence[bytes]) -> list[Row]:
        """Answer raw inputs, a row each; raises BadInput if the server cannot use one of them."""

    def answer(self, row: Row) -> Answer:
        """Say a row in a few words."""

    def close(self) -> None:
        """Give the connection back."""


class Busy(KerasDLError):  # noqa: N818 - reads as what the server is
    """The server takes no more for now; `wait` is for how many seconds, if it says so."""

    def __init__(self, url: str, reason: str, wait: float | None = None) -> None:
        super().__init__(f"{url} is busy or not ready ({one_line(reason)}); try again later or with fewer inputs")
        self.wait = wait


def patiently(attempt: Callable[[], Result], timeout: float) -> Result:
    """Try until the server is not busy, waiting as long as it asks and no more than `timeout` seconds in all.

    Raises:
        Busy: if it stays so.
    """
    end, wait = time.monotonic() + timeout, FIRST_WAIT
    for _ in range(TRIES - 1):
        try:
            return attempt()
        except Busy as busy:
            pause = wait if busy.wait is None else busy.wait
            if time.monotonic() + pause > end:
                raise
            time.sleep(pause)
            wait *= 2
    return attempt()


def input_of(asked: Asked, takes: Mapping[str, str]) -> Input:
    """Return the kind of input by what the signature takes, name and type, as `keras-dl export` writes them.

    Raises:
        UsageError: if the model does not take one string of bytes.
    """
    if list(takes.values()) != ["DT_STRING"]:
        named = ", ".join(f"{name} of {kind}" for name, kind in takes.items()) or "nothing"
        raise UsageError(f"{asked} takes {named}, not a file or a text; serve a model that keras-dl export wrote")
    return inputs.of_signature(takes)


def plain_answer(row: Row) -> Answer:
    """Say a row of a server that does not know what the numbers are of."""
    numbers = {name: value for name, value in row.items() if type(value) in (int, float)}  # a bool is no number here
    return Answer(str(row.get("label", "")), ", ".join(f"{name} {value:.3f}" for name, value in numbers.items()))


def label_first(outputs: Mapping[str, Any]) -> Row:
    """Order the outputs of one example for a reader: the label, then the others."""
    return {name: outputs[name] for name in sorted(outputs, key=lambda name: name != "label")}


def absent(url: str, asked: Asked, reason: str, known: str) -> KerasDLError:
    """Say that the server does not have what was asked, and what it has if it tells."""
    way_out = (
        f"it has: {known}"
        if known
        else "TF Serving gets the names of its models from --model_name or --model_config_file"
    )
    return KerasDLError(f"{url} has no {asked} ({one_line(reason)}); {way_out}")


def unreachable(url: str, reason: str) -> KerasDLError:
    """Say that there is no server, in the words of the operating system."""
    found = re.search(r"\[[^\]]+\] ([^'\")(]+)|(Connection refused)", reason)  # "[Errno 111] Connection refused"
    why = (found[1] or found[2]).strip() if found else "the connection broke off"
    return KerasDLError(f"no server answers at {url} ({why}); start one with keras-dl serve RUN, or correct --url")


def late(url: str, timeout: float) -> KerasDLError:
    """Say that an answer did not come in time."""
    return KerasDLError(f"{url} did not answer within {timeout:g} s; wait longer with --timeout SECONDS")


def refused(url: str) -> KerasDLError:
    """Say that the server does not take this key, or no key."""
    return KerasDLError(f"{url} needs another key; use the one with which the server was started: --api-key KEY")


def one_line(reason: str) -> str:
    """Shorten what a server says."""
    line = " ".join(reason.split())
    return line if len(line) <= LONGEST_REASON else f"{line[: LONGEST_REASON - 1]}…"
