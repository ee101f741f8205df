"""Explain one prediction: an image with a heatmap in a PNG, a text with coloured words in a page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

from keras_dl.answering.answers import UNUSUAL, doubts, worded
from keras_dl.errors import BadInput, UsageError
from keras_dl.inputs.given import Given, expand, kind_of
from keras_dl.pages.html import page
from keras_dl.pages.picture import side_by_side
from keras_dl.pages.wire import as_json
from keras_dl.paths import at_home
from keras_dl.runs.files import replacing
from keras_dl.runs.run import Run
from keras_dl.task.blocks import Block, Picture
from keras_dl.task.kinds import Method
from keras_dl.training.own_keras import own_keras
from keras_dl.verbs.predict import answer, checked


@dataclass(frozen=True)
class Explained:
    """One prediction and what explains it."""

    row: dict[str, Any]  # the prediction, as `keras_dl.verbs.predict` gives it
    method: str
    block: Block
    path: Path  # of the picture or the page

    def json(self) -> dict[str, Any]:
        """Return the row with "method" and the path: "heatmap" of a picture, "html" of a page with what it says."""
        found = {**self.row, "method": self.method}
        if isinstance(self.block, Picture):
            return {**found, "heatmap": str(self.path)}
        return {**found, **as_json(self.block), "html": str(self.path)}


@own_keras()
def explain(run: Run, source: str | Path, out: str | Path | None = None, *, method: str | None = None) -> Explained:
    """Explain the prediction for one input, and write the explanation to a file.

    Args:
        run: a complete run.
        source: the file; where inputs are texts also the text itself.
        out: the file to write, or the folder for `<name of the input>-explained.png` or `.html`; None for the working
            directory.
        method: one of `run.explanations()`; None for the first.

    Raises:
        BadInput: if the input cannot be used.
        UsageError: if it is not there, or the run has no such method.
    """
    item = one_input(run, source)
    name, way = chosen(run, method)
    try:
        raw = checked(run, item)
    except BadInput as error:
        shown = item.name if item.path else item.name[:80]  # a text may be long
        raise BadInput(f"{shown} cannot be used: {error}") from None
    decoded = run.task.input.decode(run.config, run.assets)(tf.constant(raw)).numpy()
    row = worded(run, {key: values[0] for key, values in answer(run, decoded[None]).items()})
    note = run.task.input.remark(run.config, decoded)
    row = {"input": item.name, **row, **({"note": note} if note else {})}
    (block,) = way.explain(run, [raw], [run.task.output.target(row, run.assets)], False)
    return Explained(row, name, block, write(run, item, row, block, at_home(out or ".")))


def chosen(run: Run, method: str | None) -> tuple[str, Method]:
    """Return the way to explain, by name.

    Raises:
        UsageError: if the run has none of this name.
    """
    there = run.explanations()
    name = next(iter(there)) if method is None else method
    if name not in there:
        raise UsageError(f"method={name} must be one of: {', '.join(there)}")
    return name, there[name]


def write(run: Run, item: Given, row: dict[str, Any], block: Block, target: Path) -> Path:
    """Write a picture as PNG, and everything else as a page; return the path."""
    said = run.task.output.answer(row)
    kind = ".png" if isinstance(block, Picture) else ".html"
    target = target / f"{item.stem}-explained{kind}" if target.is_dir() else target
    if target.suffix.lower() != kind:
        raise UsageError(f"this explanation is a {kind} file; choose such a file or a folder for --out")
    doubt = doubts(row)
    if isinstance(block, Picture):
        marked = f"{UNUSUAL}. " if doubt else ""
        figure = side_by_side(block, f"{marked}{Path(item.name).name}: {said.text}, {said.certainty}")
        with replacing(target) as temporary:
            figure.savefig(temporary, dpi=120, format="png")
        return target
    with replacing(target) as temporary:
        temporary.write_text(page(run.task.title, [*doubt, said, block], note=row.get("note", "")), encoding="utf-8")
    return target


def one_input(run: Run, source: str | Path) -> Given:
    """Return what is to be explained.

    Raises:
        UsageError: if it is not there, or is several.
    """
    found = list(expand(run.task, [source]))
    if kind_of(source) == "folder":
        raise UsageError(f"explain takes one file, but {source} is a folder; keras-dl predict takes folders")
    if len(found) != 1:
        what = "standard input" if source == "-" else source
        raise UsageError(f"explain takes one input, but {what} has {len(found)}; keras-dl predict takes them all")
    return found[0]
