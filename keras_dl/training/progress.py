"""What a person sees while a model trains: a bar within the epoch, a line after it."""

from __future__ import annotations

import time

import keras

from keras_dl.progress import TOGETHER, bar, duration, say

LAST = 3  # epochs whose mean duration tells how long the next ones take: the first of all are slower


class EpochLines(keras.callbacks.Callback):
    """Prints one line per epoch to stderr, with the rate and the time left, and a bar within it on a terminal."""

    def __init__(self, phase: str, epochs: int, done: int = 0, later: int = 0, *, steps: int, batch_size: int) -> None:
        """Make the callback of one phase.

        Args:
            phase: its name.
            epochs: how many it has at most.
            done: how many of them are finished.
            later: how many phases come after it.
            steps: in an epoch.
            batch_size: in examples.
        """
        super().__init__()
        self.phase, self.epochs, self.epoch, self.later = phase, epochs, done, later
        self.steps, self.batch_size = steps, batch_size
        self.durations: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.epoch += 1
        self.began = time.monotonic()
        self.bar = bar(
            total=self.steps * self.batch_size,
            desc=f"{self.phase} {self.epoch}/{self.epochs}",
            unit=" examples",
            leave=False,
        )

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        logs = logs or {}
        self.bar.set_postfix({"loss": f"{float(logs.get('loss', 0)):.3f}"}, refresh=False)
        self.bar.update((batch + 1) * self.batch_size - self.bar.n)
        self.trained = time.monotonic() - self.began

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self.bar.close()
        self.durations.append(time.monotonic() - self.began)
        rate = self.steps * self.batch_size / self.trained
        parts = [f"{self.phase} {self.epoch}/{self.epochs}".ljust(len(f"{self.phase} {self.epochs}/{self.epochs}"))]
        parts += [f"{name} {value:#.3g}".ljust(len(name) + 6) for name, value in (logs or {}).items()]
        whole = [part.replace(" ", TOGETHER) for part in (*parts, f"{rate:,.0f}/s")]
        say("  ".join([*whole, self.ahead()]).rstrip())

    def on_train_end(self, logs: dict | None = None) -> None:
        if hasattr(self, "bar"):
            self.bar.close()

    def ahead(self) -> str:
        """Say what is left: the time of this phase, and how many phases follow; nothing is known of their time."""
        epochs = 0 if self.model.stop_training else self.epochs - self.epoch
        last = self.durations[-LAST:]
        follow = f"{self.later} more phase{'' if self.later == 1 else 's'}" if self.later else ""
        if not epochs:
            return follow
        left = f"at most {duration(epochs * sum(last) / len(last))} left"
        return f"{left} (this phase), and {follow}" if follow else left
