"""The command line: fast help, one-line errors, exit codes, and JSON for programs."""

import json
import re
import shutil
import subprocess
import sys
import time

import click
import kept_runs
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from few_draws import few_draws
from one_of_each import one_of_each, training

from keras_dl import registry
from keras_dl.cli import main
from keras_dl.runs.run import Run

COMMANDS = sorted(main.commands)
TASK = next(iter(registry.TASKS))
KINDS = one_of_each(lambda task: (task.input.key, task.output.key))
SECONDS = 0.3
LIGHT_CASES = (  # arguments and exit code of what must answer without TensorFlow
    *(((command, "--help"), 0) for command in COMMANDS),
    (("list",), 0),
    *((("info", task), 0) for task in registry.TASKS),
    (("runs", "--sort", "figure"), 0),
    (("train", TASK, "--set", "epoch=3"), 2),
    (("train", TASK, "--set", "epochs=many"), 2),
    (("train", TASK, "--data", "nowhere"), 2),
    (("train", TASK, "--device", "abacus"), 2),
    (("train", TASK, "--resume"), 2),
    (("evaluate", TASK), 2),
    (("predict", "nowhere", "image.jpeg"), 2),
)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


# Help


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_help_is_there_at_once(command, keras_dl_command):
    arguments = [command, "--help"] if command else ["--help"]
    fastest = float("inf")
    for _ in range(5):  # a busy machine is slow now and then; a heavy import is slow every time
        began = time.perf_counter()
        process = keras_dl_command(*arguments)
        fastest = min(fastest, time.perf_counter() - began)
        assert process.returncode == 0
        if fastest < SECONDS:
            break
    assert fastest < SECONDS, f"keras-dl {' '.join(arguments)} took {fastest:.2f} s"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shows_an_example_of_itself(command):
    assert f"Example: keras-dl {command}" in run(command, "--help").stdout


def test_help_lists_and_wrong_arguments_need_no_tensorflow(tmp_path):
    program = (
        "import json, sys\n"
        "from click.testing import CliRunner\n"
        "from keras_dl.cli import main\n"
        "assert 'numpy' not in sys.modules, 'numpy doubles the time of --help'\n"
        "for arguments, code in json.loads(sys.argv[1]):\n"
        "    result = CliRunner().invoke(main, arguments)\n"
        "    assert result.exit_code == code, (arguments, result.output)\n"
        "    heavy = ['tensorflow', 'keras', 'pandas', 'sklearn', 'matplotlib']\n"
        "    assert not {*heavy} & {*sys.modules}, (arguments, {*heavy} & {*sys.modules})\n"
    )
    command = [sys.executable, "-c", program, json.dumps(LIGHT_CASES)]
    process = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert process.returncode == 0, process.stderr


