"""The verbs from Python, for notebooks; the command line calls the same functions.

This module may look down on all others; `run.py` has the verbs of a run.
"""

from __future__ import annotations

import difflib
import tempfile
from collections.abc import Mapping
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any, Literal

from keras_dl import registry
from keras_dl.errors import UsageError
from keras_dl.pages.result import Record
from keras_dl.progress import say
from keras_dl.run import Run, verb
from keras_dl.runs import names, sources
from keras_dl.task import Config, Task
from keras_dl.task import settings as settings_of
from keras_dl.training.machines import devices

NEAR = 0.65  # of two names, as difflib measures it: 1 is the same
OPTIONS = (
    "data",
    "out",
    "file",
    "name",
    "tiny",
    "resume",
    "device",
    "strategy",
)  # of `train`; the rest is settings


def train(
    task: str | None = None,
    *,
    data: str | Path | None = None,
    out: str | Path | None = None,
    file: str | Path | None = None,
    name: str | None = None,
    tiny: bool = False,
    resume: bool = False,
    device: Literal["auto", "cpu", "gpu", "tpu"] = "auto",
    strategy: Literal["auto", "default", "mirrored", "multiworker", "tpu"] = "auto",
    recipe: str | None = None,
    seed: int | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    patience: int | None = None,
    steps_per_execution: int | None = None,
    cache_gb: float | None = None,
    bad_share: float | None = None,
    target_sensitivity: float | None = None,
    coverage: float | None = None,
    false_alarms: float | None = None,
    deterministic: bool | None = None,
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] | None = None,
    accumulate: int | None = None,
    scale_learning_rate: bool | None = None,
    **settings: Any,
) -> Run:
    """Train a task to a complete run: fit, calibrate on validation, evaluate on test, write the report.

    >>> run = keras_dl.train("spam", data="spam.csv", seed=1)

    Args:
        task: a name in `keras_dl.tasks()`; None takes the task of `file` or, with `resume`, of the run at `out`.
        data: a folder, table or archive in a layout the task reads; None for the embedded data.
        out: the run directory; None for runs/TASK/TIME or, with `resume`, for the newest unfinished run.
        file: a JSON file with settings, or a run's config.json, which also names the data.
        name: a name for the run, to open it by; None for the name of its directory.
        tiny: train a small model on little data within seconds, to try things out. Its figures mean nothing.
        resume: continue a run that was stopped. It keeps its own data and settings, so you may not give any.
        device: what to train on.
        strategy: how to share the work; "auto" uses all GPUs of the machine.
        recipe: a named set of settings; "original" is the recipe of the course document.
        seed: the seed of the split, the weights, the order of the examples and the augmentation.
        epochs: the most epochs to train; early stopping may end sooner.
        batch_size: examples per step, over all devices.
        learning_rate: the highest learning rate of the training.
        patience: how many epochs without a better validation score stop the training.
        steps_per_execution: training steps per call of the compiled function.
        cache_gb: the most gigabytes of decoded examples to keep in memory; more go to a file in the run directory.
        bad_share: the share of unusable files that is tolerated, 0 to 1; more is an error.
        target_sensitivity: the sensitivity to reach on validation, in (0, 1); 0 for the task's own threshold.
        coverage: the share of new examples whose prediction set, or interval, is to contain the truth, in (0, 1).
        false_alarms: the share of usual inputs that may be called unusual, in (0, 1).
        deterministic: use only operations whose results repeat bit for bit.
        precision: the precision of training; the saved model is float32.
        accumulate: how many pieces a batch is computed in, one after another, to save memory.
        scale_learning_rate: count batch_size per device, and multiply learning_rate by the number of devices.
        settings: settings of this task only, such as `image_size=128`; `keras_dl.tasks()[task]` describes them all.

    A setting that is None keeps the task's own value.

    Raises:
        UsageError: for an unknown task or setting, before anything heavy happens.
        KerasDLError: if the data cannot be used.
    """
    given = locals()  # every option and setting by its name
    options = {name: given[name] for name in OPTIONS}
    chosen = {
        name: value for name, value in {**given, **settings}.items() if name not in ("task", "settings", *OPTIONS)
    }
    if task is not None:
        check_names(task, settings)
    chosen = {name: value for name, value in chosen.items() if value is not None}
    run = finish(begin(task, settings=chosen, **options))
    if run.complete:  # of several workers only the chief's is
        say(f"{run.task.title}: trained and evaluated; the run is in {run.path}")
    return run


