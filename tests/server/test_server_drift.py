"""Drift in service: a shifted stream is seen in time, and an unshifted one gives no alarm, wherever one looks."""

import json
import random
import shutil

import numpy as np
import pytest
import requests
from live_server import serving
from served_models import post
from test_journal import row

from keras_dl.data.sets.texts import sms_synthetic
from keras_dl.errors import KerasDLError
from keras_dl.measures.stream import LARGE, Bins, needed
from keras_dl.server.drift import Drift, in_words
from keras_dl.server.journal import ab, database
from keras_dl.server.journal.journal import Journal
from keras_dl.show import serving as show_serving

KEY = ("spam", 1)
PIECE = 50  # messages in a request


def messages(count, seed, label=None):
    """Give new messages of the embedded set's kind; of one label where it is given."""
    dice, found = random.Random(seed), []
    while len(found) < count:
        found += [text for kind, text in sms_synthetic.messages(400, dice) if label in (None, kind)]
    return found[:count]


def summary(count=1000, seed=0):
    """Return what the assets of a run with so many validation examples say."""
    generator = np.random.default_rng(seed)
    value, unusualness = generator.random(count), generator.random(count)
    return {"value": Bins.of(value, count).to_json(), "unusualness": Bins.of(unusualness, count, 1.0).to_json()}


def numbers(count, seed=1, most=1.0):
    generator = np.random.default_rng(seed)
    return {"value": generator.random(count) * most, "unusualness": generator.random(count)}


def inputs(count, start=0):
    return [str(number).encode() for number in range(start, start + count)]


@pytest.fixture(scope="module")
def spam(tiny_run, tmp_path_factory):
    """A copy of the tiny run that had a validation part of 1,000 messages: its own has too few to show any drift."""
    path = tmp_path_factory.mktemp("drift") / "run"
    shutil.copytree(tiny_run("spam").path, path)
    rows = tiny_run("spam").predict(*messages(1000, 1))
    found = {"value": [one["probability"] for one in rows], "unusualness": [one["unusualness"] for one in rows]}
    bins = {name: Bins.of(values, 1000, 1.0 if name == "unusualness" else None) for name, values in found.items()}
    assets = json.loads((path / "assets" / "assets.json").read_text())
    assets["drift"] = {name: one.to_json() for name, one in bins.items()}
    (path / "assets" / "assets.json").write_text(json.dumps(assets))
    return path, needed(bins["value"], LARGE)


def metrics(url):
    """Return what /metrics says of the drift of spam, by the name of the metric; other tests may have served others."""
    lines = requests.get(f"{url}/metrics", timeout=9).text.splitlines()
    mine = [line for line in lines if line.startswith("keras_dl_drift") and 'model="spam"' in line]
    return {line.partition("{")[0]: float(line.split()[-1]) for line in mine}


