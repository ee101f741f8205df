"""Write RESULTS.md from complete runs and from what the benchmark measured: nothing in it is written by hand.

python scripts/results.py --benchmark benchmark.json runs/pneumonia/A runs/pneumonia/B > RESULTS.md
"""

from __future__ import annotations

import itertools
import json
import re
import shlex
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any

import click
from benchmarks import measuring
from scipy.special import stdtrit

from keras_dl.errors import UsageError


@click.command(help=__doc__)
@click.argument("runs", nargs=-1, required=True)
@click.option("--benchmark", metavar="FILE", help="What scripts/benchmark.py wrote; its table comes last.")
def main(runs: tuple[str, ...], benchmark: str | None) -> None:
    """Group the runs by task, recipe and data, and print a table of each group."""
    from keras_dl import open_run
    from keras_dl.task.settings import read_run, to_json
    from keras_dl.training.machines import devices

    speeds = read_run(Path(benchmark)) if benchmark else None
    if speeds is not None and "rows" not in speeds:
        raise UsageError(f"{benchmark} is not of scripts/benchmark.py; type: python scripts/benchmark.py")
    devices.import_quietly()
    groups = defaultdict(list)
    for run in map(open_run, runs):
        data = "embedded, synthetic" if run.card["data"]["synthetic"] else Path(run.card["data"]["source"]).name
        settings = json.dumps(to_json(run.config) | {"seed": None})  # only runs that differ in the seed are averaged
        groups[run.task.name, run.config.recipe, data, settings].append(run)
    click.echo(
        "# Results\n\nWritten by `scripts/results.py` from complete runs. Values are on the test part, with 95 %"
    )
    click.echo("bootstrap intervals drawn by group (patients, films, images). Thresholds and widths of intervals were")
    click.echo("chosen on validation.")
    for (task, recipe, data, _), members in groups.items():
        click.echo(f"\n## {task}, recipe {recipe}{changed(members[0])}, on {data}\n\n{section(members)}")
    if speeds:
        click.echo(f"\n## Speed, by scripts/benchmark.py\n\n{measuring.markdown(speeds)}")


def changed(run: Any) -> str:
    """Name the settings that differ from those of the recipe, but for the seed: ", images=64"."""
    from keras_dl.verbs.report import command

    words = shlex.split(command(run))
    asked = [word for before, word in itertools.pairwise(words) if before == "--set"]
    return "".join(f", {one}" for one in asked if not one.startswith(("recipe=", "seed=")))


def section(runs: list[Any]) -> str:
    """Describe one group of runs: a row per seed, network and baseline, and the mean over the seeds."""
    card = runs[0].card
    versions = ", ".join(f"{name} {version}" for name, version in card["versions"].items())
    shown = [name for name in runs[0].task.output.first if name in runs[0].metrics["test"]["network"]]
    head = f"| seed | model | {' | '.join(shown)} | training |\n|{'---|' * (len(shown) + 3)}"
    rows = []
    for run in runs:
        for model, measured in models(run).items():
            cells = " | ".join(interval(measured[name]) for name in shown)
            rows.append(f"| {run.config.seed} | {model} | {cells} | {took(run) if model == 'network' else ''} |")
    for model in models(runs[0]) if len(runs) > 1 else ():
        values = [[models(run)[model][name]["value"] for run in runs] for name in shown]
        cells = " | ".join(spread(seen) for seen in values)
        rows.append(f"| all | {model}, mean (standard deviation) [95 % of the mean, by t] | {cells} | |")
    splits = card["splits"]
    sizes = ", ".join(f"{name} {part['examples']} of {part['groups']} groups" for name, part in splits.items())
    from keras_dl.verbs.report import command

    asked = re.sub(r"/\S*/", "", command(runs[0]))  # names of files, without the folders of one machine
    others = ", and the other seeds with `--seed`; splits of the first seed" if len(runs) > 1 else "; splits"
    facts = f"`{asked}`{others}: {sizes}; "
    facts += f"{card['training']['device']}; {versions}"
    return f"{facts}\n\n{head}\n" + "\n".join(rows)


def models(run: Any) -> dict[str, Any]:
    """Return the metrics of a run's network and of its classical models, by name."""
    test = run.metrics["test"]
    return {name: test[name] for name in ("network", "baseline")} | test.get("others", {})


def took(run: Any) -> str:
    """Say how long the epochs took, validation included, and at what rate of training examples."""
    from keras_dl.runs import history

    seconds, epochs = run.card["training"]["seconds"], len(history.read(run.path))
    if not epochs:
        return f"fitted at once, {seconds:.0f} s"
    rate = epochs * run.card["splits"]["train"]["examples"] / seconds
    return f"{epochs} epochs, {seconds / 60:.1f} min, {rate:.0f} examples/s"


def interval(cell: dict) -> str:
    """Write a value with its interval."""
    return "-" if cell["value"] is None else f"{cell['value']:.3f} [{cell['low']:.3f}, {cell['high']:.3f}]"


def spread(values: list[float | None]) -> str:
    """Write the mean over the seeds, its spread and an interval; "-" where a metric is not defined for one of them."""
    seen = [value for value in values if value is not None]
    if len(seen) < len(values):
        return "-"
    mean, deviation = statistics.mean(seen), statistics.stdev(seen) if len(seen) > 1 else 0.0
    if len(seen) < 3:
        return f"{mean:.3f} ({deviation:.3f})"
    half = float(stdtrit(len(seen) - 1, 0.975)) * deviation / len(seen) ** 0.5
    return f"{mean:.3f} ({deviation:.3f}) [{mean - half:.3f}, {mean + half:.3f}]"


if __name__ == "__main__":
    main()
