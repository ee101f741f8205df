"""The shape of the house: no import circle, no folder that is too full, no branch on a kind outside its own file."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "keras_dl"
MOST = 16  # files in a folder, without its __init__.py
MORE = {"keras_dl/models/images", "keras_dl/data/sets/images"}  # what may be more: one file for each of many


def modules(root: Path) -> dict[str, Path]:
    """Return every module of a package by its dotted name."""
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(root: Path) -> dict[str, set[str]]:
    """Return which modules of a package each of its modules imports, also inside functions and by importlib."""
    names = modules(root)
    graph: dict[str, set[str]] = {}
    for name, path in names.items():
        found = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Import():
                    found |= {alias.name for alias in node.names}
                case ast.ImportFrom(module=str(module), level=0):
                    full = {f"{module}.{alias.name}" for alias in node.names}
                    found |= (full & set(names)) or {module}
                case ast.Call(func=ast.Attribute(attr="import_module"), args=[ast.Constant(value=str(module)), *_]):
                    found.add(module)
        graph[name] = (found & set(names)) - {name}
    return graph


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return the groups of modules that import each other, by Tarjan's algorithm (1972)."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        number[name] = lowest[name] = len(number)
        stack.append(name)
        for other in sorted(graph[name]):
            if other not in number:
                visit(other)
            if other in stack:
                lowest[name] = min(lowest[name], lowest[other])
        if lowest[name] == number[name]:
            place = stack.index(name)
            found.append(sorted(stack[place:]))
            del stack[place:]

    for name in graph:
        if name not in number:
            visit(name)
    return [one for one in found if len(one) > 1]


def full_folders(root: Path) -> list[str]:
    """Return the folders that hold too many files."""
    found = []
    for folder in {path.parent for path in root.rglob("*.py")}:
        count = sum(path.name != "__init__.py" for path in folder.glob("*.py"))
        name = folder.relative_to(root.parent).as_posix()
        if count > MOST and name not in MORE:
            found.append(f"{name}: {count} files")
    return sorted(found)


KINDS = {"image", "text", "binary", "classes", "score", "number", "density"}  # keys, and what they were called before
KINDS |= {"probability", "probabilities", "modality"}
OWNERS = (
    "inputs",
    "outputs",
    "tasks",
    "recipes",
    "explaining",
)  # where a kind may be asked for: its own files, recipes


def branches(source: str) -> list[int]:
    """Return the lines of a file that ask which kind of input or output something has.

    They are: a comparison of anything with the name of a kind, also by "in" and by match; a test of the class of an
    input or output; and an attribute that decided before there were kinds.
    """
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Compare():
                sides = [one for side in (node.left, *node.comparators) for one in getattr(side, "elts", [side])]
                if any(isinstance(one, ast.Constant) and one.value in KINDS for one in sides):
                    found.append(node.lineno)
            case ast.MatchValue(value=ast.Constant(value=str(name))) if name in KINDS:
                found.append(node.lineno)
            case ast.Attribute(attr="modality" | "symbols_of" | "heatmap_of"):
                found.append(node.lineno)
            case ast.Attribute(attr="value" | "key", value=ast.Attribute(attr="task" | "input" | "output")):
                if not isinstance(node.ctx, ast.Store):
                    found.append(node.lineno)
            case ast.Call(func=ast.Name(id="isinstance"), args=[_, kind]):
                named = {one.id for one in ast.walk(kind) if isinstance(one, ast.Name)}
                if any(name.endswith(("Input", "Output")) or name.lower() in KINDS for name in named - {"BadInput"}):
                    found.append(node.lineno)
    return sorted(set(found))


def test_nobody_but_a_kind_asks_which_kind_it_is():
    found = [
        f"{path.relative_to(PACKAGE.parent)}:{line}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.relative_to(PACKAGE).parts[0] not in OWNERS
        for line in branches(path.read_text(encoding="utf-8"))
    ]
    assert not found, "\n".join(["", *found])


@pytest.mark.parametrize(
    "source",
    [
        "if run.task.modality == 'text': pass",
        "x = 1 if value == 'probabilities' else 2",
        "if 'probability' in row: pass",
        "if kind in ('image', 'text'): pass",
        "match kind:\n    case 'score': pass",
        "value = outputs[run.task.value]",
        "same = task.input.key == other",
        "if isinstance(task.output, Binary): pass",
        "if isinstance(task.input, ImageInput | TextInput): pass",
    ],
)
def test_a_branch_on_a_kind_is_found(source):
    assert branches(source) == [source.count("\n") + 1]


@pytest.mark.parametrize(
    "source",
    ["answer = task.output.answer(row)", "if name == 'network': pass", "if isinstance(block, Picture): pass"],
)
def test_what_asks_no_kind_is_let_through(source):
    assert branches(source) == []


def test_no_module_imports_itself_in_a_circle():
    assert circles(imports(PACKAGE)) == []


def test_no_folder_is_too_full():
    assert full_folders(PACKAGE) == []


@pytest.fixture
def package(tmp_path):
    """A small package with a circle through a function and one through importlib."""
    files = {
        "__init__.py": "",
        "a.py": "def f():\n    from package.b import g\n",
        "b.py": "import importlib\nimportlib.import_module('package.c')\n",
        "c.py": "from package import a\n",
        "d.py": "from package import a, c\n",
        "e/__init__.py": "from package.e.f import x\n",
        "e/f.py": "import package.d\n",
    }
    for name, text in files.items():
        path = tmp_path / "package" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "package"


def test_a_circle_is_found(package):
    assert circles(imports(package)) == [["package.a", "package.b", "package.c"]]


def test_a_full_folder_is_found(package):
    for number in range(MOST):
        (package / "e" / f"more{number}.py").write_text("")
    assert full_folders(package) == [f"package/e: {MOST + 1} files"]
