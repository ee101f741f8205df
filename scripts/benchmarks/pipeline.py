"""How fast images are decoded and batched: beside PIL + PyTorch's DataLoader, Keras' reader, and what models can take.

cold  JPEG files to grey images of 128 px, `pipeline.decoded`: 224 px in grey and RGB, and full size, 1500 x 1200 px
warm  shuffled batches of 32 of what was decoded, `pipeline.training`; the DataLoader's and Keras' from memory too
appetite  what a compiled training step on batches in memory takes: the pipeline must give several times as much

The files are drawn by the package, and in the page cache of the system for all. The DataLoader has two workers, which
are started once, before anything is measured; an image is opened, made grey, resized and turned into a tensor.
"""

from __future__ import annotations

import itertools
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import measuring
from benchmarks.measuring import Row, compared

if TYPE_CHECKING:
    from keras_dl.data.images import Images
    from keras_dl.training.pipeline import Examples

    Works = dict[str, Callable[[], float]]

SIDE, BATCH, WORKERS = 128, 32, 2
LOADER, READER = "PIL + DataLoader, 2 workers", "image_dataset_from_directory"
COLD, WARM = "decoded", "training batches"
KINDS = {  # size of the films, colours, how many are drawn, how many names each has: so that the start counts little
    "224 px, RGB": ((224, 224), "RGB", 90, 58),  # as resized copies of the real set are
    "224 px, grey": ((224, 224), "L", 90, 58),
    "full size": ((1200, 1500), "L", 9, 64),  # as the originals are
}


def measure(rounds: int, *, quick: bool = False) -> list[Row]:
    """Measure decoding of each kind of files, batches, and the appetite, each in a process of its own."""
    rows = []
    for name in KINDS:
        rows += measuring.apart(measure_cold, name, rounds, quick)
    return rows + measuring.apart(measure_warm, rounds, quick) + measuring.apart(measure_appetite, rounds, quick)


def measure_cold(name: str, rounds: int, quick: bool) -> list[Row]:
    """Compare decoding files."""
    with tempfile.TemporaryDirectory() as folder:
        images = written(Path(folder), *KINDS[name], quick)
        works = torch_cold(images) if measuring.with_torch() else {}  # its workers fork before TensorFlow has threads
        works |= keras_cold(images, Path(folder))
        values = measuring.alternating(works, rounds)
    bars = {LOADER: 1.5, READER: None}
    return [
        compared("pipeline", f"cold, {name}", "images/s", values, COLD, other, bar=bars[other])
        for other in bars
        if other in values
    ]


def measure_warm(rounds: int, quick: bool) -> list[Row]:
    """Compare batches of images that were decoded before; none augments."""
    generator = np.random.default_rng(0)
    count, batches = (256, 8) if quick else (4096, 400)
    x = generator.integers(0, 256, (count, SIDE, SIDE, 1), dtype=np.uint8)
    labels = generator.integers(0, 2, count)
    works = torch_warm(x, labels, batches) if measuring.with_torch() else {}
    import_tensorflow()
    import tensorflow as tf

    from keras_dl.training.pipeline import Examples

    examples = Examples(tf.constant(x), tf.constant(labels[:, None].astype("float32")), labels, labels)
    ours = endless(ours_batches(examples, augmented=False), batches)
    cached = tf.data.Dataset.from_tensor_slices((x.astype("float32"), labels)).cache().shuffle(1000).repeat()
    works |= {WARM: ours, "tf.data, cached, shuffled, float32": endless(cached.batch(BATCH).prefetch(2), batches)}
    values = measuring.alternating(works, rounds)
    return [compared("pipeline", "warm", "images/s", values, WARM, other) for other in works if other != WARM]


def measure_appetite(rounds: int, quick: bool) -> list[Row]:
    """Compare batches, augmented as the recipe has it, with what the networks take."""
    import_tensorflow()
    from benchmarks import families, training

    rows = []
    for family in families.FAMILIES[:2]:
        ready = families.prepare(family, quick=quick)
        _, model = ready.build()
        batches = list(ours_batches(ready.examples, ready).take(8))
        step = training.bare_step(model)

        def appetite(batches: list = batches, step: Callable = step) -> float:
            began = time.perf_counter()
            for batch in batches:
                loss = step(*batch)
            loss.numpy()
            return len(batches) * BATCH / (time.perf_counter() - began)

        works = {WARM: endless(ours_batches(ready.examples, ready), 8 if quick else 80), "appetite": appetite}
        values = measuring.alternating(works, rounds)
        case = f"warm, augmented as in {family.case}"
        rows.append(compared("pipeline", case, "images/s", values, WARM, "appetite", bar=3.0))
    return rows


