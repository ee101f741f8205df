"""The tasks by name. Explicit and lazy: listing them imports none of them."""

from __future__ import annotations

import difflib
import importlib

from keras_dl.errors import UsageError
from keras_dl.task import Task

TASKS = {
    "pneumonia": (
        "keras_dl.tasks.pneumonia:PNEUMONIA",
        "pneumonia from chest radiographs, a residual network from random weights",
    ),
}


def find(name: str) -> Task:
    """Return the task of this name.

    Raises:
        UsageError: if there is none, with the nearest name.
    """
    if name not in TASKS:
        near = difflib.get_close_matches(name, TASKS, 1)
        hint = f"did you mean '{near[0]}'?" if near else f"there is: {', '.join(TASKS)}"
        raise UsageError(f"no task '{name}'; {hint} (keras-dl list shows them all)")
    module, attribute = TASKS[name][0].split(":")
    return getattr(importlib.import_module(module), attribute)
