"""What the recipes for counting share: maps, splits, settings that limit, and one line for what does not fit."""

from dataclasses import replace

import numpy as np
import pytest
from counted_images import numbered, pairs, spread, tabled
from hypothesis import given
from hypothesis import settings as rules
from hypothesis import strategies as st

from keras_dl import registry
from keras_dl.data.counted import read_counted
from keras_dl.errors import KerasDLError
from keras_dl.recipes import counted_splits, counting
from keras_dl.task import settings
from keras_dl.training import pipeline

UNET, CNN, DEEP = (registry.find(name) for name in ("cells-unet", "cells-cnn", "cells-deep"))


def load(task, folder, tiny=True, **given):
    return task.load(settings.resolve(task, given, tiny=tiny), folder)


def refused(task, folder, **given):
    with pytest.raises(KerasDLError) as caught:
        load(task, folder, **given)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)
    return str(caught.value)


# Maps of density


@given(
    st.lists(st.tuples(st.floats(0, 47.9), st.floats(0, 31.9)), max_size=40),
    st.sampled_from([0.3, 1.0, 2.0, 7.0, 30.0]),
)
@rules(max_examples=40)
def test_a_map_adds_up_to_the_count(points, sigma):
    points = np.array(points, "float32").reshape(-1, 2)
    found = counting.density_map(points, (32, 48), sigma)
    assert (found.shape, found.dtype) == ((32, 48, 1), np.float32)
    assert found.min() >= 0
    assert found.sum(dtype=float) == pytest.approx(len(points), abs=1e-4)


@pytest.mark.parametrize("sigma", [0.5, 2.0, 9.0])
def test_no_cell_at_the_border_is_lost(sigma):
    corners = np.array([(0, 0), (47.5, 0), (0, 31.5), (47.5, 31.5)], "float32")
    border = [(x, y) for x in range(48) for y in range(32) if x in (0, 47) or y in (0, 31)]
    for points in (corners, np.array(border, "float32"), corners[[0, 0, 0]]):
        assert counting.density_map(points, (32, 48), sigma).sum(dtype=float) == pytest.approx(len(points), rel=1e-5)
    for corner in corners:
        assert counting.density_map(corner[None], (32, 48), sigma).sum(dtype=float) == pytest.approx(1, rel=1e-5)


def test_a_map_is_highest_where_the_cell_is():
    found = counting.density_map(np.array([[30.7, 5.2]], "float32"), (32, 48), 2.0)[..., 0]
    assert np.unravel_index(found.argmax(), found.shape) == (5, 30), "x is the column"
    assert found.max() == pytest.approx(1 / (2 * np.pi * 2**2), rel=0.02)


def test_a_split_gives_images_with_their_maps_or_their_counts(tmp_path):
    folder = pairs(tmp_path, list(range(12)))
    for task, shape in ((UNET, (40, 40, 1)), (CNN, (40, 40, 1))):
        split = load(task, folder).train
        assert len(split) == 8
        for (image, target), count, name in zip(
            split.examples.as_numpy_iterator(), split.truth, split.ids, strict=True
        ):
            assert (image.shape, image.dtype, target.shape) == ((40, 40, 3), np.uint8, shape)
            assert target.sum() == pytest.approx(count, abs=1e-4)
            assert int(name[:3]) - 1 == count
    counts = tabled(tmp_path / "counts", numbered([1.5 * number for number in range(12)]), 12)
    split = load(CNN, counts).train
    assert [float(target[0]) for _, target in split.examples.as_numpy_iterator()] == split.truth


# Splits


