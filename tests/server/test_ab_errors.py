"""Versions whose answers are numbers are compared by their mean absolute error, those of classes as ever."""

import sqlite3
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import insert
from test_journal import row

from keras_dl.server.journal import ab, database, means
from keras_dl.server.journal.database import FEEDBACK, PREDICTIONS
from keras_dl.server.journal.journal import Journal
from keras_dl.show import serving as show_serving

OLD = """
PRAGMA journal_mode=WAL;
CREATE TABLE predictions (request_id VARCHAR(200) NOT NULL, number INTEGER NOT NULL, time DATETIME NOT NULL,
 model TEXT NOT NULL, version INTEGER NOT NULL, client TEXT NOT NULL, route TEXT NOT NULL, drawn BOOLEAN NOT NULL,
 status INTEGER NOT NULL, milliseconds DOUBLE NOT NULL, answer TEXT, value DOUBLE, text TEXT, image BLOB,
 PRIMARY KEY (request_id, number));
CREATE TABLE feedback (request_id VARCHAR(200) NOT NULL, number INTEGER NOT NULL, label TEXT NOT NULL,
 time DATETIME NOT NULL, PRIMARY KEY (request_id, number),
 FOREIGN KEY(request_id, number) REFERENCES predictions (request_id, number) ON DELETE CASCADE);
"""


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/requests.db"


def of_clients(random, count, size, mean):
    """Errors `[count, 3]` of clients with about five skewed answers each, alike among themselves."""
    found = []
    for _ in range(count):
        own = mean * random.gamma(3, 1 / 3)  # of this client
        values = own * random.gamma(2, 1 / 2, random.geometric(1 / size))
        found.append((len(values), values.sum(), (values**2).sum()))
    return np.array(found)


def paired(first, second):
    """Two versions that share no client."""
    pair = np.zeros((len(first) + len(second), 2, 3))
    pair[: len(first), 0], pair[len(first) :, 1] = first, second
    return pair


def counting(means_of, *, clients=40, each=4, model="cells", seed=0):
    """Return predictions and feedback of so many clients per version, the errors having these means."""
    random = np.random.default_rng(seed)
    rows, told = [], []
    for version, mean in enumerate(means_of, 1):
        for client in range(clients):
            for turn in range(each):
                name, truth = f"{model}-{version}-{client}", int(random.integers(50, 200))
                answer = truth + random.choice([-1, 1]) * random.gamma(2, mean / 2)
                rows.append(row(f"{name}-{turn}", version=version, client=name, model=model, answer=f"{answer:.6g}"))
                told.append((str(truth), abs(float(rows[-1]["answer"]) - truth)))
    return rows, told


def fill(url, rows, told):
    engine = database.connect(url, make=True)
    columns = [column.name for column in PREDICTIONS.c]
    rows = [{"drawn": True, "text": None, "image": None, **one} for one in rows]
    labels = [
        {**{name: one[name] for name in ("request_id", "number", "time")}, "label": label, "error": error}
        for one, (label, error) in zip(rows, told, strict=True)
    ]
    with engine.begin() as connection:
        connection.execute(insert(PREDICTIONS), [{name: one[name] for name in columns} for one in rows])
        connection.execute(insert(FEEDBACK), labels)
    engine.dispose()


def test_the_mean_and_its_interval():
    random = np.random.default_rng(0)
    values = random.gamma(2, 3, 400)
    alone = np.stack([np.ones(400), values, values**2], axis=1)
    found = means.mean(alone)
    half = 1.966 * values.std(ddof=1) / 20
    assert found["value"] == pytest.approx(values.mean(), abs=1e-6)
    assert (found["low"], found["high"]) == (
        pytest.approx(found["value"] - half, rel=1e-3),
        pytest.approx(found["value"] + half, rel=1e-3),
    )
    assert means.mean(alone[:0]) == {"value": None, "low": None, "high": None}
    assert means.mean(alone[:1])["low"] is None, "one client says nothing of others"
    assert means.mean(np.array([[1.0, 0, 0], [1, 0.1, 0.01]]))["low"] == 0, "no mean error is below 0"


def test_the_interval_holds_the_true_mean_in_95_of_100():
    random, held = np.random.default_rng(0), 0
    for _ in range(300):
        found = means.mean(of_clients(random, 40, 5, 10.0))
        held += found["low"] <= 10 <= found["high"]
    assert held >= 0.9 * 300


