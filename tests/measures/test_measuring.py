import numpy as np

from keras_dl.measures.measuring import point, ratio, sums


def test_a_ratio_of_nothing_is_nan():
    np.testing.assert_array_equal(ratio([1, 0, 3], [2, 0, 0]), [0.5, np.nan, np.nan])


def test_sums_are_those_of_bincount():
    generator = np.random.default_rng(0)
    places, values = generator.integers(0, 4, (2, 30)), generator.random((2, 30))
    weights = generator.integers(0, 3, (5, 30)).astype("int32")
    got = sums(places, values, 4)(weights)
    for row, drawn in zip(got, weights, strict=True):
        wanted = sum(np.bincount(place, drawn * value, 4) for place, value in zip(places, values, strict=True))
        np.testing.assert_allclose(row, wanted)


def test_the_point_counts_each_example_once():
    assert point(lambda weights: {"sum": weights.sum(axis=1)}, 7) == {"sum": 7.0}
