"""What a user has set for other programs changes no result, and fails no verb."""

import importlib
import json
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import keras
import pytest

from keras_dl import verbs
from keras_dl.data.download import cache_folder, made_once
from keras_dl.errors import KerasDLError, UsageError
from keras_dl.terminal import use_own_surroundings
from keras_dl.training import own_keras

PROGRAM = Path(__file__).with_name("every_verb.py")
NOWHERE = "/dev/null/nowhere"  # no folder, and nobody can make it, root neither
PROXY = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"), "http://127.0.0.1:9")
KERAS = {"floatx": "float16", "epsilon": 0.1, "backend": "jax", "image_data_format": "channels_first"}
SURROUNDINGS = {
    "settings of Keras and matplotlib": (
        "pneumonia",
        {
            "KERAS_HOME": "{folder}/keras",
            "KERAS_MAX_EPOCHS": "0",
            "MATPLOTLIBRC": "{folder}/matplotlibrc",
            "MPLBACKEND": "module://gone.backend",
        },
    ),
    "home, proxy, locale, terminal": (
        "emoji",
        {
            **PROXY,
            "HOME": NOWHERE,
            "XDG_CACHE_HOME": NOWHERE,
            "TMPDIR": "{folder}/a place",
            "LC_ALL": "C",
            "PYTHONUTF8": "0",
            "PYTHONCOERCECLOCALE": "0",
            "TERM": "dumb",
            "NO_COLOR": "1",
            "COLUMNS": "1",
        },
    ),
    "warnings as errors, no assert": (
        "emoji",
        {"PYTHONWARNINGS": "error", "PYTHONOPTIMIZE": "1", "KERAS_BACKEND": "jax"},
    ),
}


@pytest.mark.parametrize("surroundings", SURROUNDINGS)
def test_every_verb_gives_the_same_in_any_surroundings(surroundings, tmp_path, tiny_run):
    task, variables = SURROUNDINGS[surroundings]
    for name in ("keras", "a place", "work"):
        (tmp_path / name).mkdir()
    (tmp_path / "keras" / "keras.json").write_text(json.dumps(KERAS))
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\nno.such.key: 1\n")
    unset = {"no_proxy", "NO_PROXY", "PYTHONIOENCODING", "LANG"}
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment |= {name: value.format(folder=tmp_path) for name, value in variables.items()}
    command = [sys.executable, PROGRAM, task, tmp_path / "work"]
    process = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", timeout=300)
    assert process.returncode == 0, process.stderr
    assert "Traceback" not in process.stderr
    assert "matplotlib" not in process.stderr.lower()
    found = json.loads((tmp_path / "work" / "run" / "metrics.json").read_text(encoding="utf-8"))["test"]["network"]
    for name, cell in tiny_run(task).metrics["test"]["network"].items():
        assert found[name]["value"] == pytest.approx(cell["value"], abs=0.01), name
    assert not (tmp_path / "work" / "~").exists()


# Keras, in a process that somebody else uses too


def test_a_notebook_gets_its_own_settings_back():
    with own_keras.own_keras():
        before = {name: getattr(keras.config, name)() for name in own_keras.SETTINGS}
    keras.config.set_floatx("float16")
    keras.config.set_dtype_policy("mixed_bfloat16")
    keras.config.set_max_epochs(1)
    try:
        with own_keras.own_keras():
            assert keras.config.floatx() == keras.config.dtype_policy().name == "float32"
            assert keras.config.max_epochs() is None
        assert keras.config.floatx() == "float16"
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
        assert keras.config.max_epochs() == 1
    finally:
        for name, value in before.items():
            getattr(keras.config, f"set_{name}")(value)


def test_every_verb_that_computes_has_the_packages_settings():
    found = {
        name: importlib.import_module(f"keras_dl.verbs.{name}") for _, name, _ in pkgutil.iter_modules(verbs.__path__)
    }
    computing = [name for name, module in found.items() if hasattr(module, name) and {"keras", "tf"} & {*vars(module)}]
    assert {"evaluate", "predict", "explain", "embed", "export"} <= {*computing}
    assert [name for name in computing if not hasattr(getattr(found[name], name), "__wrapped__")] == []


def test_another_backend_is_refused_in_one_line(monkeypatch, tiny_run):
    run = tiny_run("emoji")
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(KerasDLError, match=r"backend 'jax'.*import keras_dl before keras"):
        run.predict("I love you")


def test_a_keras_json_that_keras_refuses_is_named(tmp_path, keras_dl_command, monkeypatch, tiny_run):
    (tmp_path / "keras.json").write_text('{"floatx": "bfloat16"}')
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    process = keras_dl_command("evaluate", tiny_run("emoji").path)
    assert process.returncode == 1
    *_, line = process.stderr.splitlines()
    assert line.startswith("Error: Keras cannot be imported (")
    assert line.endswith(f"correct or delete {tmp_path}/keras.json")


# Homes and caches


def test_a_cache_that_cannot_be_written_is_one_line_that_names_the_variable(monkeypatch):
    monkeypatch.setenv("KERAS_DL_CACHE", NOWHERE)
    with pytest.raises(KerasDLError, match=r"/dev/null/nowhere/set: .*; set KERAS_DL_CACHE to a writable folder"):
        made_once(cache_folder() / "set", lambda folder: None)
    with pytest.raises(KerasDLError, match="choose another --out"):
        made_once(Path("/dev/null/set"), lambda folder: None)


def test_a_user_without_a_home_has_a_cache_all_the_same(monkeypatch):
    def homeless(path):
        return path if "HOME" not in os.environ else path.replace("~", os.environ["HOME"])

    monkeypatch.delenv("KERAS_DL_CACHE")
    monkeypatch.setenv("HOME", "to be given back")
    monkeypatch.delenv("HOME")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", homeless)
    with pytest.raises(UsageError, match="the home folder is unknown; set KERAS_DL_CACHE"):
        cache_folder()
    use_own_surroundings()
    assert cache_folder().is_absolute()
