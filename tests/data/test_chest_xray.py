"""The chest radiographs: names, patients across the official parts, embedded set, download, the real set."""

import io
import os
import tarfile
import threading
import time
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from file_server import serving_files
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from keras_dl.data.sets.images import chest_xray
from keras_dl.data.sets.images.chest_xray import kind, patient
from keras_dl.data.splits import by_group
from keras_dl.errors import KerasDLError, UsageError

REAL = Path(os.environ.get("KERAS_DL_REAL_DATA", Path(__file__).parents[3] / "shared" / "data"))

NAMES = {
    "person7_bacteria_23.jpeg": ("person7", "bacteria"),
    "person1441_virus_2489_1.jpeg": ("person1441", "virus"),
    "IM-0115-0001.jpeg": ("IM-0115", "normal"),
    "IM-0187-0001-0002.jpeg": ("IM-0187", "normal"),
    "NORMAL2-IM-0383-0001.jpeg": ("NORMAL2-IM-0383", "normal"),
    "NORMAL2-IM-0587-0001-0001.jpeg": ("NORMAL2-IM-0587", "normal"),
    "IM-0115-0001_jpeg.rf.0d1c2b3a4f5e.jpg": ("IM-0115", "normal"),
    "NORMAL2-IM-0383-0001_jpeg.rf.0d1c2b3a4f5e.jpg": ("NORMAL2-IM-0383", "normal"),
    "person7_bacteria_23_jpeg.rf.0d1c2b3a4f5e.jpg": ("person7", "bacteria"),
    "my scan.png": ("NORMAL/my scan", "unknown"),
    "person_7.png": ("NORMAL/person_7", "unknown"),
}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_DL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize("name", NAMES)
def test_names_tell_patient_and_kind(name):
    assert (patient(Path("train/NORMAL", name)), kind(Path(name))) == NAMES[name]


def three_kinds(root: Path, *names: str) -> Path:
    return write(root, *(f"chest_xray/train/{name}" for name in names))


def test_three_classes_are_told_by_the_names(tmp_path):
    root = three_kinds(
        tmp_path,
        *(f"NORMAL/IM-{n:04d}-0001.jpeg" for n in range(3)),
        "NORMAL/my scan.jpeg",
        *(f"PNEUMONIA/person{n}_bacteria_{n}.jpeg" for n in range(3)),
        *(f"PNEUMONIA/person{n}_virus_{n}.jpeg" for n in range(2)),
        "PNEUMONIA/scan 3.jpeg",
    )
    images = chest_xray.by_kind(chest_xray.read(root))
    assert images.classes == ("NORMAL", "BACTERIAL", "VIRAL")
    assert np.bincount(images.labels).tolist() == [4, 3, 2]
    for name, label in zip(images.ids, images.labels, strict=True):
        assert label == (1 if "bacteria" in name else 2 if "virus" in name else 0)
    assert [(one.path, one.reason) for one in images.skipped] == [
        ("train/PNEUMONIA/scan 3.jpeg", "its name contains neither bacteria nor virus")
    ]


def test_a_set_whose_names_tell_no_kind_is_refused_with_the_way_out(tmp_path):
    root = three_kinds(tmp_path, "NORMAL/IM-0001-0001.jpeg", "PNEUMONIA/scan 3.jpeg", "PNEUMONIA/person1_virus_1.jpeg")
    with pytest.raises(KerasDLError, match=r"no image of BACTERIAL; .*person7_bacteria_23\.jpeg.* keras-dl train"):
        chest_xray.by_kind(chest_xray.read(root))


@given(st.text())
def test_every_name_has_a_patient_and_a_kind(name):
    path = Path(name.replace("\0", ""))
    assert isinstance(patient(path), str)
    assert kind(path) in ("normal", "bacteria", "virus", "unknown")


