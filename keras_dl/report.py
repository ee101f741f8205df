"""report.html of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from keras_dl.run import Run


def write(run: Run, measured: dict[str, Any] | None = None) -> Path:
    """Write report.html."""
    path = run.path / "report.html"
    path.write_text("to come")
    return path
