"""The arrays in a run's model.keras."""

import io
import zipfile
from pathlib import Path

import h5py
import numpy as np


def weights(path: Path) -> dict[str, np.ndarray]:
    """Read all arrays of the model of a run at `path`, by name."""
    found = {}
    with h5py.File(io.BytesIO(zipfile.ZipFile(path / "model.keras").read("model.weights.h5"))) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found
