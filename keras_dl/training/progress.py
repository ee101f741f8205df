"""What a person sees while a model trains: a bar within the epoch, a line after it."""

from __future__ import annotations

import sys
import time

import click
import keras
from tqdm import tqdm


class EpochLines(keras.callbacks.Callback):
    """Prints one line per epoch to stderr, with the rate and the time left, and a bar within it on a terminal."""

    def __init__(self, *, epochs: int, done: int, steps: int, batch_size: int) -> None:
        super().__init__()
        self.epochs, self.epoch, self.steps, self.batch_size = epochs, done, steps, batch_size
        self.durations: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.epoch += 1
        self.began = time.monotonic()
        self.bar = tqdm(
            total=self.steps * self.batch_size,
            desc=f"epoch {self.epoch}/{self.epochs}",
            unit=" examples",
            leave=False,
            disable=None,
            file=sys.stderr,
        )

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        logs = logs or {}
        self.bar.set_postfix({"loss": f"{float(logs.get('loss', 0)):.3f}"}, refresh=False)
        self.bar.update((batch + 1) * self.batch_size - self.bar.n)
        self.trained = time.monotonic() - self.began

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self.bar.close()
        self.durations.append(time.monotonic() - self.began)
        left = (self.epochs - self.epoch) * sum(self.durations) / len(self.durations)
        shown = "  ".join(f"{name} {value:.3g}" for name, value in (logs or {}).items())
        rate = self.steps * self.batch_size / self.trained
        ahead = f"  at most {duration(left)} left" if left else ""
        click.echo(f"epoch {self.epoch}/{self.epochs}  {shown}  {rate:.0f}/s{ahead}", err=True)

    def on_train_end(self, logs: dict | None = None) -> None:
        if hasattr(self, "bar"):
            self.bar.close()


def duration(seconds: float) -> str:
    """Write a duration as a person says it: "45 s", "12 min", "3 h 20 min"."""
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
