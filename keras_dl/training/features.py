"""The outputs of a network that does not change, computed once for each image and kept.

What is kept is found by what it was made from: a file per extractor, named by a digest of its layers and weights (so of
backbone and preprocessing), and in it a row per example, found by a digest of its decoded pixels. Another image, size,
backbone or preprocessing is another digest, so nothing stale can be met, and another split or seed finds its rows.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

# Private: the public function, of tf.compat.v1, takes graphs of TensorFlow 1 with a session.
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from keras_dl.data.download import cache_folder
from keras_dl.errors import KerasDLError
from keras_dl.progress import bar, say
from keras_dl.training import checkpoints

BATCH = 32
BLOCK = 2048  # rows after which a long computation is written down, so that a crash does not lose it
DIGEST = 16  # bytes that name an example
KEPT = 8  # files of extractors; the least recently used go


def cached(extractor: keras.Model, x: Any, *, name: str = "examples") -> np.ndarray:
    """Return the extractor's outputs for decoded examples, computing only those that are not in the cache.

    Args:
        extractor: a model whose weights do not change.
        x: `[count, ...]` as the extractor takes them: an array, or a tensor on the CPU.
        name: what the progress bar calls them.

    Returns:
        `[count, ...]`, float32.
    """
    path = cache_folder() / "features" / f"{digest_of_model(extractor)}.npz"
    x = np.asarray(x)
    wanted = [digest(example) for example in x]
    shape = tuple(extractor.output.shape[1:])
    known = read(path, shape)
    missing = [row for row, key in enumerate(wanted) if key not in known]
    for start in range(0, len(missing), BLOCK):
        rows = missing[start : start + BLOCK]
        for row, values in zip(rows, computed(extractor, x[rows], name=name), strict=True):
            known[wanted[row]] = values
        known = keep(path, known, shape)
    with contextlib.suppress(OSError):
        if path.exists():
            path.touch()  # used now
    return np.stack([known[key] for key in wanted])


def computed(extractor: keras.Model, x: Any, *, name: str = "examples") -> np.ndarray:
    """Return the extractor's outputs for decoded examples `[count, ...]` as float32, with a progress bar."""
    outputs_of = constant(extractor)
    parts = [np.zeros((0, *extractor.output.shape[1:]), "float32")]
    with bar(total=len(x), desc=f"features of {name}", unit=" examples") as shown:
        for start in range(0, len(x), BATCH):
            parts.append(outputs_of(tf.convert_to_tensor(x[start : start + BATCH]))[0].numpy().astype("float32"))
            shown.update(len(parts[-1]))
    return np.concatenate(parts)


def constant(extractor: keras.Model) -> Callable[[tf.Tensor], list[tf.Tensor]]:
    """Return the extractor as a graph whose weights are constants.

    TensorFlow then folds each normalisation into the convolution before it: the same to five digits, and on a CPU 1.6
    times as fast as `predict` (MobileNetV2, width 0.35, 224 pixels).
    """
    spec = tf.TensorSpec(extractor.inputs[0].shape, extractor.inputs[0].dtype)
    graph = tf.function(lambda x: extractor(x, training=False)).get_concrete_function(spec)
    return convert_variables_to_constants_v2(graph)


def digest_of_model(model: keras.Model) -> str:
    """Name a model by its layers, with their settings and connections, and by its weights."""
    seen = hashlib.blake2b(without_names(model.to_json()).encode(), digest_size=16)
    for weight in model.weights:
        seen.update(keras.ops.convert_to_numpy(weight).tobytes())
    return seen.hexdigest()


def without_names(text: str) -> str:
    """Number the layers in a model's JSON by their first appearance: Keras counts names up within a process."""
    numbers: dict[str, str] = {}
    for name in re.findall(r'"name": "([^"]+)"', text):
        numbers.setdefault(name, f"layer {len(numbers)}")
    return re.sub(r'"([^"]+)"', lambda found: f'"{numbers.get(found[1], found[1])}"', text)


def digest(example: np.ndarray) -> bytes:
    """Name an example by its shape and its values."""
    return hashlib.blake2b(example.tobytes(), digest_size=DIGEST, salt=str(example.shape)[:16].encode()).digest()


def read(path: Path, shape: tuple[int, ...]) -> dict[bytes, np.ndarray]:
    """Read a file of the cache; one that is damaged, or not of outputs of this shape, counts as empty."""
    try:
        checkpoints.check(path)
        with path.open("rb") as opened, np.load(opened) as file:
            digests, values = file["digests"], file["features"]
    except (KerasDLError, OSError, ValueError, KeyError):
        return {}
    if digests.dtype != np.uint8 or digests.shape[1:] != (DIGEST,) or values.dtype != np.float32:
        return {}
    return dict(zip(map(bytes, digests), values, strict=True)) if values.shape == (len(digests), *shape) else {}


def keep(path: Path, known: dict[bytes, np.ndarray], shape: tuple[int, ...]) -> dict[bytes, np.ndarray]:
    """Write a file of the cache with what others wrote, and return both; without a place for it, go on without."""
    known = read(path, shape) | known
    try:
        write(path, known)
    except KerasDLError as error:
        say(f"the features were not cached: {error}")
    return known


def write(path: Path, known: dict[bytes, np.ndarray]) -> None:
    """Write a file of the cache, whole or not at all; let the least recently used files go."""
    digests = np.frombuffer(b"".join(known), np.uint8).reshape(len(known), -1)
    checkpoints.write_arrays(path, {"digests": digests, "features": np.stack(list(known.values()))})
    with contextlib.suppress(FileNotFoundError):  # another process tidies up too
        files = sorted(path.parent.glob("[!.]*.npz"), key=lambda file: file.stat().st_mtime_ns)
        for old in files[:-KEPT]:
            old.unlink()
