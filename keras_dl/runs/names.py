"""What a name means: one of the runs in the folder runs, by its own name or by the name of its task.

A run is called what `--name` says, and answers to the name of its folder too. A task's name means its newest complete
run. A tiny run never answers for its task, since its figures mean nothing. A run on data of the user goes before one on
embedded data, and a trained run before one that was adapted to data from elsewhere.

A run is known here by its config.json alone, so that a hundred of them are looked through at once.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keras_dl import registry
from keras_dl.errors import UsageError
from keras_dl.paths import at_home
from keras_dl.runs import marks

RUNS = Path("runs")
NAME = re.compile(r"[^\W_][\w.-]{0,59}")  # it stands in tables, and a served model may be called so
CONFIG, DONE = "config.json", "metrics.json"  # the first file of a run, and the last one


@dataclass(frozen=True)
class Kept:
    """A run directory, as its config.json tells."""

    path: Path
    asked: Mapping[str, Any] = field(default_factory=dict)  # config.json
    begun: int = 0  # nanoseconds since 1970
    problem: str = ""  # why config.json cannot be read

    @property
    def task(self) -> str:
        """The name of its task."""
        return self.asked.get("task", "")

    @property
    def name(self) -> str:
        """What it is called: its own name, or that of its folder."""
        return called(self.path, self.asked)

    @property
    def complete(self) -> bool:
        """Whether the training got to its end."""
        return (self.path / DONE).is_file()

    @property
    def tiny(self) -> bool:
        """Whether its figures mean nothing."""
        return marks.tiny(self.asked)

    @property
    def flaw(self) -> str:
        """What speaks most against it, in a word or two."""
        if self.tiny or self.complete:
            return next(iter(marks.brief(self.asked)), "")
        return "not complete"

    @property
    def place(self) -> str:
        """Where it is in the folder runs, as "pneumonia/20261128-024600"; elsewhere its path."""
        return (self.path.relative_to(RUNS) if self.path.is_relative_to(RUNS) else self.path).as_posix()

    def meant_by(self, name: str) -> bool:
        """Whether a name, of a run or of a task, may mean this run."""
        if name in registry.TASKS:
            return self.task == name and not self.tiny
        return name in (self.name, self.path.name, self.place)

    @property
    def resume(self) -> str:
        """The command that trains it to its end."""
        return shlex.join(["keras-dl", "train", self.task, "--resume", "--out", str(self.path)])


def called(path: Path, asked: Mapping[str, Any]) -> str:
    """Return what a run is called: its own name, or that of its folder."""
    return str(asked.get("name") or path.resolve().name)


def check(name: str) -> str:
    """Return a name that a run may get.

    Raises:
        UsageError: if it means a task, or would not do in a table, an address or on a command line.
    """
    if name in registry.TASKS:
        raise UsageError(f"--name {name} is the name of a task, which means its newest run; choose another name")
    if not NAME.fullmatch(name):
        raise UsageError(
            f"--name {name!r} must have up to 60 letters, digits, '.', '-' or '_', and begin with a letter or digit"
        )
    return name


def kept(folder: Path | None = None) -> list[Kept]:
    """Return the runs in a folder, however deep, the newest first; None stands for the folder runs."""
    found = filter(None, map(opened, directories(RUNS if folder is None else folder)))
    return sorted(found, key=lambda one: one.begun, reverse=True)


def directories(folder: Path) -> Iterator[Path]:
    """Give each folder with a config.json, and look no deeper there; links are followed, circles of them are not."""
    seen = set()
    for root, inner, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(root)
        if real in seen or "saved_model.pb" in files:  # an export holds a part of a run
            inner.clear()
        elif CONFIG in files:
            inner.clear()
            yield Path(root)
        seen.add(real)
        inner[:] = sorted(name for name in inner if not name.startswith("."))


def opened(path: Path) -> Kept | None:
    """Return the run in a folder; None where its config.json is of another program."""
    try:
        begun = (path / CONFIG).stat().st_mtime_ns
        asked = json.loads((path / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return Kept(path, {"data": ""}, problem=f"config.json cannot be read: {error}")
    if not isinstance(asked, dict) or not isinstance(asked.get("task"), str) or "config" not in asked:
        return None
    return Kept(path, asked, begun)


def chosen(name: str, *, complete: bool = True) -> tuple[Kept, str]:
    """Return the run that a name means, and a sentence that says which it is and what was passed over.

    Args:
        name: of a run or a task.
        complete: take only runs that were finished; otherwise only unfinished ones.

    Raises:
        UsageError: if there is none; it says what there is, and what to type.
    """
    runs = kept()
    best = answering(name, runs, complete=complete)
    if best is None:
        raise UsageError(missing(name, runs, complete))
    about = [best.name] * (best.name not in (name, best.path.name)) + marks.brief(best.asked)
    said = f"using {best.path}" + (f" ({', '.join(about)})" if about else "")
    same = [run for run in runs if run.task == name or run.meant_by(name)]
    same = [run for run in same if complete or not run.complete]
    newer = Counter(run.flaw for run in same if run.begun > best.begun)
    if newer:
        said += f"\n  skipped newer runs: {', '.join(f'{count} {flaw}' for flaw, count in newer.items())}"
    return best, said


def answering(name: str, runs: Sequence[Kept], *, complete: bool = True) -> Kept | None:
    """Return which of these runs, the newest first, a name means; None where it means none."""
    fitting = [run for run in runs if run.meant_by(name) and run.complete == complete]
    if complete:
        fitting.sort(
            key=lambda run: (run.tiny, marks.adapted(run.asked), marks.synthetic(run.asked))
        )  # among equals the newest stays first
    return fitting[0] if fitting else None


def missing(name: str, runs: Sequence[Kept], complete: bool) -> str:
    """Say why a name means no run, and what to type instead."""
    if name in registry.TASKS:
        return missing_task(name, [run for run in runs if run.task == name], complete)
    named = [run for run in runs if run.meant_by(name)]
    if named and complete:
        return f"the run '{name}' in {named[0].path} is not complete; finish it: {named[0].resume}"
    if named:
        return f"the run '{name}' in {named[0].path} is complete, so there is nothing to resume"
    if any(opened(path.parent) for depth in ("*", "*/*") for path in at_home(name).glob(f"{depth}/{CONFIG}")):
        return f"{name} is a folder of several runs; give one of them (keras-dl runs {shlex.quote(name)} lists them)"
    near = difflib.get_close_matches(name, [*registry.TASKS, *(run.name for run in runs)], 1)
    hint = f"did you mean '{near[0]}'?" if near else "keras-dl list shows the tasks, and keras-dl runs shows the runs"
    return f"'{name}' is not a run directory, a task or the name of a run; {hint}"


def missing_task(task: str, runs: Sequence[Kept], complete: bool) -> str:
    """Say why a task's name means none of its runs, and what to type instead."""
    there = [run for run in runs if run.complete == complete]
    if there:  # then all of them are tiny
        path, count = there[0].path, len(there)
        which = "the only run" if count == 1 else f"each of the {count} runs"
        state = "" if complete else "unfinished "
        way = f"give its path, {path}" if complete else f"resume it: {there[0].resume}"
        return (
            f"{which.replace('run', state + 'run', 1)} of '{task}' in {RUNS} is tiny. Its figures mean nothing, so "
            f"the task's name does not mean it; {way}, or train: keras-dl train {task}"
        )
    if complete and runs:
        return f"no run of '{task}' in {RUNS} is complete; finish the newest: {runs[0].resume}"
    wanted = "complete" if complete else "unfinished"
    return f"no {wanted} run of '{task}' in {RUNS}; train one: keras-dl train {task}"
