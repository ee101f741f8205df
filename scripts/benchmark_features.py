"""How much sooner a head is trained on cached features than by running its frozen backbone in each epoch.

    python scripts/benchmark_features.py pneumonia-mobilenetv2 --data chest_xray/ --set weights=none --set alpha=0.35

every epoch  the first phase as written, but with the backbone run for each batch of each epoch
cold cache   the features are computed once, then the head is trained on them
warm cache   the features are there from an earlier training, with another seed or another head, say
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import click

if TYPE_CHECKING:
    from keras_dl.run import Run


@click.command(help=__doc__)
@click.argument("task")
@click.option("--data", metavar="PATH", help="A folder or archive; without it the embedded data.")
@click.option("--rounds", default=3, show_default=True, help="Alternating measurements of each.")
@click.option("--images", default=640, show_default=True, help="Of the training part, and an eighth of it to validate.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting of the task.")
def main(task: str, data: str | None, rounds: int, images: int, settings: tuple[str, ...]) -> None:
    """Measure and print one JSON object."""
    from keras_dl import api, devices
    from keras_dl.config import parse

    devices.import_quietly()
    seconds: dict[str, list[float]] = {"every epoch": [], "cold cache": [], "warm cache": []}
    for number in range(rounds + 1):
        with tempfile.TemporaryDirectory() as folder:
            for name, taken in seconds.items():
                run = api.begin(task, data=data, settings=parse(settings), out=Path(folder) / name)
                measured = head_phase(run, images, cached=name != "every epoch", cache=folder)
                if number:  # the first round warms up
                    taken.append(measured)
    slow = seconds["every epoch"]
    gains = {
        f"every epoch / {name}": [round(a / b, 1) for a, b in zip(slow, seconds[name], strict=True)]
        for name in ("cold cache", "warm cache")
    }
    result = {
        "task": task,
        "images": images,
        "epochs": run.config.epochs,
        "seconds": {name: [round(one, 2) for one in taken] for name, taken in seconds.items()},
        "gains": {name: {"median": statistics.median(seen), "all": seen} for name, seen in gains.items()},
    }
    click.echo(json.dumps(result, indent=1))


def head_phase(run: Run, images: int, *, cached: bool, cache: str) -> float:
    """Train the first phase of a run on some of its images; return the seconds, without reading and building."""
    import tensorflow as tf

    from keras_dl import devices, pipeline, sources, training

    devices.seed_everything(run.config.seed, deterministic=False)
    data = sources.load(run)
    splits = {}
    for name, count in (("train", images), ("validation", images // 8)):
        whole = pipeline.decoded(data.splits()[name], run.config, run.path / "cache" / name, name=name)
        rows = slice(0, None, max(1, len(whole) // count))
        splits[name] = replace(whole, x=whole.x[rows], y=whole.y[rows], labels=whole.labels[rows])
    first = run.task.phases(run.config, data)[0]
    first = first if cached else replace(first, frozen="")
    run.task = replace(run.task, phases=lambda config, data: [first])
    model = run.task.build(run.config, data.assets)
    with mock.patch.dict(os.environ, KERAS_DL_CACHE=cache):
        began = time.perf_counter()
        training.fit(run, model, replace(data, augment=None), splits, tf.distribute.get_strategy())
        return time.perf_counter() - began


if __name__ == "__main__":
    main()
