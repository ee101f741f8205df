"""The notebooks in docs/: executed, small, without errors and walls of text; and their code still runs."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "scripts" / "notebooks.py"
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
FAMILIES = {"radiographs", "counting", "spam", "reviews"}
MOST = 300_000  # bytes of a file
FOLDERS = re.compile(r"/(tmp|root|home|work|Users)/")


def problems(notebook: nbformat.NotebookNode) -> list[str]:
    """Return what is wrong with an executed notebook."""
    found = []
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if [cell.execution_count for cell in cells] != list(range(1, len(cells) + 1)):
        found.append("not executed from top to bottom")
    for number, cell in enumerate(cells, 1):
        kinds = [output.output_type for output in cell.outputs]
        if "error" in kinds:
            found.append(f"cell {number} ends in an error")
        if "stream" in kinds:
            found.append(f"cell {number} prints what should be folded away")
        last = ast.parse(cell.source).body[-1]
        if isinstance(last, ast.Expr) and not any("text/html" in output.get("data", {}) for output in cell.outputs):
            found.append(f"cell {number} shows nothing")
    if FOLDERS.search(nbformat.writes(notebook)):
        found.append("names folders of a machine")
    return found


def test_each_family_of_tasks_has_a_notebook():
    assert {path.stem for path in NOTEBOOKS} == FAMILIES


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_executed_and_small(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert problems(notebook) == []
    assert path.stat().st_size < MOST
    (parameters,) = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ())]
    assert "TINY = False" in parameters.source, "readers see what a whole training gives"


@pytest.fixture
def notebook():
    return nbformat.read(NOTEBOOKS[0], as_version=4)


@pytest.mark.parametrize(
    ("break_it", "problem"),
    [
        (lambda cell: cell.update(execution_count=None, outputs=[]), "not executed from top to bottom"),
        (lambda cell: cell.update(outputs=[]), "shows nothing"),
        (lambda cell: cell.outputs.append(nbformat.v4.new_output("error", ename="E", evalue="")), "ends in an error"),
        (lambda cell: cell.outputs.append(nbformat.v4.new_output("stream", text="epoch 1")), "prints what"),
        (lambda cell: cell.outputs[0].data.update({"text/plain": "/home/me/run"}), "names folders"),
    ],
)
def test_a_bad_notebook_is_found(notebook, break_it, problem):
    break_it([cell for cell in notebook.cells if cell.cell_type == "code"][2])
    assert any(problem in one for one in problems(notebook))


def execute(*arguments) -> subprocess.CompletedProcess:
    command = [sys.executable, SCRIPT, "--tiny", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=600)


def test_the_notebooks_still_run(tmp_path):
    done = execute("--out", tmp_path)
    assert done.returncode == 0, done.stderr
    for path in NOTEBOOKS:
        executed = nbformat.read(tmp_path / path.name, as_version=4)
        assert problems(executed) == []
        committed = nbformat.read(path, as_version=4)
        plain = [cell.source.replace("TINY = True", "TINY = False") for cell in executed.cells]
        assert plain == [cell.source for cell in committed.cells]


def test_a_notebook_whose_code_no_longer_runs_is_named_with_the_reason(tmp_path):
    code = ["import keras_dl", "keras_dl.open_run('nothing')"]
    broken = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(one) for one in code])
    nbformat.write(broken, tmp_path / "broken.ipynb")
    done = execute(tmp_path / "broken.ipynb")
    assert done.returncode == 1
    assert "broken.ipynb" in done.stderr
    assert "UsageError: 'nothing' is not a run directory, a task or the name of a run" in done.stderr
    assert "runs/run.py" not in done.stderr, "no traceback of ours"
