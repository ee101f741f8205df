"""Who may import whom, and the few other rules that keep the house in shape; each failure names rule and place."""

import ast
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(path for folder in ("keras_dl", "scripts", "tests") for path in (ROOT / folder).rglob("*.py"))

LAYERS = (  # a module may import from its own layer and from those before it
    "errors paths progress task",
    "measures layers",
    "figures models",
    "data",
    "explaining slicing",
    "inputs outputs",
    "recipes",
    "tasks",
    "registry runs training answering adapting",
    "pages",
    "verbs",
    "client server",
    "cli cli_runs cli_serving terminal api run show __init__ __main__",
)
LAYER_OF = {f"keras_dl.{name}": number for number, names in enumerate(LAYERS) for name in names.split()}
LAYER_OF["keras_dl"] = LAYER_OF["keras_dl.__init__"]


def problems(file: str, source: str) -> list[str]:
    """Return what a Python file at this path below the root does against the rules, as "file:line: rule"."""
    found = [(node.lineno, rule) for node, rule in broken_rules(file, ast.parse(source))]
    limit = 150 if file.startswith("keras_dl/tasks/") else 300
    if source.count("\n") > limit:
        found.append((limit, f"longer than {limit} lines"))
    return [f"{file}:{line}: {rule}" for line, rule in sorted(found)]


