"""How soon the command line is there: it imports nothing heavy before it knows what is asked for."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

from benchmarks.measuring import Row, alternating, compared

OURS = {
    "keras-dl --help": ["-m", "keras_dl", "--help"],
    "keras-dl list": ["-m", "keras_dl", "list"],
    "import keras_dl": ["-c", "import keras_dl"],
}
OTHERS = {"import click": ["-c", "import click"], "import tensorflow": ["-c", "import tensorflow"]}


def measure(rounds: int, *, quick: bool = False) -> list[Row]:
    """Time whole processes, from their start to their end, in milliseconds."""
    others = {"import click": OTHERS["import click"]} if quick else OTHERS
    values = alternating({name: timed(arguments) for name, arguments in {**OURS, **others}.items()}, rounds)
    return [compared("start", ours, "ms", values, ours, other) for ours in OURS for other in others]


def timed(arguments: list[str]) -> Callable[[], float]:
    """Return a function that runs Python with these arguments and gives the milliseconds it took."""

    def run() -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
        return (time.perf_counter() - began) * 1e3

    return run
