import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_dl.errors import KerasDLError
from keras_dl.measures import bootstrap, counts, ranking
from keras_dl.measures.bootstrap import Draws, differences, interval, p_value, paired
from keras_dl.measures.measuring import point
from keras_dl.task.kinds import Metric, UnknownMetric

NAMES = ["auroc", "accuracy", "sensitivity", "specificity", "ppv", "npv", "f1", "pr_auc", "brier", "ece", "recall"]
RECORDS = {name: Metric(name, name not in ("brier", "ece"), distance=name == "ece") for name in NAMES}


def example(count=200, seed=0):
    generator = np.random.default_rng(seed)
    labels = np.r_[0, 1, generator.integers(0, 2, count - 2)]
    return labels, np.clip(0.4 * labels + generator.uniform(0, 0.6, count), 0, 1)


def test_groups_are_drawn_as_a_whole_and_as_many_as_there_are():
    groups = ["a", "a", "b", "c", "c", "c"]
    weights = np.concatenate(list(Draws(groups, seed=0, draws=500)))
    assert weights.shape == (500, 6)
    assert weights.dtype == np.int32
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 3:] == weights[:, 3:4]).all()
    assert (weights[:, [0, 2, 3]].sum(axis=1) == 3).all()
    assert weights[:, 2].mean() == pytest.approx(1, abs=0.15)
    assert weights[:, 2].var() == pytest.approx(2 / 3, abs=0.15), "binomial: 3 tries of a chance of 1/3"


def test_draws_repeat_and_hang_on_the_seed():
    draws = Draws(range(50), 3, 20)
    first, again = (np.concatenate(list(draws)) for _ in range(2))
    assert (first == again).all()
    assert (first != np.concatenate(list(Draws(range(50), 4, 20)))).any()
    assert len({row.tobytes() for row in first}) == 20


