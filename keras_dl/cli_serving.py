"""The commands around serving: serve, promote, ab."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from keras_dl.errors import UsageError
from keras_dl.paths import at_home
from keras_dl.runs.run import Run
from keras_dl.terminal import FilePath, Named, emit, json_option


@click.command()
@click.argument("runs", type=Named(or_run=True), nargs=-1, required=True, metavar="RUN...")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 for all.")
@click.option("--port", type=click.IntRange(0, 65535), default=7860, show_default=True, help="Port to listen on.")
@click.option("--name", help="A name for the model, if there is only one.  [default: its name as typed]")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Number of processes.")
@click.option(
    "--max-delay",
    type=click.FloatRange(0, 1000),
    default=2.0,
    show_default=True,
    help="Milliseconds that a batch may wait to fill up. A single request never waits.",
)
@click.option(
    "--max-batch", type=click.IntRange(1, 4096), default=32, show_default=True, help="Most inputs in one batch."
)
@click.option(
    "--queue",
    type=click.IntRange(1, 1_000_000),
    default=512,
    show_default=True,
    help="Most inputs that may wait for a version, in each worker; further ones are refused (429).",
)
@click.option(
    "--timeout", type=click.FloatRange(0.1, 3600), default=30.0, show_default=True, help="Seconds to answer a request."
)
@click.option(
    "--rate",
    default="",
    metavar="N/UNIT",
    help="Most requests from one address to each worker, such as 50/second.  [default: no limit]",
)
@click.option(
    "--api-key", default="", envvar="KERAS_DL_API_KEY", help="Key that clients must send.  [env: KERAS_DL_API_KEY]"
)
@click.option(
    "--database",
    default="",
    envvar="KERAS_DL_DATABASE",
    metavar="URL",
    help="Store predictions and feedback here, such as sqlite:///requests.db or postgresql://USER@HOST/NAME.",
)
@click.option(
    "--burst",
    type=click.FloatRange(0, 86400),
    default=0.0,
    show_default=True,
    help="Seconds in which the inputs of one client count once for the drift alarm; 0: each input counts.",
)
@click.option("--keep-inputs", is_flag=True, help="Store the texts and images in the database too.")
@click.option("--allow-origin", multiple=True, metavar="ORIGIN", help="A web site whose pages may use the API (CORS).")
@click.option("--frame-ancestor", multiple=True, metavar="ORIGIN", help="A web site that may show the page in a frame.")
@click.option(
    "--drain",
    type=click.FloatRange(0, 600),
    default=2.0,
    show_default=True,
    help="Seconds to accept requests after SIGTERM, while /readyz says 503. Accepted requests are answered.",
)
@click.option(
    "--root-path",
    default="",
    metavar="PATH",
    callback=lambda context, option, value: f"/{value.strip('/')}".rstrip("/"),
    help="Path prefix of this server, such as /keras, if the reverse proxy does not remove it.",
)
@click.option(
    "--log",
    type=click.Choice(["auto", "text", "json"]),
    default="auto",
    show_default=True,
    help="Log format; auto means text in a terminal and json elsewhere.",
)
def serve(runs: tuple[str, ...], **options: Any) -> None:
    """Serve models: a web page, a REST API like TensorFlow Serving's, its own routes (/docs), and metrics.

    RUN is a run directory, the name of a run, or the name of a task, which means its newest complete run that was not
    trained with --tiny. It can also be an export: a version, the folder of a model's versions, or a folder of such
    folders. The server loads new versions and drops deleted ones. NAME=RUN gives a model another name.

    \b
    Example: keras-dl serve emoji pneumonia
             keras-dl serve models/ --database sqlite:///requests.db --host 0.0.0.0
    """
    from keras_dl.server.settings import Settings
    from keras_dl.server.starting import serve as run_server

    run_server(Settings(runs=tuple(map(settled, runs)), **options))


def settled(argument: str) -> str:
    """Turn a name into NAME=PATH, once: so every worker serves the same run, also when a training ends meanwhile.

    A model is called what was typed.
    """
    called, sign, rest = argument.partition("=")
    wanted = rest if sign else argument
    return argument if at_home(argument).exists() or at_home(wanted).exists() else f"{called}={Run.find(wanted).path}"


@click.command()
@click.argument("folder", type=FilePath())
@click.argument("version", type=click.IntRange(min=1), required=False)
@click.option("--label", default="stable", show_default=True, help="The label to set.")
@click.option("--share", type=click.FloatRange(0, 1), help="The label's share of the requests that name no version.")
@click.option("--back", is_flag=True, help="Roll back: give the label to its previous version.")
@json_option
def promote(folder: Path, version: int | None, label: str, share: float | None, back: bool, as_json: bool) -> None:
    """Give a label to a version of a served model; a running server follows within a second.

    FOLDER is the folder of a model's versions.

    \b
    Example: keras-dl promote models/emoji 2 --label canary --share 0.1
             keras-dl promote models/emoji 2
             keras-dl promote models/emoji --back
    """
    from keras_dl.runs import versions
    from keras_dl.show import serving as show_serving

    serving = versions.promote(folder, version, label=label, share=share, back=back)
    emit(versions.as_json(serving), as_json, show_serving.promoted(folder, serving))


@click.command()
@click.argument("database", metavar="URL")
@click.option("--model", required=True, help="The name of the model.")
@click.option("--versions", "pair", help="The versions to compare, such as 1,2.  [default: all]")
@json_option
def ab(database: str, model: str, pair: str | None, as_json: bool) -> None:
    """Compare the versions of a served model: errors and times and, from feedback, accuracy or mean error.

    URL is the database of the server.

    Example: keras-dl ab sqlite:///requests.db --model emoji --versions 1,2
    """
    if pair is not None and not all(part.strip().isdigit() for part in pair.split(",")):
        raise UsageError(f"--versions {pair} must be numbers, such as 1,2")
    from keras_dl.server.journal.ab import ab as compare_versions
    from keras_dl.show import serving as show_serving

    result = compare_versions(database, model, None if pair is None else [int(part) for part in pair.split(",")])
    emit(result, as_json, show_serving.compared(result))
