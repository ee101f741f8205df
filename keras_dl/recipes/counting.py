"""What the recipes for counting share: settings, reading, density maps, splits, augmentation, phases, baselines."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from keras_dl.data import splits
from keras_dl.data.counted import Counted
from keras_dl.data.sets.images import cells
from keras_dl.errors import KerasDLError
from keras_dl.inputs.image import ImageInput
from keras_dl.outputs.number import Number
from keras_dl.recipes import counted_splits, reading
from keras_dl.task import Assets, Config, Data, Phase, Ranges, Split
from keras_dl.task.records import Augment

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

MULTIPLE = 8  # pixels: the networks halve the image three times
INPUT = ImageInput(multiple=MULTIPLE)
WARM_UP = 50  # steps, at most, in which the rate rises from 0


@dataclass(frozen=True)
class Counting(Config):
    """The settings of every recipe for counting."""

    images: int = 0  # number of images to train on, drawn from the training part; 0: all
    sigma: float = 2.0  # width in pixels of the Gaussian that represents one cell in the map
    crop: int = 128  # side in pixels of the squares of the first phase; rounded down to a multiple of 8
    crops: int = 2  # squares cut from each image per step
    margin: int = 16  # pixels at a cut edge where the density is unknown; at most a quarter of the side
    turn: bool = True  # randomly mirror and turn by 90 degrees, image and map together
    crop_steps: int = 1000  # training steps of the first phase, on squares; 0: whole images from the start
    whole_steps: int = 200  # training steps of the second phase, on whole images; removes the bias of the cut edges
    epochs: int = 1000  # this holds for each phase; crop_steps and whole_steps decide
    batch_size: int = 2
    learning_rate: float = 1.5e-3  # for the first phase; falls to zero along a cosine (Adam)
    whole_rate: float = 4e-4  # the highest learning rate of the second phase
    count_weight: float = 0.0  # weight of the squared error of the count in the second phase, added to that of the map
    steps_per_execution: int = 1  # steps are slow enough here

    RANGES: ClassVar[Ranges] = {
        **Config.RANGES,
        "images": (0, 1_000_000),
        "sigma": (0.3, 100),
        "crop": (MULTIPLE, 10_000),
        "crops": (1, 1000),
        "margin": (0, 1000),
        "crop_steps": (0, 10_000_000),
        "whole_steps": (1, 10_000_000),
        "whole_rate": (1e-12, 1e3),
        "count_weight": (0, 1000),
    }


def load(config: Counting, source: Path, *, output: Number, maps: bool, fixed: bool = False) -> Data:
    """Read counted images, split them, and make what the network is trained on.

    Args:
        config: of the run.
        source: folder or archive.
        output: the kind of output; it learns its strata from the training part.
        maps: whether the network is trained on density maps: then all images need points.
        fixed: whether the network takes the size of the training images alone.

    Raises:
        KerasDLError: if images have several sizes, or sides that are no multiples of 8, or there are no points.
    """
    found = cells.read(source, bad_share=config.bad_share)
    shape, pointed = size_of(found, source), all(points is not None for points in found.points)
    if maps and not pointed:
        raise KerasDLError(
            f"{source}: only counts are known, but a density map needs the position of each cell; give a CSV file with "
            "file,x,y or masks of dots, or train cells-cnn or cells-deep"
        )
    rows = counted_splits.rows(found, source, config.seed)
    if config.images:
        drawn = np.random.default_rng(config.seed).permutation(rows["train"])
        rows["train"] = np.sort(drawn[: config.images])
    learned = output.learned(found.counts[rows["train"]])
    assets = {**learned, "density": float(found.counts[rows["train"]].mean() / np.prod(shape))}
    assets |= {"image_shape": list(shape)} if fixed else {}
    parts = {name: found.take(rows[name]) for name in splits.NAMES}
    return Data(
        *[split_of(part, shape, config.sigma if pointed else None, output, assets) for part in parts.values()],
        assets=assets,
        notes=notes(config, found, len(rows["train"])),
    )


def read(config: Counting, assets: Assets, source: Path, *, output: Number) -> Split:
    """Read counted images as one test split: the test part, or all of them where there are no parts.

    Raises:
        KerasDLError: as `load` does, and if the network takes only another size.
    """
    found = reading.test_part(cells.read(source, bad_share=config.bad_share))
    shape, fixed = size_of(found, source), tuple(assets.get("image_shape", ()))
    if fixed and shape != fixed:
        raise KerasDLError(
            f"{source}: the images have {shape[1]} x {shape[0]} px, but this network takes only "
            f"{fixed[1]} x {fixed[0]} px; cut them to that size, with their points, or train a network for any size"
        )
    return split_of(found, shape, None, output, assets)


def notes(config: Counting, found: Counted, trained: int) -> dict[str, Any]:
    """Say for card and report what was read, and on how many images the network is trained if not on all."""
    limit = {"images drawn to train on": trained} if config.images else {}
    return {**reading.notes(found), **limit}


def size_of(found: Counted, source: Path) -> tuple[int, int]:
    """Return height and width of all images in pixels.

    Raises:
        KerasDLError: if they differ, or are no multiples of 8.
    """
    from PIL import Image

    sizes: dict[tuple[int, int], str] = {}
    for path, name in zip(found.paths, found.ids, strict=True):
        with Image.open(path) as image:
            sizes.setdefault((image.height, image.width), name)
    if len(sizes) > 1:
        (one, first), (other, second), *_ = sizes.items()
        raise KerasDLError(
            f"{source}: images of {len(sizes)} sizes: {first} has {one[1]} x {one[0]} px, {second} has {other[1]} x "
            f"{other[0]}; cut them to one size, with their points"
        )
    ((height, width),) = sizes
    if height % MULTIPLE or width % MULTIPLE:
        raise KerasDLError(
            f"{source}: the images have {width} x {height} px, but both sides must be multiples of {MULTIPLE}; crop "
            f"them to {width - width % MULTIPLE} x {height - height % MULTIPLE} px, with their points"
        )
    return height, width


def split_of(found: Counted, shape: tuple[int, int], sigma: float | None, output: Number, assets: Assets) -> Split:
    """Make a split of images with their density maps `[height, width, 1]`; without `sigma`, with their counts."""
    import tensorflow as tf

    decode = INPUT.decode(None, {"image_shape": shape})

    def target(row: Any) -> np.ndarray:
        if sigma is None:
            return np.array([found.counts[row]], "float32")
        return density_map(found.points[row], shape, sigma)

    def example(path: tf.Tensor, row: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        y = tf.numpy_function(target, [row], tf.float32, stateful=False)
        return decode(tf.io.read_file(path)), tf.ensure_shape(y, [1] if sigma is None else [*shape, 1])

    files = tf.data.Dataset.from_tensor_slices(([os.fsencode(path) for path in found.paths], np.arange(len(found))))
    return Split(
        files.map(example, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True),
        ids=found.ids,
        groups=found.groups.tolist(),
        truth=found.counts.tolist(),
        raw=lambda row: found.paths[row].read_bytes(),
        strata=output.strata(found.counts, assets).tolist(),
    )


def density_map(points: np.ndarray | None, shape: tuple[int, int], sigma: float) -> np.ndarray:
    """Return the map of points `[count, 2]`, float32 `[height, width, 1]` in cells per pixel; its sum is the count.

    Each point is a Gaussian of `sigma` pixels. "reflect" gives back at the border what would fall outside, so that no
    part of a cell at the border is lost.
    """
    from scipy.ndimage import gaussian_filter

    assert points is not None  # `load` has seen that all images have points
    dots = np.zeros(shape, np.float64)
    x, y = points.astype(int).T
    np.add.at(dots, (y, x), 1.0)
    return gaussian_filter(dots, sigma, mode="reflect", truncate=4.0)[..., None].astype(np.float32)


def phases(config: Counting, data: Data, *, output: Number, maps: bool) -> Sequence[Phase]:
    """Train on squares with Adam, then on whole images; in both the rate falls to zero, and the last weights are kept.

    A network sees something else at a cut than there in the whole image, which shifts its counts. So what is near a cut
    is left out, and the second phase takes the rest of the shift away. A network that gives a number first learns what
    to count at each place (`at_each_place`). Whole images take all steps where only counts are known, and where
    the network takes one size alone.
    """
    from keras_dl.recipes import augment_maps
    from keras_dl.recipes.augment import chain

    image, target = (spec.shape for spec in data.train.examples.element_spec)
    turned = [augment_maps.turns()] if config.turn else []
    phase = partial(one_phase, config, max(1, len(data.train) // config.batch_size), output)
    if len(target) != 3 or not config.crop_steps or "image_shape" in data.assets:
        return [phase("whole", config.crop_steps + config.whole_steps, config.learning_rate, chain(*turned))]
    side = min(config.crop // MULTIPLE * MULTIPLE, *image[:2])
    squares = augment_maps.crops(side, each=config.crops, margin=min(config.margin, side // 4))
    return [
        phase(
            "crops",
            config.crop_steps,
            config.learning_rate,
            chain(squares, *turned),
            part=None if maps else at_each_place,
        ),
        phase("whole", config.whole_steps, config.whole_rate, chain(*turned), settled=True),
    ]


def one_phase(
    config: Counting,
    each: int,
    output: Number,
    name: str,
    steps: int,
    rate: float,
    augment: Augment,
    *,
    settled: bool = False,
    part: Callable[[keras.Model], keras.Model] | None = None,
) -> Phase:
    """Make a phase of about so many steps, `each` in an epoch; a `settled` one leaves batch normalisation as it is."""
    epochs = min(config.epochs, max(1, round(steps / each)))
    warm = min(WARM_UP, each * epochs // 5)

    def compile_model(model: keras.Model) -> None:
        import keras

        for layer in model.layers:  # squares and whole images have other statistics
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = not settled
        schedule = keras.optimizers.schedules.CosineDecay(
            0.0, max(1, each * epochs - warm), warmup_target=rate, warmup_steps=warm
        )
        weight = config.count_weight if settled else 0.0
        output.compile(model, keras.optimizers.Adam(schedule), count_weight=weight)

    return Phase(name, epochs, compile_model, monitor="", augment=augment, part=part)


def at_each_place(model: keras.Model) -> keras.Model:
    """Return the part of a network that counts at each place, before the sum: the layer "cells"."""
    import keras

    return keras.Model(model.input, model.get_layer("cells").output, name="places")


def ridge(config: Counting) -> Any:
    """Return the first baseline: ridge regression on five statistics of the brightness."""
    from keras_dl.recipes.counters import BrightnessRidge

    return BrightnessRidge()


def others(config: Counting) -> Mapping[str, Any]:
    """Return the second baseline: a counter of blobs."""
    from keras_dl.recipes.counters import BlobCounter

    return {"blob counter": BlobCounter()}


def record(output: Number, *, maps: bool) -> dict[str, Any]:
    """Return what every Task of counted cells holds."""
    return {
        "dataset": "images.cells",
        "input": INPUT,
        "output": output,
        "load": partial(load, output=output, maps=maps),
        "read": partial(read, output=output),
        "phases": partial(phases, output=output, maps=maps),
        "baseline": ridge,
        "others": others,
        "words": {"example": "image", "group": "image", "baseline": "brightness regression"},
        "neighbours": 5,
        "unused": ("patience", "target_sensitivity"),
        "intended_use": cells.INTENDED_USE,
        "limits": cells.LIMITS,
    }
