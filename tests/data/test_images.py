"""Reading folders of images."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_dl.data import images
from keras_dl.data.images import read_folders
from keras_dl.errors import KerasDLError
from keras_dl.recipes.reading import image_split
from keras_dl.runs import sources

CLASSES = {"NORMAL": "NORMAL", "PNEUMONIA": "PNEUMONIA"}


def encoded(seed: int) -> bytes:
    """A small JPEG, another one for every seed."""
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 6), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((48, 40)).save(buffer, "JPEG")
    return buffer.getvalue()


def fill(root: Path, layout: dict[str, int], seed: int = 0) -> Path:
    """Write so many different images into each folder."""
    for folder, count in layout.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            seed += 1
            (root / folder / f"image{number}.jpeg").write_bytes(encoded(seed=seed))
    return root


@pytest.mark.parametrize(
    ("above", "train", "validation"),
    [("", "train", "val"), ("data", "Train", "VALID"), ("chest_xray/chest_xray", "train", "validation")],
)
def test_the_layout_is_found_at_any_depth_and_case(tmp_path, above, train, validation):
    folders = {f"{train}/NORMAL": 2, f"{train}/pneumonia": 3, f"{validation}/Normal": 1, "test/PNEUMONIA": 1}
    fill(tmp_path / above, folders)
    (tmp_path / "__MACOSX" / "train" / "NORMAL").mkdir(parents=True)
    (tmp_path / above / train / "NORMAL" / "._image0.jpeg").write_bytes(b"resource fork")
    (tmp_path / above / train / ".DS_Store").write_bytes(b"x")
    found = read_folders(tmp_path, CLASSES)
    assert found.root == tmp_path / above
    assert found.ids == tuple(sorted(found.ids))
    assert len(found) == 7
    assert sorted(found.parts) == ["test"] + ["train"] * 5 + ["validation"]
    assert [found.classes[label] for label in found.labels] == [path.parent.name.upper() for path in found.paths]
    assert not found.skipped


def test_folders_without_parts_and_a_test_folder_alone(tmp_path):
    assert set(read_folders(fill(tmp_path / "a", {"NORMAL": 1, "PNEUMONIA": 1}), CLASSES).parts) == {""}
    alone = fill(tmp_path / "b", {"test/NORMAL": 1, "test/PNEUMONIA": 1}, seed=9)
    assert set(read_folders(alone, CLASSES).parts) == {"test"}


def test_the_second_copy_in_the_kaggle_archive_is_left_out_and_said(tmp_path):
    layout = {"train/NORMAL": 1, "train/PNEUMONIA": 1}
    fill(tmp_path / "chest_xray", layout)
    fill(tmp_path / "chest_xray" / "chest_xray", layout, seed=50)
    found = read_folders(tmp_path, CLASSES)
    assert found.ids == ("train/NORMAL/image0.jpeg", "train/PNEUMONIA/image0.jpeg")
    assert {one.reason for one in found.skipped} == {"in a second copy: the set is there twice"}
    assert found.notes["files"] == 4


def test_a_backup_is_a_second_copy(tmp_path):
    for folder in ("chest_xray", "old/backup"):
        fill(tmp_path / folder, {"NORMAL": 2, "PNEUMONIA": 1})
    found = read_folders(tmp_path, CLASSES)
    assert (len(found), set(found.sites)) == (3, {""})
    assert [one.reason for one in found.skipped] == ["in a second copy: the set is there twice"] * 3


def test_a_set_below_another_one_with_other_images_is_used(tmp_path):
    fill(tmp_path / "chest_xray", {"NORMAL": 1, "PNEUMONIA": 1})
    fill(tmp_path / "chest_xray" / "more", {"NORMAL": 2, "PNEUMONIA": 1}, seed=50)
    found = read_folders(tmp_path, CLASSES)
    assert dict(zip(found.ids, found.sites, strict=True)) == {
        "NORMAL/image0.jpeg": "",
        "PNEUMONIA/image0.jpeg": "",
        "more/NORMAL/image0.jpeg": "more",
        "more/NORMAL/image1.jpeg": "more",
        "more/PNEUMONIA/image0.jpeg": "more",
    }


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("Training", "Testing"),
        ("train_set", "test_set"),
        ("seg_train", "seg_test"),
        ("TrainData", "TestData"),
        ("01 train", "02 test"),
        ("chest.training.images", "chest.testing.images"),
    ],
)
def test_parts_under_other_names_are_parts(tmp_path, train, test):
    fill(tmp_path, {f"{train}/NORMAL": 2, f"{train}/PNEUMONIA": 3, f"{test}/NORMAL": 1, f"{test}/PNEUMONIA": 1})
    found = read_folders(tmp_path, CLASSES)
    assert sorted(found.parts) == ["test"] * 2 + ["train"] * 5
    assert set(found.sites) == {""}


def test_parts_within_class_folders_are_parts(tmp_path):
    fill(tmp_path, {f"{name}/{part}": 2 for name in CLASSES for part in ("train", "test")})
    assert sorted(read_folders(tmp_path, CLASSES).parts) == ["test"] * 4 + ["train"] * 4


def test_sites_are_used_together_and_kept(tmp_path):
    fill(tmp_path, {f"data/{site}/{part}/{name}": 1 for site in "AB" for part in ("dev", "test") for name in CLASSES})
    found = read_folders(tmp_path, CLASSES)
    assert len(found) == found.notes["files"] == 8
    assert found.root == tmp_path / "data"
    assert sorted(zip(found.sites, found.parts, strict=True))[::2] == [
        *(("A", "test"), ("A", "validation"), ("B", "test"), ("B", "validation"))
    ]


def test_a_folder_with_test_in_its_name_around_everything_is_no_test_part(tmp_path):
    fill(tmp_path, {"my_test_set_2/NORMAL": 1, "my_test_set_2/PNEUMONIA": 1})
    assert set(read_folders(tmp_path, CLASSES).parts) == {""}


def test_files_found_are_files_used_and_left_out(tmp_path):
    fill(tmp_path, {"a/NORMAL": 2, "a/PNEUMONIA": 2, "a/COVID": 3, "a/NORMAL/PNEUMONIA": 1})
    (tmp_path / "README.txt").write_text("read me")
    for clutter in ("a/Thumbs.db", "a/NORMAL/desktop.ini", "a/NORMAL/._image0.jpeg", "a/NORMAL/@eaDir/image0.jpeg"):
        (tmp_path / clutter).parent.mkdir(exist_ok=True)
        (tmp_path / clutter).write_bytes(b"x")
    found = read_folders(tmp_path, CLASSES)
    assert {one.path: one.reason for one in found.skipped} == {
        "../README.txt": "outside the class folders",
        **{f"COVID/image{number}.jpeg": "outside the class folders" for number in range(3)},
        "NORMAL/PNEUMONIA/image0.jpeg": "in the folders for several classes: NORMAL and PNEUMONIA",
    }
    assert found.notes["files"] == len(found) + len(found.skipped) == 9
    said = {sources.kind_of_reason(one.reason) for one in found.skipped}
    assert said == {"outside the class folders", "in the folders for several classes"}


def test_linked_folders_are_read_and_circles_end(tmp_path):
    fill(tmp_path / "data", {"NORMAL": 1, "PNEUMONIA": 1})
    fill(tmp_path / "elsewhere", {"batch2": 3}, seed=20)
    (tmp_path / "data/NORMAL/batch2").symlink_to(tmp_path / "elsewhere/batch2")
    (tmp_path / "data/NORMAL/back").symlink_to(tmp_path / "data")
    (tmp_path / "elsewhere/batch2/round").symlink_to(tmp_path / "elsewhere")
    found = read_folders(tmp_path / "data", CLASSES)
    assert len(found) == 5
    assert found.ids[:3] == tuple(f"NORMAL/batch2/image{number}.jpeg" for number in range(3))


def test_names_that_are_not_utf8_are_read_and_can_be_written(tmp_path):
    fill(tmp_path, {"NORMAL": 1, "PNEUMONIA": 1})
    os.rename(tmp_path / "NORMAL/image0.jpeg", os.fsencode(tmp_path) + b"/NORMAL/caf\xe9.jpeg")  # noqa: PTH104
    found = read_folders(tmp_path, CLASSES)
    assert found.ids[0] == r"NORMAL/caf\xe9.jpeg"
    assert image_split(found, lambda data: data).examples.cardinality() == 2
    assert [len(data) for data, _ in image_split(found, lambda data: data).examples.as_numpy_iterator()]


def test_a_missing_class_is_named_with_what_was_found(tmp_path):
    fill(tmp_path, {"train/NORMAL": 1, "train/COVID": 1})
    with pytest.raises(KerasDLError, match=r"it has no folder PNEUMONIA; found COVID, NORMAL; .*\{train,val,test\}"):
        read_folders(tmp_path, CLASSES)
    with pytest.raises(KerasDLError, match="found COVID, NORMAL"):
        read_folders(tmp_path / "train", {"A": "A"})
    with pytest.raises(KerasDLError, match="no such folder"):
        read_folders(tmp_path / "nowhere", CLASSES)


def test_copies_and_contradictions_are_reported(tmp_path):
    fill(tmp_path, {f"{part}/{name}": 3 for part in ("Train", "val", "test") for name in CLASSES})
    # A capital sorts before "test": the order of names must not decide which copy is kept.
    same, across, clash = (encoded(seed=seed) for seed in (101, 102, 103))
    (tmp_path / "Train/NORMAL/copy1.jpeg").write_bytes(same)
    (tmp_path / "Train/NORMAL/copy2.jpeg").write_bytes(same)
    (tmp_path / "Train/PNEUMONIA/leak.jpeg").write_bytes(across)
    (tmp_path / "test/PNEUMONIA/leak.jpeg").write_bytes(across)
    (tmp_path / "Train/NORMAL/clash.jpeg").write_bytes(clash)
    (tmp_path / "val/PNEUMONIA/clash.jpeg").write_bytes(clash)
    found = read_folders(tmp_path, CLASSES, bad_share=0.1)
    assert {skipped.path: skipped.reason for skipped in found.skipped} == {
        "Train/NORMAL/copy2.jpeg": "duplicate of Train/NORMAL/copy1.jpeg",
        "Train/PNEUMONIA/leak.jpeg": "duplicate of test/PNEUMONIA/leak.jpeg",
        "Train/NORMAL/clash.jpeg": "the same image has another label at val/PNEUMONIA/clash.jpeg",
        "val/PNEUMONIA/clash.jpeg": "the same image has another label at Train/NORMAL/clash.jpeg",
    }
    assert len(found) == 18 + 2
    assert found.notes["files"] == 24


def test_unreadable_files_are_skipped_with_the_reason(tmp_path, monkeypatch):
    fill(tmp_path, {"NORMAL": 30, "PNEUMONIA": 30})
    (tmp_path / "NORMAL/cut.jpeg").write_bytes(encoded(seed=200)[:-30])
    (tmp_path / "NORMAL/gone.jpeg").symlink_to(tmp_path / "nowhere.jpeg")
    os.mkfifo(tmp_path / "NORMAL/pipe.jpeg")
    denied = tmp_path / "NORMAL/image0.jpeg"  # chmod would not stop root
    read_bytes = Path.read_bytes

    def refusing(path: Path) -> bytes:
        if path == denied:
            raise PermissionError(13, "Permission denied")
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", refusing)
    found = read_folders(tmp_path, CLASSES, bad_share=0.1)
    assert {skipped.path: skipped.reason for skipped in found.skipped} == {
        "NORMAL/cut.jpeg": "truncated JPEG: the end is missing",
        "NORMAL/gone.jpeg": "a broken link",
        "NORMAL/image0.jpeg": "cannot be read: Permission denied",
        "NORMAL/pipe.jpeg": "not a file",
    }


def test_too_many_bad_files_are_an_error_that_says_how_to_go_on(tmp_path):
    fill(tmp_path, {"NORMAL": 8, "PNEUMONIA": 8})
    for number in range(4):
        (tmp_path / f"NORMAL/bad{number}.jpeg").write_bytes(b"")
    with pytest.raises(KerasDLError, match=r"4 of 20 files \(20\.0%\).* 5\.0% .*empty.*bad_share=0\.21") as caught:
        read_folders(tmp_path, CLASSES)
    assert "\n" not in str(caught.value)
    assert len(read_folders(tmp_path, CLASSES, bad_share=0.2)) == 16  # the limit itself is allowed


def test_duplicates_do_not_count_as_bad(tmp_path):
    fill(tmp_path, {"NORMAL": 2, "PNEUMONIA": 2})
    for number in range(20):
        (tmp_path / f"NORMAL/z{number}.jpeg").write_bytes(encoded(seed=1))
    found = read_folders(tmp_path, CLASSES, bad_share=0)
    assert (len(found), len(found.skipped)) == (4, 20)


def test_copies_within_a_published_test_part_stay(tmp_path):
    for part in ("train", "test"):
        fill(tmp_path / part, {"NORMAL": 2, "PNEUMONIA": 2})
        for copy in ("one.jpeg", "two.jpeg"):
            (tmp_path / part / "NORMAL" / copy).write_bytes(encoded(seed=300 + len(part)))
    found = read_folders(tmp_path, CLASSES)
    kept = [name for name in found.ids if name.startswith("test/")]
    assert len(kept) == 6
    assert "train/NORMAL/two.jpeg" in [skipped.path for skipped in found.skipped]


def test_no_usable_image_is_an_error(tmp_path):
    for name in CLASSES:
        (tmp_path / name).mkdir()
    with pytest.raises(KerasDLError, match="no usable image in 0 files"):
        read_folders(tmp_path, CLASSES)
    (tmp_path / "NORMAL/x.png").write_bytes(b"")
    with pytest.raises(KerasDLError, match=r"no usable image in 1 files .*the file is empty"):
        read_folders(tmp_path, CLASSES, bad_share=1)


def test_take_keeps_the_columns_together(tmp_path):
    found = read_folders(fill(tmp_path, {"NORMAL": 3, "PNEUMONIA": 2}), CLASSES, group=lambda path: path.name)
    chosen = found.take([4, 0])
    assert chosen.ids == (found.ids[4], found.ids[0])
    assert chosen.labels.tolist() == [1, 0]
    assert chosen.groups.tolist() == [path.name for path in chosen.paths]
    assert found.take(found.labels == 0).ids == found.ids[:3]
    assert len(found.take([])) == 0


def test_every_file_is_checked_through_the_gate(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(images, "check", lambda data: seen.append(len(data)))
    read_folders(fill(tmp_path, {"NORMAL": 2, "PNEUMONIA": 2}), CLASSES)
    assert len(seen) == 4
