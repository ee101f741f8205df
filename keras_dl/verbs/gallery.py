"""The examples that a report shows: the worst errors, and some hits, each with what explains it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from keras_dl.errors import KerasDLError, UsageError
from keras_dl.runs import sources
from keras_dl.runs.files import replacing
from keras_dl.runs.run import Run
from keras_dl.task import Split
from keras_dl.task.blocks import Block
from keras_dl.task.kinds import Found, Method, Target


@dataclass(frozen=True)
class Example:
    """One example of the test part."""

    row: int  # of predictions.csv
    id: str
    truth: str  # in words; "" where the title says it
    said: dict[str, str]  # model -> its answer in a word or two
    block: Block | None = None  # what it looks like, and what explains the answer


@dataclass(frozen=True)
class Gallery:
    """Examples by kind."""

    kinds: list[tuple[str, list[Example]]]  # title, examples
    method: Method | None  # how they are explained
    note: str = ""  # why inputs are not shown


def examples(run: Run, found: Found, ids: Sequence[str]) -> Gallery:
    """Return examples by kind, each with its input and what explains the answer, where these are there.

    Args:
        run: a run with card.json, assets and a model.
        found: what network and baseline said of its test part.
        ids: of the same examples.
    """
    output, notable = run.task.output, run.task.output.notable(found)
    said = {name: output.said(values, found.assets[name]) for name, values in found.values.items()}
    kinds = [
        (
            one.title,
            [
                Example(
                    row,
                    ids[row],
                    output.told(found.truth[row], run.assets) if one.open else "",
                    {name: texts[row] for name, texts in said.items()},
                )
                for row in one.rows
            ],
        )
        for one in notable
    ]
    flat = [example for _, rows in kinds for example in rows]
    if not flat:
        return Gallery(kinds, None)
    try:
        raws = raw_inputs(run, flat)
    except (OSError, KerasDLError) as error:
        return Gallery(kinds, None, f"The {run.task.input.plural} could not be read: {error}.")
    blocks, method = explained(run, raws, [target for one in notable for target in one.targets])
    shown = iter(Example(one.row, one.id, one.truth, one.said, block) for one, block in zip(flat, blocks, strict=True))
    return Gallery([(title, [next(shown) for _ in rows]) for title, rows in kinds], method)


def explained(run: Run, raws: Sequence[bytes], targets: Sequence[Target]) -> tuple[list[Block], Method | None]:
    """Return a block for each input, explained in the usual way of the run, or shown plain where there is none."""
    method = next(iter(run.explanations().values()), None)
    if method is not None:
        try:
            return method.explain(run, raws, targets, True), method
        except UsageError:  # the model has nothing that can be explained so
            pass
    return run.task.input.preview(run, raws), None


def keep(run: Run, split: Split, found: Found) -> None:
    """Keep the raw inputs that the report shows in the run, so that it can be written again without the data."""
    for notable in run.task.output.notable(found):
        for row in notable.rows:
            with replacing(kept(run, row, split.ids[row])) as temporary:
                temporary.write_bytes(split.raw(row))


def raw_inputs(run: Run, entries: Sequence[Example]) -> list[bytes]:
    """Read the raw inputs: those kept in the run, else from the data, if it is still where and what it was.

    Raises:
        KerasDLError: if they are nowhere.
    """
    paths = [kept(run, entry.row, entry.id) for entry in entries]
    if all(path.is_file() for path in paths):
        return [path.read_bytes() for path in paths]
    test = sources.load(run).test
    return [test.raw(entry.row) for entry in entries]


def kept(run: Run, row: int, name: str) -> Path:
    """Return where the raw input of a row of predictions.csv is kept."""
    return run.path / "shown" / f"{row:06d}{run.task.input.suffix(name)}"
