"""The run directory: what a training leaves, and the only thing evaluate, explain, export and serve take.

    config.json     what was asked for: task, settings, data; re-runs the training (--config)
    card.json       what came of it: inputs, outputs, data, splits, versions, device; written at the end
    splits.csv      every example: id, split, group, label
    model.keras     the best epoch's model
    assets/         assets.json (classes, threshold, calibration), baseline.skops, others.skops,
                    novelty.npz (what is usual), reference.npz (what the network made of the validation part)
    checkpoints/    resumable state of the last two epochs
    history.csv     one row per epoch, over all phases; see `history`
    logs/           TensorBoard
    examples/       a few raw test inputs of each stratum
    shown/          the raw test inputs that the report shows
    predictions.csv per test example: id, group, label, what is known of it, and what network and baseline said
    embeddings/     what `keras-dl embed` wrote
    report.html     everything on one page
    metrics.json    written last: where it is, the run is complete

Every file is written beside its place and then moved there, so a file that is there is whole.
"""

from __future__ import annotations

import importlib
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
from keras_dl.paths import at_home
from keras_dl.progress import say
from keras_dl.runs import marks, names
from keras_dl.runs.files import held, make_newest, read_json, refuse_full, refuse_name, write_json
from keras_dl.task import Assets, Config, Task, settings
from keras_dl.task.blocks import Prose
from keras_dl.task.kinds import Method, metric_of
from keras_dl.training.own_keras import own_keras

if TYPE_CHECKING:
    import keras

    from keras_dl.answering.answering import Answering


class Run:
    """A run directory, opened."""

    def __init__(self, path: Path) -> None:
        """Open the run at `path`.

        Raises:
            UsageError: if there is no run.
        """
        self.path = at_home(path)
        self.temporary = False  # of a worker that is not the chief; it goes at the end
        self.fresh = False  # made just now: nothing is lost where the training cannot even start
        if not (self.path / "config.json").is_file():
            raise UsageError(f"{path} is not a run, because it has no config.json; train one: keras-dl train TASK")
        self.asked = self.read("config.json")
        try:
            self.task: Task = registry.find(self.asked["task"])
            self.config: Config = settings.replace(self.task.config, self.asked["config"])
        except (TypeError, AttributeError, KerasDLError) as error:
            raise UsageError(f"{path} is not a run that this version can read: {error}") from None

    @classmethod
    def create(cls, path: Path | None, task: Task, config: Config, **asked: Any) -> Self:
        """Make a new run directory; `asked` is kept in config.json beside task and config.

        Raises:
            UsageError: if `path` is there and not empty.
            KerasDLError: if it cannot be made.
        """
        path = at_home(path) if path else names.RUNS / task.name / datetime.now().strftime("%Y%m%d-%H%M%S-%f")
        refuse_name(path)
        if path.is_file():
            raise UsageError(f"{path} is a file; give --out a new folder for the run")
        try:
            path.mkdir(parents=True, exist_ok=True)
            refuse_full(path)
            with held(path):  # of two that want it at once, the second finds it taken
                refuse_full(path)
                write_json(path / "config.json", {"task": task.name, "config": settings.to_json(config), **asked})
                others = [one.begun for one in names.kept() if one.path.resolve() != path.resolve()]
                make_newest(path / "config.json", others)
        except OSError as error:
            raise KerasDLError(
                f"cannot create the run directory {path}: {error.strerror}; choose another --out"
            ) from None
        run = cls(path)
        run.fresh = True
        return run

    @classmethod
    def find(cls, name: str | Path, *, complete: bool = True) -> Self:
        """Open a run by its directory; by its name or by its task's name, and then say on stderr which run that is.

        Args:
            name: a run directory, the name of a run, or a task's name; `runs.names` says what these mean.
            complete: take only runs that were finished; otherwise only unfinished ones.

        Raises:
            UsageError: if there is none.
        """
        path = at_home(name)
        if not (path / "config.json").is_file():
            meant, said = names.chosen(str(name), complete=complete)
            run = cls(meant.path)
            say(said)
            return run
        run = cls(path)
        if complete == run.complete:
            return run
        if run.complete:
            raise UsageError(f"{path} is complete, so there is nothing to resume")
        finish = shlex.join(["keras-dl", "train", run.task.name, "--resume", "--out", str(path)])
        raise UsageError(f"{path} is not complete; finish it: {finish}")

    @property
    def name(self) -> str:
        """What the run is called: its own name, or that of its folder."""
        return names.called(self.path, self.asked)

    @property
    def marks(self) -> list[Prose]:
        """What a reader must know before the figures: that the run is tiny, or its data the package's own."""
        return marks.warnings(self.asked)

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
    @own_keras()
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
            reason = f"damaged ({(str(error) or repr(error)).splitlines()[0]})" if path.is_file() else "not there"
            raise KerasDLError(f"{path} is {reason}; train again") from None

    @cached_property
    def answering(self) -> Answering:
        """The function from decoded inputs to responses: the model, and what was settled on validation."""
        from keras_dl.answering import answering, novelty

        network = answering.Network(self.task, self.config, self.model)
        return answering.Answering(network, self.assets, novelty.read(self.path))

    def explanations(self) -> Mapping[str, Method]:
        """Return the ways to explain an answer of this run, the usual one first."""
        return {**self.task.output.methods(), **self.task.input.methods(self)}

    def read(self, name: str) -> Any:
        """Read one of the run's JSON files."""
        try:
            return read_json(self.path / name)
        except FileNotFoundError:
            raise KerasDLError(f"{self.path} has no {name}: the run is not complete") from None

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
            return f"<Run {self.path}: {', '.join([self.task.name, *marks.brief(self.asked), 'not complete'])}>"
        network = self.metrics["test"]["network"]
        known = [(name, cell["value"]) for name, cell in network.items() if cell["value"] is not None]
        metrics = self.task.output.metrics
        shown = ", ".join(f"{name} {value:.{metric_of(name, metrics).digits}f}" for name, value in known[:4])
        about = ", ".join([self.task.name, *marks.brief(self.asked), shown])
        return f"<Run {self.path}: {about} on {self.metrics['test']['examples']} test examples>"
