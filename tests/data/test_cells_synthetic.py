"""The drawn pictures of cells: the same again, what counts, and that brightness does not give the count away."""

import numpy as np
import pytest
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from keras_dl.data.counted import read_counted
from keras_dl.data.sets.images import cells, cells_synthetic
from keras_dl.recipes.counters import brightness

DRAWN = 60


@pytest.fixture(scope="module", name="drawn")
def embedded_set():
    """Draw the set that is embedded, in memory: pictures and counts."""
    shares = (0.5 + cells_synthetic.GOLDEN_RATIO * np.arange(DRAWN)) % 1
    fewest, most = cells_synthetic.DENSITIES
    counts = [round((fewest + share * (most - fewest)) * cells.SIDE**2) for share in shares]
    draw = cells_synthetic.cells
    return np.stack([draw(np.random.default_rng([0, n]), count)[0] for n, count in enumerate(counts)]), counts


def test_brightness_does_not_give_the_count_away(drawn):
    """Its R² is 0.43 by ten-fold cross-validation; by the total light alone the VGG set is nearly counted."""
    pictures, counts = drawn
    ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-4, 3, 22)))
    said = cross_val_predict(ridge, brightness(pictures), counts, cv=10)
    assert r2_score(counts, said) < 0.5


def test_the_total_light_is_not_independent_of_the_count_either(drawn):
    pictures, counts = drawn
    assert np.corrcoef(pictures[..., 2].mean(axis=(1, 2)), counts)[0, 1] > 0.1, "more cells are more light"


def test_light_is_blue_and_neither_black_nor_burnt_out(drawn):
    pictures, _ = drawn
    assert pictures[..., :2].max() == 0
    assert pictures[..., 2].max(axis=(1, 2)).min() > 40
    assert (pictures[..., 2] == 255).mean(axis=(1, 2)).max() < 0.3


def test_the_same_arguments_draw_the_same_files(tmp_path):
    one, other, more, seed = (
        cells_synthetic.synthesize(tmp_path / name, images=images, size=32, seed=seed)
        for name, images, seed in (("a", 3, 0), ("b", 3, 0), ("c", 5, 0), ("d", 3, 1))
    )
    names = sorted(path.name for path in one.iterdir())
    assert names == [f"00{number}{kind}.png" for number in (1, 2, 3) for kind in ("cell", "dots")]
    for name in names:
        assert (one / name).read_bytes() == (other / name).read_bytes() == (more / name).read_bytes()
    assert (one / "001cell.png").read_bytes() != (seed / "001cell.png").read_bytes()


def test_counts_cover_the_range_and_are_those_of_the_dots(tmp_path):
    done = []
    folder = cells_synthetic.synthesize(tmp_path, images=12, size=64, progress=lambda *now: done.append(now))
    found = read_counted(folder, progress=False)
    assert done == [(number, 12) for number in range(1, 13)]
    assert not found.skipped
    fewest, most = (density * 64**2 for density in cells_synthetic.DENSITIES)
    assert fewest <= found.counts.min() < fewest + 3
    assert most - 3 < found.counts.max() <= most
    assert len(set(found.counts)) > 8


def test_no_two_cells_are_on_one_pixel_and_all_in_the_picture():
    _, points = cells_synthetic.cells(np.random.default_rng(0), 900, 32)
    assert len({tuple(point) for point in points.tolist()}) == 900
    assert points.min() >= 0
    assert points.max() < 32
    picture, none = cells_synthetic.cells(np.random.default_rng(0), 0, 32)
    assert none.shape == (0, 2)
    assert picture.shape == (32, 32, 3)


def test_cells_are_brighter_than_what_is_between_them():
    for seed in range(5):
        picture, points = cells_synthetic.cells(np.random.default_rng(seed), 40)
        there = picture[points[:, 1], points[:, 0], 2]
        assert there.mean() > 1.15 * picture[..., 2].mean(), "x is the column, y the row"
