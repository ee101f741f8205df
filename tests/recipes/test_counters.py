"""The baselines of a count: what they find, what they do not see, and that a run can keep them."""

import numpy as np
import pytest
import skops.io
from scipy.ndimage import gaussian_filter

from keras_dl.recipes.counters import BlobCounter, BrightnessRidge, brightness


def blobs(count, seed=0, side=64, width=2.0, level=1.0):
    """Draw so many round spots that do not touch, in blue."""
    places = np.random.default_rng(seed).permutation(36)[:count]
    light = np.zeros((side, side))
    light[5 + 10 * (places // 6), 5 + 10 * (places % 6)] = 1
    light = gaussian_filter(light, width) * 2 * np.pi * width**2 * level
    image = np.zeros((side, side, 3), np.uint8)
    image[..., 2] = np.clip(200 * light, 0, 255)
    return image


COUNTS = np.array([0, 3, 8, 12, 20, 25, 30, 36, 5, 17])
IMAGES = np.stack([blobs(count, seed) for seed, count in enumerate(COUNTS)])
FAST = {"sigmas": (1.5, 2.0, 3.0), "thresholds": (0.02, 0.1, 0.3)}


def test_statistics_are_those_of_numpy_on_blue():
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 10, 3), dtype=np.uint8)
    for row, image in zip(brightness(images), images, strict=True):
        blue = image[..., 2].astype(float)
        assert row == pytest.approx([blue.mean(), blue.std(), np.median(blue), *np.percentile(blue, (90, 99))])
    assert brightness(images, channel=0)[0, 0] == pytest.approx(images[0, ..., 0].mean())


def test_the_ridge_counts_where_light_is_the_count_and_never_below_zero():
    fitted = BrightnessRidge().fit(IMAGES, COUNTS)
    assert np.abs(fitted.predict(IMAGES) - COUNTS).mean() < 1.5
    assert fitted.predict(np.zeros((2, 64, 64, 3), np.uint8)).min() >= 0
    dim = np.stack([blobs(int(count), seed, level=0.3) for seed, count in enumerate(COUNTS)])
    assert np.abs(fitted.predict(dim) - COUNTS).mean() > 4, "it sees light, not cells"


def test_the_blob_counter_counts_spots_whatever_their_light():
    fitted = BlobCounter(**FAST).fit(IMAGES, COUNTS)
    np.testing.assert_array_equal(fitted.predict(IMAGES), COUNTS)
    dim = np.stack([blobs(int(count), seed, level=0.7) for seed, count in enumerate(COUNTS)])
    np.testing.assert_array_equal(fitted.predict(dim), COUNTS)
    assert fitted.predict(np.full((1, 64, 64, 3), 200, np.uint8)).tolist() == [0], "even light has no spots"


def test_it_learns_width_and_threshold_from_the_counts():
    few = [np.maximum(image, blobs(20, 99, width=1.0, level=0.2)) for image in IMAGES]
    fitted = BlobCounter(**FAST).fit(np.stack(few), COUNTS)
    assert fitted.threshold_ > 0.02, "crumbs are no cells"
    assert np.abs(fitted.predict(np.stack(few)) - COUNTS).mean() < 1


@pytest.mark.parametrize("kind", [BrightnessRidge, lambda: BlobCounter(**FAST)])
def test_a_fitted_baseline_can_be_written_and_read_as_a_run_does(kind, tmp_path):
    fitted = kind().fit(IMAGES, COUNTS)
    skops.io.dump(fitted, tmp_path / "baseline.skops")
    named = skops.io.get_untrusted_types(file=tmp_path / "baseline.skops")
    assert named == [f"keras_dl.recipes.counters.{type(fitted).__name__}"]
    loaded = skops.io.load(tmp_path / "baseline.skops", trusted=named)
    np.testing.assert_array_equal(loaded.predict(IMAGES), fitted.predict(IMAGES))


@pytest.mark.parametrize("kind", [BrightnessRidge, lambda: BlobCounter(**FAST)])
@pytest.mark.parametrize("counts", [np.full(10, 7), np.zeros(10)])
def test_equal_counts_are_learned_too(kind, counts):
    said = kind().fit(IMAGES, counts).predict(IMAGES)
    assert np.isfinite(said).all()
    assert said.min() >= 0


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_a_few_images_are_enough(count):
    for kind in (BrightnessRidge(), BlobCounter(**FAST)):
        said = kind.fit(IMAGES[1:][:count], COUNTS[1:][:count]).predict(IMAGES)
        assert np.isfinite(said).all()
        assert np.abs(said[1 : 1 + count] - COUNTS[1 : 1 + count]).max() < 6