def jpeg(name: str) -> bytes:
    """A picture that no other name has."""
    pixels = np.random.default_rng(list(name.encode())).integers(0, 256, (5, 5), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((40, 40)).save(buffer, "JPEG")
    return buffer.getvalue()


def write(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(name))
    return root


def test_patients_of_the_test_part_are_not_trained_on(tmp_path):
    write(
        tmp_path,
        "train/NORMAL/IM-0001-0001.jpeg",  # in the test part
        "train/NORMAL/NORMAL2-IM-0001-0001.jpeg",  # another series
        "train/NORMAL/scan1.jpeg",  # an unknown name tells nothing
        "train/PNEUMONIA/person1_bacteria_1.jpeg",  # another person1 than the viral one
        "train/PNEUMONIA/person2_virus_9.jpeg",  # in the test part
        "val/PNEUMONIA/person2_bacteria_5.jpeg",
        "test/NORMAL/IM-0001-0002.jpeg",
        "test/NORMAL/scan1.jpeg",
        "test/PNEUMONIA/person1_virus_6.jpeg",
        "test/PNEUMONIA/person2_virus_8.jpeg",
    )
    images = chest_xray.read(tmp_path)
    assert {skipped.path: skipped.reason for skipped in images.skipped} == {
        "train/NORMAL/IM-0001-0001.jpeg": "its patient is in the test part",
        "train/PNEUMONIA/person2_virus_9.jpeg": "its patient is in the test part",
    }
    assert set(images.groups[images.parts == "test"]) == {
        "test/IM-0001",
        "test/NORMAL/scan1",
        "test/person1",
        "test/person2",
    }
    assert set(images.groups[images.parts != "test"]) == {"NORMAL2-IM-0001", "NORMAL/scan1", "person1", "person2"}
    assert images.notes == {"files": 10, "unnamed": 2}
    assert images.classes == ("NORMAL", "PNEUMONIA")
    assert [images.classes[label] for label in images.labels] == [path.parent.name for path in images.paths]


def test_in_train_a_number_is_one_patient(tmp_path):
    names = ("train/NORMAL/a.jpeg", "train/PNEUMONIA/person1_bacteria_1.jpeg", "train/PNEUMONIA/person1_virus_1.jpeg")
    assert chest_xray.read(write(tmp_path, *names)).groups.tolist() == ["NORMAL/a", "person1", "person1"]


def test_an_archive_is_read_like_a_folder(tmp_path, cache):
    folder = write(tmp_path / "set", "chest_xray/train/NORMAL/a.jpeg", "chest_xray/train/PNEUMONIA/b.jpeg")
    with tarfile.open(tmp_path / "set.tar", "w") as out:
        out.add(folder / "chest_xray", "chest_xray")
    images = chest_xray.read(tmp_path / "set.tar")
    assert images.ids == chest_xray.read(folder).ids == ("train/NORMAL/a.jpeg", "train/PNEUMONIA/b.jpeg")
    assert images.root.is_relative_to(cache / "unpacked")


def test_the_embedded_set_is_made_once_and_splits(tmp_path, cache):
    folders: list[Path] = []
    rivals = [threading.Thread(target=lambda: folders.append(chest_xray.synthesize(tiny=True))) for _ in range(2)]
    for rival in rivals:
        rival.start()
    for rival in rivals:
        rival.join()
    folder = chest_xray.synthesize(tiny=True)
    assert folders == [folder, folder]
    assert list(cache.glob("[!.]*")) == [folder]
    before = folder.stat().st_mtime_ns
    assert chest_xray.synthesize(tiny=True).stat().st_mtime_ns == before
    images = chest_xray.read(folder)
    assert images.notes["unnamed"] == 0
    assert not images.skipped
    assert len(set(images.groups)) > 40
    split = by_group(images.groups, images.labels, seed=0)
    assert all(len(set(images.labels[index])) == 2 for index in split.values())


def test_synthesize_takes_a_folder_and_a_seed(tmp_path, monkeypatch):
    def draw(folder: Path, *, seed: int, **options: int) -> Path:
        return write(folder, f"chest_xray/train/{seed}-{options.get('patients')}.txt")

    monkeypatch.setattr("keras_dl.data.sets.images.chest_xray_synthetic.synthesize", draw)
    assert list(chest_xray.synthesize(tmp_path / "here", seed=3).rglob("3-420.txt"))
    assert list(chest_xray.synthesize(tmp_path / "here", tiny=True).rglob("0-60.txt"))
    assert len(list((tmp_path / "here").iterdir())) == 2


PARTS = {"train": ("train", 3), "validation": ("val", 1), "test": ("test", 2)}


def zipped(path: Path, folders: dict[str, int]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as out:
        for folder, count in folders.items():
            for number in range(count):
                name = f"{folder}/{path.stem}{number}.jpeg"
                out.writestr(name, jpeg(name))
    return path


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A server of small archives like those of Kaggle and Hugging Face; `site.asked` counts requests."""
    root, wanted = tmp_path / "site", {"train": 6, "validation": 2, "test": 4}
    folders = {f"{name}/{label}": count for name, count in PARTS.values() for label in chest_xray.CLASSES}
    inner = {f"chest_xray/{folder}": count for folder, count in folders.items()}
    zipped(
        root / "paultimothymooney/chest-xray-pneumonia", {**inner, **{f"chest_xray/{k}": n for k, n in inner.items()}}
    )
    for part, (wrap, count) in {"train": ("", 3), "valid": ("valid/", 1), "test": ("", 2)}.items():
        zipped(root / f"{part}.zip", {f"{wrap}{label}": count for label in chest_xray.CLASSES})
    for name, source in chest_xray.SOURCES.items():
        monkeypatch.setitem(chest_xray.SOURCES, name, replace(source, holds=wanted))

    with serving_files(root) as site:
        yield site


@pytest.mark.parametrize("source", ["kaggle", "huggingface"])
def test_download_gives_a_folder_that_read_takes(site, tmp_path, source):
    folder = chest_xray.download(tmp_path / "data", source, base=site.base)
    images = chest_xray.read(folder)
    assert Counter(images.parts) == {"train": 6, "validation": 2, "test": 4}
    assert images.root == (folder / "chest_xray" if source == "kaggle" else folder)
    asked = site.asked
    assert chest_xray.download(tmp_path / "data", source, base="http://127.0.0.1:1") == folder  # offline
    assert site.asked == asked


def test_download_notices_missing_images(site, tmp_path, monkeypatch):
    whole = replace(chest_xray.SOURCES["kaggle"], holds={"train": 5216, "validation": 16, "test": 624})
    monkeypatch.setitem(chest_xray.SOURCES, "kaggle", whole)
    with pytest.raises(KerasDLError, match=r"'train': 6.* instead of .*5216.*delete"):
        chest_xray.download(tmp_path / "data", base=site.base)


@pytest.mark.parametrize("source", ["kaggle", "huggingface"])
def test_a_refused_download_says_what_to_do_by_hand(site, tmp_path, source):
    with pytest.raises(KerasDLError) as caught:
        chest_xray.download(tmp_path / "data", source, base=f"{site.base}/nowhere")
    message = str(caught.value)
    assert "\n" not in message
    assert "refused with 404" in message
    assert "open https://" in message
    assert f"keras-dl train pneumonia --data {tmp_path}/data/chest_xray-{source}" in message


def test_an_unknown_source_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="there is no source 'drive'; choose from kaggle, huggingface"):
        chest_xray.download(tmp_path, "drive")


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir() and not os.environ.get("CI"), reason=f"no real data in {REAL}")
def test_the_real_training_part(record_property):
    start = time.perf_counter()
    images = chest_xray.read(REAL / "chest_xray_train_224.tar")
    record_property("seconds", time.perf_counter() - start)
    assert images.notes == {"files": 5216, "unnamed": 0}
    # 26 of the 32 copies in the whole set are in its training part.
    assert len(images.skipped) == 26
    assert all(skipped.reason.startswith("duplicate of train/") for skipped in images.skipped)
    assert Counter(map(kind, images.paths)) == {"normal": 1341 - 1, "bacteria": 2530 - 18, "virus": 1345 - 7}
    assert np.bincount(images.labels).tolist() == [1340, 3850]
    assert len(set(images.groups[images.labels == 0])) == 1211
    assert len(set(images.groups[images.labels == 1])) == 1635
    split = by_group(images.groups, images.labels, seed=0)
    for name, share in {"train": 0.75, "validation": 0.1, "test": 0.15}.items():
        assert abs(len(split[name]) / len(images) - share) < 0.01
        assert abs(images.labels[split[name]].mean() - images.labels.mean()) < 0.01


def test_files_that_tell_no_patient_are_grouped_by_site_where_there_are_enough(tmp_path):
    names = [f"{site}/{label}/{number}.jpeg" for site in "ABC" for label in chest_xray.CLASSES for number in range(2)]
    images = chest_xray.read(write(tmp_path / "three", *names))
    assert sorted(set(images.groups)) == ["A", "B", "C"]
    assert images.notes["unnamed"] == 0
    assert images.notes["sites"] == ["3 sites are combined: A 4, B 4, C 4"]
    parts = [f"{part}/{name}" for part in ("train", "test") for name in names]
    images = chest_xray.read(write(tmp_path / "parts", *parts))
    assert sorted(set(images.groups)) == ["A", "B", "C", "test/A", "test/B", "test/C"]
    assert images.notes["unnamed"] == 0
    few = [name for name in names if not name.startswith("C")] + ["A/NORMAL/IM-0001-0001.jpeg"]
    images = chest_xray.read(write(tmp_path / "two", *few))
    assert len(set(images.groups)) == 9
    assert images.notes["unnamed"] == 8
    lone = chest_xray.read(write(tmp_path / "lone", *few, "D/PNEUMONIA/person1_virus_1.jpeg"))
    assert lone.notes["sites"][1].startswith("D has only PNEUMONIA: the network may learn")
