"""The synthetic radiographs: same bytes every time, names of the real set, and no shortcut to the diagnosis."""

import re
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from numpy.random import default_rng
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from keras_dl.data.sets.images.chest_xray_synthetic import SHARES, radiograph, synthesize

NAME = re.compile(r"(?P<patient>person\d+)_(?P<kind>bacteria|virus)_\d+|(?P<normal>(NORMAL2-)?IM-\d{4})-0001(-\d{4})?")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = synthesize(tmp_path_factory.mktemp("set"), patients=140, size=(96, 120))
    return sorted(root.glob("train/*/*.jpeg"))


def patient_of(file: Path) -> str:
    match = NAME.fullmatch(file.stem)
    assert match, file.name
    return match["patient"] or match["normal"]


def kind_of(file: Path) -> str:
    match = NAME.fullmatch(file.stem)
    assert match, file.name
    return match["kind"] or "normal"


def auroc_by_patient(files: list[Path], features: list[tuple[float, ...]]) -> float:
    """Pneumonia or not, by logistic regression; no patient is in both parts of a fold."""
    sick = np.array([kind_of(file) != "normal" for file in files])
    scores = cross_val_predict(
        make_pipeline(StandardScaler(), LogisticRegression()),
        np.array(features),
        sick,
        groups=[patient_of(file) for file in files],
        cv=StratifiedGroupKFold(5, shuffle=True, random_state=0),
        method="predict_proba",
    )
    return float(roc_auc_score(sick, scores[:, 1]))


def digests(folder: Path) -> dict[str, str]:
    return {str(file.relative_to(folder)): sha256(file.read_bytes()).hexdigest() for file in folder.rglob("*.jpeg")}


def test_equal_arguments_write_equal_bytes_and_another_seed_other_ones(tmp_path: Path) -> None:
    first, again, other = (
        digests(synthesize(tmp_path / name, patients=6, size=(64, 80), seed=seed))
        for name, seed in (("first", 0), ("again", 0), ("other", 1))
    )
    assert first == again
    assert not set(first.values()) & set(other.values())


def test_a_large_set_begins_with_the_patients_of_a_small_one(tmp_path: Path) -> None:
    small = digests(synthesize(tmp_path / "small", patients=4, size=(64, 80)))
    large = digests(synthesize(tmp_path / "large", patients=7, size=(64, 80)))
    assert small.items() < large.items()


def test_files_are_grayscale_jpeg_in_a_single_train_folder(files: list[Path]) -> None:
    assert {file.parent.parent.name for file in files} == {"train"}
    for file in files[::10]:
        with Image.open(file) as image:
            assert (image.format, image.mode) == ("JPEG", "L")
            pixels = np.asarray(image)
        assert pixels.std() > 15, f"{file.name} is blank"


def test_folder_agrees_with_the_kind_in_the_name(files: list[Path]) -> None:
    for file in files:
        assert file.parent.name == ("NORMAL" if kind_of(file) == "normal" else "PNEUMONIA")


def test_all_dialects_of_the_real_names_occur(files: list[Path]) -> None:
    for pattern in (r"person\d+_bacteria_", r"person\d+_virus_", r"IM-\d{4}-0001-0002", r"NORMAL2-IM-\d{4}-0001"):
        assert any(re.match(pattern, file.stem) for file in files), pattern


def test_patients_have_one_to_four_images_of_one_kind(files: list[Path]) -> None:
    images: dict[str, list[str]] = {}
    for file in files:
        images.setdefault(patient_of(file), []).append(kind_of(file))
    assert len(images) == 140
    assert {len(kinds) for kinds in images.values()} == {1, 2, 3, 4}
    assert all(len(set(kinds)) == 1 for kinds in images.values())


def test_kinds_occur_about_as_often_as_in_the_real_set(files: list[Path]) -> None:
    kinds = [kind_of(file) for file in files]
    for kind, share in SHARES.items():
        assert kinds.count(kind) / len(kinds) == pytest.approx(share / sum(SHARES.values()), abs=0.06)


def test_progress_is_told_after_each_patient(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    synthesize(tmp_path, patients=3, size=(64, 80), progress=lambda done, patients: calls.append((done, patients)))
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_brightness_and_contrast_do_not_give_the_class_away(files: list[Path]) -> None:
    images = [np.asarray(Image.open(file)) for file in files]
    assert auroc_by_patient(files, [(image.mean(), image.std()) for image in images]) < 0.75


def size_of(file: Path) -> tuple[int, int]:
    with Image.open(file) as image:
        return image.size


def test_size_does_not_give_the_class_away(files: list[Path]) -> None:
    sizes = [size_of(file) for file in files]
    assert len(set(sizes)) > 50
    assert auroc_by_patient(files, [(width * height, width / height) for width, height in sizes]) < 0.62


@pytest.mark.parametrize("kind", SHARES)
def test_mask_has_the_shape_of_the_image_and_is_empty_only_for_normals(kind: str) -> None:
    for seed in range(20):
        image, mask = radiograph(default_rng(seed), kind, size=(128, 160))
        assert (image.dtype, mask.dtype) == (np.uint8, bool)
        assert image.shape == mask.shape
        if kind == "normal":
            assert not mask.any()
        else:
            assert 0.001 < mask.mean() < 0.4


@pytest.mark.parametrize("kind", ["bacteria", "virus"])
def test_disease_brightens_the_mask_more_than_the_rest(kind: str) -> None:
    changes = []
    for seed in range(20):
        sick, mask = radiograph(default_rng([seed, 1]), kind, patient=(seed,), size=(128, 160))
        healthy, _ = radiograph(default_rng([seed, 1]), "normal", patient=(seed,), size=(128, 160))
        change = sick.astype(float) - healthy
        changes.append(change[mask].mean() - change[~mask].mean())
    assert np.median(changes) > 10


def test_images_of_one_patient_share_the_place_of_disease_but_not_the_pose() -> None:
    rng = default_rng(0)
    centres = np.zeros((8, 3, 2))  # patient, image, (down, across) as shares of the film
    for patient, image in np.ndindex(8, 3):
        film, mask = radiograph(rng, "bacteria", patient=(patient,), size=(128, 160))
        centres[patient, image] = np.argwhere(mask).mean(axis=0) / film.shape
    within, between = centres.std(axis=1).mean(axis=0), centres.mean(axis=1).std(axis=0)
    assert (within > 0).all()
    assert (within < between / 2).all()


def test_unknown_kind_is_refused_with_the_kinds_there_are() -> None:
    with pytest.raises(ValueError, match=r"'fungus'.*'normal', 'bacteria', 'virus'"):
        radiograph(default_rng(0), "fungus")
