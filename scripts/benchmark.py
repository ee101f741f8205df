"""How fast training is, as ratios of things measured in turn in one process on one machine.

    python scripts/benchmark.py pneumonia --data chest_xray/ --rounds 5

fit / bare step    fit, with the pipeline and the progress lines, against a compiled training step on batches in memory
pipeline / fit     what the warm pipeline gives against what the model takes
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from keras_dl.task import Config, Task


@click.command(help=__doc__)
@click.argument("task")
@click.option("--data", metavar="PATH", help="A folder or archive; without it the embedded data.")
@click.option("--rounds", default=5, show_default=True, help="Alternating measurements of each.")
@click.option("--steps", default=40, show_default=True, help="Training steps in one measurement.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting of the task.")
def main(task: str, data: str | None, rounds: int, steps: int, settings: tuple[str, ...]) -> None:
    """Measure and print one JSON object."""
    from keras_dl import devices
    from keras_dl.config import parse, resolve
    from keras_dl.registry import find

    record = find(task)
    config = resolve(record, parse(settings))
    devices.import_quietly()
    kinds = measures(record, config, data, steps)
    for measure in kinds.values():
        measure()  # tracing and warm-up
    rates = {name: [] for name in kinds}
    for _ in range(rounds):
        for name, measure in kinds.items():
            rates[name].append(measure())
    table = {
        name: {"median": round(statistics.median(seen)), "all": [round(rate) for rate in seen]}
        for name, seen in rates.items()
    }
    ratio = {
        f"{above} / {below}": round(
            statistics.median(a / b for a, b in zip(rates[above], rates[below], strict=True)), 3
        )
        for above, below in (("fit", "bare step"), ("pipeline", "fit"))
    }
    click.echo(json.dumps({"task": task, "unit": "examples/s", "rates": table, "ratios": ratio}, indent=1))


def measures(record: Task, config: Config, data: str | None, steps: int) -> dict[str, Callable[[], float]]:
    """Return three functions that each train or read about `steps` batches and give examples per second."""
    import tensorflow as tf

    from keras_dl import devices, pipeline, sources
    from keras_dl.progress import EpochLines

    devices.seed_everything(config.seed, deterministic=False)
    loaded = record.load(config, Path(data) if data else sources.module(record).synthesize())
    with tempfile.TemporaryDirectory() as folder:
        examples = pipeline.decoded(loaded.train, config, Path(folder) / "train", name="train")
    model = record.build(config, loaded.assets)
    record.phases(config, loaded)[0].compile(model)
    _, model.steps_per_execution = pipeline.steps(examples, config)
    steps -= steps % model.steps_per_execution  # Keras would make the last call whole
    batches = pipeline.training(examples, loaded, config)
    ready = [tuple(batch) for batch in batches.take(8)]
    endless = iter(batches)

    @tf.function
    def bare_step(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = model.loss(y, model(x, training=True))
        variables = model.trainable_variables
        model.optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    def bare() -> None:
        for number in range(steps):
            loss = bare_step(*ready[number % len(ready)])
        loss.numpy()

    def fit() -> None:
        lines = EpochLines(epochs=1, done=0, steps=steps, batch_size=config.batch_size)
        model.fit(batches, steps_per_epoch=steps, callbacks=[lines], shuffle=False, verbose=0)

    def read() -> None:
        for _ in range(20 * steps):  # many: the first batches were waiting in the prefetch buffer
            next(endless)

    def rate_of(work: Callable[[], None], batches: int) -> float:
        began = time.perf_counter()
        work()
        return batches * config.batch_size / (time.perf_counter() - began)

    works = {"bare step": (bare, steps), "fit": (fit, steps), "pipeline": (read, 20 * steps)}
    return {name: partial(rate_of, *work) for name, work in works.items()}


if __name__ == "__main__":
    main()
