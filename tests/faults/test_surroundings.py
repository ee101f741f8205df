"""A clock that was set back, places that cannot be written to, two trainings that want one directory."""

import json
import os
import shutil
import subprocess
from datetime import datetime
from pathlib import Path

import pytest

from keras_dl import api, registry, training
from keras_dl.errors import KerasDLError, UsageError
from keras_dl.runs import files, run, sources
from keras_dl.runs.files import replacing
from keras_dl.runs.run import Run
from keras_dl.task import Config
from keras_dl.training import features, pipeline

TASK = "pneumonia-simple-cnn"


class SetBack(datetime):
    """A clock that lost some years."""

    @classmethod
    def now(cls, tz=None):
        return cls(2001, 1, 1)


def test_the_newest_run_is_the_one_begun_last_also_when_the_clock_was_set_back(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = api.begin(TASK, out="runs/elsewhere")
    os.utime(first.path / "config.json", (4e9, 4e9))  # of the year 2096
    monkeypatch.setattr(run, "datetime", SetBack)
    monkeypatch.setattr(files.time, "time_ns", lambda: 978_307_200_000_000_000)
    second = api.begin(TASK)
    assert second.path.name == "20010101-000000-000000"
    assert Run.find(TASK, complete=False).path == second.path
    with pytest.raises(UsageError, match="not empty"):  # the clock stands still
        api.begin(TASK)


def test_no_time_that_a_training_keeps_is_of_the_clock_that_can_be_set():
    modules = [path for path in Path(training.__file__).parent.rglob("*.py") if path.name != "__init__.py"]
    assert {"fit", "checkpoints", "progress", "distributed"} <= {path.stem for path in modules}
    for path in modules:
        text = path.read_text(encoding="utf-8")
        assert not [word for word in ("time.time(", "datetime.now(") if word in text], path


def test_of_two_that_want_a_directory_at_once_one_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "run"
    refuse = files.refuse_full
    looked = []

    def slow(folder):
        refuse(folder)
        if not looked:  # after the first look of the one, the other is quicker
            looked.append(folder)
            api.begin(TASK, out=path, settings={"seed": 2})

    monkeypatch.setattr(run, "refuse_full", slow)
    with pytest.raises(UsageError, match="not empty"):
        api.begin(TASK, out=path, settings={"seed": 1})
    assert Run(path).config.seed == 2
    with Run(path).locked(), pytest.raises(KerasDLError, match="another training is writing"), Run(path).locked():
        pass


def test_a_config_of_a_run_is_enough_to_run_it_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = api.begin(TASK, tiny=True, settings={"deterministic": True, "seed": 3, "recipe": "default"}, out="first")
    file = first.path / "config.json"
    again = api.begin(file=file, out="again")
    assert (again.task.name, again.config) == (TASK, first.config)
    assert {**again.asked} == {**first.asked}
    assert api.begin(out="again", resume=True).path == Path("again")
    with pytest.raises(UsageError, match=f"belongs to the task '{TASK}', not 'spam'"):
        api.begin("spam", file=file)
    (tmp_path / "plain.json").write_text(json.dumps({"epochs": 2}))
    with pytest.raises(UsageError, match="names no task; give one: keras-dl train TASK --config"):
        api.begin(file=tmp_path / "plain.json")
    with pytest.raises(UsageError, match="name a task"):
        api.begin()


def test_the_command_takes_deterministic_and_a_config_alone(tmp_path, keras_dl_command):
    api.begin(TASK, tiny=True, out=tmp_path / "first")
    shown = keras_dl_command("train", "--help").stdout
    assert "[TASK]" in shown
    assert "--deterministic" in shown
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    config = tmp_path / "first" / "config.json"
    refused = keras_dl_command("train", "--config", config, "--deterministic", "--out", tmp_path / "taken")
    assert refused.returncode == 2
    assert "taken is not empty" in refused.stderr


@pytest.fixture
def read_only(tmp_path):
    """A disk with the embedded images that cannot be written to; skipped where none may be mounted."""
    path = tmp_path / "disk"
    path.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", path], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted: {mounted.stderr.strip()}")
    from keras_dl.data.sets.images import chest_xray

    shutil.copytree(chest_xray.synthesize(tiny=True), path / "images")
    subprocess.run(["mount", "-o", "remount,ro", path], check=True)
    yield path
    subprocess.run(["umount", "--lazy", path], check=True)


