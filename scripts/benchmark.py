"""How fast the package is, as ratios of things measured in turn on one machine, in one table.

    python scripts/benchmark.py                     all sections, about twenty minutes on 2 cores
    python scripts/benchmark.py pipeline serving    two of them

\b
training    each model family: fit against a bare step, plain Keras, PyTorch; the share of the machine's peak
recurrent   our LSTM against Keras' own and PyTorch's
features    a head on cached features against its frozen backbone run in each epoch
pipeline    decoding and batches against PIL + PyTorch, Keras' reader, and what a model can take
start       the command line against the imports it could not do without
serving     the server against a plain handler that calls model.predict
scaling     examples per second with 1, 2 and 4 replicas
growth      time and memory with 1, 4 and 16 times the data

Each section runs in processes of its own. The machine must be quiet: every other process takes from one side or the
other. Rows that need PyTorch are left out where it is not installed: pip install 'keras-dl[bench]'.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click
from benchmarks import measuring

from keras_dl.errors import KerasDLError
from keras_dl.runs.files import replacing

SECTIONS = ("training", "recurrent", "features", "pipeline", "start", "serving", "scaling", "growth")


@click.command(help=__doc__)
@click.argument("sections", nargs=-1, type=click.Choice(SECTIONS))
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1), help="Alternating measurements.")
@click.option("--out", default="benchmark.json", show_default=True, help="Gets rows, hardware, versions, commit.")
@click.option("--quick", is_flag=True, help="Small sizes, to see that it runs: the figures say nothing.")
def main(sections: tuple[str, ...], rounds: int, out: str, quick: bool) -> None:
    """Measure the sections, write the JSON file and print the table."""
    rows: list[measuring.Row] = []
    result: dict[str, Any] = {**measuring.circumstances(), "rounds": rounds, "rows": rows}
    for name in sections or SECTIONS:
        began = time.monotonic()
        try:
            found = measuring.apart(measuring.section, name, rounds, quick)
        except KerasDLError as error:
            raise click.ClickException(f"{name}: {error}") from None
        click.echo(f"{name}: {len(found)} rows in {time.monotonic() - began:.0f} s", err=True)
        rows += found
        with replacing(Path(out)) as temporary:  # after each section: a later one may fail
            temporary.write_text(json.dumps(result, indent=1))
    click.echo(measuring.markdown(result))
    for line in measuring.missed(rows):
        click.echo(f"missed: {line}", err=True)


if __name__ == "__main__":
    main()