@given(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=20), st.integers(0, 99), st.randoms())
def test_draws_do_not_hang_on_the_order_of_the_examples(groups, seed, random):
    order = list(range(len(groups)))
    random.shuffle(order)
    one, other = Draws(groups, seed, 5)[0], Draws([groups[row] for row in order], seed, 5)[0]
    assert (one[:, order] == other).all()


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
def test_draws_do_not_hang_on_blocks_or_threads(size, monkeypatch):
    labels, probabilities = example()
    models = {"network": ranking.binary(labels, probabilities, 0.5), "baseline": ranking.binary(labels, labels, 0.5)}
    wanted = paired(models, Draws(range(200), 0, 64), RECORDS)
    monkeypatch.setattr(bootstrap, "BLOCK", 200 * size)
    monkeypatch.setattr(bootstrap, "threads", lambda draws: 5)
    draws = Draws(range(200), 0, 64)
    assert len(draws) == len(list(draws)) == -(-64 // size)
    assert sum(map(len, draws)) == 64
    assert paired(models, draws, RECORDS) == wanted
    with pytest.raises(IndexError):
        draws[len(draws)]


def test_intervals_are_those_of_all_draws_at_once():
    labels, probabilities = example()
    measuring, draws = ranking.binary(labels, probabilities, 0.5), Draws(range(200), 0, 300)
    found = paired({"network": measuring}, draws, RECORDS)
    assert list(found) == ["network"]
    drawn = measuring(np.concatenate(list(draws)))
    for name, value in point(measuring, 200).items():
        assert found["network"][name] == interval(value, drawn[name], RECORDS[name].distance)


def test_the_interval_holds_the_truth_and_is_wider_for_groups():
    generator = np.random.default_rng(0)
    right = generator.random(100) < 0.8  # of each of 100 patients all of the five images, or none
    labels = np.ones(500, int)
    measuring = {"network": ranking.scores(labels, np.repeat(right, 5).astype(float), 0.5)}
    width = {}
    for name, groups in {"patients": np.repeat(np.arange(100), 5), "images": np.arange(500)}.items():
        cell = paired(measuring, Draws(groups, 0), RECORDS)["network"]["accuracy"]
        assert cell["low"] < right.mean() < cell["high"]
        assert name == "images" or cell["low"] < 0.8 < cell["high"]
        width[name] = cell["high"] - cell["low"]
    assert width["patients"] == pytest.approx(np.sqrt(5) * width["images"], rel=0.15)
    deviation = np.sqrt(right.mean() * (1 - right.mean()) / 100)
    assert width["patients"] == pytest.approx(2 * 1.96 * deviation, rel=0.12)


def test_the_difference_is_first_minus_second_on_the_same_draws():
    labels, probabilities = example()
    one = ranking.binary(labels, probabilities, 0.5)
    same = paired({"network": one, "baseline": one}, Draws(range(200), 0, 50), RECORDS)
    assert all(cell == {"value": 0, "low": 0, "high": 0} for cell in same["difference"].values())
    worse = ranking.scores(labels, np.random.default_rng(1).random(200), 0.5)
    found = paired({"network": one, "baseline": worse}, Draws(range(200), 0, 50), RECORDS)
    assert list(found) == ["network", "baseline", "difference"]
    assert "ece" not in found["difference"], "the second has none"
    assert found["difference"]["auroc"]["low"] > 0
    assert found["difference"]["auroc"]["value"] == pytest.approx(
        found["network"]["auroc"]["value"] - found["baseline"]["auroc"]["value"], abs=2e-6
    )


def test_what_is_not_defined_is_none():
    found = paired({"network": ranking.binary(np.ones(9), np.full(9, 0.7), 0.5)}, Draws(range(9), 0, 9), RECORDS)
    assert found["network"]["auroc"] == {"value": None, "low": None, "high": None}
    assert found["network"]["sensitivity"] == {"value": 1.0, "low": 1.0, "high": 1.0}


def test_one_or_two_models_are_paired():
    with pytest.raises(ValueError, match="3 models"):
        paired(dict.fromkeys("abc"), Draws("ab", 0), RECORDS)


def test_a_metric_without_record_is_an_error():
    measuring = counts.numbers(np.arange(5), np.arange(5))
    for measure in (
        lambda: paired({"a": measuring}, Draws("abcde", 0), RECORDS),
        lambda: differences([measuring, measuring], Draws("abcde", 0), RECORDS),
    ):
        with pytest.raises(UnknownMetric, match="no metric 'mae'; choose from auroc, "):
            measure()


def test_no_example_is_an_error():
    with pytest.raises(KerasDLError, match="no example"):
        Draws([], 0)


def test_an_error_in_a_thread_is_raised():
    def broken(weights):
        if len(weights) > 1:
            raise RuntimeError("broken")
        return {"auroc": np.zeros(1)}

    with pytest.raises(RuntimeError, match="broken"):
        paired({"a": broken}, Draws(range(10), 0, 50), RECORDS)


def test_differences_are_those_of_pairs_with_p_values():
    labels, probabilities = example()
    generator = np.random.default_rng(1)
    models = [ranking.binary(labels, probabilities, 0.5)]
    models += [
        ranking.binary(labels, np.clip(probabilities + generator.normal(0, size, 200), 0, 1), 0.5) for size in (0.01, 1)
    ]
    draws = Draws(range(200), 0, 200)
    near, far = differences(models, draws, RECORDS)
    for other, found in zip(models[1:], (near, far), strict=True):
        pair = paired({"other": other, "first": models[0]}, draws, RECORDS)["difference"]
        assert {name: {key: cell[key] for key in ("value", "low", "high")} for name, cell in found.items()} == pair
    assert far["auroc"]["p"] == pytest.approx(2 / 201, abs=1e-6)
    assert near["auroc"]["p"] > 0.05
    assert [list(one) for one in differences(models, draws, RECORDS, ["f1"])] == [["f1"]] * 2
    assert differences(models[:1], draws, RECORDS) == []


def test_intervals_of_distances_are_mirrored():
    draws = np.linspace(0.1, 0.3, 101)
    assert interval(0.15, draws) == {"value": 0.15, "low": 0.105, "high": 0.295}
    assert interval(0.15, draws, distance=True) == {"value": 0.15, "low": 0.005, "high": 0.195}
    assert interval(0.12, draws, distance=True)["low"] == 0, "never below 0"
    assert interval(-0.12, -draws, distance=True)["low"] < 0, "but a difference may be"
    assert interval(np.nan, np.array([np.nan])) == {"value": None, "low": None, "high": None}
    assert interval(1.0, np.array([np.nan, 1.0, np.inf]))["high"] == 1


def test_p_values():
    draws = np.random.default_rng(0).normal(4, 2, 99)
    below = (draws <= 0).sum()
    assert p_value(4.0, draws) == pytest.approx(2 * (below + 1) / 100)
    positive = np.linspace(0.1, 4, 99)
    assert p_value(1.0, positive) == pytest.approx(0.02), "no draw below zero"
    assert p_value(1.0, positive, distance=True) > 0.2, "a distance: mirrored at 1, many are"
    assert p_value(0.0, np.zeros(99)) == 1
    assert p_value(np.nan, np.full(9, np.nan)) is None


def test_the_p_value_agrees_with_the_interval():
    for shift in (1.5, 2.5):
        draws = np.random.default_rng(0).normal(shift, 1, 999)
        cell = interval(shift, draws)
        assert (p_value(shift, draws) < 0.05) == (cell["low"] > 0)


def test_memory_stays_small_with_many_examples():
    count = 200_000
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, count)
    values = [generator.random(count), generator.random(count)]
    tracemalloc.start()
    try:
        draws = Draws(range(count), 0, 8)
        models = {name: ranking.binary(labels, one, 0.5) for name, one in zip("ab", values, strict=True)}
        paired(models, draws, RECORDS)
        most = tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()
    assert most < 120, f"{most:.0f} MB; the eight draws alone would be {8 * count * 8 / 2**20:.0f} MB as float64"


@pytest.mark.parametrize(("count", "most"), [(300, 8), (1_000_000, 8), (5_000_000, 1), (100_000_000, 1)])
def test_threads_are_as_many_as_memory_allows(count, most, monkeypatch):
    monkeypatch.setattr(bootstrap.os, "sched_getaffinity", lambda of: range(64), raising=False)
    draws = Draws("ab", 0)
    draws.count, draws.size = count, max(1, bootstrap.BLOCK // count)
    assert 1 <= bootstrap.threads(draws) <= most
