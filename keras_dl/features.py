"""The outputs of a network that does not change, computed once for each image and kept.

What is kept is found by what it was made from: a file per extractor, named by a digest of its layers and weights (so of
backbone and preprocessing), and in it a row per example, found by a digest of its decoded pixels. Another image, size,
backbone or preprocessing is another digest, so nothing stale can be met, and another split or seed finds its rows.
"""

from __future__ import annotations

import hashlib
import sys
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
from tqdm import tqdm

from keras_dl.datasets.download import cache_folder
from keras_dl.run import replacing

BATCH = 32
BLOCK = 2048  # rows after which a long computation is written down, so that a crash does not lose it
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
    known = read(path)
    missing = [row for row, key in enumerate(wanted) if key not in known]
    for start in range(0, len(missing), BLOCK):
        rows = missing[start : start + BLOCK]
        for row, values in zip(rows, computed(extractor, x[rows], name=name), strict=True):
            known[wanted[row]] = values
        write(path, known)
    if path.exists():
        path.touch()  # used now
    return np.stack([known[key] for key in wanted])


def computed(extractor: keras.Model, x: Any, *, name: str = "examples") -> np.ndarray:
    """Return the extractor's outputs for decoded examples `[count, ...]` as float32, with a progress bar."""
    run = keras.Model(extractor.inputs, extractor.outputs)  # predict() leaves what is compiled alone
    parts = []
    with tqdm(total=len(x), desc=f"features of {name}", unit=" examples", disable=None, file=sys.stderr) as bar:
        for start in range(0, len(x), BATCH):
            part = run.predict_on_batch(np.asarray(x[start : start + BATCH]))
            parts.append(np.asarray(part[0] if isinstance(part, list) else part, "float32"))
            bar.update(len(parts[-1]))
    return np.concatenate(parts) if parts else np.zeros((0, *extractor.output.shape[1:]), "float32")


def digest_of_model(model: keras.Model) -> str:
    """Name a model by its layers, with their settings and connections, and by its weights."""
    seen = hashlib.blake2b(model.to_json().encode(), digest_size=16)
    for weight in model.weights:
        seen.update(np.ascontiguousarray(keras.ops.convert_to_numpy(weight)))
    return seen.hexdigest()


def digest(example: np.ndarray) -> bytes:
    """Name an example by its shape and its values."""
    return hashlib.blake2b(
        np.ascontiguousarray(example), digest_size=16, salt=str(example.shape)[:16].encode()
    ).digest()


def read(path: Path) -> dict[bytes, np.ndarray]:
    """Read a file of the cache; one that is damaged counts as empty and is written anew."""
    try:
        with path.open("rb") as opened, np.load(opened) as file:
            return dict(zip(map(bytes, file["digests"]), file["features"], strict=True))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return {}


def write(path: Path, known: dict[bytes, np.ndarray]) -> None:
    """Write a file of the cache, whole or not at all, and let the least recently used others go."""
    with replacing(path) as temporary:
        digests = np.frombuffer(b"".join(known), np.uint8).reshape(len(known), -1)
        np.savez(temporary, digests=digests, features=np.stack(list(known.values())))
    files = sorted(path.parent.glob("*.npz"), key=lambda file: file.stat().st_mtime_ns)
    for old in files[:-KEPT]:
        old.unlink(missing_ok=True)
