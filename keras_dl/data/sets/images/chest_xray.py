"""Chest radiographs of children with and without pneumonia: Kermany et al. 2018, frontal view, from Guangzhou.

Source   Mendeley Data rscbjbr9sj, versions 2 and 3; on Kaggle as paultimothymooney/chest-xray-pneumonia
Licence  CC BY 4.0
Sizes    train 5,216 (1,341 normal, 3,875 pneumonia), val 16, test 624 (234, 390); several images per patient
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from keras_dl.data import kaggle, layout
from keras_dl.data.archive import unpack, unpacked
from keras_dl.data.download import Source, cache_folder, fetch_files, made_once, source_named
from keras_dl.data.files import readable
from keras_dl.data.images import Images, Skipped, read_folders
from keras_dl.errors import KerasDLError
from keras_dl.progress import bar

TITLE = "Chest X-Ray Images (Pneumonia)"
LICENCE = "CC BY 4.0"
CITATION = (
    "Kermany, D., Zhang, K., Goldbaum, M. (2018). Labeled Optical Coherence Tomography (OCT) and Chest X-Ray Images "
    "for Classification. Mendeley Data. doi:10.17632/rscbjbr9sj; Kermany et al., Cell 172 (2018) 1122-1131."
)
INTENDED_USE = "Teaching and method comparison on frontal chest radiographs of children of one to five years."
LIMITS = (
    "Not a medical device. The images come from one hospital; a network trained on this set fell from AUROC 0.95 to "
    "0.54 at another hospital (doi 10.1007/s10140-021-01954-x). Do not use the model on patients."
)
CLASSES = ("NORMAL", "PNEUMONIA")
KINDS = {"normal": "NORMAL", "bacteria": "BACTERIAL", "virus": "VIRAL"}  # what file names tell -> three classes
FOLDERS = {name: name for name in CLASSES}
FEWEST_SITES = 3  # with images of each class: one for each part
SYNTHETIC_VERSION = 1  # of the drawing; a new one gets a new folder in the cache
PATIENTS, TINY_PATIENTS = 420, 60  # of the embedded set

# IM-0115-0001, NORMAL2-IM-0383-0001, IM-0187-0001-0002: the number after IM is the patient, the rest the image.
# Without the NORMAL2- in front two series of patients run into one.
NORMAL = re.compile(r"(?P<patient>(?:NORMAL2-)?IM-\d+)-\d")
SICK = re.compile(r"(?P<patient>person\d+)_(?P<kind>bacteria|virus)_\d")


SOURCES = {
    "kaggle": Source(
        base="https://www.kaggle.com/api/v1/datasets/download",
        files={"": "paultimothymooney/chest-xray-pneumonia"},
        account=kaggle.account,
        holds={"train": 5216, "validation": 16, "test": 624},
        by_hand="open https://www.kaggle.com/datasets/paultimothymooney/chest-xray-pneumonia, sign in, "
        "press Download and save archive.zip as {target}.zip, then type: "
        "keras-dl train pneumonia --data {target}.zip",
    ),
    # The same images at 640 x 640 px, copies removed, split anew at random: patients are in several of its parts.
    "huggingface": Source(
        base="https://huggingface.co/datasets/keremberke/chest-xray-classification/resolve/main/data",
        files={"train": "train.zip", "valid": "valid.zip", "test": "test.zip"},
        holds={"train": 4077, "validation": 1165, "test": 582},
        by_hand="open https://huggingface.co/datasets/keremberke/chest-xray-classification/tree/main/data and "
        "unpack train.zip, valid.zip and test.zip into {target}/train, {target}/valid and {target}/test, then type: "
        "keras-dl train pneumonia --data {target}",
    ),
}


def read(source: Path, *, bad_share: float = 0.05) -> Images:
    """Read the set from a folder or an archive: usable images with labels (index into CLASSES) and patients.

    The groups of the official test part begin with "test/". Images of the other parts whose patient is in the test
    part are left out and reported. `notes["unnamed"]` counts the files whose name tells no patient: each of them is
    a group of its own, or belongs to its site where at least FEWEST_SITES sites have such files of each class.
    Raises KerasDLError as `images.read_folders` and `archive.unpacked` do.
    """
    folder = unpacked(Path(source), cache_folder() / "unpacked")
    images = read_folders(folder, FOLDERS, group=patient, bad_share=bad_share)
    images = _without_test_patients(_grouped_by_site(images))
    unnamed = np.array([_identity(path) is None for path in images.paths], dtype=bool)
    told = unnamed & np.isin(images.groups, [[site, f"test/{site}"] for site in set(images.sites)])
    sites = layout.sites(images.sites.tolist(), [images.classes[label] for label in images.labels])
    notes = {**images.notes, "unnamed": int((unnamed & ~told).sum()), **({"sites": sites} if sites else {})}
    return replace(images, notes=notes)


def patient(path: Path) -> str:
    """Return the patient of an image by its name, or class and stem of a name that tells none.

    `person7_bacteria_23.jpeg` is "person7", `NORMAL2-IM-0383-0001.jpeg` is "NORMAL2-IM-0383". Bacterial and viral
    patients are numbered apart, so "person7" may be two; taking them for one costs a little freedom, no truth.
    """
    match = _match(path)
    return match["patient"] if match else readable(f"{Path(path).parent.name}/{Path(path).stem}")


def kind(path: Path) -> str:
    """Return "normal", "bacteria", "virus" or "unknown", by the name of an image."""
    match = _match(path)
    return match.groupdict().get("kind", "normal") if match else "unknown"


def by_kind(images: Images) -> Images:
    """Label pneumonia as bacterial or viral, as the names of the files tell; leave out and report those that do not.

    Raises KerasDLError when a class is then empty.
    """
    kinds = np.array(
        ["normal" if label == 0 else kind(path) for path, label in zip(images.paths, images.labels, strict=True)]
    )
    unknown = ~np.isin(kinds, list(KINDS))
    gone = tuple(Skipped(name, "its name contains neither bacteria nor virus") for name in images.take(unknown).ids)
    absent = [name for one, name in KINDS.items() if one not in kinds]
    if absent:
        raise KerasDLError(
            f"{images.root}: no image of {' or '.join(absent)}; the three classes need file names such as "
            "person7_bacteria_23.jpeg and person7_virus_23.jpeg in PNEUMONIA; without them: keras-dl train pneumonia"
        )
    labels = np.array([list(KINDS).index(one) if one in KINDS else 0 for one in kinds], dtype=np.int64)
    relabelled = replace(images, labels=labels, classes=tuple(KINDS.values()), skipped=images.skipped + gone)
    return relabelled.take(~unknown)


def synthesize(folder: Path | None = None, *, tiny: bool = False, seed: int = 0) -> Path:
    """Draw radiograph-like images in the layout of the real set, once, in `folder` or the cache; return where."""
    size = "-tiny" if tiny else ""
    target = Path(folder or cache_folder()) / f"chest_xray-synthetic-{SYNTHETIC_VERSION}-{seed}{size}"

    def make(work: Path) -> None:
        from keras_dl.data.sets.images.chest_xray_synthetic import synthesize as draw

        patients = TINY_PATIENTS if tiny else PATIENTS
        with bar(total=patients, desc="draw the embedded set", unit=" patients") as shown:
            draw(work, patients=patients, seed=seed, progress=lambda done, total: shown.update(done - shown.n))

    return made_once(target, make)


def download(folder: Path, source: str = "kaggle", *, base: str | None = None) -> Path:
    """Download the set into `folder` (2.3 GB, Kaggle) and return the folder to give to `read`.

    `source` is a name from SOURCES. Nothing is fetched that is there already. The publishers give no checksums: the
    sum seen first is kept beside each file, and the number of images is checked. Raises KerasDLError that says what
    to do by hand.
    """
    place = source_named(source, SOURCES)
    target = Path(folder).absolute() / f"chest_xray-{source}"
    archives = {part: target.with_name(f"{target.name}{part and '-'}{part}.zip") for part in place.files}
    if not target.exists():
        fetch_files(place, archives, target, base=base)
    made_once(target, lambda work: _assemble(archives, work))
    _refuse_incomplete(target, place)
    return target


def _match(path: Path) -> re.Match[str] | None:
    name = Path(path).name
    return SICK.match(name) or NORMAL.match(name)


def _identity(path: Path) -> str | None:
    """Return who is on an image, as exactly as the name tells."""
    match = _match(path)
    return f"{kind(path)} {match['patient']}" if match else None


def _grouped_by_site(images: Images) -> Images:
    """Group the images whose name tells no patient by site, where there are enough sites to split by."""
    unnamed = np.array([_identity(path) is None for path in images.paths], dtype=bool) & (images.sites != "")
    having = [set(images.sites[unnamed & (images.labels == label)]) for label in range(len(images.classes))]
    groups = [  # two sites may use the same names for other images
        site if min(map(len, having)) >= FEWEST_SITES else f"{site}/{group}"
        for site, group in zip(images.sites, images.groups, strict=True)
    ]
    return replace(images, groups=np.where(unnamed, groups, images.groups))


def _without_test_patients(images: Images) -> Images:
    """Keep the official test part whole and apart: no patient of it is in the rest.

    The publisher split by patient and numbered bacterial and viral patients apart: bacterial 78 to 175 and viral 1
    to 79 are in the test part only, so "person1" there (viral) is not "person1" in train (bacterial). "test/" before
    the group keeps the two apart. Who is the same by number *and* kind (in sets that others split anew) is removed.
    """
    test = images.parts == "test"
    people = np.array([_identity(path) or "" for path in images.paths], dtype=str)
    tested = np.setdiff1d(people[test], [""])
    leaks = ~test & np.isin(people, tested)
    gone = tuple(Skipped(name, "its patient is in the test part") for name in images.take(leaks).ids)
    groups = np.array(
        [f"test/{group}" if official else group for group, official in zip(images.groups, test, strict=True)]
    )
    return replace(images, groups=groups, skipped=images.skipped + gone).take(~leaks)


def _assemble(archives: Mapping[str, Path], work: Path) -> None:
    """Unpack one archive of all parts as it is, or one per part into a folder of that name."""
    for part, archive in archives.items():
        place = work / part
        place.mkdir(exist_ok=True)
        unpack(archive, place)
        for one in layout.find(place, FOLDERS).places if part else ():
            (place / one.label).mkdir(exist_ok=True)
            one.path.rename(place / one.label / one.path.name)  # out of a folder that may wrap it


def _refuse_incomplete(target: Path, place: Source) -> None:
    counts = Counter(one.part for one in layout.find(target, FOLDERS).places)
    found = {part: counts[part] for part in (*place.holds, *(counts.keys() - place.holds.keys()))}
    if found != dict(place.holds):
        raise KerasDLError(
            f"{target}: {found} images instead of {dict(place.holds)}; "
            f"delete {target} and the archives {target.name}*.zip next to it, then download again"
        )
