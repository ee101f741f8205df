"""Fluorescent cells to count: Lempitsky and Zisserman 2010, drawn by the SIMCEP simulator, from Oxford's VGG.

Source   https://www.robots.ox.ac.uk/~vgg/research/counting/cells.zip
Licence  not stated by the authors
Sizes    200 images of 256 x 256 px, blue on black, 74 to 317 cells each, 174 on average; no parts
"""

from __future__ import annotations

from pathlib import Path

from keras_dl.data.archive import unpack, unpacked
from keras_dl.data.counted import Counted, read_counted
from keras_dl.data.download import Source, cache_folder, fetch_files, made_once, source_named
from keras_dl.errors import KerasDLError
from keras_dl.progress import bar

TITLE = "VGG synthetic fluorescence cells"
LICENCE = "not stated by the authors"
CITATION = "Lempitsky, V., Zisserman, A. (2010). Learning to count objects in images. NIPS 23, 1324-1332."
INTENDED_USE = "Teaching and method comparison on counting in images."
LIMITS = (
    "The VGG images are simulated: all cells look alike, and their number nearly follows the total light (a ridge "
    "regression on five statistics of the brightness is wrong by only about 4 cells of 174). A model trained on them "
    "does not count reliably in real microscope images; train on counted images of your own."
)
SYNTHETIC_VERSION = 1  # of the drawing; a new one gets a new folder in the cache
PICTURES, TINY_PICTURES = 60, 24  # of the embedded set
SIDE, TINY_SIDE = 128, 64  # px


SOURCES = {
    "vgg": Source(
        base="https://www.robots.ox.ac.uk/~vgg/research/counting",
        files={"": "cells.zip"},
        holds={"": 200},
        by_hand="open https://www.robots.ox.ac.uk/~vgg/research/counting/index_org.html, save cells.zip as "
        "{target}.zip, then type: keras-dl train cells-unet --data {target}.zip",
    ),
}


def read(source: Path, *, bad_share: float = 0.05) -> Counted:
    """Read the set, or images of your own with counts, from a folder or an archive; see `counted.read_counted`.

    Raises KerasDLError as that and `archive.unpacked` do.
    """
    return read_counted(unpacked(Path(source), cache_folder() / "unpacked"), bad_share=bad_share)


def synthesize(folder: Path | None = None, *, tiny: bool = False, seed: int = 0) -> Path:
    """Draw 60 pictures of 128 x 128 px (tiny: 24 of 64 x 64), once, in `folder` or the cache; return where."""
    size = "-tiny" if tiny else ""
    target = Path(folder or cache_folder()) / f"cells-synthetic-{SYNTHETIC_VERSION}-{seed}{size}"

    def make(work: Path) -> None:
        from keras_dl.data.sets.images.cells_synthetic import synthesize as draw

        images, side = (TINY_PICTURES, TINY_SIDE) if tiny else (PICTURES, SIDE)
        with bar(total=images, desc="draw the embedded set", unit=" images") as shown:
            draw(work, images=images, size=side, seed=seed, progress=lambda done, total: shown.update(done - shown.n))

    return made_once(target, make)


def download(folder: Path, source: str = "vgg", *, base: str | None = None) -> Path:
    """Download the set into `folder` (16 MB) and return the folder to give to `read`.

    `source` is a name from SOURCES. Nothing is fetched that is there already. The authors give no checksum: the sum
    seen first is kept beside the file, and the number of images is checked. Raises KerasDLError that says what to do by
    hand.
    """
    place = source_named(source, SOURCES)
    target = Path(folder).absolute() / f"cells-{source}"
    archive = target.with_name(f"{target.name}.zip")
    if not target.exists():
        fetch_files(place, {"": archive}, target, base=base)
    made_once(target, lambda work: unpack(archive, work))
    found = sum(not path.name.startswith(".") for path in target.rglob("*cell.png"))
    if found != place.holds[""]:
        raise KerasDLError(
            f"{target}: {found} images instead of {place.holds['']}; "
            f"delete {target} and {archive}*, then download again"
        )
    return target
