"""Settings from the command line and from files, checked and typed by the fields of a task's Config."""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from keras_dl.errors import UsageError
from keras_dl.paths import at_home
from keras_dl.task import Config, Task

FIELD = re.compile(r"^    (\w+): [^=\n]+ = [^#\n]*?(?:  # (.*))?$", re.MULTILINE)  # of a dataclass: name, comment


def resolve(
    task: Task,
    settings: Mapping[str, Any] | None = None,
    *,
    file: str | Path | None = None,
    tiny: bool = False,
) -> Config:
    """Return the task's Config with these settings; later ones win: tiny, file, settings.

    A recipe in `settings` starts over: its values replace all before it, also those of the file. The values beside it
    win over it.

    Raises:
        UsageError: for an unknown key or recipe or a value of the wrong type, with the valid ones, and for a setting
            that the task does not look at.
    """
    recipes = {task.config.recipe: {}, **task.recipes}
    config = replace(task.config, task.tiny if tiny else {})
    for layer in (read_config(file, task) if file else {}, settings or {}):
        if "recipe" in layer:
            if layer["recipe"] not in recipes:
                raise UsageError(f"{task.name} has no recipe '{layer['recipe']}'; choose from {', '.join(recipes)}")
            config = replace(replace(task.config, recipes[layer["recipe"]]), task.tiny if tiny else {})
        config = replace(config, layer)
    for name in task.unused:
        if getattr(config, name) != getattr(task.config, name):
            raise UsageError(f"{task.name} does not use {name}; leave it out")
    return config


def replace(config: Config, values: Mapping[str, Any]) -> Config:
    """Return the config with these values, each converted to the type of its field."""
    hints = get_type_hints(type(config))
    types = {field.name: hints[field.name] for field in dataclasses.fields(config)}
    for key in values:
        if key not in types:
            near = difflib.get_close_matches(key, types, 1)
            hint = f"did you mean '{near[0]}'? " if near else ""
            raise UsageError(f"no setting '{key}'; {hint}the settings are {', '.join(types)}")
    typed = {key: convert(key, value, types[key]) for key, value in values.items()}
    return dataclasses.replace(config, **typed)


def parse(pairs: Iterable[str]) -> dict[str, str]:
    """Split `key=value` arguments.

    Raises:
        UsageError: for one without `=`.
    """
    pairs = list(pairs)
    for pair in pairs:
        if "=" not in pair:
            raise UsageError(f"'{pair}' is not a setting; write key=value, for example epochs=3")
    return dict(pair.split("=", 1) for pair in pairs)


def used(config: Config, task: Task) -> dict[str, Any]:
    """Return the settings that the task looks at, as JSON values."""
    return {name: value for name, value in to_json(config).items() if name not in task.unused}


def meanings(config: Config) -> dict[str, str]:
    """Return what each setting means: the comments beside its field, first that of the most general Config."""
    found: dict[str, list[str]] = {field.name: [] for field in dataclasses.fields(config)}
    for kind in reversed(type(config).__mro__):
        if dataclasses.is_dataclass(kind):
            for name, comment in FIELD.findall(inspect.getsource(kind)):
                found.get(name, []).extend([comment] if comment else [])
    return {name: "; ".join(comments) for name, comments in found.items()}


def changed(config: Config, task: Task, *, tiny: bool = False) -> dict[str, Any]:
    """Return the settings that differ from those of their recipe; the recipe, where it is not the task's own."""
    plain = to_json(resolve(task, {"recipe": config.recipe}, tiny=tiny))
    recipe = {"recipe": config.recipe} if config.recipe != task.config.recipe else {}
    return recipe | {key: value for key, value in to_json(config).items() if value != plain[key]}


def to_json(config: Config) -> dict[str, Any]:
    """Return the config as JSON values; `replace` reads them back."""
    return dataclasses.asdict(config)


def read_run(path: str | Path) -> dict[str, Any]:
    """Read a JSON object: a run's config.json, or plain settings.

    Raises:
        UsageError: if the file does not hold one.
    """
    try:
        values = json.loads(at_home(path).read_text())
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read settings from {path}: {error}") from None
    if not isinstance(values, dict):
        raise UsageError(f'{path} must contain a JSON object such as {{"epochs": 3}}')
    return values


def read_config(path: str | Path, task: Task) -> dict[str, Any]:
    """Read settings from a JSON file: a plain object, or a run's own config.json."""
    values = read_run(path)
    if isinstance(values.get("config"), dict):
        if values.get("task") != task.name:
            raise UsageError(f"{path} belongs to the task '{values.get('task')}', not '{task.name}'")
        return values["config"]
    return values


def convert(key: str, value: Any, kind: Any) -> Any:
    """Convert a value, often a string, to the type of its field; a `Literal` field takes one of its words."""
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise UsageError(f"setting {key}={value!r} must be one of: {', '.join(get_args(kind))}")
        return value
    try:
        if kind is bool and not isinstance(value, bool):
            return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[str(value).lower()]
        if kind is int and float(value) != int(float(value)):
            raise ValueError
        return kind(float(value)) if kind is int else kind(value)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise UsageError(f"setting {key}={value!r} is not of type {kind.__name__}") from None


def chosen(config: Config, *names: str) -> dict[str, Any]:
    """Return some settings by name, to be passed on as they are."""
    return {name: getattr(config, name) for name in names}
