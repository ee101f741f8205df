"""How much sooner a head is trained on cached features than by running its frozen backbone in each epoch.

every epoch  the first phase as written, but with the backbone run for each batch of each epoch
cold cache   the features are computed once, then the head is trained on them
warm cache   the features are there from an earlier training, with another seed or another head, say
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

from benchmarks.measuring import Row, alternating, compared

if TYPE_CHECKING:
    from keras_dl.runs.run import Run

SMALL = {"weights": "none", "alpha": 0.35, "image_size": 160, "epochs": 10}


def measure(rounds: int, *, quick: bool = False) -> list[Row]:
    """Time the head's phase on the small embedded set, in seconds, without reading and building."""
    from keras_dl.training.machines import devices

    devices.import_quietly()
    task, settings = ("pneumonia-inceptionv3", {}) if quick else ("pneumonia-mobilenetv2", SMALL)
    caches: list[tempfile.TemporaryDirectory] = []

    def begun(way: Callable[[Run, str], float], *, fresh: bool) -> float:
        from keras_dl import api

        if fresh or not caches:
            caches.append(tempfile.TemporaryDirectory())
        with tempfile.TemporaryDirectory() as folder:
            return way(api.begin(task, tiny=True, settings=settings, out=Path(folder) / "run"), caches[-1].name)

    ways = {
        "backbone in every epoch": partial(begun, partial(head_phase, cached=False), fresh=False),
        "cold cache": partial(begun, partial(head_phase, cached=True), fresh=True),
        "warm cache": partial(begun, partial(head_phase, cached=True), fresh=False),
    }
    values = alternating(ways, rounds)
    for cache in caches:
        cache.cleanup()
    case = ", ".join([task, *(f"{name} {value}" for name, value in settings.items()), "head"])
    return [
        compared("features", f"{case}, {name}", "s", values, name, "backbone in every epoch")
        for name in ("cold cache", "warm cache")
    ]


def head_phase(run: Run, cache: str, *, cached: bool) -> float:
    """Train the first phase of a run; return the seconds."""
    import tensorflow as tf

    from keras_dl.runs import sources
    from keras_dl.training import fit, pipeline
    from keras_dl.training.machines import devices

    devices.seed_everything(run.config.seed, deterministic=False)
    data = sources.load(run)
    splits = {
        name: pipeline.decoded(data.splits()[name], run.config, run.path / "cache" / name, name=name)
        for name in ("train", "validation")
    }
    first = run.task.phases(run.config, data)[0]
    first = first if cached else replace(first, frozen="")
    run.task = replace(run.task, phases=lambda config, data: [first])
    model = run.task.build(run.config, data.assets)
    with mock.patch.dict(os.environ, KERAS_DL_CACHE=cache):
        began = time.perf_counter()
        fit.fit(run, model, replace(data, augment=None), splits, tf.distribute.get_strategy())
        return time.perf_counter() - began
