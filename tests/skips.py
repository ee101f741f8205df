"""A test may be skipped only if tests/skips.txt names it, with the reason: a skip that nobody planned is a failure.

conftest.py takes the two hooks at the end.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

LIST = Path(__file__).with_name("skips.txt")


def planned(text: str) -> dict[str, str]:
    """Read the list, a line for each: how the test's id begins, and the reason."""
    lines = (line.partition("  ") for line in text.splitlines() if line and not line.startswith("#"))
    return {start.strip(): reason.strip() for start, _, reason in lines}


def refuse(report: Any, known: dict[str, str]) -> None:
    """Turn a skip into a failure where the list does not name it; an expected failure is no skip."""
    if report.skipped and not hasattr(report, "wasxfail") and not report.nodeid.startswith(tuple(known)):
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} is skipped, and {LIST.name} does not name it: {report.longrepr}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    """Look at each test."""
    report = yield
    refuse(report, planned(LIST.read_text(encoding="utf-8")))
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, Any, Any]:
    """Look at files that are skipped as a whole."""
    report = yield
    refuse(report, planned(LIST.read_text(encoding="utf-8")))
    return report
