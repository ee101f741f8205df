"""Inputs that are not those of a task: another test part, and batches that its model does not take."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from keras_dl.data.texts import Texts
from keras_dl.runs import sources
from keras_dl.task import Config, Data, Task


def with_other_images(
    task: Task, config: Config, source: Path, before: Data, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Data:
    """Load a task's data again after the images of its test part were inverted."""
    source = shutil.copytree(source, folder / "data")
    for name in before.test.ids:
        file = next(source.rglob(name))
        with Image.open(file) as image:
            changed = ImageOps.invert(image)
        changed.save(file)
    return task.load(config, source)


def with_other_texts(
    task: Task, config: Config, source: Path, before: Data, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Data:
    """Load a task's data again as if the texts of its test part said something else, with words of their own.

    They keep their groups, which come from what is said: another group might be put into another split.
    """
    module, test = sources.module(task), set(before.test.ids)
    read = module.read

    def changed(source: Path, **options: float) -> Texts:
        texts = read(source, **options)
        pairs = zip(texts.ids, texts.texts, strict=True)
        said = [f"wholly {one} otherwise" if name in test else one for name, one in pairs]
        return replace(texts, texts=tuple(said))

    monkeypatch.setattr(module, "read", changed)
    return task.load(config, source)


def wrong_batches(taken: Any) -> list[tuple[np.ndarray, str]]:
    """Give batches that a model with this input does not take, and what an error must say of each."""
    return (wrong_images if len(taken.shape) == 4 else wrong_texts)(*[side or 32 for side in taken.shape[1:]])


def wrong_images(height: int, width: int, channels: int) -> list[tuple[np.ndarray, str]]:
    """Give batches that are not uint8 `[count, height, width, channels]`."""
    floats = np.linspace(0, 1, height * width * channels, dtype="float32").reshape(1, height, width, channels)
    return [
        (floats, "float32 .*values 0 to 1"),
        (255 * floats, "float32 .*values 0 to 255"),
        (floats.astype("int64") * 4096, "int64 .*values 0 to 4096"),
        (np.zeros((1, height, width, channels + 2), "uint8"), rf"\[{height}, {width}, {channels + 2}\]"),
        (np.zeros((height, width, channels), "uint8"), rf"\[{width}, {channels}\]"),
    ]


def wrong_texts(length: int) -> list[tuple[np.ndarray, str]]:
    """Give batches that are not int32 `[count, length]`."""
    return [
        (np.full((1, length), 0.5, "float32"), "float32 .*values 0.5 to 0.5"),
        (np.zeros((1, length), "int64"), "int64"),
        (np.zeros((1, length - 1), "int32"), rf"\[{length - 1}\]"),
        (np.zeros(length, "int32"), r"\[\]"),
        (np.array(["a text"]), "<U6"),
    ]


OTHER_TEST_PART = {"image": with_other_images, "text": with_other_texts}  # by Input.key
