"""The run directory: what a training leaves, and the only thing evaluate, explain, export and serve take.

    config.json     what was asked for: task, settings, data; re-runs the training (--config)
    card.json       what came of it: inputs, outputs, data, splits, versions, device; written at the end
    splits.csv      every example: id, split, group, label
    model.keras     the best epoch's model
    assets/         assets.json (classes, threshold, calibration), baseline.skops, others.skops
    checkpoints/    resumable state of the last two epochs
    history.csv     one row per epoch, over all phases; see `history`
    logs/           TensorBoard
    examples/       a few raw test inputs of each stratum
    shown/          the raw test inputs that the report shows
    predictions.csv per test example: id, group, label, and what network and baseline said
    embeddings/     what `keras-dl embed` wrote
    report.html     everything on one page
    metrics.json    written last: where it is, the run is complete

Every file is written beside its place and then moved there, so a file that is there is whole.
"""

from __future__ import annotations

import difflib
import importlib
import json
import pkgutil
import shlex
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from keras_dl import registry
from keras_dl.errors import KerasDLError, UsageError
from keras_dl.runs.files import held, make_newest, refuse_full, write_json
from keras_dl.task import Assets, Config, Task, settings
from keras_dl.task.kinds import Method, metric_of

if TYPE_CHECKING:
    import keras

RUNS = Path("runs")


class Run:
    """A run directory, opened."""

    def __init__(self, path: Path) -> None:
        """Open the run at `path`.

        Raises:
            UsageError: if there is no run.
        """
        self.path = Path(path)
        self.temporary = False  # of a worker that is not the chief; it goes at the end
        self.fresh = False  # made just now: nothing is lost where the training cannot even start
        if not (self.path / "config.json").is_file():
            raise UsageError(f"{path} is not a run: it has no config.json (keras-dl train TASK makes one)")
        self.asked = self.read("config.json")
        try:
            self.task: Task = registry.find(self.asked["task"])
            self.config: Config = settings.replace(self.task.config, self.asked["config"])
        except (KeyError, TypeError, UsageError) as error:
            raise UsageError(f"{path} is no run that this version can read: {error}") from None

    @classmethod
    def create(cls, path: Path | None, task: Task, config: Config, **asked: Any) -> Self:
        """Make a new run directory; `asked` is kept in config.json beside task and config.

        Raises:
            UsageError: if `path` is there and not empty.
            KerasDLError: if it cannot be made.
        """
        path = path or RUNS / task.name / datetime.now().strftime("%Y%m%d-%H%M%S-%f")
        if path.is_file():
            raise UsageError(f"{path} is a file; --out takes the run directory to make")
        try:
            path.mkdir(parents=True, exist_ok=True)
            refuse_full(path)
            with held(path):  # of two that want it at once, the second finds it taken
                refuse_full(path)
                write_json(path / "config.json", {"task": task.name, "config": settings.to_json(config), **asked})
                make_newest(path / "config.json")
        except OSError as error:
            raise KerasDLError(
                f"cannot make the run directory {path}: {error.strerror}; choose another --out"
            ) from None
        run = cls(path)
        run.fresh = True
        return run

    @classmethod
    def find(cls, name: str | Path, *, complete: bool = True) -> Self:
        """Open a run by its directory, or the newest run of a task by the task's name.

        Args:
            name: a run directory or a task's name.
            complete: take only runs that were finished; otherwise only unfinished ones.

        Raises:
            UsageError: if there is none.
        """
        path = Path(name)
        if path.is_dir() and (path / "config.json").is_file():
            run = cls(path)
            if complete == run.complete:
                return run
            if run.complete:
                raise UsageError(f"{path} is complete; there is nothing to resume")
            finish = shlex.join(["keras-dl", "train", run.task.name, "--resume", "--out", str(path)])
            raise UsageError(f"{path} is not complete; finish it: {finish}")
        if str(name) not in registry.TASKS:
            near = difflib.get_close_matches(str(name), registry.TASKS, 1)
            hint = f"; did you mean '{near[0]}'?" if near else " (keras-dl list shows the tasks)"
            raise UsageError(f"'{name}' is neither a run directory nor a task{hint}")
        wanted = "complete" if complete else "unfinished"
        every = (RUNS / str(name)).glob("*/config.json")
        files = [file for file in every if file.with_name("metrics.json").is_file() == complete]
        if not files:
            raise UsageError(f"no {wanted} run of '{name}' in {RUNS / str(name)}; keras-dl train {name} makes one")
        return cls(max(files, key=lambda file: file.stat().st_mtime_ns).parent)

    @property
    def complete(self) -> bool:
        """Whether the training got to its end."""
        return (self.path / "metrics.json").is_file()

    @cached_property
    def card(self) -> dict[str, Any]:
        """What came of the training, from card.json."""
        return self.read("card.json")

    @cached_property
    def assets(self) -> Assets:
        """Classes, threshold, calibration, vocabulary: what travels with the model."""
        return self.read("assets/assets.json")

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """The evaluation on the test part, from metrics.json."""
        return self.read("metrics.json")

    @cached_property
    def model(self) -> keras.Model:
        """The trained model, loaded once; safe mode, so that a file cannot bring code of its own."""
        import keras

        from keras_dl import layers, models

        for package in (layers, models):  # a file names layers of ours, which must be known by then
            for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
                importlib.import_module(module.name)
        path = self.path / "model.keras"
        try:
            return keras.saving.load_model(path, compile=False, safe_mode=True)
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            reason = f"damaged ({str(error).splitlines()[0]})" if path.is_file() else "not there"
            raise KerasDLError(f"{path} is {reason}; train again") from None

    def explanations(self) -> Mapping[str, Method]:
        """Return the ways to explain an answer of this run, the usual one first."""
        return {**self.task.output.methods(), **self.task.input.methods(self)}

    def read(self, name: str) -> Any:
        """Read one of the run's JSON files."""
        try:
            return json.loads((self.path / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise KerasDLError(f"{self.path} has no {name}: the run is not complete") from None
        except ValueError as error:
            raise KerasDLError(f"{self.path / name} is damaged ({error}); train again") from None

    def write(self, name: str, value: Any) -> None:
        """Write one of the run's JSON files, whole or not at all."""
        write_json(self.path / name, value)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the directory for one training at a time, and clear away what a killed one left half-written.

        Raises:
            KerasDLError: if another process holds it. The lock goes with the process, also when it is killed.
        """
        with held(self.path):
            for path in self.path.rglob(".[0-9]*-*"):
                path.unlink(missing_ok=True)
            yield

    def __repr__(self) -> str:
        if not self.complete:
            return f"<Run {self.path}: {self.task.name}, not complete>"
        network = self.metrics["test"]["network"]
        known = [(name, cell["value"]) for name, cell in network.items() if cell["value"] is not None]
        metrics = self.task.output.metrics
        shown = ", ".join(f"{name} {value:.{metric_of(name, metrics).digits}f}" for name, value in known[:4])
        return f"<Run {self.path}: {self.task.name}, {shown} on {self.metrics['test']['examples']} test examples>"