def open_run(run: str | Path) -> Run:
    """Open a complete run, without importing TensorFlow yet.

    Args:
        run: a run directory, the name of a run, or the name of a task, which means its newest complete run.

    Raises:
        UsageError: if there is no such run.
    """
    return Run.find(run)


def compare(*runs: str | Path | Run, out: str | Path | None = None) -> Record:
    """Compare runs and their baselines on their test parts, and write a picture.

    >>> keras_dl.compare("pneumonia", "pneumonia-mobilenetv2")

    Args:
        runs: open runs, run directories or names; their tasks must have the same classes or count the same unit.
        out: the picture to write (.png, .svg or .pdf), or a folder for comparison.png; None for the working directory.

    Returns:
        `{"rows": [...], "digits": {metric: how many to show}, "picture": path}`; a row is a network or a baseline:
        "name", "model", "run", "metrics" `{metric: {"value", "low", "high"}}`, and "difference" to the first row with
        "p", or None where the test examples are not the same.

    Raises:
        UsageError: if a run is not there, or the answers cannot be compared.
    """
    opened = [run if isinstance(run, Run) else open_run(run) for run in runs]
    found, figure = verb("compare").compared(opened, out)
    return Record(found, partial(verb("overview").of_comparison, found, figure))


def tasks() -> Record:
    """List the tasks and their facts.

    Returns:
        `{name: {"title", "input", "output", "settings": {name: default}, "meanings": {name: text}, "recipes", ...}}`.
        A notebook shows it as a table, and one task, `keras_dl.tasks()["spam"]`, with its settings.
    """
    from keras_dl import show
    from keras_dl.show import tasks as described

    found = {name: show.info(registry.find(name)) for name in registry.TASKS}
    named = {name: Record(facts, partial(described.of_task, facts)) for name, facts in found.items()}
    return Record(named, partial(described.of_tasks, found))


def check_names(task: str, settings: Mapping[str, Any]) -> None:
    """Refuse a name that is no setting of the task, with the nearest name of an option or a setting."""
    valid = [field.name for field in fields(registry.find(task).config)]
    for name in settings:
        if name not in valid:
            near = difflib.get_close_matches(name, [*OPTIONS, *valid], 1, NEAR)
            hint = f"did you mean '{near[0]}'? " if near else ""
            raise UsageError(f"train has no option '{name}'; {hint}keras_dl.tasks()['{task}'] shows the settings")


def begin(
    task: str | None = None,
    *,
    data: str | Path | None = None,
    out: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    file: str | Path | None = None,
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
                "a resumed run keeps its own data and settings; give --resume alone, or with --out or --name"
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


def task_of(file: str | Path | None) -> str:
    """Return the task of a run's config.json.

    Raises:
        UsageError: if none is given.
    """
    if not file:
        raise UsageError("name a task (keras-dl list shows them), or a run's settings: --config RUN/config.json")
    named = settings_of.read_run(file).get("task")
    if not isinstance(named, str):
        raise UsageError(f"{file} names no task; give one: keras-dl train TASK --config {file}")
    return named


def finish(run: Run) -> Run:
    """Train a begun run to its end."""
    devices.import_quietly()
    from keras_dl.training.fit import fit_run
    from keras_dl.verbs.evaluate import conclude

    return fit_run(run, conclude)