def written(folder: Path, size: tuple[int, int], colours: str, count: int, links: int, quick: bool) -> Images:
    """Draw films and list them, each several times under names of its own; half of them are called NORMAL."""
    from PIL import Image

    from keras_dl.data.images import Images
    from keras_dl.data.sets.images.chest_xray_synthetic import radiograph

    count, links = (4, 2) if quick else (count, links)
    paths: list[Path] = []
    for number, link in itertools.product(range(count), range(links)):
        path = folder / ("NORMAL", "PNEUMONIA")[number % 2] / f"{number}-{link}.jpeg"
        path.parent.mkdir(exist_ok=True)
        if link:
            path.hardlink_to(paths[-1])
        else:
            film, _ = radiograph(np.random.default_rng(number), "normal", size=size)
            Image.fromarray(film).convert(colours).save(path, quality=90)
        paths.append(path)
    names = [path.name for path in paths]
    labels = np.array([path.parent.name == "PNEUMONIA" for path in paths], dtype=np.int64)
    classes, parts, sites = ("NORMAL", "PNEUMONIA"), np.full(len(paths), "train"), np.full(len(paths), "")
    return Images(folder, tuple(paths), labels, classes, groups=np.array(names), parts=parts, sites=sites)


def keras_cold(images: Images, folder: Path) -> Works:
    """Return our decoding, and Keras' reader with the settings that give the same images."""
    import_tensorflow()
    import keras

    from keras_dl.inputs import pixels
    from keras_dl.recipes import reading
    from keras_dl.task import Config
    from keras_dl.training import pipeline

    def ours() -> float:
        began = time.perf_counter()
        split = reading.image_split(images, pixels.grey_image(SIDE))
        examples = pipeline.decoded(split, Config(), folder / "spill")
        return len(examples) / (time.perf_counter() - began)

    def reader() -> float:
        began = time.perf_counter()
        batches = keras.utils.image_dataset_from_directory(
            folder, color_mode="grayscale", image_size=(SIDE, SIDE), batch_size=BATCH, verbose=False
        )
        return sum(len(labels) for _, labels in batches) / (time.perf_counter() - began)

    return {COLD: ours, READER: reader}


def torch_cold(images: Images) -> Works:
    """Return an epoch of a DataLoader over the files."""
    return torch_loader(Files([str(path) for path in images.paths], images.labels.tolist()), None)


def torch_warm(x: np.ndarray, labels: np.ndarray, batches: int) -> Works:
    """Return batches of a DataLoader over images in memory."""
    import torch

    tensors = torch.from_numpy(x.transpose(0, 3, 1, 2).astype(np.float32) / 255), torch.from_numpy(labels)
    return torch_loader(torch.utils.data.TensorDataset(*tensors), batches)


def torch_loader(data: Any, batches: int | None) -> Works:
    """Return so many batches of a DataLoader with its own workers, or an epoch; its workers are started now."""
    import torch

    shuffled = torch.utils.data.DataLoader(
        data, batch_size=BATCH, shuffle=True, num_workers=WORKERS, persistent_workers=True
    )
    wanted = len(shuffled) if batches is None else min(batches, len(shuffled))

    def read() -> float:
        began = time.perf_counter()
        count = sum(len(labels) for _, labels in itertools.islice(shuffled, wanted))
        return count / (time.perf_counter() - began)

    read()
    return {LOADER: read}


class Files:
    """Images of a list of files, as a PyTorch data set reads them."""

    def __init__(self, paths: Sequence[str], labels: Sequence[int]) -> None:
        self.paths, self.labels = paths, labels

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, row: int) -> tuple[Any, int]:
        import torch
        from PIL import Image

        with Image.open(self.paths[row]) as image:
            grey = np.array(image.convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR))
        return torch.from_numpy(grey)[None].float() / 255, self.labels[row]


def ours_batches(examples: Examples, ready: Any = None, *, augmented: bool = True) -> Any:
    """Return the training batches of a family, or of plain examples without augmentation."""
    from keras_dl.task import Config, Data
    from keras_dl.training import pipeline

    if augmented:
        return pipeline.training(examples, ready.data, ready.config)
    nothing: Any = ()
    return pipeline.training(examples, Data(nothing, nothing, nothing), Config(batch_size=BATCH))


def endless(batches: Any, count: int) -> Callable[[], float]:
    """Return a function that reads on and gives images per second."""
    reading = iter(batches)

    def read() -> float:
        began = time.perf_counter()
        for _ in range(count):
            next(reading)
        return count * BATCH / (time.perf_counter() - began)

    return read


def import_tensorflow() -> None:
    """Import TensorFlow, after what must fork before it."""
    from keras_dl.training.machines import devices

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    devices.import_quietly()
