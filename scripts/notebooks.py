"""Runs the notebooks in docs/notebooks/ from top to bottom and writes their outputs into them.

    python scripts/notebooks.py                        all of them, some minutes
    python scripts/notebooks.py docs/notebooks/spam.ipynb
    python scripts/notebooks.py --tiny --out DIR       for a test: seconds; what comes out is not for readers

They run in an empty folder, with the embedded data, on one kernel that forgets everything between two notebooks.
Edit them in Jupyter, or as JSON; then run this and look at them.
"""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

import click
import nbformat
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

FOLDER = Path(__file__).parents[1] / "docs" / "notebooks"
FORGET = "%reset -f\n%cd -q {folder}"


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--tiny", is_flag=True, help="Small models on little data.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Write them here, not in their places.")
def main(paths: tuple[Path, ...], tiny: bool, out: Path | None) -> None:
    """Run notebooks and write their outputs."""
    kernel = KernelManager()
    kernel.start_kernel()
    work = tempfile.TemporaryDirectory()
    try:
        for path in paths or sorted(FOLDER.glob("*.ipynb")):
            executed = run(nbformat.read(path, as_version=4), kernel, Path(work.name) / path.stem, tiny=tiny)
            target = (out or path.parent) / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            nbformat.write(executed, target)
            click.echo(f"{target}  {target.stat().st_size / 1000:.0f} kB")
    except CellExecutionError as error:
        raise click.ClickException(f"{path}: {error}") from None
    finally:
        kernel.shutdown_kernel(now=True)
        work.cleanup()


def run(notebook: nbformat.NotebookNode, kernel: KernelManager, folder: Path, *, tiny: bool) -> nbformat.NotebookNode:
    """Run a notebook in a new folder; return it with outputs, and without what differs from day to day for nothing."""
    folder.mkdir()
    for cell in notebook.cells:
        if tiny and "parameters" in cell.metadata.get("tags", ()):
            cell.source = cell.source.replace("TINY = False", "TINY = True")
    notebook.cells.insert(0, nbformat.v4.new_code_cell(FORGET.format(folder=folder)))
    NotebookClient(notebook, km=kernel, timeout=900).execute()
    del notebook.cells[0]
    numbers = itertools.count(1)
    for index, cell in enumerate(notebook.cells):
        cell.id = f"cell-{index}"
        cell.metadata.pop("execution", None)  # when each cell ran
        if cell.cell_type == "code":
            cell.execution_count = next(numbers)
            for output in cell.outputs:
                if output.output_type == "execute_result":
                    output.execution_count = cell.execution_count
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return notebook


if __name__ == "__main__":
    main()
