"""What the section on training measures: model families of the package, on data drawn at random in memory.

What a step costs does not depend on what the pixels and the words are, but on their number; so the texts have lengths
like real ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import keras

    from keras_dl.task import Config, Data, Phase, Task
    from keras_dl.training.pipeline import Examples


@dataclass(frozen=True)
class Family:
    """A task with settings, and how long one measurement is."""

    case: str
    task: str
    settings: dict[str, Any] = field(default_factory=dict)
    per_call: int = 8  # steps in one call of the compiled function
    calls: int = 1  # measured, after one that is not
    bare_bar: float | None = None  # of fit against the bare step
    peak: bool = False  # say which share of the machine's peak is reached
    torch: bool = False  # the same network is written in PyTorch too


FAMILIES = (
    Family("pneumonia", "pneumonia", per_call=4, calls=2, bare_bar=0.9, peak=True),
    Family("pneumonia, original", "pneumonia", {"recipe": "original"}, 4, 2, bare_bar=0.9, peak=True, torch=True),
    Family("pneumonia-cnn150", "pneumonia-cnn150", per_call=4, bare_bar=0.9, peak=True),
    Family(
        "pneumonia-mobilenetv2, 96 px, width 0.35, fine-tuning",
        "pneumonia-mobilenetv2",
        {"weights": "none", "alpha": 0.35, "image_size": 96},
    ),
    Family("emoji", "emoji", {"embedding": "none", "vocabulary": 1000}, calls=20),
    Family("spam", "spam", calls=8),
    Family("imdb-ffn", "imdb-ffn", calls=8),
    Family("imdb-bilstm", "imdb-bilstm", calls=6),
    Family("imdb-transformer", "imdb-transformer", calls=6),
)


class Prepared(NamedTuple):
    """A family with its data, ready to be built and trained."""

    record: Task
    config: Config
    data: Data
    examples: Examples

    def build(self) -> tuple[keras.Model, keras.Model]:
        """Return a whole network and what of it the last phase trains, compiled: one model, unless they differ."""
        model = self.record.build(self.config, self.data.assets)
        phase = self.phase()
        part = phase.part(model) if phase.part else model
        phase.compile(part)
        return model, part

    def phase(self) -> Phase:
        """Return the last phase, which all of these families train by gradients."""
        return self.record.phases(self.config, self.data)[-1]


def prepare(family: Family, *, quick: bool = False) -> Prepared:
    """Draw the data of a family: as many examples as one measurement reads."""
    from keras_dl.registry import find
    from keras_dl.task.settings import resolve

    record = find(family.task)
    small = {**record.tiny, "weights": "none"} if "weights" in family.settings else record.tiny
    settings = {**family.settings, "steps_per_execution": family.per_call, **(small if quick else {})}
    config = resolve(record, settings)
    steps = family.per_call * (2 if quick else family.calls + 1)
    count = steps * config.batch_size
    drawn = images if record.input.key == "image" else texts
    return drawn(record, config, count)


def images(record: Task, config: Any, count: int) -> Prepared:
    """Draw grey images, uint8 `[count, size, size, 1]`, and labels 0 and 1."""
    from keras_dl.recipes import radiographs

    generator = np.random.default_rng(0)
    x = generator.integers(0, 256, (count, config.image_size, config.image_size, 1), dtype=np.uint8)
    return prepared(
        record, config, x, generator.integers(0, 2, count), {}, augment=radiographs.augmentation(config), bucket=False
    )


def texts(record: Task, config: Any, count: int) -> Prepared:
    """Draw word ids, int32 `[count, length]`, with padding behind: half of the texts are under a quarter full."""
    generator = np.random.default_rng(0)
    vocabulary = [f"word{number}" for number in range(config.vocabulary)]
    classes = [f"class{number}" for number in range(5 if record.output.key == "classes" else 2)]
    x = generator.integers(2, 2 + len(vocabulary), (count, config.length), dtype=np.int32)
    lengths = np.clip(generator.lognormal(np.log(config.length / 4), 0.6, count), 3, config.length)
    x[np.arange(config.length) >= lengths[:, None]] = 0
    if characters := getattr(config, "characters", 0):
        x = np.concatenate([x, generator.integers(1, 128, (count, characters), dtype=np.int32)], axis=1)
    labels = generator.integers(0, len(classes), count)
    return prepared(
        record, config, x, labels, {"classes": classes, "vocabulary": vocabulary}, augment=None, bucket=config.bucket
    )


def prepared(
    record: Task, config: Any, x: np.ndarray, labels: np.ndarray, assets: dict[str, Any], *, augment: Any, bucket: bool
) -> Prepared:
    """Put arrays into the records that the pipeline takes."""
    import tensorflow as tf

    from keras_dl.task import Data, Split
    from keras_dl.training.pipeline import Examples

    y = labels[:, None].astype(np.float32)
    names = [str(number) for number in range(len(x))]
    split = Split(tf.data.Dataset.from_tensor_slices((x, y)), names, names, labels.tolist(), raw=lambda row: b"")
    data = Data(split, split, split, assets=assets, augment=augment, balance=config.balance, bucket=bucket)
    return Prepared(record, config, data, Examples(tf.constant(x), tf.constant(y), labels, labels))
