"""report.html of a run: one page that opens anywhere, without a network and without the data."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from keras_dl.answering.answers import times
from keras_dl.data.layout import part_of
from keras_dl.figures import plots
from keras_dl.measures.bootstrap import DRAWS
from keras_dl.pages.templates import counted, interval, number, rendered
from keras_dl.progress import duration
from keras_dl.runs import history, marks, predictions
from keras_dl.runs.files import replacing
from keras_dl.runs.predictions import UNUSUALNESS, Predictions
from keras_dl.runs.run import Run
from keras_dl.runs.sources import kind_of_reason, written
from keras_dl.slicing import shown as slices_shown
from keras_dl.slicing.annotations import NOTHING
from keras_dl.slicing.annotations import read as read_annotations
from keras_dl.slicing.sliced import sliced
from keras_dl.task import Assets, Output, settings
from keras_dl.task.blocks import Chart, Prose, Spans, Table, percent
from keras_dl.verbs import gallery
from keras_dl.verbs.gallery import Gallery

NOTES = {  # what was read, by name in card.json
    "files": "files found",
    "rows": "texts found",
    "read": "{example}s used",
    "copies": "copies of another {example}, kept in the same split",
    "unnamed": "{example}s whose {group} is unknown; each counts as its own {group}",
}
SHOWN = 20  # of what was left out
NAMED = 3  # of the unusual test examples
MODELS = ("network", "baseline")


def write(run: Run, measured: dict[str, Any] | None = None, slices: str | Path | None = None) -> Path:
    """Write report.html and return its path.

    Args:
        run: a run with card.json, history.csv and predictions.csv.
        measured: what `evaluate.measure` found on the test part; None for what metrics.json says.
        slices: a table of what else is known of the test examples; see `slicing.annotations.read`.
    """
    measured = measured or run.metrics["test"]
    skipped = run.card["data"]["notes"].get("skipped", [])
    words = {**run.task.words, **run.card.get("words", {})}
    epochs = history.read(run.path)
    best = best_epoch(run, epochs)
    output, predicted = run.task.output, predictions.read(run)
    found = predicted.found(run.assets)
    parts = sliced_again(run, predicted, measured, slices)
    shown = gallery.examples(run, found, predicted.table["id"].tolist())
    page = rendered(
        "report.html",
        card=run.card,
        marks=run.marks,
        words=words,
        measured=measured,
        tested=tested(measured, words),
        holds=output.holds(measured),
        metrics=metric_rows(measured, output, run.assets),
        others=others_table(measured, output, run.assets),
        slices=shown_slices(parts, output, run.assets, words),
        settled=[*output.explained(measured, run.assets, run.config, words), *unusual(run, measured, predicted, words)],
        draws=DRAWS,
        kept=history.said(epochs, best),
        kept_last=len(epochs) > 0 and best == epochs["epoch"].max(),
        charts=output.figures(found, run.config, words),
        training=training_chart(epochs, best),
        shares=output.shares(run.card["splits"], words),
        splits={name: output.counted(split) for name, split in run.card["splits"].items()},
        epochs=len(epochs),
        shared_groups=shared_groups(run),
        notes=note_rows(run.card["data"]["notes"], words),
        skipped=skipped[:SHOWN],
        reasons=Counter(kind_of_reason(row["reason"]) for row in skipped).most_common(),
        gallery=shown,
        texts=any(isinstance(one.block, Spans | Prose) for _, rows in shown.kinds for one in rows),
        paths=any(told_part(one.id) in ("train", "validation") for _, rows in shown.kinds for one in rows),
        gallery_notes=gallery_notes(run, shown, measured, words),
        unit=run.task.input.unit,
        settings=setting_rows(run),
        trained_in=duration(run.card["training"]["seconds"]),
        command=command(run),
        run=run.name,
    )
    path = run.path / "report.html"
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def tested(measured: Mapping[str, Any], words: Mapping[str, str]) -> str:
    """Count the test examples, and the groups that they are of where these are something else."""
    examples = counted(measured["examples"], words["example"])
    same = words["example"] == words["group"]
    return examples if same else f"{examples} of {counted(measured['groups'], words['group'])}"


def metric_rows(measured: Mapping[str, Any], output: Output, assets: Assets) -> list[dict[str, Any]]:
    """Return the rows of the metric table; the first is the one the verdict is about."""
    rows = []
    for name in measured["network"]:
        metric = output.metric(name, assets)
        cells = {column: measured[column][name] for column in ("network", "baseline", "difference")}
        meaning = metric.meaning + ("; lower is better" if metric.more_is_better is False else "")
        verdict = judgement(cells["difference"], metric.more_is_better)
        rows.append({"title": metric.title, "meaning": meaning, "digits": metric.digits, **cells, "judgement": verdict})
    return rows


def others_table(measured: Mapping[str, Any], output: Output, assets: Assets) -> Table | None:
    """Lay out the metrics of more classical models, where there are some."""
    others = measured.get("others")
    if not others:
        return None
    rows = []
    for name in measured["network"]:
        metric = output.metric(name, assets)
        cells = [cells[name] for cells in others.values()]
        rows.append(
            [metric.title, *(f"{number(c['value'], metric.digits)} {interval(c, metric.digits)}" for c in cells)]
        )
    return Table(["Metric", *others], rows, "Other classical models", "Measured on the same test part.")


def unusual(run: Run, measured: Mapping[str, Any], predicted: Predictions, words: Mapping[str, str]) -> list[Prose]:
    """Explain when an input is called unusual, and how many of the test part are; nothing for an earlier run."""
    if "unusual" not in measured:
        return []
    cell, table = measured["unusual"], predicted.table.sort_values(UNUSUALNESS, ascending=False)
    marked = table[table[UNUSUALNESS] > 1][:NAMED]
    named = ", ".join(f"`{one.id}` ({times(one.unusualness)} the limit)" for one in marked.itertuples())
    text = (
        f"An input that is unlike the training data gets a warning with its answer. A {words['example']} of the same "
        f"source should get one with a chance of at most {percent(run.config.false_alarms)}: this limit was set on the "
        f"validation part. On the test part, **{percent(cell['value'])}** get one (95\N{NO-BREAK SPACE}% "
        f"interval: {percent(cell['low'])} to {percent(cell['high'])})"
    )
    return [Prose(f"{text}; the most unusual: {named}." if named else f"{text}.", "Unusual inputs")]


def sliced_again(
    run: Run, predicted: Predictions, measured: Mapping[str, Any], table: str | Path | None
) -> dict[str, Any]:
    """Return the slices that were measured; those of a run without, or with a user's table, are measured now."""
    if table is None and "slices" in measured:
        return measured["slices"]
    annotations = NOTHING if table is None else read_annotations(table, predicted.table["id"].tolist())
    found = predicted.found(run.assets)
    return sliced(run.task.output, found, predicted.columns, run.config.seed, annotations)


