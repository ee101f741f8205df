"""report.html of a run: one page that opens anywhere, without a network and without the data."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from keras_dl.figures import curves, plots
from keras_dl.figures.curves import Ranking
from keras_dl.figures.plots import COLOURS, class_colour
from keras_dl.measures.metrics import DRAWS, group_draws
from keras_dl.runs import predictions
from keras_dl.runs.files import replacing
from keras_dl.runs.predictions import Predictions
from keras_dl.runs.run import Run
from keras_dl.task import settings
from keras_dl.training.progress import duration
from keras_dl.verbs import gallery

WORDS = {"example": "example", "group": "group", "baseline": "classical baseline"}  # a card's "words" say it better
METRICS = {  # name -> as people write it, whether more is better, what it is of two classes {0} and {1}
    "auroc": ("AUROC", True, "the chance that a random example of {1} gets a higher {value} than one of {0}"),
    "accuracy": ("Accuracy", True, "the share of right answers"),
    "sensitivity": ("Sensitivity", True, "recall: of all {1}, the share that is found"),
    "specificity": ("Specificity", True, "of all {0}, the share that is left alone"),
    "ppv": ("Positive predictive value", True, "precision: of all answers {1}, the share that is right"),
    "npv": ("Negative predictive value", True, "of all answers {0}, the share that is right"),
    "f1": ("F1", True, "the harmonic mean of recall (sensitivity) and precision (positive predictive value)"),
    "macro_f1": ("Macro F1", True, "the mean of the F1 of {0} and that of {1}"),
    "pr_auc": ("PR AUC", True, "the mean precision over all recalls; chance has the share of {1}"),
    "brier": ("Brier score", False, "the mean squared error of the probability"),
    "ece": ("Calibration error", False, "the mean gap between predicted and observed share, over ten bins"),
}
SEVERAL = METRICS | {  # the same of several classes; {of} is the class in the metric's own name
    "auroc": (
        "AUROC",
        True,
        "each class against the rest, averaged: the chance that an example of it gets a higher probability of it",
    ),
    "balanced_accuracy": ("Balanced accuracy", True, "the mean recall of the classes"),
    "macro_f1": ("Macro F1", True, "the mean over the classes of the harmonic mean of recall and precision"),
    "brier": ("Brier score", False, "the mean squared distance between the probabilities and the truth, 0 to 2"),
    "ece": (
        "Calibration error",
        False,
        "the mean gap between the answer's probability and the share of right answers, over ten bins",
    ),
    "recall": ("Recall of {of}", True, "of all {of}, the share that is recognised"),
    "precision": ("Precision of {of}", True, "of all answers {of}, the share that is right"),
}
NOTES = {  # what was read, by name in card.json
    "files": "files found",
    "rows": "texts found",
    "read": "used",
    "copies": "copies of others, in one {group} with them",
    "unnamed": "without a known {group}, each taken for one of its own",
}
BAND_DRAWS = 200  # for bands one looks at; the intervals in the tables rest on more
SHOWN = 20  # of what was left out


def write(run: Run, measured: dict[str, Any] | None = None) -> Path:
    """Write report.html and return its path.

    Args:
        run: a run with card.json, history.csv and predictions.csv.
        measured: what `evaluate.measure` found on the test part; None for what metrics.json says.
    """
    measured = measured or run.metrics["test"]
    found, classes, thresholds = predictions.read(run), run.assets["classes"], measured["thresholds"]
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"number": number, "counted": counted, "interval": interval, "linked": linked}
    template = environment.from_string((files("keras_dl.pages") / "report.html").read_text(encoding="utf-8"))
    skipped = run.card["data"]["notes"].get("skipped", [])
    words = WORDS | run.card.get("words", {})
    history = pd.read_csv(run.path / "history.csv")
    best = best_epoch(run, history)
    examples, note = gallery.examples(run, found, thresholds)
    page = template.render(
        card=run.card,
        kind=run.task.value,
        words=words,
        measured=measured,
        metrics=metric_rows(measured, classes, run.task.value),
        thresholds=threshold_texts(thresholds, run.task.value),
        fixed_threshold=run.assets.get("fixed_threshold", False),
        draws=DRAWS,
        band_draws=BAND_DRAWS,
        config=settings.to_json(run.config),
        best=best,
        plots=draw(run, history, best, found, thresholds),
        epochs=len(history),
        shared_groups=shared_groups(run),
        notes=note_lines(run.card["data"]["notes"], words),
        skipped=skipped[:SHOWN],
        reasons=Counter(reason(row["reason"]) for row in skipped).most_common(),
        gallery=examples,
        gallery_note=note,
        own_heatmap=run.task.heatmap is not None,
        unit="text" if run.task.modality == "text" else "file",
        settings=setting_rows(run),
        trained_in=duration(run.card["training"]["seconds"]),
        command=command(run),
        run=run.path.name,
    )
    path = run.path / "report.html"
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def metric_rows(measured: Mapping[str, Any], classes: Sequence[str], kind: str) -> list[dict[str, Any]]:
    """Return the rows of the metric table; the first is the one the verdict is about."""
    rows = []
    for metric in measured["network"]:
        name, _, of = metric.partition(" ")
        title, more, meaning = (SEVERAL if kind == "probabilities" else METRICS).get(name, (metric, True, ""))
        cells = {column: measured[column][metric] for column in ("network", "baseline", "difference")}
        title, meaning = (text.format(*classes, of=of, value=kind) for text in (title, meaning))
        meaning += "" if more else "; lower is better"
        rows.append({"title": title, "meaning": meaning, **cells, "judgement": judgement(cells["difference"], more)})
    return rows


def threshold_texts(thresholds: Mapping[str, float | None], kind: str) -> dict[str, str]:
    """Write the thresholds; scores may be of any size, so theirs have three digits instead of three decimals."""
    style = ".3g" if kind == "score" else ".3f"
    return {name: "" if threshold is None else f"{threshold:{style}}" for name, threshold in thresholds.items()}


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
    run: Run, history: pd.DataFrame, best: int | None, found: Predictions, thresholds: Mapping[str, float | None]
) -> dict[str, Markup]:
    """Draw all figures that the kind of task has, as SVG by name."""
    classes = run.assets["classes"]
    answers = {name: found.answers(name, threshold) for name, threshold in thresholds.items()}
    draws = group_draws(found.table["group"], run.config.seed, draws=BAND_DRAWS)
    ranked = list(rankings(found, answers, classes))
    matrix = {name: plots.confusion(name, found.labels, chosen, classes) for name, chosen in answers.items()}
    per_class = {name: split["per_class"] for name, split in run.card["splits"].items()}
    figures = {
        "confusion-network": (matrix["network"], "Confusion matrix of the network"),
        "confusion-baseline": (matrix["baseline"], "Confusion matrix of the baseline"),
        "roc": (curves.roc(ranked, draws), "ROC curves with 95 % bands"),
        "recall": (curves.precision_recall(ranked, draws), "Precision-recall curves with 95 % bands"),
        "scores": (histogram(run, found, answers["network"], thresholds["network"]), "Histogram for each class"),
        "balance": (plots.balance(per_class), "Share of each class in the splits"),
    }
    if run.task.value != "score":
        figures["reliability"] = (honesty(found, answers["network"], draws), "Reliability diagram of the network")
    if any(name.startswith("val_") for name in history):
        figures["training"] = (plots.training(history.to_dict("list"), best), "Loss and metrics over the epochs")
    return {name: Markup(plots.svg(figure, name, title)) for name, (figure, title) in figures.items()}


def rankings(found: Predictions, answers: Mapping[str, np.ndarray], classes: Sequence[str]) -> Iterator[Ranking]:
    """Give what ROC and precision-recall curves are drawn of: each model, or of several classes each against all."""
    labels = found.labels
    for name, values in found.outputs.items():
        if values.ndim == 1:
            yield Ranking(name, COLOURS[name], labels == 1, values, answers[name] == 1)
            continue
        for one, title in enumerate(classes):
            chosen, network = answers[name] == one, name == "network"
            named = title if network else ""
            yield Ranking(named, class_colour(one), labels == one, values[:, one], chosen, dashed=not network)


def honesty(found: Predictions, answers: np.ndarray, draws: np.ndarray) -> Figure:
    """Draw whether the network's probabilities, of class 1 or of the answer, are as good as their word."""
    values = found.outputs["network"]
    if values.ndim == 1:
        return curves.reliability(found.labels, values, draws, ylabel="share that is of the class")
    hits = (answers == found.labels).astype(int)
    return curves.reliability(hits, values.max(axis=1), draws, ylabel="share of right answers")


def histogram(run: Run, found: Predictions, answers: np.ndarray, threshold: float | None) -> Figure:
    """Draw the network's values for each true class: of class 1 with the threshold, or of the true class."""
    classes, values = run.assets["classes"], found.outputs["network"]
    shares = run.task.value != "score"
    if threshold is None:
        values, xlabel = values[np.arange(len(values)), found.labels], "probability of the true class"
    else:
        named = f"probability of {classes[1]}" if shares else f"score, higher for {classes[1]}"
        xlabel = (
            f"{named}; dashed: threshold {threshold:.2f}" if shares else f"{named}; dashed: threshold {threshold:.3g}"
        )
    labels = found.labels, values, answers, classes
    return plots.histograms(*labels, xlabel=xlabel, threshold=threshold, shares=shares)


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