def test_splits_have_equal_shares_of_small_and_large_counts(tmp_path):
    data = load(UNET, pairs(tmp_path, list(range(80))))
    assert [len(one) for one in data.splits().values()] == [60, 8, 12]
    for split in data.splits().values():
        quarters = np.bincount(np.array(split.truth).astype(int) // 20, minlength=4)
        assert quarters.max() - quarters.min() <= 1


def test_strata_are_quarters_by_size_whatever_the_order():
    counts, none = np.random.default_rng(0).permutation(80).astype(float), np.zeros(80, bool)
    found = counted_splits.strata(counts, none)
    assert [sorted(counts[found == quarter]) for quarter in range(4)] == [
        list(range(20 * quarter, 20 * quarter + 20)) for quarter in range(4)
    ]


def test_a_test_part_of_larger_counts_changes_no_stratum_of_the_rest():
    counts = np.concatenate([np.arange(20.0), np.arange(100.0, 140.0)])
    tested = counts >= 100
    alone = counted_splits.strata(counts[~tested], np.zeros(20, bool))
    assert set(alone) == {0, 1, 2}
    assert counted_splits.strata(counts, tested)[~tested].tolist() == alone.tolist()


@given(st.lists(st.integers(0, 4), min_size=6, max_size=60), st.data())
def test_every_stratum_can_be_split(counts, data):
    count = len(counts)
    tested = np.zeros(count, bool)
    tested[: data.draw(st.integers(0, count - 6))] = True
    found = counted_splits.strata(np.array(counts, float), tested)
    _, sizes = np.unique(found[~tested], return_counts=True)
    assert len(sizes) >= 2
    assert sizes.min() >= 3


def test_a_test_part_of_larger_counts_can_be_used(tmp_path):
    pairs(tmp_path / "train", list(range(20)))
    pairs(tmp_path / "test", [60 + number for number in range(20)], start=100)
    data = load(CNN, tmp_path)
    assert min(data.test.truth) == 60
    assert max(data.train.truth + data.validation.truth) == 19


@pytest.mark.parametrize("counts", [[5] * 6, [0] * 14, [5] * 12 + [6], [0] * 20 + [3, 9], [0, 1] * 6])
def test_equal_counts_are_split_too(tmp_path, counts):
    data = load(CNN, tabled(tmp_path, numbered(counts), len(counts)))
    assert all(len(split) >= 2 for split in data.splits().values())
    names = data_names(data)
    assert len(names) <= 4
    for split in data.splits().values():
        assert set(split.strata) <= set(range(len(names)))


def data_names(data):
    return CNN.output.names(data.assets)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_too_few_images_are_refused_with_the_number_that_is_needed(tmp_path, count):
    assert f"{count} images are too few to split; use at least 6" in refused(UNET, pairs(tmp_path, [3] * count))


@pytest.mark.parametrize("count", [6, 7, 10])
def test_a_few_images_are_enough_to_split(tmp_path, count):
    splits = load(UNET, pairs(tmp_path, list(range(count)))).splits()
    assert sum(map(len, splits.values())) == count
    assert min(map(len, splits.values())) >= 2


def test_a_test_folder_is_the_test_part(tmp_path):
    pairs(tmp_path / "train", [1, 2, 3, 4, 5, 6])
    pairs(tmp_path / "test", [40, 41, 42], start=20)
    data = load(UNET, tmp_path)
    assert sorted(data.test.truth) == [40, 41, 42]
    assert data.assets["most"] < 7, "what is learned is learned from the training part"
    for part in "train", "test":
        pairs(tmp_path / "few" / part, [1, 2, 3], start=1 if part == "test" else 9)
    said = "3 images outside the test part are too few to split; use at least 4"
    assert said in refused(UNET, tmp_path / "few")


def test_a_limit_of_images_limits_training_alone(tmp_path):
    folder = pairs(tmp_path, list(range(30)))
    whole, limited, again = load(UNET, folder), load(UNET, folder, images=5), load(UNET, folder, images=5)
    assert len(limited.train) == 5
    assert set(limited.train.ids) < set(whole.train.ids)
    assert limited.train.ids == again.train.ids
    assert limited.train.ids != load(UNET, folder, images=5, seed=1).train.ids
    for name in ("validation", "test"):
        assert limited.splits()[name].ids == whole.splits()[name].ids
    assert limited.notes["images drawn to train on"] == 5
    assert "images drawn to train on" not in whole.notes
    assert limited.assets["density"] == pytest.approx(np.mean(limited.train.truth) / 40**2)
    assert load(UNET, folder, images=999).train.ids == whole.train.ids


# What does not fit


def test_images_of_several_sizes_are_refused_with_two_of_them(tmp_path):
    pairs(tmp_path, [1] * 8)
    pairs(tmp_path, [1], start=50, width=48)
    said = "images of 2 sizes: 001cell.png has 40 x 40 px, 050cell.png has 48 x 40; cut them to one size"
    for task in (UNET, CNN, DEEP):
        assert said in refused(task, tmp_path)


def test_sides_that_are_no_multiples_of_eight_are_refused(tmp_path):
    folder = pairs(tmp_path, [1] * 8, width=50, height=47)
    for task in (UNET, CNN, DEEP):
        said = refused(task, folder)
        assert "50 x 47 px, but both sides must be multiples of 8; crop them to 48 x 40 px, with their points" in said


def test_counts_alone_train_all_but_the_map(tmp_path):
    folder = tabled(tmp_path, numbered([*range(12)]), 12)
    assert refused(UNET, folder).endswith("or masks of dots, or train cells-cnn or cells-deep")
    for task in (CNN, DEEP):
        data = load(task, folder)
        phases = task.phases(settings.resolve(task, tiny=True), data)
        assert [phase.name for phase in phases] == ["whole"]


def test_another_set_is_read_as_a_test_part(tmp_path):
    config = settings.resolve(CNN, {"recipe": "original"}, tiny=True)
    assets = load(CNN, pairs(tmp_path / "a", [*range(12)]), recipe="original").assets
    assert assets["image_shape"] == [40, 40]
    assert len(CNN.read(config, assets, tmp_path / "a")) == 12
    other = pairs(tmp_path / "b", [1, 2], width=48)
    with pytest.raises(KerasDLError, match="48 x 40 px, but this network takes only 40 x 40 px; cut them"):
        CNN.read(config, assets, other)
    assert CNN.read(config, {"edges": [3.0], "most": 9.0}, other).truth == [1, 2]


# Training


def test_phases_are_squares_then_whole_images_with_as_many_steps_as_set(tmp_path):
    data = load(UNET, pairs(tmp_path, [*range(20)]))
    config = settings.resolve(UNET, {"crop": 24, "crop_steps": 70, "whole_steps": 21})
    squares, whole = UNET.phases(config, data)
    each = len(data.train) // config.batch_size
    assert (squares.name, whole.name) == ("crops", "whole")
    assert (squares.epochs, whole.epochs) == (round(70 / each), round(21 / each))
    assert squares.part is None
    (places, _) = CNN.phases(settings.resolve(CNN), load(CNN, tmp_path))
    assert places.part is counting.at_each_place


@pytest.mark.parametrize(("crop", "side"), [(24, 24), (30, 24), (1000, 40), (8, 8)])
def test_squares_are_multiples_of_eight_and_not_larger_than_the_images(tmp_path, crop, side):
    data = load(UNET, pairs(tmp_path, [*range(12)]))
    config = settings.resolve(UNET, {"crop": crop, "margin": 500})
    examples = pipeline.decoded(data.train, config, tmp_path / "spill")
    x, y = UNET.phases(config, data)[0].augment(examples.x[:2], examples.y[:2], np.array([0, 1]))
    assert x.shape == (2 * config.crops, side, side, 3)
    assert (y.numpy() >= 0).any(axis=(1, 2, 3)).all(), "a margin leaves something to learn from"


def test_a_training_that_goes_on_sees_the_squares_that_it_would_have_seen(tmp_path):
    data = load(UNET, pairs(tmp_path, [*range(12)]))
    config = settings.resolve(UNET, {"crop": 16, "batch_size": 4})
    data = replace(data, augment=UNET.phases(config, data)[0].augment)
    examples = pipeline.decoded(data.train, config, tmp_path / "spill")
    steps = len(examples) // config.batch_size

    def batches(start):
        found = pipeline.training(examples, data, config, start_epoch=start)
        return list(found.take(2 * steps).as_numpy_iterator())

    one, resumed = batches(0)[steps:], batches(1)[:steps]
    for (x, y), (same, also) in zip(one, resumed, strict=True):
        np.testing.assert_array_equal(x, same)
        np.testing.assert_array_equal(y, also)
    assert (batches(0)[0][0] != batches(1)[0][0]).any()


def test_points_drawn_with_spread_are_those_read(tmp_path):
    """The helper of these tests writes what it says."""
    found = read_counted(pairs(tmp_path, [7]), progress=False)
    assert {tuple(map(int, point)) for point in found.points[0]} == set(spread(7))