def shown_slices(parts: Mapping[str, Any], output: Output, assets: Assets, words: Mapping[str, str]) -> dict[str, Any]:
    """Return what the report shows of the slices: a sentence, a chart, a table, and one of all metrics."""
    record = output.metric(parts["metric"], assets)
    metrics = {name: output.metric(name, assets) for row in parts["rows"] for name in row.get("metrics", ())}
    return {
        **parts,
        "said": Prose(slices_shown.sentence(parts, record, words["example"])),
        "chart": slices_shown.chart(parts, record),
        "table": slices_shown.table(parts, record),
        "metrics": slices_shown.every_metric(parts, metrics),
        "judged": record,
        "stratum": output.stratum,
    }


def gallery_notes(run: Run, shown: Gallery, measured: Mapping[str, Any], words: Mapping[str, str]) -> Prose:
    """Say what the gallery shows, and what its numbers and colours mean."""
    text, output = run.task.output.notes(measured, run.assets, words), run.task.output
    if shown.method is not None:
        legend = shown.method.legend.format(*output.names(run.assets), of=output.subject(run.assets))
        text = f"{text} {legend}"
    return Prose(text)


def judgement(difference: Mapping[str, float | None], more_is_better: bool | None) -> str:
    """Say "better" or "worse" where the whole interval of a difference is on one side of zero, else ""."""
    low, high = difference["low"], difference["high"]
    if low is None or high is None or more_is_better is None or low <= 0 <= high:
        return ""
    return "better" if (low > 0) == more_is_better else "worse"


def best_epoch(run: Run, epochs: pd.DataFrame) -> int | None:
    """Return the epoch whose weights were kept: as the card says, else the one with the lowest validation loss.

    It is a running number over all phases.
    """
    if "best_epoch" in run.card["training"]:
        return run.card["training"]["best_epoch"]
    if "val_loss" not in epochs or epochs["val_loss"].isna().all():
        return None
    return int(epochs["epoch"][epochs["val_loss"].idxmin()])


def training_chart(epochs: pd.DataFrame, best: int | None) -> Chart | None:
    """Draw the training curves, where there are any."""
    if not len(epochs) or not any(name.startswith("val_") for name in epochs):
        return None
    figure = plots.training(epochs.to_dict("list"), best)
    return Chart("training", plots.svg(figure, "training", "Loss and metrics over the epochs"))


def shared_groups(run: Run) -> int:
    """Count the groups that are in more than one split; there should be none."""
    splits = written(run)
    return int((splits.groupby("group")["split"].nunique() > 1).sum())


def told_part(name: str) -> str:
    """Return the part that the folders in the path of an example tell, which need not be the one it is in, or ""."""
    return next((part for folder in name.split("/")[:-1] if (part := part_of(folder)[0])), "")


def note_rows(notes: Mapping[str, Any], words: Mapping[str, str]) -> list[tuple[str, str]]:
    """Say what was read, a row each: what it is, and how many or which."""
    known = [(text.format(**words), f"{notes[name]:,}") for name, text in NOTES.items() if name in notes]
    rest = [(name, value) for name, value in notes.items() if name not in NOTES and name != "skipped"]
    return known + [(name, "; ".join(value) if isinstance(value, list) else str(value)) for name, value in rest]


def setting_rows(run: Run) -> list[tuple[str, Any, Any]]:
    """Return each setting, its value in this run, and the task's default where that is another one."""
    values, defaults = settings.used(run.config, run.task), settings.to_json(run.task.config)
    return [(key, value, None if value == defaults[key] else defaults[key]) for key, value in values.items()]


def command(run: Run) -> str:
    """Return the command that makes this run again."""
    if marks.adapted(run.asked):
        asked = run.asked["adapted"]
        labels = ["--labels", str(asked["labels"])] if asked["labels"] else []
        return shlex.join(["keras-dl", "adapt", asked["run"], "--data", asked["data"], *labels])
    tiny = marks.tiny(run.asked)
    words = ["keras-dl", "train", run.task.name]
    words += ["--data", run.asked["data"]] if run.asked["data"] else []
    words += ["--tiny"] if tiny else []
    for key, value in settings.changed(run.config, run.task, tiny=tiny).items():
        words += ["--set", f"{key}={value}"]
    return shlex.join(words)
