"""The embedded sets are found, and every file of theirs goes into wheel and source archive."""

import configparser
import glob
from pathlib import Path

import pytest

from keras_dl.data import samples
from keras_dl.errors import KerasDLError

ROOT = Path(__file__).parents[2]
FILES = sorted(path.relative_to(ROOT / "data/samples") for path in (ROOT / "data/samples").rglob("*") if path.is_file())


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package folder elsewhere, still empty."""
    monkeypatch.setattr(samples, "PACKAGE", tmp_path / "keras_dl")
    monkeypatch.setattr(samples, "PLACES", (tmp_path / "keras_dl/samples", tmp_path / "data/samples"))
    (tmp_path / "keras_dl").mkdir()
    return tmp_path / "keras_dl"


def test_the_sets_are_found_and_are_those_of_the_checkout():
    for name in ("train_emoji.csv", "test_emoji.csv"):
        assert (samples.folder("emoji") / name).read_bytes() == (ROOT / "data/samples/emoji" / name).read_bytes()


def test_the_sets_of_an_installed_wheel_are_found(package):
    (package / "samples/emoji").mkdir(parents=True)
    assert samples.folder("emoji") == package / "samples/emoji"


def test_a_checkout_without_links_will_do(package):
    (package / "samples").write_text("../data/samples")  # what git writes where a link cannot be made
    (package.parent / "data/samples/emoji").mkdir(parents=True)
    assert samples.folder("emoji") == package.parent / "data/samples/emoji"


@pytest.mark.parametrize("name", ["emoij", ""])
def test_a_missing_set_is_one_line_with_the_way_out(package, name):
    with pytest.raises(KerasDLError, match=rf"^the embedded set '{name}' is not in .*pip install .*-e .$"):
        samples.folder(name)


def test_every_file_goes_into_the_wheel():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    patterns = setup["options.package_data"]["keras_dl"].replace(",", " ").split()
    inside = [glob.glob(one, root_dir=ROOT / "keras_dl", recursive=True) for one in patterns]  # noqa: PTH207 - follows links
    shipped = {Path(name) for names in inside for name in names}
    assert len(FILES) >= 2
    assert [path for path in FILES if Path("samples") / path not in shipped] == []


def test_every_file_goes_into_the_source_archive():
    assert "recursive-include data/samples *" in (ROOT / "MANIFEST.in").read_text().splitlines()
