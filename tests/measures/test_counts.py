import numpy as np
import pytest
from sklearn import metrics as sk

from keras_dl.measures import conformal, counts
from keras_dl.measures.measuring import point


def example(count=200, seed=0):
    generator = np.random.default_rng(seed)
    truth = generator.poisson(generator.gamma(2, 15, count))
    return truth, truth + generator.normal(0.5, 1 + np.sqrt(truth), count)


def test_metrics_are_those_of_scikit_learn():
    truth, predicted = example()
    weights = np.random.default_rng(1).integers(0, 4, (3, 200)).astype("int32")
    got = counts.numbers(truth, predicted)(weights)
    assert list(got) == ["mae", "rmse", "relative_error", "bias", "r2"]
    for row, drawn in enumerate(weights):
        assert {name: values[row] for name, values in got.items()} == pytest.approx(
            {
                "mae": sk.mean_absolute_error(truth, predicted, sample_weight=drawn),
                "rmse": sk.root_mean_squared_error(truth, predicted, sample_weight=drawn),
                "relative_error": np.average(np.abs(predicted - truth) / np.maximum(truth, 1), weights=drawn),
                "bias": np.average(predicted - truth, weights=drawn),
                "r2": sk.r2_score(truth, predicted, sample_weight=drawn),
            },
            abs=1e-12,
        )


def test_large_numbers_round_little():
    truth, predicted = example()
    one, other = (point(counts.numbers(truth + far, predicted + far), 200)["r2"] for far in (0, 10**7))
    assert one == pytest.approx(other, abs=1e-8)


def test_a_perfect_answer_scores_perfect_and_a_shuffled_one_worse():
    truth, _ = example()
    assert point(counts.numbers(truth, truth), 200) == {"mae": 0, "rmse": 0, "relative_error": 0, "bias": 0, "r2": 1}
    worse = point(counts.numbers(truth, np.random.default_rng(0).permutation(truth)), 200)
    assert worse["mae"] > 5
    assert worse["r2"] < 0
    assert worse["bias"] == pytest.approx(0, abs=1e-9)


def test_what_is_not_defined_is_nan():
    same = point(counts.numbers(np.full(5, 0.1), np.arange(5)), 5)
    assert np.isnan(same["r2"])
    assert same["mae"] == pytest.approx(1.94)
    one = counts.numbers(np.array([3, 700, 9]), np.array([4, 4, 4]))(np.array([[0, 2, 0], [0, 0, 0]]))
    assert np.isnan(one["r2"]).all()
    assert one["mae"][0] == 696
    assert np.isnan(one["mae"][1])
    assert np.isnan(list(point(counts.numbers([], []), 0).values())).all()


def ends(predicted, radius, scaled):
    """Return intervals that are wider for larger counts, or equally wide ones."""
    return counts.bounds(predicted, radius) if scaled else (predicted - radius, predicted + radius)


@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("few", [19, 200])
def test_intervals_cover_as_promised_on_new_examples(scaled, few):
    shares = []
    for seed in range(300):
        truth, predicted = example(few + 200, seed)
        errors = (predicted - truth) / (counts.scale(predicted) if scaled else 1)
        radius = conformal.quantile(np.abs(errors[:few]), range(few), 0.9)
        low, high = ends(predicted[few:], radius, scaled)
        shares.append(point(counts.coverage(truth[few:], low, high), 200)["coverage"])
    promised = np.ceil((few + 1) * 0.9) / (few + 1)
    assert np.mean(shares) == pytest.approx(promised, abs=4 * np.std(shares) / np.sqrt(300))


def test_scaled_intervals_cover_small_and_large_counts_alike():
    generator = np.random.default_rng(0)
    predicted = generator.gamma(2, 15, 20_000)
    truth = generator.poisson(predicted)
    fitted, new = slice(0, 10_000), slice(10_000, None)
    radii = {
        True: counts.scaled_radius(truth[fitted], predicted[fitted], range(10_000), 0.9),
        False: conformal.quantile(np.abs(predicted - truth)[fitted], range(10_000), 0.9),
    }
    gaps = {}
    for scaled, radius in radii.items():
        low, high = ends(predicted[new], radius, scaled)
        inside = (low <= truth[new]) & (truth[new] <= high)
        few, many = (
            inside[part].mean() for part in ((predicted[new] > 4) & (predicted[new] < 12), predicted[new] > 50)
        )
        gaps[scaled] = few - many
    assert abs(gaps[True]) < 0.05
    assert gaps[False] > 0.15, "one radius for all is too wide for small counts, too narrow for large ones"


def test_bounds_are_not_below_zero_and_without_radius_endless():
    low, high = counts.bounds(np.array([4.0, -3.0, 100.0]), 2.5)
    np.testing.assert_array_equal(low, [0, 0, 75])
    np.testing.assert_array_equal(high, [9, 0, 125])
    low, high = counts.bounds(np.array([4.0]), None)
    assert (low[0], high[0]) == (0, np.inf)


def test_coverage_and_width_have_draws():
    measuring = counts.coverage([1, 5, 9], [0, 6, 8], [2, 8, 9])
    got = measuring(np.array([[1, 1, 1], [0, 3, 0], [0, 0, 0]]))
    np.testing.assert_allclose(got["coverage"], [2 / 3, 0, np.nan])
    np.testing.assert_allclose(got["width"], [5 / 3, 2, np.nan])
