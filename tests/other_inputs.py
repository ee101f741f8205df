"""Inputs that are not those of a run: another test part, and batches that its model does not take."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from keras_dl.data.texts import Texts
from keras_dl.runs import sources
from keras_dl.runs.run import Run
from keras_dl.task import Data


def with_other_images(run: Run, before: Data, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Data:
    """Load a run's data again after the images of its test part were inverted."""
    source = shutil.copytree(sources.folder(run), folder / "data")
    for name in before.test.ids:
        file = next(source.rglob(name))
        with Image.open(file) as image:
            changed = ImageOps.invert(image)
        changed.save(file)
    return run.task.load(run.config, source)


def with_other_texts(run: Run, before: Data, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Data:
    """Load a run's data again as if the texts of its test part said something else, with words of their own.

    They keep their groups, which come from what is said: another group might be put into another split.
    """
    module, test = sources.module(run.task), set(before.test.ids)
    read = module.read

    def changed(source: Path, **options: float) -> Texts:
        texts = read(source, **options)
        pairs = zip(texts.ids, texts.texts, strict=True)
        said = [f"wholly {one} otherwise" if name in test else one for name, one in pairs]
        return replace(texts, texts=tuple(said))

    monkeypatch.setattr(module, "read", changed)
    return run.task.load(run.config, sources.folder(run))


def wrong_images(size: int) -> list[tuple[np.ndarray, str]]:
    """Give batches that are not uint8 `[count, size, size, 1]`, and what an error must say of each."""
    floats = np.linspace(0, 1, size * size, dtype="float32").reshape(1, size, size, 1)
    return [
        (floats, "float32 .*values 0 to 1"),
        (255 * floats, "float32 .*values 0 to 255"),
        (floats.astype("int64") * 4096, "int64 .*values 0 to 4096"),
        (np.zeros((1, size - 1, size, 1), "uint8"), rf"\[{size - 1}, {size}, 1\]"),
        (np.zeros((1, size, size, 3), "uint8"), rf"\[{size}, {size}, 3\]"),
        (np.zeros((size, size, 1), "uint8"), rf"\[{size}, 1\]"),
    ]


def wrong_texts(length: int) -> list[tuple[np.ndarray, str]]:
    """Give batches that are not int32 `[count, length]`, and what an error must say of each."""
    return [
        (np.full((1, length), 0.5, "float32"), "float32 .*values 0.5 to 0.5"),
        (np.zeros((1, length), "int64"), "int64"),
        (np.zeros((1, length - 1), "int32"), rf"\[{length - 1}\]"),
        (np.zeros(length, "int32"), r"\[\]"),
        (np.array(["a text"]), "<U6"),
    ]


OTHER_TEST_PART = {"image": with_other_images, "text": with_other_texts}  # by Input.key
WRONG_BATCHES = {"image": wrong_images, "text": wrong_texts}
