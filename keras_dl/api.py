"""The verbs from Python, for notebooks; the command line calls the same functions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_dl import config as settings_of
from keras_dl import devices, registry, sources
from keras_dl.errors import UsageError
from keras_dl.run import Run


def train(task: str, **options: Any) -> Run:
    """Train a task to a complete run; see `begin` for the options. Settings can be given by name: `epochs=3`.

    Raises:
        UsageError: for an unknown task or setting, before anything heavy happens.
        KerasDLError: if the data cannot be used.
    """
    known = {name: options.pop(name) for name in ("data", "out", "file", "tiny", "device", "resume") if name in options}
    return finish(begin(task, settings=options, **known))


def open_run(run: str | Path) -> Run:
    """Open a complete run: a run directory, or the newest run of a task by the task's name."""
    return Run.find(run)


def begin(
    task: str,
    *,
    data: str | Path | None = None,
    out: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    file: Path | None = None,
    tiny: bool = False,
    device: str = "auto",
    resume: bool = False,
) -> Run:
    """Check what is asked for and make the run directory, or find the one to resume. Fast: no TensorFlow.

    Args:
        task: the task's name.
        data: a folder or archive in a layout the task reads; None for the embedded data.
        out: the run directory; None for runs/TASK/TIME, or, to resume, for the newest unfinished run.
        settings: settings of the task's Config, as values or strings.
        file: settings from a JSON file, or a run's config.json, which also says on what data.
        tiny: a small model on a small embedded set.
        device: "auto", "cpu", "gpu" or "tpu".
        resume: go on with a run; its data and settings are its own, so none may be given.
    """
    record = registry.find(task)
    if device not in devices.DEVICES:
        raise UsageError(f"no device '{device}'; there is: {', '.join(devices.DEVICES)}")
    if not resume:
        if file:
            before = settings_of.read_run(file)
            data, tiny = (before.get("data") if data is None else data), tiny or before.get("tiny", False)
        config = settings_of.resolve(record, settings, file=file, tiny=tiny)
        source = None if data is None else str(sources.checked(record, data))
        return Run.create(Path(out) if out else None, record, config, data=source, tiny=tiny, device=device)
    if settings or file or data or tiny:
        raise UsageError("a resumed run keeps its own data and settings: give --resume alone, or with --out")
    run = Run.find(out or task, complete=False)
    if run.task.name != task:
        raise UsageError(f"{run.path} is a run of '{run.task.name}', not of '{task}'")
    return run


def finish(run: Run) -> Run:
    """Train a begun run to its end."""
    devices.import_quietly()
    from keras_dl.training import fit_run

    return fit_run(run)
