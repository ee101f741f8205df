"""The comparison of versions: right numbers, and no difference called real that is none."""

import numpy as np
import pytest
from scipy import stats
from sqlalchemy import insert
from test_journal import row

from keras_dl.errors import UsageError
from keras_dl.server.journal import ab, database, shares
from keras_dl.server.journal.database import FEEDBACK, PREDICTIONS
from keras_dl.server.journal.latency import latency
from keras_dl.show import serving as show_serving


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/requests.db"


def fill(url, rows, labels):
    """Write predictions and, where a label is given, feedback; the journal has its own tests."""
    engine = database.connect(url, make=True)
    rows = [{"drawn": True, **one, "text": None, "image": None} for one in rows]
    told = [
        {"request_id": one["request_id"], "number": one["number"], "label": label, "time": one["time"]}
        for one, label in zip(rows, labels, strict=True)
        if label
    ]
    with engine.begin() as connection:
        connection.execute(
            insert(PREDICTIONS), [{column.name: one[column.name] for column in PREDICTIONS.c} for one in rows]
        )
        if told:
            connection.execute(insert(FEEDBACK), told)
    engine.dispose()


def served(clients, accuracies, each=4, share=1.0, seed=0):
    """Return rows and labels of so many clients per version, each asking a few times."""
    random = np.random.default_rng(seed)
    rows, labels = [], []
    for version, accuracy in enumerate(accuracies, 1):
        for client in range(clients):
            for turn in range(each):
                name = f"{version}-{client}"
                rows.append(row(f"{name}-{turn}", version=version, client=name, milliseconds=random.gamma(4, 3)))
                right = "heart" if random.random() < accuracy else "food"
                labels.append(right if random.random() < share else None)
    return rows, labels


def judged(*versions):
    """Return counts `[clients, versions, 2]` of clients that have one version each, given as (judged, right)."""
    pairs = [(place, pair) for place, version in enumerate(versions) for pair in version]
    found = np.zeros((len(pairs), len(versions), 2))
    for client, (place, pair) in enumerate(pairs):
        found[client, place] = pair
    return found


def test_what_happened_is_counted(url):
    rows = [
        row("a", 0, client="c", milliseconds=10.0),
        row("a", 1, client="c", milliseconds=10.0),
        row("b", 0, client="d", milliseconds=30.0),
        row("e", 0, client="d", milliseconds=1.0, status=503, answer=None),
        row("f", 0, client="e", version=2, milliseconds=5.0),
        row("h", 0, client="e", version=2, milliseconds=5.0) | {"drawn": False},  # by its own choice
        row("g", 0, client="e", model="spam"),
    ]
    fill(url, rows, ["heart", "food", None, None, None, "heart", "spam"])
    result = ab.ab(url, "emoji")
    first, second = result["versions"]
    assert {name: first[name] for name in ("version", "requests", "predictions", "errors", "clients")} == {
        **{"version": 1, "requests": 3, "predictions": 3, "errors": 1, "clients": 2}
    }
    assert first["error_share"]["value"] == pytest.approx(1 / 3, abs=1e-6)
    assert first["latency"]["p50"] == {"value": 20.0, "low": 10.0, "high": 30.0}, "of the requests without error"
    assert first["feedback"] == {"count": 2, "share": pytest.approx(2 / 3, abs=1e-6), "clients": 1}
    assert first["accuracy"]["value"] == 0.5
    assert second["latency"]["p50"] == {"value": 5.0, "low": None, "high": None}, "one client"
    assert second["feedback"] == {"count": 0, "share": 0.0, "clients": 0}
    assert second["accuracy"] == {"value": None, "low": None, "high": None}
    (difference,) = result["differences"]
    assert difference["verdict"] == "too little feedback"
    assert difference["accuracy"] == {"value": None, "low": None, "high": None, "p": None}
    text = show_serving.compared(result)
    assert "2 (66.7 %) of 1 clients" in text
    assert "there is feedback from 1 of version 1 and 0 of version 2" in text


