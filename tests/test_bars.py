"""Bars and lines: on a terminal, in a pipe, and in one folded output of a notebook's cell."""

import sys
from types import SimpleNamespace

import IPython
import IPython.display
import pytest

from keras_dl import progress


@pytest.fixture
def notebook(monkeypatch):
    """A kernel whose outputs are kept: of each display all that it showed, as HTML."""
    shell = SimpleNamespace(kernel=object(), execution_count=1)
    shown: list[list[str]] = []

    def display(data, raw, display_id):
        assert raw
        assert display_id
        own = [data["text/html"]]
        shown.append(own)
        return SimpleNamespace(update=lambda data, raw: own.append(data["text/html"]))

    monkeypatch.setattr(IPython, "get_ipython", lambda: shell)
    monkeypatch.setattr(IPython.display, "display", display)
    monkeypatch.setattr(progress, "cells", [])
    monkeypatch.setattr(progress, "SHORT", 0)
    return SimpleNamespace(shell=shell, shown=shown)


def test_a_cell_shows_the_last_line_and_folds_all_away(notebook, capsys):
    progress.say("first <b>")
    progress.say("second")
    (outputs,) = notebook.shown
    assert outputs[-1] == "<details><summary>second</summary><pre>first &lt;b&gt;\nsecond</pre></details>"
    assert capsys.readouterr() == ("", "")


def test_a_bar_moves_in_the_same_output_and_leaves_nothing(notebook, capsys):
    progress.say("begun")
    with progress.bar(total=4, desc="decode <train>", unit=" examples") as bar:
        for _ in range(4):
            bar.update()
    (outputs,) = notebook.shown
    assert '<progress value="2" max="4">' in "".join(outputs)
    assert "decode &lt;train&gt;: 2/4 examples, " in "".join(outputs)
    assert "<progress" not in outputs[-1]
    assert capsys.readouterr() == ("", "")


def test_the_next_cell_has_an_output_of_its_own(notebook):
    progress.say("one")
    notebook.shell.execution_count = 2
    progress.say("two")
    assert [len(outputs) for outputs in notebook.shown] == [1, 1]
    assert "one" not in notebook.shown[1][0]


def test_a_bar_without_a_total_an_iterable_and_a_silent_one(notebook):
    with progress.bar(desc="reading", unit="B") as bar:
        bar.update(3)
    assert list(progress.bar([1, 2], "files")) == [1, 2]
    (outputs,) = notebook.shown
    assert "<progress></progress> reading: 3B" in "".join(outputs)
    assert "files" in "".join(outputs)
    before = len(outputs)
    assert list(progress.bar([1, 2], disable=True)) == [1, 2]
    assert len(outputs) == before


def test_quick_work_shows_nothing_in_a_cell(notebook, monkeypatch):
    monkeypatch.setattr(progress, "SHORT", 60)
    with progress.bar(total=2) as bar:
        bar.update(2)
    assert notebook.shown == []


@pytest.mark.parametrize("shell", [None, SimpleNamespace()], ids=["no notebook", "IPython at a terminal"])
@pytest.mark.parametrize("terminal", [False, True])
def test_outside_of_notebooks_lines_and_bars_go_to_stderr_and_bars_to_terminals_alone(
    shell, terminal, monkeypatch, capsys
):
    monkeypatch.setattr(IPython, "get_ipython", lambda: shell)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    progress.say("a line")
    with progress.bar(total=2, desc="decode") as bar:
        bar.update(2)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("a line\n")
    assert ("decode: 100%" in printed.err) == terminal