def test_answers_of_one_client_are_alike():
    each = np.array([[4, 4.0 * value, 4.0 * value**2] for value in range(1, 31)])
    assert means.design_effect(each) == pytest.approx(4, rel=0.05)
    random = np.random.default_rng(0)
    values = random.gamma(2, 1, (300, 4))
    apart = np.stack([np.full(300, 4), values.sum(axis=1), (values**2).sum(axis=1)], axis=1)
    assert means.design_effect(apart) < 1.25


@pytest.mark.parametrize("clients", [12, 30])
def test_false_alarms_are_rare(clients):
    random, alarms, naive = np.random.default_rng(1), 0, 0
    for turn in range(300):
        pair = paired(of_clients(random, clients, 5, 10.0), of_clients(random, clients, 5, 10.0))
        found = means.tested(pair, turn)
        alarms += found["p"] < 0.05
        (count, total, squares), (other, other_total, other_squares) = pair.sum(axis=0)
        error = np.sqrt(
            (squares / count - (total / count) ** 2) / count
            + (other_squares / other - (other_total / other) ** 2) / other
        )
        naive += abs(total / count - other_total / other) > 1.96 * error
    assert alarms <= 25, "one in twenty, and two and a half standard errors more"
    assert naive > 45, "a test that takes answers for independent"


def test_a_real_difference_is_found_and_p_and_interval_agree():
    random, found_real = np.random.default_rng(2), 0
    for turn in range(60):
        found = means.tested(paired(of_clients(random, 60, 5, 10.0), of_clients(random, 60, 5, 6.0)), turn)
        found_real += found["p"] < 0.05
        assert (found["p"] < 0.045) <= (found["high"] < 0 or found["low"] > 0)
    assert found_real >= 54


def test_clients_with_both_versions_count_as_pairs():
    own = np.random.default_rng(0).gamma(2, 5, 50)
    one = np.stack([np.ones(50), own, own**2], axis=1)
    other = np.stack([np.ones(50), own + 0.5, (own + 0.5) ** 2], axis=1)
    found = means.tested(np.stack([one, other], axis=1), 0)
    assert found == {"value": 0.5, "low": pytest.approx(0.5), "high": pytest.approx(0.5), "p": pytest.approx(0.001998)}
    assert means.tested(paired(one, other), 0)["p"] > 0.3


def test_many_clients_are_drawn_in_blocks_of_the_same_spread():
    random = np.random.default_rng(0)
    many = paired(*(of_clients(random, 4000, 3, 10.0) for _ in range(2)))[random.permutation(8000)]
    gaps = means.draws_of_clients(many, 0.0, 0)
    expected = np.sqrt(sum(means.variance(many[:, side]) for side in (0, 1)))
    assert gaps.std() == pytest.approx(expected, rel=0.08)


def test_the_feedback_needed_is_enough_four_times_in_five():
    random, shown = np.random.default_rng(3), 0
    large = [
        np.stack([np.ones(20_000), values, values**2], axis=1)
        for values in (random.gamma(2, 5, 20_000), random.gamma(2, 4, 20_000))
    ]
    needed = means.feedbacks_needed(paired(*large))
    assert 90 < needed < 220
    for turn in range(100):
        sample = [one[random.integers(0, 20_000, needed)] for one in large]
        shown += means.tested(paired(*sample), turn)["p"] < 0.05
    assert 68 <= shown <= 92
    assert means.feedbacks_needed(paired(large[0], large[0])) is None


def test_the_nearer_version_is_said_to_be_nearer(url):
    fill(url, *counting((12.0, 6.0)))
    result = ab.ab(url, "cells")
    first, second = result["versions"]
    assert "accuracy" not in first
    assert first["mean_absolute_error"]["value"] == pytest.approx(12, rel=0.2)
    assert (
        second["mean_absolute_error"]["low"]
        < second["mean_absolute_error"]["value"]
        < second["mean_absolute_error"]["high"]
    )
    (difference,) = result["differences"]
    found = difference["mean_absolute_error"]
    assert (difference["verdict"], found["p"] < 0.01, found["value"] < 0) == ("real", True, True)
    assert (
        f"version 2's answers are nearer to the truth than those of version 1, by {-found['value']:.3g} on average (p "
    ) in difference["sentence"]
    turned = ab.ab(url, "cells", [2, 1])["differences"][0]
    assert "version 1's answers are farther from the truth than those of version 2" in turned["sentence"]
    text = show_serving.compared(result)
    assert "mean absolute error" in text
    assert "accuracy" not in text.lower()
    assert result == ab.ab(url, "cells"), "the same draws every time"


