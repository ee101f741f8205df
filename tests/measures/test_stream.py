"""The alarm of a stream of answers: false ones are counted, shifts are seen in time, whatever validation was like."""

import json

import numpy as np
import pytest

from keras_dl.measures import stream
from keras_dl.measures.stream import Bins, Stream, needed

STREAMS, ANSWERS = 25, 4000


def validation(random, count=300, groups=None, limit=True):
    """Bins of two numbers on a validation part drawn for this stream: that it is a sample is part of the test."""
    value, unusualness = random.normal(size=count), np.exp(random.normal(size=count))
    top = float(np.quantile(unusualness, 0.99))
    return {
        "value": Bins.of(value, groups or count),
        "unusualness": Bins.of(unusualness, groups or count, top if limit else None),
    }


def answers(random, count, shift=0.0):
    return {"value": random.normal(shift, size=count), "unusualness": np.exp(random.normal(size=count))}


def until_alarm(random, bins, shift, before=0):
    """Return how many shifted answers it took, of at most 3,000."""
    watched = Stream(bins)
    watched.add(answers(random, before))
    watched.alarms = 0
    while not watched.alarms and watched.total < before + 3000:
        watched.add(answers(random, 10, shift))
    return watched.total - before


@pytest.mark.parametrize("count", [40, 300])
def test_false_alarms_are_as_rare_as_stated(count):
    random, per = np.random.default_rng(0), 10_000  # ten times as often as in service, so that there are some to count
    alarms = 0
    for _ in range(STREAMS):
        watched = Stream(validation(random, count), per)
        watched.add(answers(random, ANSWERS))
        alarms += watched.alarms
    assert alarms <= STREAMS * ANSWERS / per


def test_evidence_is_one_on_average_without_drift():
    """It is an e value: for every distribution, its mean over validation parts and answers is at most 1."""
    random = np.random.default_rng(0)
    for end in (50, 400):
        found = []
        for _ in range(2000):
            bins = Bins.of(random.exponential(size=100), 100)
            found.append(stream.Evidence(bins).of(bins.counted(random.exponential(size=end))[None])[0])
        assert np.mean(found) < 1.3


@pytest.mark.parametrize(("shift", "index"), [(0.6, 0.34), (1.0, 1.0)])
@pytest.mark.parametrize("before", [0, 3050])
def test_a_shift_is_seen_within_the_stated_number_of_answers_also_after_a_long_good_time(shift, index, before):
    random, took, stated = np.random.default_rng(0), [], []
    for _ in range(10):
        bins = validation(random, 1000)
        took.append(until_alarm(random, bins, shift, before))
        stated.append(needed(bins["value"], index))
    assert np.median(took) <= np.median(stated)
    assert max(took) <= 3 * max(stated)


def test_what_is_certain_but_small_is_no_alarm(monkeypatch):
    random = np.random.default_rng(0)
    for name in ("START", "LOOK"):
        monkeypatch.setattr(stream, name, 2000)
    monkeypatch.setattr(stream, "LIFE", 10**6)
    watched = Stream(validation(random, 100_000))
    watched.add(answers(random, 20_000, 0.15))
    assert watched.evidence_now > watched.per / stream.START
    assert watched.alarm is None


def test_too_small_a_validation_part_says_so():
    random = np.random.default_rng(0)
    assert needed(Bins.of(random.normal(size=30), 30), 0.1) is None
    assert needed(Bins.of(random.normal(size=5000), 5000), 0.1) > needed(Bins.of(random.normal(size=5000), 5000), 0.5)


def test_examples_of_one_group_are_one_witness():
    values = np.random.default_rng(0).normal(size=400)
    assert needed(Bins.of(values, 40), 0.5) is None
    assert needed(Bins.of(values, 400), 0.5) < 300


def test_an_alarm_says_what_moved_and_ends_when_the_drift_does():
    random = np.random.default_rng(0)
    watched = Stream(validation(random, 1000))
    watched.add(answers(random, 550))
    watched.add(answers(random, 200, 1.5))
    assert watched.alarm["name"] == "value"
    assert 0 <= watched.alarm["since"] <= 550 < watched.alarm["seen"] <= 750
    assert watched.alarm["shift"] > stream.LEAST
    watched.add(answers(random, 3000))
    assert watched.alarm is None
    assert watched.alarms == 1


def test_a_stream_goes_on_where_another_stopped():
    random = np.random.default_rng(0)
    bins = validation(random)
    whole, first, second = Stream(bins), Stream(bins), Stream(bins)
    given = answers(random, 1500, 0.8)
    whole.add(given)
    for start in range(0, 1500, 37):
        one, other = (first, second) if start % 2 else (second, first)
        one.add({name: values[start : start + 37] for name, values in given.items()})
        other.restore(json.loads(json.dumps(one.state())))
    assert first.state() == whole.state()


def test_bins_of_few_different_values():
    bins = Bins.of(np.array([0.0] * 50 + [1.0] * 50), 100)
    assert bins.counts.tolist() == [50, 50]
    assert Bins.of(np.ones(20), 20).counts.tolist() == [20]
    again = Bins.from_json(json.loads(json.dumps(bins.to_json())))
    assert again.counted([0.0, 1.0, 1.0]).tolist() == [1, 2]


def test_a_limit_is_an_edge_of_its_own():
    bins = Bins.of(np.linspace(0, 0.99, 100), 100, 1.0)
    assert bins.counts[-1] == 0
    assert bins.counted([0.5, 1.0, 1.0001]).tolist()[-1] == 1


def test_the_summary_of_validation_is_small():
    bins = validation(np.random.default_rng(0), 5000)
    assert len(json.dumps({name: one.to_json() for name, one in bins.items()})) < 2000
