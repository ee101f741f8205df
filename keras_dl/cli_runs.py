"""The commands that make, list and compare runs without training: adapt, runs, compare."""

from __future__ import annotations

from pathlib import Path

import click

from keras_dl.terminal import FilePath, Named, emit, json_option, opened


@click.command()
@click.argument("run", type=Named(or_run=True))
@click.option("--data", metavar="PATH", required=True, help="A folder, table or archive of inputs from elsewhere.")
@click.option(
    "--labels", metavar="COUNT", type=click.IntRange(0), default=0, help="Use this many labelled examples of it too."
)
@click.option("--name", help="A name for the new run.  [default: its folder's name]")
@click.option("--out", type=FilePath(), help="The new run's directory.  [default: runs/TASK/TIME]")
@json_option
def adapt(run: str, data: str, labels: int, name: str | None, out: Path | None, as_json: bool) -> None:
    """Adapt a run to inputs from elsewhere: a new run, and the old one stays as it is.

    No labels are needed. Nothing is trained. It is refused, with the reason, where it would do harm.

    \b
    Example: keras-dl adapt pneumonia --data other_hospital/ --name there
             keras-dl adapt pneumonia --data other_hospital/ --labels 50
    """
    from keras_dl import show

    found = opened(run)
    new = found.adapt(data, labels=labels, name=name, out=out)
    emit({"run": str(new.path), **new.card["adapted"]}, as_json, show.adapted(new))


@click.command()
@click.argument("folder", type=FilePath(), required=False)
@click.option("--sort", default="begun", show_default=True, help="begun, name, data, or figure (best first).")
@click.option(
    "--html", "page", type=FilePath(), help="Also write a page with learning curves and links to the reports."
)
@json_option
def runs(folder: Path | None, sort: str, page: Path | None, as_json: bool) -> None:
    """List the runs in FOLDER by task, with their names, data and test figures. Tiny and incomplete runs are marked.

    FOLDER is runs by default, where training puts them.

    \b
    Example: keras-dl runs --sort figure
             keras-dl runs --html runs.html
    """
    from keras_dl.runs import listing
    from keras_dl.show import runs as show_runs

    rows = listing.rows(folder, sort)
    said = show_runs.listed(rows, folder)
    if page is not None:
        from keras_dl.show import index

        said += f"\n\npage  {index.write(rows, folder or 'runs', page)}"
    emit(rows, as_json, said)


@click.command()
@click.argument("runs", type=Named(or_run=True), nargs=-1, required=True)
@click.option("--out", type=FilePath(), help="The picture to write.  [default: comparison.png]")
@json_option
def compare(runs: tuple[str, ...], out: Path | None, as_json: bool) -> None:
    """Compare runs and their baselines on their test parts: a table, a picture and paired tests.

    Example: keras-dl compare pneumonia pneumonia-mobilenetv2 --out comparison.png
    """
    from keras_dl import show

    opened_runs = [opened(run) for run in runs]
    from keras_dl.verbs.compare import compare as compare_runs  # imports TensorFlow, after it was asked to be quiet

    result = compare_runs(opened_runs, out)
    emit(result, as_json, show.comparison(result))
