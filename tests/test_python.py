"""The package from Python: what it tells of itself, and how a wrong call ends."""

import configparser
import hashlib
import inspect
import pydoc
import re
from dataclasses import fields
from importlib import metadata
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import yaml

import keras_dl
from keras_dl import api, registry
from keras_dl.task import Config

ROOT = Path(__file__).parents[1]
PUBLIC = [
    *(getattr(keras_dl, name) for name in keras_dl.__all__ if inspect.isfunction(getattr(keras_dl, name))),
    *(value for name, value in vars(keras_dl.Run).items() if inspect.isfunction(value) and not name.startswith("_")),
]


def setup_cfg() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


def test_the_signature_of_train_has_every_option_and_every_setting_that_all_tasks_have():
    signature, hints = inspect.signature(keras_dl.train), get_type_hints(keras_dl.train)
    settings = {field.name for field in fields(Config)}
    assert set(signature.parameters) == {"task", *api.OPTIONS, *settings, "settings"}
    begin = inspect.signature(api.begin).parameters
    for name in api.OPTIONS:
        assert signature.parameters[name].default == begin[name].default, name
    for name, kind in get_type_hints(Config).items():
        if name in settings:
            assert set(get_args(hints[name])) == {*(get_args(kind) if get_args(kind) else [kind]), type(None)} or (
                hints[name] == kind | None
            ), name
            assert signature.parameters[name].default is None, name


@pytest.mark.parametrize("function", PUBLIC, ids=lambda function: function.__qualname__)
def test_every_public_function_names_its_arguments_and_what_it_gives(function):
    text, signature = inspect.getdoc(function) or "", inspect.signature(function)
    for name in set(signature.parameters) - {"self"}:
        assert re.search(rf"^ +{name}: ", text, re.MULTILINE), name
    assert Any not in (signature.return_annotation, None)
    assert "options" not in signature.parameters, "options are named"


def test_help_is_worth_reading():
    text = pydoc.plain(pydoc.render_doc(keras_dl))
    for word in (
        "keras_dl.tasks()",
        "run.explain(",
        "VERSION\n    " + keras_dl.__version__,
        "batch_size: examples per",
    ):
        assert word in text


@pytest.fixture
def begun(monkeypatch, tmp_path):
    """A function that gives the run that `train` would train."""
    monkeypatch.setattr(api, "finish", lambda run: run)
    monkeypatch.chdir(tmp_path)
    return lambda *arguments, **options: keras_dl.train(*arguments, **options)


def test_options_and_settings_reach_the_run_and_none_is_the_tasks_own(begun, tmp_path):
    run = begun("spam", tiny=True, out=tmp_path / "a", seed=3, epochs=None, characters=7, device="cpu")
    assert (run.config.seed, run.config.epochs, run.config.characters) == (3, run.task.tiny["epochs"], 7)
    assert (run.asked["tiny"], run.asked["device"], run.path) == (True, "cpu", tmp_path / "a")
    again = begun(file=tmp_path / "a" / "config.json", seed=4)
    assert (again.task.name, again.config.seed, again.config.characters) == ("spam", 4, 7)


@pytest.mark.parametrize(
    ("task", "options", "words"),
    [
        ("spm", {}, "did you mean 'spam'?"),
        ("spam", {"epoch": 3}, "did you mean 'epochs'?"),
        ("spam", {"dat": "x"}, "did you mean 'data'?"),
        ("spam", {"charcters": 3}, "did you mean 'characters'?"),
        ("spam", {"image_size": 3}, "no option 'image_size'; keras_dl.tasks()['spam'] shows the settings"),
        ("spam", {"epochs": "three"}, "epochs='three'"),
        ("spam", {"style": "runes"}, "must be one of: words, signs, letters"),
        ("spam", {"data": "nowhere"}, "there is nothing at 'nowhere'"),
        (None, {}, "name a task"),
        (None, {"epoch": 3}, "name a task"),
    ],
)
def test_a_wrong_call_is_one_line_with_the_way_out(begun, task, options, words, tmp_path):
    with pytest.raises(keras_dl.KerasDLError) as caught:
        begun(task, **options)
    assert words in str(caught.value)
    (line,) = caught.value._render_traceback_()
    assert line.count("\n") == 0
    assert line.endswith(str(caught.value))
    assert not any(tmp_path.iterdir()), "nothing was made"


def test_tasks_tells_all_and_stays_a_function():
    found = keras_dl.tasks()
    assert list(found) == list(registry.TASKS)
    for name, facts in keras_dl.tasks().items():
        task = registry.find(name)
        assert (facts["title"], facts["input"], facts["output"]) == (task.title, task.input.title, task.output.title)
        assert set(facts["settings"]) == {field.name for field in fields(task.config)} - set(task.unused)
        assert all(name in repr(facts) for name in facts["settings"])
    assert all(name in found._repr_html_() for name in registry.TASKS)
    assert "learning_rate" in found["emoji"]._repr_html_()


def test_the_version_is_that_of_the_package_and_of_a_clone(monkeypatch):
    version = setup_cfg()["metadata"]["version"]
    assert keras_dl.__version__ == version

    def not_installed(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", not_installed)
    monkeypatch.setattr(keras_dl, "__file__", str(ROOT / "keras_dl" / "__init__.py"))  # tox installs it elsewhere
    assert keras_dl.__version__ == version
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        keras_dl.nothing  # noqa: B018


def test_every_file_that_names_the_version_names_the_same():
    about = setup_cfg()["metadata"]
    newest = re.search(r"^## \[([^]]+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    image = re.search(r"keras-dl:(\S+) \.", (ROOT / "deploy" / "Dockerfile").read_text())
    assert [found[1] for found in (newest, image)] == [about["version"]] * 2
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (citation["version"], citation["license"]) == (about["version"], about["license"])
    assert [one["name"] for one in citation["authors"]] == [about["author"]]
    assert {"cff-version", "message", "title"} <= set(citation), "what the format requires"


def test_the_licence_is_the_text_of_apache():
    digest = hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest()
    assert digest == "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
    about = setup_cfg()["metadata"]
    assert (about["license"], about["license_files"]) == ("Apache-2.0", "LICENSE")
    assert "License ::" not in about["classifiers"], "packaging refuses it beside a licence expression"