def test_a_large_difference_is_real(url):
    fill(url, *served(60, (0.6, 0.9), share=0.5))
    result = ab.ab(url, "emoji")
    (difference,) = result["differences"]
    assert difference["verdict"] == "real"
    assert difference["accuracy"]["p"] < 0.01
    assert 0 < difference["accuracy"]["low"] < difference["accuracy"]["value"] < difference["accuracy"]["high"]
    assert 20 < difference["needed"] < 80
    assert result == ab.ab(url, "emoji"), "the same draws every time"
    turned = ab.ab(url, "emoji", [2, 1])["differences"][0]
    assert turned["accuracy"]["value"] == -difference["accuracy"]["value"]
    text = show_serving.compared(result)
    assert "the difference is real: version 2 is more often right than version 1, by" in text
    assert "version 1 is less often right" not in text


def test_few_clients_get_no_verdict(url):
    fill(url, *served(9, (0.1, 0.9), each=20))
    (difference,) = ab.ab(url, "emoji")["differences"]
    assert difference["accuracy"]["p"] < 0.05
    assert difference["verdict"] == "too little feedback"
    assert (
        "each version needs 10 clients or more; there is feedback from 9 of version 1 and 9" in difference["sentence"]
    )


def test_a_small_difference_is_not_shown(url):
    fill(url, *served(40, (0.8, 0.82)))
    (difference,) = ab.ab(url, "emoji")["differences"]
    assert difference["verdict"] == "not shown"
    assert difference["accuracy"]["low"] < 0 < difference["accuracy"]["high"]
    assert "there is no clear difference: anything from -" in difference["sentence"]
    assert f"about {difference['needed']:,} feedbacks" in difference["sentence"]


def test_other_answers_are_no_other_accuracy(url):
    rows, _ = served(40, (1.0, 1.0))
    rows = [one | {"answer": "heart" if one["version"] == 1 else "food"} for one in rows]
    fill(url, rows, [None] * len(rows))
    assert ab.ab(url, "emoji")["differences"][0]["verdict"] == "too little feedback"


def test_three_versions_are_compared_with_the_first(url):
    fill(url, *served(12, (0.5, 0.6, 0.7)))
    result = ab.ab(url, "emoji", [3, 1, 2])
    assert [row["version"] for row in result["versions"]] == [3, 1, 2]
    assert [(one["from"], one["to"]) for one in result["differences"]] == [(3, 1), (3, 2)]
    assert "not adjusted" in show_serving.compared(result)
    alone = ab.ab(url, "emoji", [2])
    assert alone["differences"] == []
    assert "version 2" in show_serving.compared(alone)


@pytest.mark.parametrize(
    ("model", "versions", "message"),
    [
        ("emojy", None, "no request for the model 'emojy'; it knows emoji"),
        ("emoji", [1, 7], "version 7 of 'emoji' has no requests; there is 1, 2"),
        ("emoji", [1, 1], "give each version once"),
    ],
)
def test_what_is_not_there(url, model, versions, message):
    fill(url, *served(2, (0.5, 0.5)))
    with pytest.raises(UsageError, match=message):
        ab.ab(url, model, versions)


def test_no_database(url):
    with pytest.raises(UsageError, match="there is no database"):
        ab.ab(url, "emoji")


def test_an_empty_database(url):
    database.connect(url, make=True).dispose()
    with pytest.raises(UsageError, match="it is empty"):
        ab.ab(url, "emoji")


@pytest.mark.parametrize(("hits", "count"), [(0, 10), (3, 10), (10, 10), (500, 1000)])
def test_the_interval_of_a_share_is_wilsons(hits, count):
    low, high = stats.binomtest(hits, count).proportion_ci(method="wilson")
    found = shares.share(hits, count)
    assert (found["low"], found["high"]) == (pytest.approx(low, abs=1e-6), pytest.approx(high, abs=1e-6))


def test_answers_of_one_client_are_no_independent_witnesses():
    alike = judged([(10, 10)] * 10 + [(10, 0)] * 10)[:, 0]
    apart = judged([(10, 5)] * 20)[:, 0]
    assert shares.effective(apart) == pytest.approx(200 * (1.96 / stats.t.ppf(0.975, 19)) ** 2, rel=1e-3)
    assert 15 < shares.effective(alike) < 20, "each client says one thing"
    always = judged([(10, 10)] * 20)[:, 0]
    assert shares.effective(always) == pytest.approx(shares.effective(alike), rel=0.1)