def test_a_server_sees_a_shifted_stream_in_time_and_none_before(spam, tmp_path):
    path, within = spam
    base = f"sqlite:///{tmp_path / 'requests.db'}"
    with serving(f"spam={path}", database=base) as url:
        model, asked = f"{url}/v1/models/spam", 0
        for text in messages(1200, 2)[:5]:
            assert post(f"{model}:answer", {"instances": [text]}).ok
        for piece in np.array_split(messages(1200, 2), 1200 // PIECE):
            assert post(f"{model}:predict", {"instances": piece.tolist()}).ok
        seen = metrics(url)
        new = len(set(messages(1200, 2)))
        assert seen["keras_dl_drift_answers"] == new, "what a client sends again does not count"
        assert (seen["keras_dl_drift"], seen["keras_dl_drift_alarms"]) == (0, 0)
        (version,) = requests.get(f"{model}/drift", timeout=9).json()["versions"].values()
        assert version["alarm"] is None

        shifted = messages(1000, 3, label="spam")
        while not metrics(url)["keras_dl_drift"]:
            assert asked < within, "the stated number of answers"
            assert post(f"{model}:predict", {"instances": shifted[asked : asked + PIECE]}).ok
            asked += PIECE
        found = requests.get(f"{model}/drift", timeout=9).json()
        assert found["versions"]["1"]["alarm"]["name"] in ("value", "unusualness")
        assert found["blocks"][0]["warning"]
        assert "moved away from validation by a shift of" in found["blocks"][0]["text"]
        (listed,) = requests.get(f"{url}/v1/models", timeout=9).json()["models"]
        assert listed["watched"]
    (told,) = ab.ab(base, "spam")["versions"]
    assert told["drift"]["alarm"]
    assert "drift, since about prediction" in show_serving.compared(ab.ab(base, "spam"))


def test_a_model_of_an_earlier_version_is_served_without(spam, tmp_path):
    path = tmp_path / "run"
    shutil.copytree(spam[0], path)
    assets = json.loads((path / "assets" / "assets.json").read_text())
    del assets["drift"]
    (path / "assets" / "assets.json").write_text(json.dumps(assets))
    with serving(f"older={path}") as url:
        assert post(f"{url}/v1/models/older:predict", {"instances": ["win a prize"]}).ok
        assert requests.get(f"{url}/v1/models/older/drift", timeout=9).json() == {"versions": {}, "blocks": []}
        assert not requests.get(f"{url}/v1/models", timeout=9).json()["models"][0]["watched"]
        assert requests.get(f"{url}/v1/models/nobody/drift", timeout=9).status_code == 404


def test_an_export_holds_what_is_needed_and_little_more(exported, tiny_run):
    kept = exported("emoji") / "assets.extra" / "assets" / "assets.json"
    drift = json.loads(kept.read_text())["drift"]
    assert drift == tiny_run("emoji").assets["drift"]
    assert len(json.dumps(drift)) < 20_000
    assert not list(exported("emoji").rglob("reference.npz"))


def test_the_bins_hold_the_validation_part(tiny_run):
    from keras_dl.answering import reference

    run = tiny_run("spam")
    kept, drift = reference.read(run), run.assets["drift"]
    for name, one in drift.items():
        assert sum(one["counts"]) == len(kept.truth), name
        assert one["groups"] == len(set(kept.groups))
    assert 1.0 in drift["unusualness"]["edges"]


# What counts


def test_what_a_client_sends_again_counts_once():
    drift = Drift()
    drift.watch(KEY, summary())
    drift.note(KEY, "a", [b"x", b"y", b"x"], numbers(3))
    drift.note(KEY, "a", [b"x"], numbers(1))
    drift.note(KEY, "b", [b"x"], numbers(1))
    drift.note(KEY, "b", [b"", b""], numbers(2))  # decoded inputs: nobody knows whether they are new
    drift.note(("other", 1), "b", [b"x"], numbers(1))
    assert drift.of("spam")["versions"]["1"]["answers"] == 5


def test_the_samples_that_every_visitor_sends_do_not_count():
    drift = Drift()
    drift.watch(KEY, summary(), [b"sample"])
    for visitor in range(30):
        drift.note(KEY, str(visitor), [b"sample", b"own"], numbers(2))
    assert drift.of("spam")["versions"]["1"]["answers"] == 30


def test_in_a_burst_of_one_client_only_the_first_input_counts():
    now = [0.0]
    drift = Drift(burst=60, clock=lambda: now[0])
    drift.watch(KEY, summary())
    drift.note(KEY, "a", inputs(10), numbers(10))
    drift.note(KEY, "b", inputs(10), numbers(10))
    now[0] = 59
    drift.note(KEY, "a", inputs(10, 10), numbers(10))
    assert drift.of("spam")["versions"]["1"]["answers"] == 2
    now[0] = 61
    drift.note(KEY, "a", inputs(10, 20), numbers(10))
    assert drift.of("spam")["versions"]["1"]["answers"] == 3


def test_a_burst_of_alike_inputs_gives_no_alarm_where_bursts_are_known():
    alarms = []
    for burst in (0, 60):
        drift = Drift(burst=burst)
        drift.watch(KEY, summary())
        for client in range(60):
            alike = {name: np.repeat(values, 20) for name, values in numbers(1, seed=client).items()}
            drift.note(KEY, str(client), inputs(20), alike)
        alarms.append(drift.of("spam")["versions"]["1"]["alarms"])
    assert alarms == [1, 0]


def test_workers_count_together(tmp_path):
    workers, alone = [Drift(tmp_path) for _ in range(3)], Drift()
    for one in (*workers, alone):
        one.watch(KEY, summary())
    for turn in range(60):
        for one in (workers[turn % 3], alone):
            one.note(KEY, "a", inputs(10, 10 * turn), numbers(10, seed=turn, most=0.8))
            one.settle()
    (whole,) = alone.of("spam")["versions"].values()
    assert whole["alarm"]
    for one in workers:
        assert one.of("spam")["versions"]["1"] == whole


def test_a_folder_that_cannot_be_written_stops_nobody(tmp_path, caplog):
    drift = Drift(tmp_path / "gone")
    drift.watch(KEY, summary())
    drift.note(KEY, "a", inputs(10), numbers(10))
    assert drift.of("spam")["versions"]["1"]["answers"] == 0
    assert "drift cannot be counted now" in caplog.text


def test_it_says_what_it_could_see():
    def said(count):
        drift = Drift()
        drift.watch(KEY, summary(count))
        return in_words(drift.of("spam")["versions"]["1"])

    assert "A shift of 0.25 is seen within about" in said(1000)
    assert "too small for a shift of 0.25 to be certain" in said(30)


# In the database


def journaled(tmp_path, count, most=1.0, **changed):
    url = f"sqlite:///{tmp_path}/requests.db"
    journal, given = Journal(url), numbers(count, most=most)
    journal.know("emoji", 1, summary())
    journal.know("emoji", 1, summary())
    pairs = enumerate(zip(given["value"], given["unusualness"], strict=True))
    rows = [row(f"{number:06}", value=one, unusualness=other, **changed) for number, (one, other) in pairs]
    journal.record(rows)
    journal.close()
    return url


@pytest.mark.parametrize(("most", "alarms"), [(1.0, 0), (0.7, 1)])
def test_ab_counts_the_rows_again(tmp_path, most, alarms):
    (version,) = ab.ab(journaled(tmp_path, 1500, most), "emoji")["versions"]
    assert version["drift"]["answers"] == 1500
    assert version["drift"]["alarms"] == alarms


def test_explanations_are_not_counted_again(tmp_path):
    (version,) = ab.ab(journaled(tmp_path, 30, route="explain"), "emoji")["versions"]
    assert version["drift"]["answers"] == 0


def test_a_database_of_an_earlier_version_has_no_drift_and_gets_its_column(tmp_path):
    import sqlite3

    from test_ab_errors import OLD

    path = tmp_path / "requests.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(OLD)
        connection.execute(
            "INSERT INTO predictions VALUES ('r', 0, '2026-01-02 03:04:05', 'emoji', 1, 'c', 'predict', 1, 200, 1.5, "
            "'heart', .75, NULL, NULL)"
        )
    url = f"sqlite:///{path}"
    (version,) = ab.ab(url, "emoji")["versions"]
    assert version["drift"] is None
    assert "unusual inputs" not in show_serving.compared(ab.ab(url, "emoji"))
    journal = Journal(url)
    journal.know("emoji", 1, summary())
    journal.record([row("new")])
    journal.close()
    (version,) = ab.ab(url, "emoji")["versions"]
    assert version["drift"]["answers"] == 1, "the row of before has no unusualness"


def test_a_table_of_another_program_is_left_alone(tmp_path):
    import sqlite3

    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE validation (name TEXT)")
    with pytest.raises(KerasDLError, match="validation"):
        database.connect(f"sqlite:///{path}", make=True)