def test_data_and_working_directory_may_be_read_only(read_only, tmp_path, monkeypatch):
    monkeypatch.chdir(read_only)
    data = read_only / "images"
    with pytest.raises(
        KerasDLError, match=r"cannot create the run directory runs/.*: Read-only file system; choose another --out"
    ):
        api.begin(TASK, data=data, tiny=True)
    with pytest.raises(KerasDLError, match=r"cannot write .*disk: Read-only file system; make it writable"):
        files.held(read_only).__enter__()
    done = api.train(TASK, data=data, tiny=True, epochs=1, out=tmp_path / "run")
    assert done.complete


def test_without_a_place_for_the_cache_features_are_computed_all_the_same(read_only, monkeypatch, capsys):
    import keras
    import numpy as np

    monkeypatch.setenv("KERAS_DL_CACHE", str(read_only))
    given = keras.Input((3,))
    model = keras.Model(given, keras.layers.Dense(2)(given))
    images = np.ones((4, 3), "float32")
    np.testing.assert_allclose(features.cached(model, images), model(images), rtol=1e-5)
    assert "the features were not cached: cannot write" in capsys.readouterr().err


def test_decoded_examples_that_the_disk_has_no_room_for_are_refused_in_one_line(tmp_path, monkeypatch):
    """Not with a signal: a mapped file is given its room before it is written to."""

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pipeline.os, "posix_fallocate", full)
    begun = api.begin(TASK, tiny=True, out=tmp_path / "run")
    split = sources.load(begun).test
    with pytest.raises(KerasDLError, match=r"cannot write .*test\.x\.npy.*No space left.*--set cache_gb"):
        pipeline.decoded(split, Config(cache_gb=0.0), tmp_path / "test")
    assert not list(tmp_path.glob("*.npy"))


def test_a_run_that_cannot_be_resumed_now_is_kept(tmp_path):
    path = tmp_path / "run"
    source = sources.module(registry.find(TASK)).synthesize(tmp_path / "data", tiny=True)
    begun = api.begin(TASK, data=source, tiny=True, out=path)
    moved = source.rename(tmp_path / "elsewhere")
    with pytest.raises(KerasDLError, match="there is nothing at"):
        api.finish(begun)
    assert not path.exists(), "a run that was never begun leaves nothing"

    moved.rename(source)
    api.begin(TASK, data=source, tiny=True, out=path)
    source.rename(moved)
    with pytest.raises(KerasDLError, match="there is nothing at"):
        api.train(TASK, resume=True, out=path)
    assert (path / "config.json").exists(), "the disk with its data may only be away"


def test_a_file_that_cannot_be_read_is_not_called_one_that_cannot_be_written(tmp_path):
    with pytest.raises(FileNotFoundError, match="missing"), replacing(tmp_path / "copy") as temporary:
        temporary.write_bytes((tmp_path / "missing").read_bytes())


def test_a_full_disk_that_tensorboards_log_finds_is_said_in_one_line_and_a_full_device_is_not(tmp_path):
    import tensorflow as tf

    from keras_dl.runs.files import room_for

    for reason, expected, message in (
        ("events.v2; No space left on device\nFailed to flush", KerasDLError, r"cannot write .*logs: No space left"),
        ("part-00000-of-00001; File too large [Op:SaveV2]", KerasDLError, r"cannot write .*logs: File too large"),
        ("OOM when allocating", tf.errors.ResourceExhaustedError, "OOM"),
    ):
        with pytest.raises(expected, match=message), room_for(tmp_path / "logs"):
            raise tf.errors.ResourceExhaustedError(None, None, reason)


@pytest.mark.parametrize("verb", ["train", "export"])
def test_a_place_whose_name_is_not_utf8_is_refused_before_any_work(verb, tmp_path, tiny_run):
    target = tmp_path / os.fsdecode(b"caf\xe9")
    with pytest.raises(UsageError, match=r"caf.udce9' is not UTF-8; choose another --out"):
        tiny_run("emoji").export(target) if verb == "export" else api.begin(TASK, out=target)
    assert not list(tmp_path.iterdir())
