"""Versions of a served model: which one a label stands for, and who gets which.

`models/<name>/` holds the versions, numbered folders as TensorFlow Serving wants them, and serving.json:

    labels   {"stable": 1, "canary": 2}        what a label stands for
    weights  {"stable": 0.9, "canary": 0.1}    share of the requests that name neither version nor label
    history  [[time, label, before, after]]    what `promote(back=True)` takes back, the newest last
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from keras_dl.errors import KerasDLError, UsageError
from keras_dl.runs.files import write_json

FILE = "serving.json"
STABLE = "stable"  # the label of whoever names neither version nor label
KEPT = 20  # changes that can be taken back

LABEL = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}")  # it stands in addresses


@dataclass(frozen=True)
class Serving:
    """What serving.json says; empty where there is none."""

    labels: Mapping[str, int] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)  # in [0, 1], by label
    history: Sequence[tuple[str, str, int | None, int | None]] = ()  # time (UTC), label, version before and after


def read(folder: Path) -> Serving:
    """Return what the serving.json of a model's folder says.

    Raises:
        KerasDLError: if it is damaged.
    """
    path = Path(folder) / FILE
    try:
        return checked(json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        return Serving()
    except (ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0]
        raise KerasDLError(
            f"{path} is damaged ({reason}); delete it, then write it again with keras-dl promote"
        ) from None


def numbers(folder: Path) -> list[int]:
    """Return the versions in a model's folder, ascending: its numbered folders that hold a SavedModel.

    Raises:
        OSError: if it cannot be read.
    """
    if not Path(folder).is_dir():
        return []
    numbered = [path for path in Path(folder).iterdir() if re.fullmatch("[1-9][0-9]*", path.name)]
    return sorted(int(path.name) for path in numbered if (path / "saved_model.pb").is_file())


def promote(
    folder: Path,
    version: int | None = None,
    *,
    label: str = STABLE,
    share: float | None = None,
    back: bool = False,
) -> Serving:
    """Let a label stand for a version, and write it down, whole or not at all.

    Args:
        folder: a model's folder, `models/<name>`.
        version: one of its versions; None with `share` or `back` alone.
        label: the label; a new one is made.
        share: in [0, 1], of the requests that name neither version nor label; the stable version gets what the other
            labels leave. None leaves the shares as they are.
        back: take the label's version before, again and again up to 20 times; a label that had none goes.

    Returns:
        what is written.

    Raises:
        UsageError: if there is no such version, or the label or share cannot be.
        KerasDLError: if serving.json is damaged.
    """
    folder = Path(folder)
    there = numbers(folder)
    check_arguments(folder, there, version, label, share, back)
    with locked(folder):
        serving = read(folder)
        if back:
            serving = taken_back(folder, there, serving, label)
        elif version is not None:
            serving = labelled(serving, label, version)
        if share is not None:
            serving = shared(folder, serving, label, share)
        write_json(folder / FILE, as_json(serving))
    return serving


def choose(serving: Serving, versions: Sequence[int], client: str, salt: str) -> int:
    """Return the version for a request that names neither version nor label.

    It is drawn by the weights, and the same client draws the same version while the weights stay. Each label gets a
    number in (0, 1) from the hash of client, salt and label, and the largest weight / -log(number) wins (rendezvous
    hashing with weights; Schindelhauer, Schomaker 2005). So when one weight changes, clients move from or to that
    label alone. Labels whose version is not there are passed over; without weights it is the stable version, and
    without that the highest.

    Args:
        serving: labels and weights.
        versions: what can answer now, at least one.
        client: who asks.
        salt: the model's name, say: different salts draw independently.
    """
    there = {label: number for label, number in serving.labels.items() if number in versions}
    weights = {label: serving.weights.get(label, 0.0) for label in there}
    weighted = sorted(label for label, weight in weights.items() if weight > 0)
    if weighted:
        return there[max(weighted, key=lambda label: weights[label] / -math.log(drawn(client, salt, label)))]
    return there.get(STABLE, max(versions))


def drawn(*parts: str) -> float:
    """Return a number in (0, 1), the same for the same texts, as good as random for others."""
    whole = "\0".join(parts).encode("utf-8", "surrogatepass")
    return ((int.from_bytes(hashlib.blake2b(whole, digest_size=8).digest()) >> 12) + 0.5) / 2**52  # exact, never 0 or 1


def check_arguments(
    folder: Path, there: Sequence[int], version: int | None, label: str, share: float | None, back: bool
) -> None:
    """Raise UsageError for what cannot be meant."""
    if not there:
        raise UsageError(
            f"{folder} contains no version (a numbered folder with a SavedModel); write one with keras-dl export"
        )
    if not LABEL.fullmatch(label):
        raise UsageError(
            f"the label '{label}' must have 1 to 64 letters, digits, dots and dashes, and begin with a letter"
        )
    if version is not None and version not in there:
        raise UsageError(f"{folder} has no version {version}; it has {listed(there)}")
    if back and (version is not None or share is not None):
        raise UsageError("--back returns to the label's previous version; leave out VERSION and --share")
    if version is None and share is None and not back:
        raise UsageError(f"give the version for '{label}'; the folder has {listed(there)}")
    if share is not None and label == STABLE:
        raise UsageError(
            "stable takes no share, because it gets the rest; use another label: --label canary --share 0.1"
        )
    if share is not None and not 0 <= share <= 1:
        raise UsageError(f"the share {share} must be between 0 and 1")


def labelled(serving: Serving, label: str, version: int) -> Serving:
    """Let a label stand for a version and remember what it stood for."""
    before = serving.labels.get(label)
    if before == version:
        return serving
    change = (datetime.now(UTC).isoformat(timespec="seconds"), label, before, version)
    return replace(serving, labels={**serving.labels, label: version}, history=[*serving.history, change][-KEPT:])


def taken_back(folder: Path, there: Sequence[int], serving: Serving, label: str) -> Serving:
    """Undo the last change of a label; the order of the list counts, not the time, since clocks go backwards."""
    places = [place for place, (_, changed, *_) in enumerate(serving.history) if changed == label]
    if not places:
        raise UsageError(f"'{label}' of {folder} had no other version before; the folder has {listed(there)}")
    before = serving.history[places[-1]][2]
    history = [change for place, change in enumerate(serving.history) if place != places[-1]]
    labels, weights = dict(serving.labels), serving.weights
    if before is None:
        labels.pop(label, None)
        weights = rest_to_stable({name: weight for name, weight in weights.items() if name != label})
    elif before in there:
        labels[label] = before
    else:
        raise UsageError(
            f"'{label}' was version {before} before, but {folder} no longer has it; the folder has {listed(there)}"
        )
    return Serving(labels, weights, history)


def shared(folder: Path, serving: Serving, label: str, share: float) -> Serving:
    """Give a label its share, and the stable version what the others leave."""
    for needed in (STABLE, label):
        if needed not in serving.labels:
            raise UsageError(
                f"no version of {folder} is '{needed}' yet, so there is nothing to share; "
                f"first type: keras-dl promote {folder} VERSION --label {needed}"
            )
    weights = rest_to_stable({**serving.weights, label: float(share)})
    if weights[STABLE] < 0:
        others = ", ".join(f"{name} {part:g}" for name, part in weights.items() if name not in (STABLE, label))
        raise UsageError(
            f"the share {share:g} of '{label}' is too large with {others}; all shares together must be at most 1"
        )
    return replace(serving, weights=weights)


def rest_to_stable(weights: Mapping[str, float]) -> dict[str, float]:
    """Give the stable version what the other labels leave; no shares at all where there is no other."""
    others = {name: weight for name, weight in weights.items() if name != STABLE}
    return {STABLE: round(1 - sum(others.values()), 9), **others} if others else {}


def listed(there: Sequence[int]) -> str:
    """Name the versions that are there."""
    return f"version {there[0]}" if len(there) == 1 else f"versions {', '.join(map(str, there))}"


def checked(value: Any) -> Serving:
    """Turn what the file holds into a Serving; ValueError says what is wrong with it."""
    if not isinstance(value, dict):
        raise ValueError("it contains no JSON object")
    labels, weights, history = value.get("labels", {}), value.get("weights", {}), value.get("history", [])
    if not isinstance(labels, dict) or not all(is_version(number) for number in labels.values()):
        raise ValueError("labels must give each label a version, 1 or above")
    if not isinstance(weights, dict) or not all(is_weight(weight) for weight in weights.values()):
        raise ValueError("weights must give each label a number from 0 to 1")
    if not isinstance(history, list) or not all(is_change(change) for change in history):
        raise ValueError("history must be a list of [time, label, before, after]")
    return Serving(labels, weights, [tuple(change) for change in history])


def is_version(value: Any) -> bool:
    """Whether a JSON value is a version's number."""
    return type(value) is int and value > 0


def is_weight(value: Any) -> bool:
    """Whether a JSON value is a share."""
    return type(value) in (int, float) and 0 <= value <= 1


def is_change(value: Any) -> bool:
    """Whether a JSON value is a change that can be taken back."""
    return (
        isinstance(value, list)
        and len(value) == 4
        and all(isinstance(part, str) for part in value[:2])
        and all(part is None or is_version(part) for part in value[2:])
    )


def as_json(serving: Serving) -> dict[str, Any]:
    """Return what serving.json holds."""
    return {"labels": dict(serving.labels), "weights": dict(serving.weights), "history": list(serving.history)}


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Let one process at a time change the labels; the lock is on the folder itself and leaves no file."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
