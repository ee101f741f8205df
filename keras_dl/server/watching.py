"""What an operator sees: Prometheus metrics and log lines."""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

from keras_dl.pages.terminal import harmless

MULTIPLE = "PROMETHEUS_MULTIPROC_DIR"  # where the figures of several workers meet
TIMES = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)  # seconds

REQUESTS = Counter("keras_dl_requests_total", "Requests answered.", ["model", "version", "route", "status"])
SECONDS = Histogram(
    "keras_dl_request_seconds", "From the first byte to the last.", ["model", "version", "route"], buckets=TIMES
)
PHASES = Histogram(
    "keras_dl_phase_seconds", "Reading, checking, waiting, running, writing.", ["model", "phase"], buckets=TIMES
)
BATCHES = Histogram(
    "keras_dl_batch_size", "Inputs in one batch.", ["model", "version"], buckets=(1, 2, 4, 8, 16, 32, 64, 128)
)
ERRORS = Counter("keras_dl_errors_total", "Requests refused or failed, by reason.", ["reason"])
VERSIONS = Gauge(
    "keras_dl_model_version", "1 for each version that is served.", ["model", "version"], multiprocess_mode="livemax"
)
UNWRITTEN = Gauge(
    "keras_dl_journal_dropped", "Predictions that could not be stored in the database.", multiprocess_mode="livesum"
)

NAMES = ["model", "version"]
LATEST: Any = {"multiprocess_mode": "mostrecent"}  # each worker tells what all have seen
COMPARED = Gauge("keras_dl_drift_answers", "Answers compared with those on validation.", NAMES, **LATEST)
UNUSUAL = Gauge("keras_dl_drift_unusual", "Inputs among them that were marked as unusual.", NAMES, **LATEST)
IN_BIN = Gauge(
    "keras_dl_drift_bin", "Answers in each bin of validation, by its upper end.", [*NAMES, "number", "end"], **LATEST
)
SHIFT = Gauge(
    "keras_dl_drift_shift", "Stability index of recent answers against validation.", [*NAMES, "number"], **LATEST
)
EVIDENCE = Gauge("keras_dl_drift_evidence", "E value against answers as on validation; 1: none.", NAMES, **LATEST)
DRIFT = Gauge("keras_dl_drift", "1 while there is a drift alarm.", NAMES, **LATEST)
ALARMS = Gauge("keras_dl_drift_alarms", "Drift alarms so far.", NAMES, **LATEST)


def figures() -> tuple[bytes, str]:
    """Return all metrics in Prometheus' text format, of all workers, and its content type."""
    registry = REGISTRY
    if MULTIPLE in os.environ:
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)
    return generate_latest(registry), CONTENT_TYPE_LATEST


@contextmanager
def shared_figures() -> Iterator[str]:
    """Let the workers that are started in the block count together, in the folder that is given."""
    with tempfile.TemporaryDirectory(prefix="keras-dl-metrics-") as folder:
        os.environ[MULTIPLE] = folder
        yield folder


def forget_the_dead() -> None:
    """Take back what workers that are no more said of themselves; their counts stay."""
    for file in Path(os.environ[MULTIPLE]).glob("gauge_live*_*.db"):
        number = file.stem.rpartition("_")[2]
        if number.isdigit() and not Path(f"/proc/{number}").exists():
            multiprocess.mark_process_dead(int(number))


class Lines(logging.Formatter):
    """One JSON object per log line, with what was given as `extra={"facts": {...}}`: for programs."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class Words(logging.Formatter):
    """The time and what happened, for people at a terminal: "17:02:30  POST /predict 200, 2.1 ms, emoji 1"."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; a failure's trace follows it."""
        facts = getattr(record, "facts", {})
        said = request_in_words(facts) if "method" in facts else record.getMessage()
        if record.levelno > logging.INFO:
            said = f"{record.levelname.lower()}: {said}"
        trace = f"\n{self.formatException(record.exc_info)}" if record.exc_info else ""
        return f"{datetime.fromtimestamp(record.created):%H:%M:%S}  {harmless(said)}{trace}"


def request_in_words(facts: Mapping[str, Any]) -> str:
    """Say in one line what was asked, how it ended and how long it took."""
    model = f", {facts['model']} {facts['version']}".rstrip() if "model" in facts else ""
    return f"{facts['method']} {facts['path']} {facts['status']}, {facts['ms']:.1f} ms{model}"


STYLES = {"text": Words, "json": Lines}


def log_lines(style: str = "auto", level: int = logging.INFO) -> None:
    """Write the server's log to stderr: "text" for people, "json" for programs, "auto" as stderr is a terminal or not.

    Uvicorn's own lines are left out, but for its warnings: ours say more.
    """
    handler = logging.StreamHandler(sys.stderr)
    fitting = "text" if sys.stderr.isatty() else "json"
    handler.setFormatter(STYLES.get(style, STYLES[fitting])())
    for name, least in (("keras_dl", level), ("uvicorn.error", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(least)
    logging.getLogger("uvicorn.access").handlers = []
    logging.getLogger("uvicorn.access").propagate = False
