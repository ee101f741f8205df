"""What a terminal gets: an end to long work that hears no signal, answers in any encoding, lines that fit."""

import json
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner

from keras_dl import registry
from keras_dl.cli import main

DEAF = """
import ctypes, sys
from contextlib import suppress
from keras_dl import terminal

def farewell():
    print("go on", file=sys.stderr, flush=True)
    {more}

terminal.GRACE = 0.5
with terminal.interruptible(farewell):
    mutex = ctypes.create_string_buffer(128)  # of zeros: a mutex that is free
    for _ in range(3):  # from the second time on for ever, and no signal ends it
        with suppress(KeyboardInterrupt):
            print("ready", flush=True)
            ctypes.CDLL(None).pthread_mutex_lock(mutex)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("more", ["pass", "raise BrokenPipeError"])
def test_deaf_work_ends_all_the_same(how, more):
    process = subprocess.Popen(
        [sys.executable, "-c", DEAF.format(more=more)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert [process.stdout.readline() for _ in range(2)] == ["ready\n"] * 2
    process.send_signal(how)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 1
    assert said.startswith("go on\n")


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-8"])
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_no_answer_is_lost_to_an_encoding_or_to_a_notebooks_backend(tiny_run, encoding, options, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    monkeypatch.setenv("MPLBACKEND", "module://not_installed.backend")
    path = tiny_run("emoji").path
    process = subprocess.run(
        [sys.executable, "-m", "keras_dl", "predict", path, "I love you \u2764\ufe0f", *options],
        capture_output=True,
        timeout=120,
    )
    assert process.returncode == 0, process.stderr
    printed = process.stdout.decode(encoding)
    if options:
        assert json.loads(printed)[0]["input"] == "I love you \u2764\ufe0f"
    else:
        assert printed.startswith("I love you ")


@pytest.mark.parametrize("width", ["80", "120"])
def test_info_fits_the_terminal(width, monkeypatch):
    monkeypatch.setenv("COLUMNS", width)
    for task in registry.TASKS:
        assert max(map(len, CliRunner().invoke(main, ["info", task]).stdout.splitlines())) <= int(width)
