"""report.html of a run: one page that opens anywhere, without a network and without the data."""

from __future__ import annotations

import base64
import io
import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from keras_dl import config as settings
from keras_dl import plots, sources
from keras_dl.errors import KerasDLError, UsageError
from keras_dl.metrics import DRAWS, group_draws
from keras_dl.progress import duration
from keras_dl.run import Run, replacing
from keras_dl.task import Split

WORDS = {"example": "example", "group": "group", "baseline": "classical baseline"}  # a card's "words" say it better
METRICS = {  # name -> as people write it, whether more is better, what it is
    "auroc": ("AUROC", True, "the chance that a random example of {1} gets a higher probability than one of {0}"),
    "accuracy": ("Accuracy", True, "the share of right answers"),
    "sensitivity": ("Sensitivity", True, "of all {1}, the share that is found"),
    "specificity": ("Specificity", True, "of all {0}, the share that is left alone"),
    "ppv": ("Positive predictive value", True, "of all answers {1}, the share that is right"),
    "npv": ("Negative predictive value", True, "of all answers {0}, the share that is right"),
    "f1": ("F1", True, "the harmonic mean of sensitivity and positive predictive value"),
    "pr_auc": ("PR AUC", True, "the mean precision over all recalls; chance has the share of {1}"),
    "brier": ("Brier score", False, "the mean squared error of the probability"),
    "ece": ("Calibration error", False, "the mean gap between predicted and observed share, over ten bins"),
}
NOTES = {"files": "files found", "read": "used", "unnamed": "without a known {group}, each taken for one of its own"}
BAND_DRAWS = 200  # for bands one looks at; the intervals in the tables rest on more
ERRORS, RIGHT, SHOWN = 4, 2, 20  # pictures per kind of error and per class that is right; skipped files listed

Gallery = dict[str, pd.DataFrame]  # title -> rows of predictions.csv


def write(run: Run, measured: dict[str, Any] | None = None) -> Path:
    """Write report.html and return its path.

    Args:
        run: a run with card.json, history.csv and predictions.csv.
        measured: what `evaluate.measure` found on the test part; None for what metrics.json says.
    """
    measured = measured or run.metrics["test"]
    predictions = read_predictions(run)
    classes, thresholds = run.assets["classes"], measured["thresholds"]
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"number": number, "counted": counted, "interval": interval, "linked": linked}
    template = environment.from_string((files("keras_dl") / "report.html").read_text(encoding="utf-8"))
    skipped = run.card["data"]["notes"].get("skipped", [])
    words = WORDS | run.card.get("words", {})
    history = pd.read_csv(run.path / "history.csv")
    best = best_epoch(run, history)
    pictures, note = picture_all(run, choose(predictions, thresholds["network"], classes))
    page = template.render(
        card=run.card,
        words=words,
        measured=measured,
        metrics=metric_rows(measured, classes),
        thresholds=thresholds,
        draws=DRAWS,
        target=run.config.target_sensitivity,
        best=best,
        plots=draw(run, history, best, predictions, measured),
        epochs=len(history),
        shared_groups=shared_groups(run),
        notes=note_lines(run.card["data"]["notes"], words),
        skipped=skipped[:SHOWN],
        reasons=Counter(reason(row["reason"]) for row in skipped).most_common(),
        gallery=pictures,
        gallery_note=note,
        settings=setting_rows(run),
        trained_in=duration(run.card["training"]["seconds"]),
        command=command(run),
        run=run.path.name,
    )
    path = run.path / "report.html"
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def keep(run: Run, split: Split, predictions: pd.DataFrame) -> None:
    """Keep the raw inputs that the report shows in the run, so that it can be written again without the data."""
    for rows in choose(predictions, run.assets["threshold"], run.assets["classes"]).values():
        for row in rows.index:
            with replacing(kept(run, row, split.ids[row])) as temporary:
                temporary.write_bytes(split.raw(row))


def read_predictions(run: Run) -> pd.DataFrame:
    """Read predictions.csv: one row per test example, in order."""
    return pd.read_csv(run.path / "predictions.csv", dtype={"id": str, "group": str}, keep_default_na=False)


