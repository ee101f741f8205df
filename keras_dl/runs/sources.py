"""Where a run's data is: a path of the user's, or the embedded set of its task."""

from __future__ import annotations

import importlib
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from keras_dl.data import samples
from keras_dl.errors import KerasDLError, UsageError
from keras_dl.paths import at_home
from keras_dl.runs.files import replacing
from keras_dl.runs.run import Run
from keras_dl.task import Data, Task

if TYPE_CHECKING:
    import pandas as pd

WRITTEN = re.compile(r"-synthetic-\d+-\d+|-embedded-[0-9a-f]{8}")  # in the names that each synthesize() gives


def module(task: Task) -> ModuleType:
    """Import the data set's module: its download(), synthesize(), LICENCE, ..."""
    return importlib.import_module(f"keras_dl.data.sets.{task.dataset}")


def checked(task: Task, data: str | Path) -> Path:
    """Return the data's absolute path.

    Raises:
        UsageError: if there is nothing at it.
    """
    if not str(data) or not at_home(data).exists():
        raise UsageError(f"there is nothing at '{data}'; download the real set with: keras-dl data {task.name}")
    return at_home(data).resolve()


def embedded(data: Path | None) -> bool:
    """Whether data is of the package: None, or an absolute path of what it brings or `--synthetic` wrote."""
    if data is None:
        return True
    inside = any(data.is_relative_to(place.resolve()) for place in samples.PLACES)
    return inside or any(WRITTEN.search(part) for part in data.parts)


def folder(run: Run) -> Path:
    """Return the folder or archive of a run's data, made now if it is the embedded set."""
    if run.asked["data"] is None:
        return module(run.task).synthesize(tiny=run.asked["tiny"])
    return checked(run.task, run.asked["data"])


def load(run: Run) -> Data:
    """Load a run's data and write its splits down, or, where they are written, make sure they are still the same.

    Raises:
        UsageError: if the data is not what the run was started on.
    """
    data = run.task.load(run.config, folder(run))
    now = table(data)
    path = run.path / "splits.csv"
    if path.exists():
        before = written(run)
        if not now.equals(before):
            lost, new = len(set(before.id) - set(now.id)), len(set(now.id) - set(before.id))
            raise UsageError(
                f"the data at {folder(run)} is not what {run.path} was trained on ({lost} examples are missing, {new} "
                "are new); restore it, or evaluate on it as another set with --data"
            )
    elif run.complete:
        raise UsageError(f"{run.path} has no splits.csv; if it is part of an export, use the run that was exported")
    else:
        with replacing(path) as temporary:
            now.to_csv(temporary, index=False)
    return data


def written(run: Run) -> pd.DataFrame:
    """Read what a training wrote of its splits: of each example id, split, group and label.

    Raises:
        KerasDLError: if the file is not there or does not hold that.
    """
    import pandas as pd

    path = run.path / "splits.csv"
    try:
        found = pd.read_csv(path, dtype={"id": str, "group": str}, keep_default_na=False)
        return found[["id", "split", "group", "label"]]
    except (OSError, ValueError, KeyError) as error:
        raise KerasDLError(f"{path} cannot be read ({str(error).strip()}); train again") from None


def remarks(notes: Mapping[str, Any]) -> list[str]:
    """Say in a few lines what was left out of the data and why, and what the reader could not know."""
    skipped = Counter(kind_of_reason(one["reason"]) for one in notes.get("skipped", ()))
    lines = [f"{notes['read']} of {notes[what]} {what} used" for what in ("files", "rows") if what in notes]
    lines += [f"left out: {count} ({reason})" for reason, count in skipped.most_common()]
    lines += notes.get("sites", ())
    if notes.get("unnamed"):
        lines.append(
            f"{notes['unnamed']} file names do not name a patient, so each counts as one. If a patient has several "
            "images, they may be in two splits, and the figures will look too good"
        )
    return lines


def kind_of_reason(text: str) -> str:
    """Shorten why an example was left out to the kind of reason: "duplicate of a.png" to "duplicate"."""
    return re.split(r"[:;]| of | at ", re.sub(r"^\d+x\d+ px is ", "", text))[0]


def table(data: Data) -> pd.DataFrame:
    """List every example: id, split, group, label, and the columns that the data has besides."""
    import pandas as pd

    parts: list[dict[str, Any]] = [
        {"id": split.ids, "split": name, "group": split.groups, "label": split.truth, **split.columns}
        for name, split in data.splits().items()
    ]
    return pd.concat([pd.DataFrame(part) for part in parts], ignore_index=True)