def broken_rules(file: str, tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    module = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    for node in ast.walk(tree):
        for name, how in imported(node):
            if rule := broken_import(module, name, how):
                yield node, rule
        match node:
            case ast.Attribute(attr="keras", value=ast.Name(id="tf" | "tensorflow")):
                yield node, "tf.keras is banned: import keras"
            case ast.Compare() if compares_task_name(node):
                yield node, "a task's name decides: put what differs into the Task's record"


def imported(node: ast.AST) -> Iterator[tuple[str, str]]:
    """Give the full names that a statement imports, and how."""
    match node:
        case ast.Import():
            yield from ((alias.name, "import") for alias in node.names)
        case ast.ImportFrom(module=str(module), level=0):
            yield from ((f"{module}.{alias.name}", "import") for alias in node.names)
        case ast.ImportFrom():
            yield "." * node.level, "import"
        case ast.Call(func=ast.Attribute(attr="import_module"), args=[ast.Constant(value=str(name)), *_]):
            yield name, "importlib"
        case ast.Call(func=ast.Attribute(attr="import_module"), args=[ast.JoinedStr(values=[ast.Constant(start), *_])]):
            yield start.rstrip("."), "importlib"


def broken_import(module: str, name: str, how: str) -> str | None:
    """Return the rule that an import of the full name `name` in `module` breaks, if any."""
    package = name.split(".")[0]
    if not package:
        return "a relative import: write it out"
    if package == "tf_keras" or name.startswith("tensorflow.keras"):
        return f"{name} is banned: import keras"
    if package == "keras_cv" and module != "keras_dl.recipes.augment":
        return "keras_cv is imported in keras_dl/recipes/augment.py alone"
    if module.startswith("keras_dl.models"):
        ours = name.startswith(("keras_dl.models", "keras_dl.layers"))
        alone = package in ("keras", *sys.stdlib_module_names) or ours
        return None if alone else f"models import keras alone, not {name}"
    if package != "keras_dl" or module.split(".")[0] != "keras_dl":
        return None
    if module.startswith("keras_dl.tasks.") and name.startswith("keras_dl.tasks."):
        return f"one task imports another, {name}: what they share belongs in recipes"
    own, other = LAYER_OF.get(first_two(module)), layer(name)
    if own is None:
        return f"{module} has no layer: give it one in tests/test_architecture.py"
    return f"layer {own} imports {name} of layer {other}: only downward" if other > own else None


def layer(name: str) -> int:
    """Return the layer of what is imported; what is no module of its own is of the package's `__init__`."""
    return LAYER_OF.get(first_two(name), LAYER_OF["keras_dl"])


def first_two(name: str) -> str:
    """Return the first two parts of a dotted name: the module, or the folder that has the layer."""
    return ".".join(name.split(".")[:2])


def compares_task_name(node: ast.Compare) -> bool:
    """Whether a task's name is compared with text in the code; comparing it with what a person typed is fine."""
    sides = [node.left, *node.comparators]
    texts = [one for side in sides for one in getattr(side, "elts", [side]) if isinstance(one, ast.Constant)]
    return bool(texts) and any(ast.unparse(side).endswith(("task.name", "record.name")) for side in sides)


def test_the_code_keeps_the_rules():
    found = [line for path in FILES for line in problems(path.relative_to(ROOT).as_posix(), path.read_text())]
    assert not found, "\n".join(["", *found])


@pytest.mark.parametrize(
    ("file", "source", "rule"),
    [
        ("keras_dl/task/records.py", "import keras_dl.runs.run", "layer 0 imports keras_dl.runs.run of layer 8"),
        ("keras_dl/task/records.py", "from keras_dl import training", "layer 0 imports keras_dl.training of layer 8"),
        ("keras_dl/runs/run.py", "def f():\n    from keras_dl.api import begin", "run.py:2: layer 8 imports"),
        ("keras_dl/data/images.py", "from keras_dl.recipes.fitting import plateau", "of layer 6: only downward"),
        ("keras_dl/verbs/embed.py", "from keras_dl import open_run", "layer 10 imports keras_dl.open_run of layer 12"),
        ("keras_dl/runs/run.py", "importlib.import_module('keras_dl.verbs.evaluate')", "of layer 10: only downward"),
        ("keras_dl/measures/x.py", "importlib.import_module(f'keras_dl.tasks.{name}')", "of layer 7: only downward"),
        ("keras_dl/stray.py", "import keras_dl.task", "has no layer"),
        ("keras_dl/runs/run.py", "from . import task", "relative import"),
        (
            "keras_dl/tasks/texts/spam.py",
            "from keras_dl.tasks.images.pneumonia import load",
            "one task imports another",
        ),
        ("keras_dl/models/net.py", "import tensorflow as tf", "models import keras alone, not tensorflow"),
        ("keras_dl/models/net.py", "from keras_dl import measures", "models import keras alone"),
        ("keras_dl/recipes/texts.py", "from tensorflow.keras import layers", "tensorflow.keras.layers is banned"),
        ("keras_dl/recipes/texts.py", "from tensorflow import keras", "tensorflow.keras is banned"),
        ("tests/test_x.py", "import tf_keras", "tf_keras is banned"),
        ("scripts/x.py", "model = tf.keras.Sequential()", "tf.keras is banned"),
        ("keras_dl/recipes/texts.py", "import keras_cv", "augment.py alone"),
        ("keras_dl/verbs/export.py", "if run.task.name == 'spam':\n    pass", "a task's name decides"),
        ("keras_dl/verbs/export.py", "slow = task.name in ('spam', 'imdb')", "a task's name decides"),
        ("keras_dl/tasks/texts/spam.py", "\n" * 151, "longer than 150 lines"),
        ("tests/test_x.py", "\n" * 301, "longer than 300 lines"),
    ],
)
def test_what_breaks_a_rule_is_found(file, source, rule):
    (line,) = problems(file, source)
    assert line.startswith(f"{file}:")
    assert rule in line


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("keras_dl/runs/sources.py", "importlib.import_module(f'keras_dl.data.sets.{name}')"),
        (
            "keras_dl/tasks/texts/spam.py",
            "from keras_dl.recipes import texts\nfrom keras_dl.task import Task\nimport keras",
        ),
        ("keras_dl/models/net.py", "import math\nfrom keras import layers\nfrom keras_dl.models.cnn import block"),
        ("keras_dl/recipes/augment.py", "import keras_cv"),
        ("keras_dl/api.py", "same = run.task.name == name"),
        ("keras_dl/task/settings.py", "same = values.get('task') == task.name"),
    ],
)
def test_what_keeps_the_rules_is_let_through(file, source):
    assert problems(file, source) == []


@pytest.mark.parametrize("address", [("192.0.2.1", 80), ("example.org", 443)])
def test_tests_reach_no_other_machine(address):
    with socket.socket() as one, pytest.raises(RuntimeError, match=address[0]):
        one.connect(address)
