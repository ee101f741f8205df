"""Kinds of input: everything that depends on the kind; beside them what they share: pixels, tokens, columns, files."""

from __future__ import annotations

from collections.abc import Iterable

from keras_dl.inputs.image import ImageInput
from keras_dl.inputs.text import TextInput
from keras_dl.task.input import Input

KINDS: tuple[Input, ...] = (ImageInput(), TextInput())


def find(key: str) -> Input | None:
    """Return the kind that a server calls by this key, or None."""
    return next((kind for kind in KINDS if kind.key == key), None)


def of_signature(names: Iterable[str]) -> Input:
    """Return the kind that a signature with these arguments takes: an image where one is called so, else a text."""
    return next((kind for kind in KINDS if any(kind.key in name for name in names)), KINDS[-1])
