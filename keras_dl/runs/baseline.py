"""The classical baseline of a run, in a file that runs no code when it is read."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

from keras_dl.errors import KerasDLError
from keras_dl.runs.files import replacing
from keras_dl.runs.run import Run

OTHERS = "others.skops"  # in the folder assets: more classical models, by title
SCHEMA = "schema.json"  # of a skops file: it names the type of every object by its module
MOVED = {  # modules that files written by version 0.1 name -> where their types are now
    "keras_dl.recipes": "keras_dl.recipes.baselines",
    "keras_dl.anomaly": "keras_dl.recipes.anomaly",
    "keras_dl.word_vectors": "keras_dl.recipes.word_vectors",
}


def save(baseline: Any, path: Path) -> None:
    """Write a fitted scikit-learn model with skops, which unlike pickle runs no code when it is read."""
    import skops.io

    with replacing(path) as temporary:
        skops.io.dump(baseline, temporary)


def load(run: Run) -> Any:
    """Read the run's baseline; it may name nothing but this package's and scikit-learn's own types.

    Raises:
        KerasDLError: if it names others.
    """
    return read(run.path / "assets" / "baseline.skops")


def load_others(run: Run) -> dict[str, Any]:
    """Read the run's other classical models, by title; there may be none."""
    path = run.path / "assets" / OTHERS
    return read(path) if path.exists() else {}


def read(path: Path) -> Any:
    """Read a file of `save`; raises KerasDLError as `load` does, and if it is not there or damaged."""
    import skops.io

    try:
        data = moved(path.read_bytes())
        named = skops.io.get_untrusted_types(data=data)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise KerasDLError(f"{path} is damaged or missing ({error}); train again") from error
    foreign = [name for name in named if not name.startswith(("keras_dl.", "sklearn."))]
    if foreign:
        raise KerasDLError(f"{path} contains types that no baseline of this package uses: {', '.join(foreign)}")
    return skops.io.loads(data, trusted=named)


def moved(data: bytes) -> bytes:
    """Return a skops file in which types that have moved stand where they are now."""
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        schema = file.read(SCHEMA).decode()
        names = {name: json.dumps(name) for name in MOVED}
        if not any(name in schema for name in names.values()):
            return data
        for name, written in names.items():
            schema = schema.replace(written, json.dumps(MOVED[name]))
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as copy:
            for member in file.namelist():
                copy.writestr(member, schema if member == SCHEMA else file.read(member))
    return target.getvalue()
