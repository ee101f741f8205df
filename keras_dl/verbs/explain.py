"""Explain one prediction: an image with a heatmap, a text with coloured words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tensorflow as tf

from keras_dl.errors import BadInput, UsageError
from keras_dl.explaining.heatmap import caption, draw, heatmaps
from keras_dl.inputs.given import Input, expand, kind_of
from keras_dl.runs.run import Run
from keras_dl.verbs.predict import answer, checked, worded


def explain(
    run: Run, source: str | Path, out: str | Path | None = None, *, method: str | None = None
) -> dict[str, Any]:
    """Explain the prediction for one input: an image with a heatmap in a PNG, a text with coloured words in a page.

    Args:
        run: a complete run.
        source: the file; for a text task also the text itself.
        out: the file to write, or the folder for `<name of the input>-explained.png` or `.html`; None for the working
            directory.
        method: of a text task "occlusion" (or None), "shap" or "attention"; see `words.explain`.

    Returns:
        The prediction as `keras_dl.verbs.predict` gives it, and "heatmap": the path of the PNG; of a text what
        `words.explain` gives.

    Raises:
        BadInput: if the input cannot be used.
        UsageError: if it is not there, or the method is none for it.
    """
    item = one_input(run, source)
    try:
        raw = checked(run.task, item)
    except BadInput as error:
        name = item.name if item.path else item.name[:80]  # a text may be long
        raise BadInput(f"{name} cannot be used: {error}") from None
    decoded = run.task.decode(run.config, run.assets)(tf.constant(raw)).numpy()
    row = worded(run, {name: values[0] for name, values in answer(run, decoded[None]).items()})
    target = Path(out or ".")
    if run.task.modality == "text":
        from keras_dl.explaining import words

        target = target / f"{item.stem}-explained.html" if target.is_dir() else target
        note = run.task.remark(run.config, decoded)
        row = {"input": item.name, **row, **({"note": note} if note else {})}
        return words.explain(run, raw.decode(), row, target, method=method or "occlusion")
    if method is not None:
        raise UsageError(f"method={method} is for texts; leave it out for an image")
    target = target / f"{item.stem}-explained.png" if target.is_dir() else target
    (heat,) = heatmaps(run, decoded[None], [run.assets["classes"].index(row["of"])])
    name, value = ("probability", row["probability"]) if "probability" in row else ("score", row["score"])
    title = f"{Path(item.name).name}: {row['label']}, {name} of {row['of']} {value:.2f}"
    draw(target, decoded, heat, title, caption(run, row["of"]))
    return {"input": item.name, **row, "heatmap": str(target)}


def one_input(run: Run, source: str | Path) -> Input:
    """Return what is to be explained.

    Raises:
        UsageError: if it is not there, or is several.
    """
    found = list(expand(run.task, [source]))
    if len(found) != 1 or kind_of(source) == "folder":
        raise UsageError(f"explain takes one input, and {source} is {len(found)}; predict takes them all")
    return found[0]
