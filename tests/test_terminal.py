"""What a terminal gets: an end to long work that hears no signal, answers in any encoding, lines that fit."""

import json
import os
import pty
import signal
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner
from rich.cells import cell_len

from keras_dl import registry, show
from keras_dl.cli import main
from keras_dl.task.blocks import Answer
from keras_dl.terminal import Group
from keras_dl.training.machines import devices

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
    assert max(map(len, CliRunner().invoke(main, ["list"]).stdout.splitlines())) <= int(width)


@pytest.mark.parametrize("width", ["80", "120"])
def test_results_fit_the_terminal_and_say_which_model_is_better(width, monkeypatch, tiny_run):
    monkeypatch.setenv("COLUMNS", width)
    for task in ("emoji", "pneumonia"):
        run = tiny_run(task)
        lines = click.unstyle(show.measured(run.metrics["test"], run.task)).splitlines()
        assert max(map(cell_len, lines)) <= int(width)
    row = {"input": "word " * 20, "label": "heart", "probabilities": {f"class-{number}": 0.1 for number in range(9)}}
    shown = show.predictions([row], lambda row: Answer("heart", "certainty " * 12))
    assert max(map(len, shown.splitlines())) <= int(width)


def test_what_is_better_is_decided_by_the_interval_of_the_difference():
    for (low, high), more, expected in (
        ((0.1, 0.2), True, 1),
        ((0.1, 0.2), False, 2),
        ((-0.2, -0.1), True, 2),
        ((-0.2, -0.1), False, 1),
        ((-0.1, 0.2), True, 0),
        ((0.0, 0.2), True, 0),
        ((None, None), True, 0),
        ((0.1, 0.2), None, 0),
    ):
        assert show.better_one({"value": 0.0, "low": low, "high": high}, more) == expected


def test_a_command_to_type_can_be_copied_from_a_narrow_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "50")
    words = ["keras-dl", "explain", "runs/a folder/" + "x" * 30, "examples/$HOME and more " + "y" * 30]
    shown = show.command(*words)
    assert "\\\n" in shown
    process = subprocess.run(["bash", "-c", f"printf '%s\\0' {shown}"], capture_output=True, text=True)
    assert process.stdout.split("\0")[:-1] == words


def test_a_terminal_is_told_what_takes_seconds_and_a_pipe_is_not(monkeypatch):
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    mine, terminal = pty.openpty()
    with devices.sign_of_life(terminal):
        pass
    assert b"loading TensorFlow" in os.read(mine, 10_000)
    reading, pipe = os.pipe()
    with devices.sign_of_life(pipe):
        pass
    os.close(pipe)
    assert os.read(reading, 10) == b""
    for one in (mine, terminal, reading):
        os.close(one)


def test_shell_completion_is_there(tmp_path):
    for shell in ("bash", "zsh", "fish"):
        command = CliRunner().invoke(main, prog_name="keras-dl", env={"_KERAS_DL_COMPLETE": f"{shell}_source"})
        assert "_KERAS_DL_COMPLETE" in command.stdout


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("ex", ["plain,explain", "plain,export"]),
        ("train em", ["plain,emoji"]),
        ("info imdb-f", ["plain,imdb-ffn"]),
        ("predict sp", ["plain,spam", "dir,sp"]),
        ("serve emoji sp", ["plain,spam", "dir,sp"]),
        ("train emoji --ti", ["plain,--tiny"]),
    ],
)
def test_the_tab_key_completes_commands_tasks_and_options(typed, expected):
    words = f"keras-dl {typed}"
    asked = {"_KERAS_DL_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    assert CliRunner().invoke(main, prog_name="keras-dl", env=asked).stdout.split() == expected


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            MemoryError("Unable to allocate 9. TiB"),
            "Error: no memory is left: Unable to allocate 9. TiB; take a smaller",
        ),
        (RuntimeError("OOM when allocating tensor"), "Error: no memory is left: OOM when allocating tensor; take a sm"),
        (RuntimeError("odd"), "Error: unexpected RuntimeError: odd (--debug shows where)"),
    ],
)
def test_no_memory_is_not_unexpected(error, line):
    def fails():
        raise error

    group = Group("main")
    group.command("fails")(fails)
    result = CliRunner().invoke(group, ["fails"])
    assert result.exit_code == 1
    assert result.stderr.startswith(line)
