"""The verbs from Python, for notebooks; the command line calls the same functions.

This module may look down on all others, so a run gets its verbs here.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_dl import registry
from keras_dl.errors import UsageError
from keras_dl.runs import names, sources
from keras_dl.runs import run as directory
from keras_dl.task import Config, Task
from keras_dl.task import settings as settings_of
from keras_dl.training.machines import devices


class Run(directory.Run):
    """A run directory with the verbs for notebooks."""

    def evaluate(self, data: str | Path | None = None) -> dict[str, Any]:
        """Evaluate on the run's own test part, or on another set in the same layouts."""
        from keras_dl.verbs.evaluate import evaluate

        return evaluate(self, data)

    def predict(self, *inputs: str | Path, **options: Any) -> list[dict[str, Any]]:
        """Predict files or texts; folders stand for the files in them; see `verbs.predict` for the options."""
        from keras_dl.verbs.predict import predict

        return predict(self, inputs, **options)

    def explain(self, source: str | Path, out: str | Path | None = None, **options: Any) -> dict[str, Any]:
        """Explain the prediction for one input; see `verbs.explain` for the options."""
        from keras_dl.verbs.explain import explain

        return explain(self, source, out, **options).json()

    def embed(self, **options: Any) -> dict[str, Any]:
        """Write embeddings, a nearest-neighbour classifier and t-SNE maps; see `verbs.embed`."""
        from keras_dl.verbs.embed import embed

        return embed(self, **options)

    def export(self, out: str | Path | None = None) -> Path:
        """Write a SavedModel for TensorFlow Serving; see `verbs.export`."""
        from keras_dl.verbs.export import export

        return export(self, out)

    def _repr_html_(self) -> str:
        """Show the run in a notebook: what it is, and its metrics on the test part."""
        from keras_dl.pages.html import notebook
        from keras_dl.verbs.report import overview

        return notebook(overview(self))

    def report(self) -> Path:
        """Write report.html again and return its path."""
        from keras_dl.verbs.report import write

        return write(self)


def train(task: str | None = None, **options: Any) -> Run:
    """Train a task to a complete run. Settings are given by name, `epochs=3`; the other options are those of `begin`.

    Raises:
        UsageError: for an unknown task or setting, before anything heavy happens.
        KerasDLError: if the data cannot be used.
    """
    of_begin = ("data", "out", "file", "name", "tiny", "device", "strategy", "resume")
    known = {name: options.pop(name) for name in of_begin if name in options}
    return finish(begin(task, settings=options, **known))


def open_run(run: str | Path) -> Run:
    """Open a complete run: a run directory, a run's name, or a task's name; `runs.names` says what these mean."""
    return Run.find(run)


def begin(
    task: str | None = None,
    *,
    data: str | Path | None = None,
    out: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    file: Path | None = None,
    name: str | None = None,
    tiny: bool = False,
    device: str = "auto",
    strategy: str = "auto",
    resume: bool = False,
) -> Run:
    """Check what is asked for and make the run directory, or find the one to resume. Fast: no TensorFlow.

    Args:
        task: the task's name; None for that of `file` or, to resume, of the run at `out`.
        data: a folder or archive in a layout the task reads; None for the embedded data.
        out: the run directory; None for runs/TASK/TIME, or, to resume, for the newest unfinished run of `name`, or
            else of the task.
        settings: settings of the task's Config, as values or strings.
        file: settings from a JSON file, or a run's config.json, which also says on what data.
        name: what to call the run, wherever a run is asked for; None for the name of its directory. To resume, the
            run's name.
        tiny: a small model on little data, for trying: its figures mean nothing.
        device: "auto", "cpu", "gpu" or "tpu".
        strategy: "auto", "default", "mirrored", "multiworker" or "tpu"; see `devices.planned`.
        resume: go on with a run; its data and settings are its own, so none may be given, and so are its device and
            strategy unless other ones are given.

    Of several workers only the chief makes the run directory; the others get a temporary one.
    """
    if resume:
        if settings or file or data or tiny:
            raise UsageError(
                "a resumed run keeps its own data and settings: give --resume alone, or with --out or --name"
            )
        return resumed(out or name or task, task, device, strategy)
    record = registry.find(task or task_of(file))
    if file:
        before = settings_of.read_run(file)
        data, tiny = (before.get("data") if data is None else data), tiny or before.get("tiny", False)
    config = settings_of.resolve(record, settings, file=file, tiny=tiny)
    cluster = devices.planned(device, strategy, config)
    given = None if data is None else sources.checked(record, data)
    source = None if given is None else str(given)
    asked = {"name": None if name is None else names.check(name), "data": source, "tiny": tiny}
    asked |= {"synthetic": sources.embedded(given), "device": device, "strategy": strategy}
    if cluster and not cluster.chief:
        return temporary(record, config, asked)
    return Run.create(Path(out) if out else None, record, config, **asked)


def resumed(wanted: str | Path | None, task: str | None, device: str, strategy: str) -> Run:
    """Return the run to go on with; a worker that is not the chief gets a copy of what was asked for."""
    if wanted is None:
        raise UsageError("name a task (keras-dl list shows them), or a run with --out or --name")
    run = Run.find(wanted, complete=False)
    if task and run.task.name != task:
        raise UsageError(f"{run.path} is a run of '{run.task.name}', not of '{task}'")
    given = {name: word for name, word in (("device", device), ("strategy", strategy)) if word != "auto"}
    run.asked = {"strategy": "auto", **run.asked, **given}
    cluster = devices.planned(run.asked["device"], run.asked["strategy"], run.config)
    if cluster is None or cluster.chief:
        return run
    others = {name: value for name, value in run.asked.items() if name not in ("task", "config")}
    return temporary(run.task, run.config, others)


def temporary(task: Task, config: Config, asked: dict[str, Any]) -> Run:
    """Make the run directory of a worker that is not the chief."""
    run = Run.create(Path(tempfile.mkdtemp(prefix="keras-dl-")), task, config, **asked)
    run.temporary = True
    return run


def task_of(file: Path | None) -> str:
    """Return the task of a run's config.json.

    Raises:
        UsageError: if none is given.
    """
    if not file:
        raise UsageError("name a task (keras-dl list shows them), or a run's settings: --config RUN/config.json")
    named = settings_of.read_run(file).get("task")
    if not isinstance(named, str):
        raise UsageError(f"{file} names no task; name it: keras-dl train TASK --config {file}")
    return named


def finish(run: Run) -> Run:
    """Train a begun run to its end."""
    devices.import_quietly()
    from keras_dl.training.fit import fit_run
    from keras_dl.verbs.evaluate import conclude

    return fit_run(run, conclude)
