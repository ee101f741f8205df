"""What the tasks show of themselves in a notebook and at a Python prompt: blocks. Without TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras_dl.task.blocks import Block, Prose, Table


def of_task(facts: Mapping[str, Any]) -> list[Block]:
    """Show what a task is, and its settings."""
    rows = [[name, str(value), facts["meanings"][name]] for name, value in facts["settings"].items()]
    recipes = [
        [f"recipe={name}", ", ".join(f"{key}={value}" for key, value in values.items())]
        for name, values in facts["recipes"].items()
    ]
    data = f"{facts['data']['title']}; licence: {facts['data']['licence']}"
    return [
        Prose(f"{facts['intended_use']} {facts['limits']}".strip(), f"{facts['task']}: {facts['title']}"),
        Prose(f"**From** {facts['input']} **to** {facts['output']}. **Data:** {data}"),
        Table(["Setting", "Default", "Meaning"], rows, "Settings"),
        *([Table(["Recipe", "Stands for"], recipes, "Recipes")] if recipes else []),
    ]


def of_tasks(tasks: Mapping[str, Mapping[str, Any]]) -> list[Block]:
    """List tasks."""
    rows = [[name, facts["title"], facts["input"], facts["output"]] for name, facts in tasks.items()]
    return [Table(["Task", "Title", "From", "To"], rows)]
