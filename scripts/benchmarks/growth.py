"""How time and memory grow with the data: reading and one epoch of 1, 4 and 16 times as many images.

The files are tiny, and decoded to 256 px, so that what grows is the examples; the model is one dense layer, so that
what is measured is the package. In memory they take their size; above `cache_gb` they are in a file, and the memory of
the process must stay what it was. Memory is the largest resident size of a process that does nothing else.
"""

from __future__ import annotations

import itertools
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks import measuring
from benchmarks.measuring import Row, Values, compared

BASE, TIMES = 500, (1, 4, 16)
SIDE = 256
CACHES = {"in memory": 4.0, "spilled to a file": 0.005}  # the setting cache_gb
ROUNDS = 2  # at most: these are the slowest, and memory does not vary
STAYS = 0.9  # the bar: names and labels stay in memory, and a resident size is never quite the same twice


class Taken(NamedTuple):
    """What one process took."""

    seconds: float
    megabytes: float


def measure(rounds: int, *, quick: bool = False) -> list[Row]:
    """Measure each size with each cache in a process of its own, and compare with the size before."""
    base = 24 if quick else BASE
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for times in TIMES:
            write(Path(folder) / str(times), times * base)
        for name, cache in CACHES.items():
            works = {str(times): partial(measuring.apart, grow, Path(folder) / str(times), cache) for times in TIMES}
            rows += rows_of(name, base, repeated(works, min(rounds, ROUNDS)))
    return rows


def repeated(works: Mapping[str, Callable[[], Taken]], rounds: int) -> dict[str, list[Taken]]:
    """Measure each in turn; a fresh process needs no round to warm up."""
    taken: dict[str, list[Taken]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            taken[name].append(work())
    return taken


def rows_of(name: str, base: int, taken: dict[str, list[Taken]]) -> list[Row]:
    """Return the rows of one cache: microseconds per image, and memory, beside those of a quarter of the data."""
    rate: Values = {times: [int(times) * base / one.seconds for one in seen] for times, seen in taken.items()}
    memory: Values = {times: [one.megabytes for one in seen] for times, seen in taken.items()}
    bar = STAYS if name != "in memory" else None
    rows = []
    for before, after in itertools.pairwise(str(times) for times in TIMES):
        case, other = f"{name}, {after}x", f"{before}x"
        for unit, values in (("images/s", rate), ("MB", memory)):
            row = compared("growth", case, unit, values, after, before, bar=bar if unit == "MB" else None)
            rows.append(row._replace(other=other))
    return rows


def write(folder: Path, count: int) -> None:
    """Write so many different images of 32 px in the layout of the radiographs, a patient each."""
    from PIL import Image

    generator = np.random.default_rng(0)
    for number in range(count):
        names = f"NORMAL/IM-{number:06d}-0001.jpeg", f"PNEUMONIA/person{number}_virus_1.jpeg"
        path = folder / "train" / names[number % 2]
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (32, 32), dtype=np.uint8)).save(path, quality=80)


def grow(folder: Path, cache_gb: float) -> Taken:
    """Read a folder of radiographs, decode it and train one epoch; return what that took beside the imports."""
    from keras_dl.training.machines import devices

    devices.import_quietly()
    import keras

    from keras_dl.recipes import radiographs
    from keras_dl.recipes.radiographs import Radiographs
    from keras_dl.training import pipeline

    began = time.perf_counter()
    config = Radiographs(image_size=SIDE, cache_gb=cache_gb)
    data = radiographs.load(config, folder)
    with tempfile.TemporaryDirectory() as spill:
        examples = pipeline.decoded(data.train, config, Path(spill) / "train", name="train")
        layers = [keras.layers.AveragePooling2D(16), keras.layers.Flatten(), keras.layers.Dense(1)]
        model = keras.Sequential([keras.Input((SIDE, SIDE, 1)), keras.layers.Rescaling(1 / 255), *layers])
        steps, per_call = pipeline.steps(examples, config)
        model.compile("adam", "mse", steps_per_execution=per_call)
        model.fit(pipeline.training(examples, data, config), steps_per_epoch=steps, shuffle=False, verbose=0)
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return Taken(time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit)
