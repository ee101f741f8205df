"""What `promote` and `ab` say at a terminal."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from keras_dl.pages.terminal import harmless, table
from keras_dl.runs import versions
from keras_dl.runs.versions import STABLE, Serving
from keras_dl.show import with_interval, with_p

JUDGED = {"accuracy": "accuracy", "mean_absolute_error": "mean absolute error"}  # what feedback tells of a version


def promoted(folder: Path, serving: Serving) -> str:
    """Say which version each label stands for, who gets it, and how the last change is taken back."""
    there = versions.numbers(folder)
    lines = [f"{folder}: {versions.listed(there) if there else 'no version'}"]
    rows = [("label", "version", "share of the requests that name no version and no label")]
    for label in sorted(serving.labels, key=lambda label: (label != STABLE, label)):
        weight = serving.weights.get(label, 0.0) if serving.weights else float(label == STABLE)
        gone = "" if serving.labels[label] in there else ", but that version does not exist"
        rows.append((label, str(serving.labels[label]), f"{weight:g}{gone}"))
    lines += ["", table(rows)] if serving.labels else []
    if not serving.labels and there:
        lines.append(f"no label is set, so a request without a version gets version {there[-1]}")
    if serving.history:
        label = serving.history[-1][1]
        option = "" if label == STABLE else f" --label {label}"
        lines += ["", f"back    keras-dl promote {shlex.quote(str(folder))}{option} --back"]
    return "\n".join(lines)


def compared(result: dict[str, Any]) -> str:
    """Lay a comparison of versions out as a table, a column for each, and say what the differences are worth."""
    rows = result["versions"]
    lines = [("", *(f"version {row['version']}" for row in rows))]
    lines += [(name, *(f"{row[name]:,}" for row in rows)) for name in ("requests", "predictions", "clients")]
    lines.append(("share of errors", *(with_interval(row["error_share"]) for row in rows)))
    lines.append(("median, ms", *(median(row["latency"]["p50"]) for row in rows)))
    for name in ("p95", "p99"):
        lines.append((f"{name}, ms", *(milliseconds(row["latency"][name]) for row in rows)))
    lines.append(("feedback", *(told(row["feedback"]) for row in rows)))
    if any(row["drift"] for row in rows):
        lines += [(title, *(of(row["drift"]) if row["drift"] else "" for row in rows)) for title, of in DRIFTED.items()]
    name = next(name for name in JUDGED if name in rows[0])
    shown = JUDGED[name]
    lines.append((shown, *(with_interval(row[name]) for row in rows)))
    notes = [f"95 % intervals; those of the median and the {shown} are by client. The {shown} needs feedback."]
    found = []
    for one in result["differences"]:
        found.append(f"{shown} of version {one['to']} - version {one['from']}: {with_p(one[name])}")
        found += [f"  {one['sentence']}"]
    if found:
        notes.append(
            "p is two-sided, for a single look. If you look until p is small, you find differences that do not exist."
        )
    if len(result["differences"]) > 1:
        notes.append("It is not adjusted for the number of comparisons.")
    return "\n\n".join(
        [
            f"model {harmless(result['model'])}",
            table(lines, range(1, len(rows) + 1)),
            *(["\n".join(found)] * bool(found)),
            "\n".join(notes),
        ]
    )


def drifted(found: dict[str, Any]) -> str:
    """Say whether there is a drift alarm."""
    if found["alarm"]:
        return f"drift, since about prediction {found['alarm']['since'] + 1:,}"
    return "none now" if found["alarms"] else "none seen"


DRIFTED = {  # rows of the table, from what `Stream.seen` says
    "unusual inputs": lambda found: f"{found['unusual']:,} of {found['answers']:,}",
    "shift of answers": lambda found: f"{max(found['shift']['value'], 0):.2f}",
    "shift of unusualness": lambda found: f"{max(found['shift']['unusualness'], 0):.2f}",
    "drift": drifted,
}


def median(found: dict[str, float | None]) -> str:
    """Write a median with its interval: "12.3 [11.9, 12.8]"; the requests of one client have none."""
    if found["value"] is None or found["low"] is None:
        return milliseconds(found["value"])
    return f"{found['value']:.1f} [{found['low']:.1f}, {found['high']:.1f}]"


def milliseconds(value: float | None) -> str:
    """Write a percentile of latencies."""
    return "not defined" if value is None else f"{value:.1f}"


def told(feedback: dict[str, Any]) -> str:
    """Write how much feedback there is: "120 (24.0 %) of 40 clients"."""
    return f"{feedback['count']:,} ({100 * feedback['share']:.1f} %) of {feedback['clients']:,} clients"
