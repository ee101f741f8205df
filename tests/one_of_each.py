"""Which tasks a dear test is run for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras_dl.task import Task


def one_of_each(way: Callable[[Task], Any]) -> list[str]:
    """Name one task for each value of `way`: what is dear to test is tested once for each way of doing it."""
    from keras_dl import registry

    return list({way(registry.find(name)): name for name in reversed(registry.TASKS)}.values())


def training(task: Task) -> Any:
    """Say how a task is trained: those with the same function differ in settings alone."""
    return getattr(task.phases, "func", task.phases)


def answer(task: Task) -> str:
    """Say what kind of answers a task gives."""
    return task.output.key