def test_a_small_difference_of_errors_is_not_shown(url):
    fill(url, *counting((10.0, 10.2)))
    (difference,) = ab.ab(url, "cells")["differences"]
    assert difference["verdict"] == "not shown"
    assert " in the mean error fits the feedback" in difference["sentence"]
    assert f"about {difference['needed']:,} feedbacks" in difference["sentence"]


def test_few_clients_with_errors_get_no_verdict(url):
    fill(url, *counting((20.0, 2.0), clients=9))
    (difference,) = ab.ab(url, "cells")["differences"]
    assert difference["verdict"] == "too little feedback"
    assert "there is feedback from 9 of version 1 and 9 of version 2" in difference["sentence"]


def test_models_of_both_kinds_share_a_database(url):
    rows, told = counting((12.0, 6.0))
    random = np.random.default_rng(0)
    for version, accuracy in ((1, 0.5), (2, 0.9)):
        for client in range(40):
            name = f"emoji-{version}-{client}"
            rows.append(row(name, version=version, client=name, answer="heart"))
            told.append(("heart" if random.random() < accuracy else "food", None))
    fill(url, rows, told)
    assert ab.ab(url, "cells")["differences"][0]["mean_absolute_error"]["p"] < 0.01
    emoji = ab.ab(url, "emoji")
    assert emoji["differences"][0]["accuracy"]["p"] < 0.01
    assert "mean_absolute_error" not in emoji["versions"][0]
    assert emoji["versions"][0]["feedback"]["count"] == 40


def old(url):
    """Make a database as the first version wrote it, with a prediction and its feedback."""
    path = Path(url.removeprefix("sqlite:///"))
    with sqlite3.connect(path) as connection:
        connection.executescript(OLD)
        moment = "2026-01-02 03:04:05.000000"
        connection.execute(
            "INSERT INTO predictions VALUES ('a',0,?,'emoji',1,'c','answer',1,200,1.5,'heart',.7,NULL,NULL)", (moment,)
        )
        connection.execute("INSERT INTO feedback VALUES ('a',0,'heart',?)", (moment,))
    connection.close()
    return path


def test_an_old_database_is_compared_and_not_written(url):
    path = old(url)
    path.chmod(0o444)
    before = path.read_bytes()
    (version,) = ab.ab(url, "emoji")["versions"]
    assert version["accuracy"]["value"] == 1
    assert path.read_bytes() == before


def test_a_server_gives_an_old_database_its_column(url):
    path = old(url)
    journal = Journal(url)
    journal.record([row("b", answer="171.5")])
    assert journal.feedback("b", 0, "170", lambda answer: abs(float(answer) - 170))
    assert journal.feedback("a", 0, "smile", lambda answer: None)
    journal.close()
    with sqlite3.connect(path) as connection:
        found = connection.execute("SELECT request_id, label, error FROM feedback ORDER BY request_id").fetchall()
    connection.close()
    assert found == [("a", "smile", None), ("b", "170", 1.5)]


@pytest.mark.parametrize("turn", range(3))
def test_several_servers_start_on_an_old_database_at_once(url, turn):
    from concurrent.futures import ThreadPoolExecutor
    from threading import Barrier

    old(url)
    barrier = Barrier(8)

    def start(_):
        barrier.wait()
        database.connect(url, make=True).dispose()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(start, range(8))) == [None] * 8


@pytest.mark.parametrize(
    ("error_of", "stored"),
    [(lambda answer: float(answer), 7.5), (lambda answer: float("x"), None), (lambda answer: float("inf"), None)],
)
def test_an_error_that_is_no_number_is_not_kept(url, error_of, stored):
    """A version of another kind may have written the answer."""
    journal = Journal(url)
    journal.record([row("a", answer="7.5")])
    assert journal.feedback("a", 0, "x", error_of)
    with journal._engine.connect() as connection:
        assert connection.execute(FEEDBACK.select()).one().error == stored
    journal.close()