def metric_rows(measured: Mapping[str, Any], classes: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rows of the metric table; the first is the one the verdict is about."""
    rows = []
    for name in measured["network"]:
        title, more, meaning = METRICS.get(name, (name, True, ""))
        cells = {column: measured[column][name] for column in ("network", "baseline", "difference")}
        meaning = meaning.format(*classes) + ("" if more else "; lower is better")
        rows.append({"title": title, "meaning": meaning, **cells, "judgement": judgement(cells["difference"], more)})
    return rows


def judgement(difference: Mapping[str, float | None], more_is_better: bool) -> str:
    """Say "better" or "worse" where the whole interval of a difference is on one side of zero, else ""."""
    low, high = difference["low"], difference["high"]
    if low is None or high is None or low <= 0 <= high:
        return ""
    return "better" if (low > 0) == more_is_better else "worse"


def best_epoch(run: Run, history: pd.DataFrame) -> int | None:
    """Return the epoch whose weights were kept: as the card says, else the one with the lowest validation loss."""
    if "best_epoch" in run.card["training"]:
        return run.card["training"]["best_epoch"]
    if "val_loss" not in history or history["val_loss"].isna().all():
        return None
    return int(history["epoch"][history["val_loss"].idxmin()])


def draw(
    run: Run, history: pd.DataFrame, best: int | None, predictions: pd.DataFrame, measured: Mapping[str, Any]
) -> dict[str, Markup]:
    """Draw all figures, as SVG by name."""
    classes, labels = run.assets["classes"], predictions["label"].to_numpy()
    outputs = {name: predictions[name].to_numpy() for name in ("network", "baseline")}
    models = labels, outputs, measured["thresholds"]
    draws = group_draws(predictions["group"], run.config.seed, draws=BAND_DRAWS)
    per_class = {name: split["per_class"] for name, split in run.card["splits"].items()}
    figures = {
        "curves": (plots.curves(history.to_dict("list"), best), "Loss and metrics over the epochs"),
        "confusion-network": (plots.confusion("network", *models, classes), "Confusion matrix of the network"),
        "confusion-baseline": (plots.confusion("baseline", *models, classes), "Confusion matrix of the baseline"),
        "roc": (plots.roc(*models, draws), "ROC curves with 95 % bands"),
        "recall": (plots.precision_recall(*models, draws), "Precision-recall curves with 95 % bands"),
        "reliability": (plots.reliability(labels, outputs["network"], draws), "Reliability diagram of the network"),
        "scores": (plots.scores(*models, classes), "Histogram of the network's probabilities for each class"),
        "balance": (plots.balance(per_class), "Share of each class in the splits"),
    }
    return {name: Markup(plots.svg(figure, name, title)) for name, (figure, title) in figures.items()}


def choose(predictions: pd.DataFrame, threshold: float, classes: Sequence[str]) -> Gallery:
    """Choose what is worth looking at: the most confident errors of both kinds, and as many of the most confident hits.

    Of each group (patient) one example at most is taken for each kind.
    """
    score, label = predictions["network"], predictions["label"]
    negative, positive = classes
    kinds = {
        f"{positive} taken for {negative}": ((label == 1) & (score < threshold), True, ERRORS),
        f"{negative} taken for {positive}": ((label == 0) & (score >= threshold), False, ERRORS),
        f"{positive}, recognised": ((label == 1) & (score >= threshold), False, RIGHT),
        f"{negative}, recognised": ((label == 0) & (score < threshold), True, RIGHT),
    }
    return {
        title: predictions[mask].sort_values("network", ascending=rising).drop_duplicates("group").head(count)
        for title, (mask, rising, count) in kinds.items()
    }


def picture_all(run: Run, chosen: Gallery) -> tuple[dict[str, list[dict[str, Any]]], str]:
    """Return for each kind its examples, with pictures and heatmaps where the model looks at images and they are there.

    The second value is "", or why there are no pictures.
    """
    gallery = {title: rows.reset_index(names="row").to_dict("records") for title, rows in chosen.items()}
    entries = [entry for rows in gallery.values() for entry in rows]
    if [len(spec["shape"]) for spec in run.card["inputs"].values()] != [4] or not entries:
        return gallery, ""
    try:
        raw = raw_inputs(run, entries)
    except (OSError, KerasDLError) as error:
        return gallery, f"The pictures are not at hand: {error}."
    for entry, pictures in zip(entries, heatmaps(run, raw), strict=True):
        entry |= pictures
    return gallery, ""


def raw_inputs(run: Run, entries: Sequence[Mapping[str, Any]]) -> list[bytes]:
    """Read the raw inputs: those kept in the run, else from the data, if it is still where and what it was.

    Raises:
        KerasDLError: if they are nowhere.
    """
    paths = [kept(run, entry["row"], entry["id"]) for entry in entries]
    if all(path.is_file() for path in paths):
        return [path.read_bytes() for path in paths]
    test = sources.load(run).test
    return [test.raw(entry["row"]) for entry in entries]


def kept(run: Run, row: int, name: str) -> Path:
    """Return where the raw input of a row of predictions.csv is kept."""
    return run.path / "shown" / f"{row:06d}{Path(name).suffix}"


def heatmaps(run: Run, raw: Sequence[bytes]) -> list[dict[str, str]]:
    """Return "picture" and, for a model with convolutions, "heatmap" of each image, as data URLs."""
    import tensorflow as tf

    from keras_dl import explain

    decode = run.task.decode(run.config, run.assets)
    images = np.stack([decode(tf.constant(data)).numpy() for data in raw])
    pictures = [{"picture": data_url(image)} for image in images]
    try:
        heats = explain.grad_cam(run.model, images)
    except UsageError:  # no convolution: the pictures alone
        return pictures
    for picture, image, heat in zip(pictures, images, heats, strict=True):
        picture["heatmap"] = data_url(np.round(255 * explain.overlay(image, heat)).astype("uint8"))
    return pictures


def data_url(image: np.ndarray) -> str:
    """Encode a uint8 image `[height, width, 1 or 3]` as a JPEG in a data URL."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(file, "JPEG", quality=90)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def shared_groups(run: Run) -> int:
    """Count the groups that are in more than one split; there should be none."""
    splits = pd.read_csv(run.path / "splits.csv", dtype=str, keep_default_na=False)
    return int((splits.groupby("group")["split"].nunique() > 1).sum())


def note_lines(notes: Mapping[str, Any], words: Mapping[str, str]) -> list[str]:
    """Say what was read: the counts that are known as words, the rest as it is."""
    known = [f"{notes[name]:,} {text.format(**words)}" for name, text in NOTES.items() if name in notes]
    return known + [f"{name}: {value}" for name, value in notes.items() if name not in NOTES and name != "skipped"]


def reason(text: str) -> str:
    """Shorten the reason why a file was skipped to its kind: "duplicate of a.png" to "duplicate"."""
    return re.split(r"[:;]| of | at ", re.sub(r"^\d+x\d+ px is ", "", text))[0]


def setting_rows(run: Run) -> list[tuple[str, Any, Any]]:
    """Return each setting, its value in this run, and the task's default where that is another one."""
    values, defaults = settings.to_json(run.config), settings.to_json(run.task.config)
    return [(key, value, None if value == defaults[key] else defaults[key]) for key, value in values.items()]


def command(run: Run) -> str:
    """Return the command that trains this run again."""
    recipe, tiny = run.config.recipe, run.asked.get("tiny", False)
    plain = settings.to_json(settings.resolve(run.task, {"recipe": recipe}, tiny=tiny))
    words = ["keras-dl", "train", run.task.name]
    words += ["--data", run.asked["data"]] if run.asked["data"] else []
    words += ["--tiny"] if tiny else []
    words += ["--set", f"recipe={recipe}"] if recipe != run.task.config.recipe else []
    for key, value in settings.to_json(run.config).items():
        words += ["--set", f"{key}={value}"] if value != plain[key] else []
    return shlex.join(words)


def number(value: float | None, digits: int = 3, sign: bool = False) -> str:
    """Write a number with a true minus, and "not defined" where there is none."""
    if value is None or not np.isfinite(value):
        return "not defined"
    return f"{value:{'+' if sign else ''}.{digits}f}".replace("-", "−")


def interval(cell: Mapping[str, float | None], digits: int = 3, sign: bool = False) -> str:
    """Write the interval of a value: "[0.880, 0.941]"; "" where there is none."""
    if cell["low"] is None or cell["high"] is None:
        return ""
    return f"[{number(cell['low'], digits, sign)}, {number(cell['high'], digits, sign)}]"


def counted(count: int, noun: str) -> str:
    """Write a count with its noun: "1 patient", "1,204 patients"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def linked(text: str) -> Markup:
    """Make links of the DOIs in a text."""
    return Markup(
        re.sub(r"doi[: ]\s*(10\.\d{4,}/[\w./()-]*\w)", r'<a href="https://doi.org/\1">doi \1</a>', str(escape(text)))
    )
