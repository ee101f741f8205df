"""`~` at the beginning of a path means the home folder, wherever a user can write a path."""

import click
import h5py
import pytest

from keras_dl import registry
from keras_dl.errors import UsageError
from keras_dl.inputs.given import expand
from keras_dl.paths import at_home
from keras_dl.recipes import pretrained, word_vectors
from keras_dl.runs import sources
from keras_dl.runs.run import Run
from keras_dl.server.journal import database
from keras_dl.server.models import sources as served
from keras_dl.task import settings
from keras_dl.terminal import FilePath


@pytest.fixture
def home(tmp_path, monkeypatch, tiny_run):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "run").symlink_to(tiny_run("emoji").path)
    (tmp_path / "vectors.txt").write_text("a 0.1\n")
    h5py.File(tmp_path / "weights.h5", "w").close()
    return tmp_path


def test_every_way_to_give_a_path_knows_the_home_folder(home):
    emoji = registry.find("emoji")
    assert sources.checked(emoji, "~/vectors.txt") == home / "vectors.txt"
    assert Run.find("~/run").path == home / "run"
    assert Run("~/run").path == home / "run"
    assert [one.path for one in expand(emoji, ["~/vectors.txt"])] == [home / "vectors.txt"]
    assert "task" in settings.read_run("~/run/config.json")
    assert pretrained.given_file("~/weights.h5") == home / "weights.h5"
    assert word_vectors.file("~/vectors.txt") == home / "vectors.txt"
    assert [one.path for one in served.sources("~/run")] == [home / "run"]
    assert [one.path for one in served.sources("mine=~/run")] == [home / "run"]
    assert database.known("sqlite:///~/journal.db").database == str(home / "journal.db")
    command = click.Command("c", params=[click.Option(["--out"], type=FilePath())], callback=lambda out: out)
    assert command.main(["--out=~/x"], standalone_mode=False) == home / "x"


def test_the_home_folder_of_nobody_is_an_error_with_advice():
    with pytest.raises(UsageError, match=r"'~nobody-of-this-name/x' .*write the whole path"):
        at_home("~nobody-of-this-name/x")
