"""The set of cells: embedded, downloaded from a server on this machine, and what to do where there is none."""

import zipfile
from dataclasses import replace

import pytest
from counted_images import pairs
from file_server import serving_files

from keras_dl.data.sets.images import cells
from keras_dl.errors import KerasDLError, UsageError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_DL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A server of a small archive like that of Oxford: no folder in it, and clutter."""
    folder, root = pairs(tmp_path / "drawn", [3, 0, 5]), tmp_path / "site"
    root.mkdir()
    with zipfile.ZipFile(root / "cells.zip", "w") as out:
        for file in sorted(folder.iterdir()):
            out.write(file, file.name)
        out.writestr("__MACOSX/._001cell.png", "resource fork")
    monkeypatch.setitem(cells.SOURCES, "vgg", replace(cells.SOURCES["vgg"], holds={"": 3}))
    with serving_files(root) as site:
        yield site


def test_download_gives_a_folder_that_read_takes_and_needs_no_network_again(site, tmp_path):
    folder = cells.download(tmp_path / "data", base=site.base)
    found = cells.read(folder)
    assert found.counts.tolist() == [3, 0, 5]
    assert not found.skipped
    assert folder == tmp_path / "data" / "cells-vgg"
    assert site.asked == 1
    assert cells.download(tmp_path / "data", base="http://127.0.0.1:1") == folder
    assert cells.read(tmp_path / "data" / "cells-vgg.zip").counts.tolist() == [3, 0, 5], "the archive will do too"


def test_an_archive_saved_by_hand_is_taken(site, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "site" / "cells.zip").rename(tmp_path / "data" / "cells-vgg.zip")
    assert len(cells.read(cells.download(tmp_path / "data", base="http://127.0.0.1:1"))) == 3


def test_download_notices_missing_images(site, tmp_path, monkeypatch):
    monkeypatch.setitem(cells.SOURCES, "vgg", replace(cells.SOURCES["vgg"], holds={"": 200}))
    with pytest.raises(KerasDLError, match=r"3 images instead of 200; delete .*cells-vgg and .*cells-vgg\.zip"):
        cells.download(tmp_path / "data", base=site.base)


def test_a_refused_download_says_what_to_do_by_hand(site, tmp_path):
    with pytest.raises(KerasDLError) as caught:
        cells.download(tmp_path / "data", base=f"{site.base}/nowhere")
    message = str(caught.value)
    assert "\n" not in message
    assert "refused with 404" in message
    assert "by hand: open https://www.robots.ox.ac.uk/" in message
    assert f"keras-dl train cells-unet --data {tmp_path}/data/cells-vgg.zip" in message


def test_without_a_network_it_says_what_to_do_by_hand(tmp_path, monkeypatch):
    monkeypatch.setattr("keras_dl.data.download.FIRST_PAUSE", 0.01)
    with pytest.raises(KerasDLError, match="by hand: open https://") as caught:
        cells.download(tmp_path / "data", base="http://127.0.0.1:1")
    assert "\n" not in str(caught.value)


def test_an_unknown_source_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="there is no source 'drive'; choose from vgg"):
        cells.download(tmp_path, "drive")


def test_the_embedded_set_is_made_once(cache):
    folder = cells.synthesize(tiny=True)
    assert list(cache.glob("[!.]*")) == [folder]
    before = folder.stat().st_mtime_ns
    assert cells.synthesize(tiny=True).stat().st_mtime_ns == before
    found = cells.read(folder)
    assert len(found) == cells.TINY_PICTURES == 24
    assert not found.skipped
    assert all(points is not None for points in found.points)
    assert set(found.parts) == {""}


def test_the_embedded_set_is_drawn_as_asked(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "keras_dl.data.sets.images.cells_synthetic.synthesize",
        lambda folder, **options: asked.append({name: options[name] for name in ("images", "size", "seed")}),
    )
    made = [cells.synthesize(tmp_path / "here", seed=3), cells.synthesize(tmp_path / "here", tiny=True)]
    assert asked == [{"images": 60, "size": 128, "seed": 3}, {"images": 24, "size": 64, "seed": 0}]
    assert len(set(made)) == 2
    assert all(path.parent == tmp_path / "here" for path in made)
