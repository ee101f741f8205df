"""What an operator sees: Prometheus metrics and structured log lines."""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
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
    "keras_dl_batch_size", "Inputs that ran together.", ["model", "version"], buckets=(1, 2, 4, 8, 16, 32, 64, 128)
)
ERRORS = Counter("keras_dl_errors_total", "Requests refused or failed, by reason.", ["reason"])
VERSIONS = Gauge(
    "keras_dl_model_version", "1 for each version that is served.", ["model", "version"], multiprocess_mode="livemax"
)
UNWRITTEN = Gauge(
    "keras_dl_journal_dropped", "Predictions that the database could not take.", multiprocess_mode="livesum"
)


def figures() -> tuple[bytes, str]:
    """Return all metrics in Prometheus' text format, of all workers, and its content type."""
    registry = REGISTRY
    if MULTIPLE in os.environ:
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)
    return generate_latest(registry), CONTENT_TYPE_LATEST


@contextmanager
def shared_figures() -> Iterator[None]:
    """Let the workers that are started in the block count together, in a folder."""
    with tempfile.TemporaryDirectory(prefix="keras-dl-metrics-") as folder:
        os.environ[MULTIPLE] = folder
        yield


def forget_the_dead() -> None:
    """Take back what workers that are no more said of themselves; their counts stay."""
    for file in Path(os.environ[MULTIPLE]).glob("gauge_live*_*.db"):
        number = file.stem.rpartition("_")[2]
        if number.isdigit() and not Path(f"/proc/{number}").exists():
            multiprocess.mark_process_dead(int(number))


class Lines(logging.Formatter):
    """One JSON object per log line, with what was given as `extra={"facts": {...}}`."""

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


def log_lines(level: int = logging.INFO) -> None:
    """Write the server's log to stderr as JSON lines; uvicorn's own access log is left out, ours says more."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines())
    for name in ("keras_dl", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)
    logging.getLogger("uvicorn.access").handlers = []
    logging.getLogger("uvicorn.access").propagate = False
