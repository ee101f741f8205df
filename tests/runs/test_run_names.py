"""Names mean one run: never a tiny one for a task, real data first, the newest of its kind, and it is said which."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

import keras_dl
from keras_dl import api, cli_serving, registry
from keras_dl.cli import main
from keras_dl.errors import UsageError
from keras_dl.runs import marks, names, sources
from keras_dl.runs.run import Run

TASK = "pneumonia"
REAL = "/data/chest_xray"
TITLES = {"tiny": "tiny run", "embedded data": "synthetic data"}
PLAIN = {"config": {}, "data": None, "device": "auto"}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def make():
    """Give a function that makes run directories, each begun a second after the one before."""
    made = []

    def one(path, *, task=TASK, complete=True, **asked):
        folder = Path("runs", path)
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(json.dumps({"task": task, **PLAIN, **asked}))
        os.utime(folder / "config.json", (1e9 + len(made),) * 2)
        if complete:
            (folder / "metrics.json").write_text("{}")
        made.append(folder)
        return folder

    return one


def said(capsys):
    return capsys.readouterr().err


# A task's name


def test_a_tiny_run_never_answers_for_its_task(make, capsys):
    real = make("pneumonia/1", data=REAL)
    make("pneumonia/2", tiny=True, data=REAL)
    make("pneumonia/3", tiny=True)
    assert keras_dl.open_run(TASK).path == real
    assert said(capsys) == f"using {real}\n  skipped newer runs: 2 tiny\n"


@pytest.mark.parametrize("count", [1, 2])
def test_where_all_runs_are_tiny_it_is_said_with_what_to_type(make, count):
    paths = [make(f"pneumonia/{number}", tiny=True) for number in range(count)]
    with pytest.raises(UsageError) as caught:
        Run.find(TASK)
    for part in (f"of '{TASK}' in runs is tiny", f"give its path, {paths[-1]}", f"keras-dl train {TASK}"):
        assert part in str(caught.value)
    assert Run.find(paths[-1]).path == paths[-1], "a path always works"


def test_real_data_goes_before_embedded_data_and_then_the_newest_run(make, capsys):
    make("pneumonia/1", data=REAL)
    second = make("pneumonia/2", data=REAL)
    make("pneumonia/3")
    make("pneumonia/4", data=REAL, complete=False)
    assert Run.find(TASK).path == second
    assert said(capsys) == f"using {second}\n  skipped newer runs: 1 not complete, 1 embedded data\n"


def test_a_run_on_embedded_data_answers_where_there_is_no_other_and_it_is_said(make, capsys):
    make("pneumonia/1", data=REAL, complete=False)
    embedded = make("pneumonia/2")
    make("spam/3", task="spam", data=REAL)
    assert Run.find(TASK).path == embedded
    assert said(capsys) == f"using {embedded} (embedded data)\n"


def test_runs_count_wherever_they_lie_below_the_folder_also_behind_links(make, tmp_path):
    deep = make("older/of/pneumonia", data=REAL)
    assert Run.find(TASK).path == deep
    deep.parents[2].rename(tmp_path / "moved")
    Path("runs").mkdir()
    Path("runs/linked").symlink_to(tmp_path / "moved")
    Path("moved/circle").symlink_to(tmp_path / "moved")
    assert Run.find(TASK).path == Path("runs/linked/older/of/pneumonia")
    assert len(names.kept()) == 1


def test_what_is_no_run_is_passed_over(make):
    real = make("pneumonia/1", data=REAL)
    for path, text in (("hugging/config.json", '{"model_type": "bert"}'), ("broken/config.json", "{")):
        Path("runs", path).parent.mkdir()
        Path("runs", path).write_text(text)
    export = Path("runs/models/1/assets.extra/config.json")
    export.parent.mkdir(parents=True)
    export.write_text((real / "config.json").read_text())
    (export.parents[1] / "saved_model.pb").touch()
    assert Run.find(TASK).path == real
    assert [(run.path.name, bool(run.problem)) for run in names.kept()] == [("1", False), ("broken", True)]


# A run's own name


def test_a_run_answers_to_its_name_and_to_that_of_its_folder(make, capsys):
    path = make("pneumonia/20261128-024600", name="good", data=REAL)
    make("pneumonia/2", data=REAL)
    assert Run.find("good").path == Run.find("20261128-024600").path == path
    assert Run.find("good").name == "good"
    assert said(capsys).splitlines()[:2] == [f"using {path}", f"using {path} (good)"]


def test_of_runs_with_one_name_the_newest_is_meant_that_is_not_tiny(make, capsys):
    make("a", name="good", data=REAL)
    second = make("b", name="good", data=REAL)
    make("c", name="good", tiny=True, data=REAL)
    assert Run.find("good").path == second
    assert said(capsys) == f"using {second}\n  skipped newer runs: 1 tiny\n"


def test_a_tiny_run_answers_to_its_own_name(make, capsys):
    path = make("a", name="trial", tiny=True)
    assert Run.find("trial").path == path
    assert said(capsys) == f"using {path} (tiny, embedded data)\n"


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("godo", "did you mean 'good'?"),
        ("pneumona", "did you mean 'pneumonia'?"),
        ("xyz", "keras-dl list shows the tasks, and keras-dl runs shows the runs"),
        ("half", "finish it: keras-dl train pneumonia --resume --out runs/half"),
        ("runs", "runs is a folder of several runs; give one of them (keras-dl runs runs lists them)"),
    ],
)
def test_a_name_that_means_no_run_is_an_error_with_the_way_out(make, name, part):
    make("good")
    make("half", complete=False)
    with pytest.raises(UsageError, match=r".*") as caught:
        Run.find(name)
    assert part in str(caught.value)


@pytest.mark.parametrize("name", ["pneumonia", "a b", "a/b", "a=b", "-a", ".a", "_a", "", "a" * 61])
def test_a_name_that_would_not_do_is_refused_and_nothing_is_made(name):
    with pytest.raises(UsageError, match="--name"):
        api.begin(TASK, name=name)
    assert not Path("runs").exists()


def test_a_name_is_kept_with_the_run_and_may_be_of_any_script():
    run = api.begin(TASK, name="grün-1.2_b")
    assert json.loads((run.path / "config.json").read_text())["name"] == "grün-1.2_b"
    assert run.name == Run(run.path).name == "grün-1.2_b"
    assert api.begin(TASK, file=run.path / "config.json").name != "grün-1.2_b", "it is a run of its own"


# Resuming


def test_resumed_is_the_newest_unfinished_run_but_no_tiny_one(make, capsys):
    make("pneumonia/1", complete=False, data=REAL)
    embedded = make("pneumonia/2", complete=False)
    tiny = make("pneumonia/3", complete=False, tiny=True)
    make("pneumonia/4", data=REAL)
    assert api.begin(TASK, resume=True).path == embedded
    assert f"using {embedded} (embedded data)\n  skipped newer runs: 1 tiny" in said(capsys)
    assert api.begin(TASK, resume=True, out=tiny).path == tiny


def test_a_tiny_run_is_resumed_by_its_path_or_name(make):
    tiny = make("a", complete=False, tiny=True, name="trial")
    with pytest.raises(UsageError, match="keras-dl train pneumonia --resume --out runs/a"):
        api.begin(TASK, resume=True)
    assert api.begin(resume=True, name="trial").path == api.begin(TASK, resume=True, name="trial").path == tiny
    with pytest.raises(UsageError, match="is a run of 'pneumonia', not of 'spam'"):
        api.begin("spam", resume=True, name="trial")
    with pytest.raises(UsageError, match="name a task"):
        api.begin(resume=True)


# Every verb


@pytest.mark.parametrize(
    "arguments",
    [
        ("evaluate", TASK),
        ("predict", TASK, "a.png"),
        ("explain", TASK, "a.png"),
        ("embed", TASK),
        ("report", TASK),
        ("export", TASK),
        ("compare", TASK, "other"),
        ("serve", TASK),
    ],
    ids=lambda arguments: arguments[0],
)
def test_every_verb_says_which_run_it_uses_and_takes_no_tiny_one(make, arguments, monkeypatch):
    real, other = make("pneumonia/1", data=REAL), make("b", name="other", data=REAL)
    os.utime(real / "config.json", (2e9, 2e9))
    seen = []

    def stop(*paths):
        seen.extend(paths)
        raise UsageError("far enough")

    monkeypatch.setattr("keras_dl.training.machines.devices.import_quietly", stop)
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"using {real}\n"), result.stderr
    for folder in (real, other):
        folder.joinpath("config.json").write_text(json.dumps({"task": TASK, "config": {}, "data": REAL, "tiny": True}))
    result = CliRunner().invoke(main, arguments)
    assert "is tiny. Its figures mean nothing" in result.stderr


def test_a_server_and_its_workers_serve_one_run_under_the_name_that_was_typed(make):
    path = make("pneumonia/1", name="good", data=REAL)
    assert cli_serving.settled("good") == f"good={path}"
    assert cli_serving.settled(TASK) == f"{TASK}={path}"
    assert cli_serving.settled("x=good") == f"x={path}"
    for argument in (str(path), f"x={path}", "runs"):
        assert cli_serving.settled(argument) == argument


# Marks


@pytest.mark.parametrize("task", ["emoji", "spam", "cells-cnn", "imdb-ffn"])
def test_embedded_data_that_was_written_out_is_still_embedded_data(task, tmp_path):
    module = sources.module(registry.find(task))
    for path in (module.synthesize(tmp_path / "data", tiny=True), module.synthesize(tiny=True)):
        assert sources.embedded(sources.checked(registry.find(task), path)), path
    assert not sources.embedded(tmp_path)


def test_a_run_on_written_out_data_is_marked_too(tmp_path):
    path = sources.module(registry.find("emoji")).synthesize(tmp_path / "data", tiny=True)
    run = api.begin("emoji", data=path)
    assert [mark.title for mark in run.marks] == ["Synthetic data"]
    assert marks.brief(run.asked) == ["embedded data"]


@pytest.mark.parametrize(
    ("asked", "brief"),
    [
        ({"data": None, "tiny": True}, ["tiny", "embedded data"]),
        ({"data": REAL, "tiny": False}, []),
        ({"data": REAL}, []),
        ({"data": REAL, "tiny": True, "synthetic": False}, ["tiny"]),
    ],
)
def test_runs_of_before_are_marked_by_what_they_know(asked, brief):
    assert marks.brief(asked) == brief
    titles = [one.title for one in marks.warnings({**asked, "task": TASK})]
    assert titles == [", ".join(TITLES[one] for one in brief).capitalize()] * bool(brief)
