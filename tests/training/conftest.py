"""Trainings of these tests write no report: it takes a third of the time of a tiny one, and few of them read it."""

import pytest


@pytest.fixture(autouse=True)
def no_report(request, monkeypatch):
    if "report" not in request.keywords:
        monkeypatch.setattr("keras_dl.verbs.report.write", lambda run, measured=None: run.path / "report.html")