def test_draws_agree_with_drawing_clients_one_by_one():
    random = np.random.default_rng(0)
    versions = [[(number, random.binomial(number, 0.8)) for number in random.integers(1, 6, 100)] for _ in range(2)]
    pair = judged(*versions)
    found = shares.draws_of_clients(pair, 0.0, 0)
    drawn = pair[random.integers(0, 200, (2000, 200))].sum(axis=1)
    expected = drawn[:, 1, 1] / drawn[:, 1, 0] - drawn[:, 0, 1] / drawn[:, 0, 0]
    wider = stats.t.ppf(0.975, 99) / 1.96 * np.sqrt(100 / 99)
    assert found.std() == pytest.approx(expected.std() * wider, rel=0.1)


def test_clients_with_both_versions_count_as_pairs():
    both = np.array([[(4, 4), (4, 4)]] * 50 + [[(4, 0), (4, 0)]] * 50, dtype=float)
    assert np.ptp(shares.draws_of_clients(both, 0.0, 0)) == 0, "whatever clients are drawn, both versions are as good"


def test_no_error_among_few_is_not_taken_for_none_at_all():
    few, many = [(5, 5)] * 12, [(5, 5)] * 170 + [(5, 4)] * 20 + [(5, 0)] * 4
    found = shares.tested(judged(many, few), 0)
    draws = shares.draws_of_clients(judged(many, few), found["value"], 0)
    assert np.percentile(draws, 2.5) > 0, "the draws alone are sure"
    assert found["low"] < 0 < found["high"]
    assert found["p"] > 0.05


def test_false_alarms_are_rare():
    random, alarms, naive = np.random.default_rng(0), 0, 0
    for turn in range(200):
        versions = []
        for _ in range(2):
            count = random.geometric(0.2, 30)  # five answers of a client on average, alike among themselves
            versions.append(list(zip(count, random.binomial(count, random.beta(2.1, 0.9, 30)), strict=True)))
        alarms += shares.tested(judged(*versions), turn)["p"] < 0.05
        (judged_a, right_a), (judged_b, right_b) = (np.sum(version, axis=0) for version in versions)
        table = [[right_a, judged_a - right_a], [right_b, judged_b - right_b]]
        naive += stats.chi2_contingency(table, correction=False).pvalue < 0.05
    assert alarms <= 20, "one in twenty, and three standard errors more"
    assert naive > 40, "a test that takes answers for independent"


def test_the_feedback_needed_is_enough_four_times_in_five():
    seen = judged([(1, 1)] * 70 + [(1, 0)] * 30, [(1, 1)] * 80 + [(1, 0)] * 20)
    independent = 293.2  # the formula for 0.7 against 0.8, of each version; a sample's variance adds a hundredth
    assert shares.feedbacks_needed(seen) == pytest.approx(independent * 100 / 99, abs=1)
    in_fours = judged([(4, 4)] * 70 + [(4, 0)] * 30, [(4, 4)] * 80 + [(4, 0)] * 20)
    assert shares.feedbacks_needed(in_fours) == pytest.approx(4 * independent, rel=0.02), (
        "four answers of one mind are one"
    )
    assert shares.feedbacks_needed(judged([(2, 1)] * 20, [(2, 1)] * 20)) is None


@pytest.mark.parametrize("clients", [40, 700])
def test_the_median_s_interval(clients):
    random = np.random.default_rng(0)
    milliseconds = random.gamma(4, 3, 5000)
    found = latency(random.integers(0, clients, 5000), milliseconds, 0)
    assert found["p50"]["value"] == pytest.approx(np.median(milliseconds))
    drawn = np.median(milliseconds[random.integers(0, 5000, (500, 5000))], axis=1)
    expected = np.percentile(drawn, [2.5, 97.5])  # requests are independent here, so drawing them is the same
    assert [found["p50"]["low"], found["p50"]["high"]] == pytest.approx(expected, abs=0.08)
    assert [found["p95"], found["p99"]] == pytest.approx(np.percentile(milliseconds, [95, 99]), abs=1e-6)


def test_requests_of_one_client_are_alike():
    clients = np.repeat(np.arange(40), 100)
    milliseconds = np.random.default_rng(0).gamma(4, 3, 40)[clients]  # each client's own
    found = latency(clients, milliseconds, 0)["p50"]
    own = np.sort(np.unique(milliseconds))
    low, high = stats.binom.ppf([0.025, 0.975], 40, 0.5).astype(int)  # the ranks that bound a median of 40
    assert own[low - 4] <= found["low"] <= own[low + 2]
    assert own[high - 3] <= found["high"] <= own[high + 3]