# What a command line gets wrong


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("train", "pneumona"), "did you mean 'pneumonia'"),
        (("info", "pneumona"), "did you mean 'pneumonia'"),
        (("evaluate", "pneumona"), "did you mean 'pneumonia'"),
        (("train", "pneumonia", "--set", "epoch=3"), "did you mean 'epochs'"),
        (("train", "pneumonia", "--set", "epochs=many"), "epochs='many' is not of type int"),
        (("train", "pneumonia", "--set", "epochs"), "write key=value"),
        (("train", "pneumonia", "--set", "recipe=orignal"), "default, original"),
        (("train", "pneumonia", "--data", "nowhere"), "keras-dl data pneumonia"),
        (("train", "pneumonia", "--device", "abacus"), "auto, cpu, gpu, tpu"),
        (("train", "pneumonia", "--config", "nowhere.json"), "nowhere.json"),
        (("train", "pneumonia", "--resume"), "no unfinished run of 'pneumonia'"),
        (("report", "pneumonia"), "keras-dl train pneumonia"),
        (("data", "pneumonia", "--from", "nowhere"), "choose from kaggle"),
        (("data", "pneumonia", "--synthetic", "--from", "kaggle"), "leave out --from"),
        (("train", "cells-unet", "--set", "patience=3"), "cells-unet does not use patience"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_usage_is_one_line_that_names_the_way_out_and_exit_code_2(arguments, named, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ")
    assert named in line
    assert result.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_run_is_exit_code_1_and_one_line(tmp_path):
    (tmp_path / "config.json").write_text("{")
    result = run("evaluate", tmp_path)
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "config.json is damaged" in result.stderr


@pytest.mark.parametrize("arguments", [("train", "pneumona"), ("evaluate", "nowhere")], ids=" ".join)
def test_only_debug_shows_a_traceback(arguments, keras_dl_command):
    assert "Traceback" not in keras_dl_command(*arguments).stderr
    debugged = keras_dl_command("--debug", *arguments)
    assert debugged.returncode != 0
    assert "Traceback" in debugged.stderr
    assert "UsageError" in debugged.stderr


def test_an_unforeseen_error_is_one_line_too(monkeypatch):
    def broken(name: str) -> None:
        raise ZeroDivisionError("two\nlines")

    monkeypatch.setattr(registry, "find", broken)
    result = run("info", TASK)
    assert result.exit_code == 1
    assert result.stderr == "Error: unexpected ZeroDivisionError: two lines (--debug shows where)\n"


def test_an_interrupted_training_says_how_to_go_on(monkeypatch, tmp_path):
    def interrupted(run: Run) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("keras_dl.api.finish", interrupted)
    result = run("train", TASK, "--out", str(tmp_path / "a run"))
    assert result.exit_code == 1
    assert f"keras-dl train {TASK} --resume --out '{tmp_path / 'a run'}'" in result.stderr


# Results


def test_list_names_every_task():
    assert json.loads(run("list", "--json").stdout) == {name: text for name, (_, text) in registry.TASKS.items()}
    assert all(name in run("list").stdout for name in registry.TASKS)


@pytest.mark.parametrize("task", registry.TASKS)
def test_info_shows_settings_data_and_limits(task):
    record = registry.find(task)
    facts = json.loads(run("info", task, "--json").stdout)
    assert facts["settings"]["epochs"] == record.config.epochs
    assert facts["data"]["licence"]
    assert set(facts["recipes"]) == set(record.recipes)
    text = run("info", task).stdout
    one_line = " ".join(text.split())
    for shown in (*facts["settings"], *(f"recipe={name}" for name in record.recipes), facts["limits"]):
        assert shown in one_line
    for name in facts["settings"]:
        assert facts["meanings"][name], f"{name} has no comment that says what it means"
        assert facts["meanings"][name] in one_line


def test_training_prints_json_alone_to_stdout_and_its_progress_to_stderr(tmp_path, keras_dl_command):
    process = keras_dl_command("train", "emoji", "--tiny", "--json", "--out", tmp_path / "run")
    assert process.returncode == 0, process.stderr
    result = json.loads(process.stdout)
    assert result == {"run": str(tmp_path / "run"), **json.loads((tmp_path / "run" / "metrics.json").read_text())}
    assert "trained in" in process.stderr
    assert "Traceback" not in process.stderr


@pytest.mark.parametrize("task", one_of_each(training))
def test_the_same_seed_gives_the_same_history_and_weights_to_the_bit(task, trained_alike):
    histories = [pd.read_csv(folder / task / "history.csv").drop(columns="seconds") for folder in trained_alike]
    pd.testing.assert_frame_equal(*histories, check_exact=True)
    one, other = (np.load(folder / task / "weights.npz") for folder in trained_alike)
    assert one.files == other.files
    for name in one.files:
        np.testing.assert_array_equal(one[name], other[name])


def test_a_complete_run_is_not_resumed(tiny_run):
    path = tiny_run("emoji").path
    result = run("train", "emoji", "--resume", "--out", path)
    assert result.exit_code == 2
    assert "there is nothing to resume" in result.stderr


def test_a_run_directory_in_use_is_not_written_over(tiny_run):
    result = run("train", "emoji", "--tiny", "--out", tiny_run("emoji").path)
    assert result.exit_code == 2
    assert "is not empty" in result.stderr


@pytest.mark.parametrize("task", KINDS)
def test_every_verb_prints_json_alone(task, tiny_run, tmp_path, monkeypatch):
    few_draws(monkeypatch, 20)  # for time
    monkeypatch.chdir(tmp_path)
    path = tiny_run(task).path
    other = shutil.copytree(path, tmp_path / "other")
    example = min((path / "examples").iterdir())
    verbs = {
        "evaluate": (),
        "predict": (example,),
        "explain": (example,),
        "report": (),
        "export": ("--out", tmp_path / "models"),
        "compare": (other,),
    }
    for verb, arguments in verbs.items():
        result = run(verb, path, *arguments, "--json")
        assert result.exit_code == 0, (verb, result.stderr)
        json.loads(result.stdout)


@pytest.mark.parametrize("task", KINDS)
def test_one_bad_file_does_not_cost_the_others_their_prediction(task, tiny_run, tmp_path):
    path = tiny_run(task).path
    good, other = sorted((path / "examples").iterdir())[:2]
    text = registry.find(task).input.key == "text"
    (tmp_path / "bad.jpeg").write_bytes(b"\xff\xfe no UTF-8" if text else good.read_bytes()[:100])
    result = run("predict", path, good, tmp_path / "bad.jpeg", other)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines] == [str(good), str(tmp_path / "bad.jpeg"), str(other)]
    card = json.loads((path / "card.json").read_text())
    assert "cannot be used" in lines[1]
    for line in (lines[0], lines[2]):
        if "classes" in card:
            assert any(f" {name}  " in line for name in card["classes"])
            assert re.search(r"\d\.\d{2}", line)
        else:
            assert re.search(rf"  \d+ {card['unit']}  ", line)
    assert "1 of 3 inputs could not be used" in result.stderr


@pytest.mark.parametrize(
    ("verb", "options", "named"),
    [
        ("predict", ("--out", "pictures"), "add --neighbours"),
        ("explain", ("--out", "heat.jpg"), "choose such a file or a folder for --out"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(verb, options, named, tiny_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tiny_run("pneumonia").path
    result = run(verb, path, min((path / "examples").iterdir()), *options)
    assert result.exit_code == 2
    assert named in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("task", ["pneumonia", "spam"])
def test_a_task_stands_for_its_newest_complete_run(task, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kept_runs.make(tmp_path / "runs" / task / "older", {"pneumonia": "binary", "spam": "text"}[task])
    unfinished = shutil.copytree(tmp_path / "runs" / task / "older", tmp_path / "runs" / task / "newer")
    (unfinished / "metrics.json").unlink()
    assert json.loads(run("report", task, "--json").stdout)["report"].endswith(f"{task}/older/report.html")


@pytest.mark.parametrize("arguments", [("hello, a prize",), ("-",)], ids=" ".join)
def test_texts_are_predicted_and_explained_without_a_file(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("keras_dl.open_run", lambda run: kept_runs.make(tmp_path / run, "text"))
    result = CliRunner().invoke(main, ["predict", "one", *arguments], input="hello, a prize\n")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "hello, a prize  spam  probability of spam 0.891, threshold 0.500\n"
    result = CliRunner().invoke(main, ["explain", "two", *arguments], input="hello, a prize\n", color=True)
    assert result.exit_code == 0, result.stderr
    assert "48;5;208mprize" in result.stdout
    assert (tmp_path / "hello-a-prize-explained.html").is_file()
    result = CliRunner().invoke(main, ["explain", "three", *arguments, "--method", "magic"])
    assert result.exit_code == 2


def test_every_option_has_a_help_text():
    for name, command in main.commands.items():
        for option in command.params:
            if isinstance(option, click.Option):
                assert option.help, f"keras-dl {name} {option.opts[0]}"
