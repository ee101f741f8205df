"""The command line. Bodies are a few lines; nothing heavy is imported before the arguments are known to be right."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path
from typing import Any

import click

from keras_dl import cli_runs, cli_serving, registry
from keras_dl.errors import KerasDLError, UsageError
from keras_dl.pages.terminal import table
from keras_dl.terminal import FilePath, Group, Named, emit, interruptible, json_option, opened, slices_option


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--debug", is_flag=True, help="Show a traceback when something fails.")
@click.version_option(package_name="keras-dl")
def main(debug: bool) -> None:
    """Classic deep-learning projects, done properly in Keras 3.

    \b
    keras-dl train pneumonia                         train on the embedded data
    keras-dl train pneumonia --data chest_xray/      train on your own
    keras-dl report pneumonia                        see how it went
    """


@main.command("list")
@json_option
def list_command(as_json: bool) -> None:
    """List the tasks.

    Example: keras-dl list
    """
    summaries = {name: summary for name, (_, summary) in registry.TASKS.items()}
    emit(summaries, as_json, table([("task", "what it is"), *summaries.items()]))


@main.command()
@click.argument("task", type=Named())
@json_option
def info(task: str, as_json: bool) -> None:
    """Show what a task is, its data, and its settings.

    Example: keras-dl info pneumonia
    """
    from keras_dl import show

    record = registry.find(task)
    emit(show.info(record), as_json, show.info_text(record))


@main.command()
@click.argument("task", type=Named())
@click.option("--from", "source", help="The source to download from.  [default: the first that the set names]")
@click.option("--out", type=FilePath(), default=Path("data"), show_default=True, help="The folder to put it in.")
@click.option("--synthetic", is_flag=True, help="Write the embedded synthetic set instead of downloading.")
@json_option
def data(task: str, source: str | None, out: Path, synthetic: bool, as_json: bool) -> None:
    """Download a task's real data set, or say how to get it by hand.

    Example: keras-dl data pneumonia --out data
    """
    from keras_dl.runs import sources

    if synthetic and source:
        raise UsageError("--synthetic writes the embedded set and downloads nothing; leave out --from")
    module = sources.module(registry.find(task))
    path = module.synthesize(out / f"{task}-synthetic") if synthetic else module.download(out, *filter(None, [source]))
    emit({"data": str(path)}, as_json, f"{path}\nnext: keras-dl train {task} --data {shlex.quote(str(path))}")


@main.command()
@click.argument("task", type=Named(), required=False)
@click.option("--data", metavar="PATH", help="A folder, table or archive.  [default: the embedded data]")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting; keras-dl info TASK lists them.")
@click.option("--config", type=FilePath(), help="Read settings from a JSON file or a run's config.json.")
@click.option("--seed", type=int, help="Short for --set seed=N.")
@click.option("--epochs", type=int, help="Short for --set epochs=N.")
@click.option("--deterministic", is_flag=True, default=None, help="Short for --set deterministic=true.")
@click.option("--name", help="A name for the run, to use as RUN in other commands.  [default: its folder's name]")
@click.option(
    "--tiny", is_flag=True, help="Train a small model on little data, to try things out. Its figures mean nothing."
)
@click.option("--out", type=FilePath(), help="The run directory.  [default: runs/TASK/TIME]")
@click.option("--resume", is_flag=True, help="Resume the newest unfinished run, or the one that --out or --name gives.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, gpu or tpu.")
@click.option("--strategy", default="auto", show_default=True, help="auto, default, mirrored, multiworker or tpu.")
@json_option
def train(task: str | None, as_json: bool, settings: tuple[str, ...], **options: Any) -> None:
    """Train a task: fit, calibrate on validation, evaluate on test, write the report.

    \b
    Example: keras-dl train pneumonia --data chest_xray.zip --set recipe=original --seed 1
             keras-dl train --config runs/pneumonia/TIME/config.json  # repeat a run
    """
    from keras_dl import api, show
    from keras_dl.task.settings import parse

    chosen = {name: options.pop(name) for name in ("seed", "epochs", "deterministic")}
    chosen = {**parse(settings), **{name: value for name, value in chosen.items() if value is not None}}
    run = api.begin(task, settings=chosen, file=options.pop("config"), **options)
    begun = run

    def farewell() -> None:
        if begun.temporary:
            shutil.rmtree(begun.path, ignore_errors=True)
        elif begun.path.exists() and not begun.complete:
            again = f"keras-dl train {begun.task.name} --resume --out {shlex.quote(str(begun.path))}"
            click.echo(f"\nresume with: {again}", err=True)

    with interruptible(farewell):
        run = api.finish(run)
    if run.complete:  # of several workers only the chief's is
        emit({"run": str(run.path), **run.metrics}, as_json, show.trained(run))


@main.command()
@click.argument("run", type=Named(or_run=True))
@click.option("--data", metavar="PATH", help="Another data set.  [default: the run's own test part]")
@slices_option
@json_option
def evaluate(run: str, data: str | None, slices: Path | None, as_json: bool) -> None:
    """Evaluate a run, with its stored threshold and calibration.

    RUN is a run directory, the name of a run, or the name of a task. A task's name means its newest complete run that
    was not trained with --tiny.

    \b
    Example: keras-dl evaluate pneumonia --data other_hospital/
             keras-dl evaluate pneumonia --slices scanners.csv
    """
    from keras_dl import show

    found = opened(run)
    result = found.evaluate(data, slices=slices)
    emit(result, as_json, show.evaluated(result, found))


@main.command()
@click.argument("run", type=Named(or_run=True))
@click.argument("inputs", nargs=-1, required=True)
@click.option("--neighbours", is_flag=True, help="Also show the nearest training examples; run embed first.")
@click.option(
    "--count", type=click.IntRange(min=1), help="How many neighbours to show.  [default: the task's own number]"
)
@click.option("--out", type=FilePath(), help="A CSV file for the answers, or a folder for the pictures.")
@click.option(
    "--url", metavar="HOST:PORT", help="Ask a server; RUN is then a model's name. For gRPC, grpc://HOST:PORT."
)
@click.option("--version", type=click.IntRange(min=0), help="The version to ask, on a server.")
@click.option("--label", help="The label of the version to ask, on a server.")
@click.option("--api-key", envvar="KERAS_DL_API_KEY", help="The server's API key.  [env: KERAS_DL_API_KEY]")
@click.option(
    "--timeout",
    type=click.FloatRange(0.1, 3600),
    default=30.0,
    show_default=True,
    help="Seconds to wait for the server.",
)
@json_option
def predict(
    run: str,
    inputs: tuple[str, ...],
    neighbours: bool,
    count: int | None,
    out: Path | None,
    url: str | None,
    version: int | None,
    label: str | None,
    api_key: str | None,
    timeout: float,
    as_json: bool,
) -> None:
    """Predict images or texts: files, folders, archives, tables row by row, or a text as an argument.

    With a text model, "-" reads standard input, one text per line. A table (CSV, TSV) has a column "text" or "file".

    \b
    Example: keras-dl predict pneumonia image.jpeg more_images/ --neighbours
             keras-dl predict spam messages.csv --out answers.csv
             keras-dl predict spam "You have won a prize" message.txt
             keras-dl predict spam "You have won a prize" --url localhost:7860
    """
    from keras_dl import show
    from keras_dl.pages import answers

    if url is not None:
        from keras_dl import client

        if neighbours or count or (out and out.suffix.lower() != ".csv"):
            raise UsageError(
                "--neighbours, --count and a picture folder need the run itself; leave them out, or leave out --url"
            )
        key = api_key or None
        rows, said = client.answered(url, run, inputs, version=version, label=label, key=key, timeout=timeout)
        if out:
            answers.write(out, rows)
    else:
        if version is not None or label is not None:
            raise UsageError("--version and --label choose a model on a server; add --url HOST:PORT")
        found = opened(run)
        from keras_dl.verbs.predict import (
            predict as predict_files,  # imports TensorFlow, after it was asked to be quiet
        )

        usual = min(found.task.neighbours, found.card["splits"]["train"]["examples"])
        wanted = count or usual if neighbours or count else 0
        rows = predict_files(found, inputs, neighbours=wanted, out=out)
        said = found.task.output.answer
    emit(rows, as_json, show.predictions(rows, said))
    bad = sum("error" in row for row in rows)
    if bad:
        raise KerasDLError(f"{bad} of {len(rows)} inputs could not be used; the reasons are above")


@main.command()
@click.argument("run", type=Named(or_run=True))
@click.argument("input")
@click.option("--out", type=FilePath(), help="The file to write.  [default: NAME-explained.png or .html]")
@click.option(
    "--method",
    help="How to explain: grad-cam, distance, density, occlusion, shap or attention, as the run allows.",
)
@json_option
def explain(run: str, input: str, out: Path | None, method: str | None, as_json: bool) -> None:
    """Show which parts of an input count for the answer: the second of two classes, or the likeliest of several.

    For an image, it writes a heatmap as a PNG: Grad-CAM, the distance from healthy images, or a density map. For a
    text, given as a file or as an argument, it writes a page with coloured words.

    \b
    Example: keras-dl explain pneumonia image.jpeg --out heatmap.png
             keras-dl explain spam "You have won a prize"
    """
    from keras_dl import show

    found = opened(run)
    from keras_dl.verbs.explain import explain as explain_input  # imports TensorFlow, after it was asked to be quiet

    result = explain_input(found, input, out, method=method)
    emit(result.json(), as_json, show.explained(result, found))


@main.command()
@click.argument("run", type=Named(or_run=True))
@click.option(
    "--neighbours", metavar="COUNT", type=int, help="How many training examples vote.  [default: the task's own number]"
)
@json_option
def embed(run: str, neighbours: int | None, as_json: bool) -> None:
    """Write embeddings, evaluate a nearest-neighbour classifier on them, and draw t-SNE maps.

    Example: keras-dl embed pneumonia
    """
    from keras_dl import show

    found = opened(run)
    result = found.embed(neighbours=neighbours)
    emit(result, as_json, show.embedded(result, found.task))


@main.command()
@click.argument("run", type=Named(or_run=True))
@slices_option
@json_option
def report(run: str, slices: Path | None, as_json: bool) -> None:
    """Write a run's report.html again and print its path.

    Example: keras-dl report pneumonia
    """
    path = opened(run).report(slices=slices)
    emit({"report": str(path)}, as_json, str(path))


@main.command()
@click.argument("run", type=Named(or_run=True))
@click.option("--out", type=FilePath(), help="The model's folder.  [default: models/TASK]")
@json_option
def export(run: str, out: Path | None, as_json: bool) -> None:
    """Write a SavedModel for TensorFlow Serving, after checking that it answers as the trained model does.

    Example: keras-dl export pneumonia --out models/pneumonia
    """
    path = opened(run).export(out)
    emit({"export": str(path)}, as_json, str(path))


for command in (
    cli_runs.adapt,
    cli_runs.runs,
    cli_runs.compare,
    cli_serving.serve,
    cli_serving.promote,
    cli_serving.ab,
):
    main.add_command(command)
