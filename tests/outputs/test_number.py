"""Numbers: the interval and its promise, strata and their names, what an answer looks like, feedback, figures."""

import json

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given
from hypothesis import strategies as st

from keras_dl.errors import BadInput
from keras_dl.measures.measuring import point
from keras_dl.outputs.number import Number
from keras_dl.pages import html, terminal
from keras_dl.task import Config
from keras_dl.task.kinds import Found
from keras_dl.task.output import Output

CELLS, HYPHENED = Number("cells"), Number("blood-cells")
WORDS = {"example": "image", "group": "image", "baseline": "brightness regression"}
ASSETS = {"edges": [120.0, 170.0, 230.0], "most": 317.0, "radius": 1.5, "coverage": 0.9}
NONE = {**ASSETS, "radius": None}
RANDOM = np.random.default_rng(0)


def simulated(count, seed):
    """Counts, and answers with errors as those of a Poisson count."""
    random = np.random.default_rng(seed)
    truth = random.integers(10, 300, count).astype(float)
    return truth, (truth + random.normal(0, 0.6, count) * np.sqrt(truth)).astype("float32")


def found(count, seed=0, radius=1.0):
    truth, said = simulated(count, seed)
    values = {"network": said, "baseline": said[::-1].copy()}
    return Found(
        truth, [str(row) for row in range(count)], values, {name: {**ASSETS, "radius": radius} for name in values}
    )


def row(number=174.4, radius=1.5):
    assets = {**ASSETS, "radius": radius}
    answered = {name: float(one[0]) for name, one in CELLS.respond(np.float32([[number]]), assets).items()}
    return CELLS.row(answered, assets)


# Interval


def test_the_interval_holds_for_nine_in_ten_new_examples():
    held = []
    for seed in range(60):
        truth, said = simulated(40, seed)
        fitted = CELLS.fit(truth, said[:, None], Config(), range(40))
        truth, said = simulated(500, 1000 + seed)
        answered = CELLS.respond(said[:, None], fitted)
        held.append(np.mean((answered["low"] <= truth) & (truth <= answered["high"])))
    assert 0.895 < np.mean(held) < 0.94


def test_its_width_grows_with_the_root_of_the_number_and_it_ends_at_zero():
    answered = CELLS.respond(np.float32([[100], [400], [1], [-3], [0]]), {**ASSETS, "radius": 2.0})
    assert answered["number"].numpy().tolist() == [100, 400, 1, 0, 0]
    assert answered["low"].numpy().tolist() == [80, 360, 0, 0, 0]
    assert answered["high"].numpy().tolist() == [120, 440, 3, 2, 2]


def test_the_measured_interval_is_the_one_that_is_answered():
    truth, said = simulated(200, 0)
    assets = {**ASSETS, "radius": 0.8}
    answered = {name: one.numpy() for name, one in CELLS.respond(said[:, None], assets).items()}
    got = point(CELLS.measuring(truth, CELLS.values(said[:, None], assets), assets), 200)
    assert got["coverage"] == np.mean((answered["low"] <= truth) & (truth <= answered["high"]))
    assert got["width"] == pytest.approx(np.mean(answered["high"] - answered["low"]), rel=1e-5)


@pytest.mark.parametrize(("count", "there"), [(0, False), (1, False), (8, False), (9, True), (40, True)])
def test_a_small_validation_promises_nothing(count, there):
    truth, said = simulated(count, 0)
    fitted = CELLS.fit(truth, said[:, None], Config(), range(count))
    assert fitted["coverage"] == 0.9
    assert (fitted["radius"] is not None) == there
    answered = CELLS.respond(said[:, None], fitted)
    assert set(answered) == ({"number", "low", "high"} if there else {"number"})
    assert json.loads(json.dumps(fitted)) == fitted


# Metrics


def test_metrics_are_those_of_scikit_learn():
    truth, said = simulated(300, 3)
    got = point(CELLS.measuring(truth, said, NONE), 300)
    assert got == pytest.approx(
        {
            "mae": sk.mean_absolute_error(truth, said),
            "rmse": sk.root_mean_squared_error(truth, said),
            "relative_error": np.mean(np.abs(said - truth) / truth),
            "bias": np.mean(said - truth),
            "r2": sk.r2_score(truth, said),
        },
        rel=1e-9,
    )


def test_a_perfect_answer_is_perfect():
    truth = np.arange(20.0)
    got = point(CELLS.measuring(truth, truth, {**ASSETS, "radius": 0.0}), 20)
    assert got == {"mae": 0, "rmse": 0, "relative_error": 0, "bias": 0, "r2": 1, "coverage": 1, "width": 0}


def test_each_metric_has_a_record_that_names_the_unit_and_the_better_direction():
    records = {name: CELLS.metric(name, ASSETS) for name in CELLS.metrics}
    assert {name: one.more_is_better for name, one in records.items()} == {
        "mae": False, "rmse": False, "relative_error": False, "bias": None, "r2": True, "coverage": None, "width": False
    }  # fmt: skip
    assert records["mae"].meaning == "the mean distance between answer and true number, in cells"
    assert next(iter(CELLS.metrics)) == "mae" == CELLS.first[0]


# Strata


def test_strata_are_quarters_of_the_training_counts():
    learned = CELLS.learned(np.arange(1, 101))
    assert learned == {"edges": [25.75, 50.5, 75.25], "most": 100}
    strata = CELLS.strata(np.arange(1, 101), learned)
    assert np.bincount(strata).tolist() == [25] * 4
    assert CELLS.names(ASSETS) == ["up to 120", "120 to 170", "170 to 230", "over 230"]
    assert CELLS.strata(np.array([0, 120, 121, 231]), ASSETS).tolist() == [0, 0, 1, 3]


@given(st.lists(st.one_of(st.integers(0, 3), st.floats(0, 1e9)), min_size=1, max_size=30))
def test_every_count_has_a_stratum_with_a_name_of_its_own(counts):
    learned = CELLS.learned(counts)
    names = CELLS.names(learned)
    assert len(set(names)) == len(names) >= 2
    assert "e+" not in "".join(names)
    for asked in (counts, [0, 1e12]):
        assert set(CELLS.strata(np.array(asked), learned)) <= set(range(len(names)))
    for one in CELLS.metrics:
        assert "{" not in CELLS.metric(one, learned).meaning


def test_summaries_say_range_and_mean():
    summary = CELLS.summary(np.array([3, 4, 1500]), ASSETS)
    assert CELLS.counted(summary) == {"fewest": "3", "on average": "502.3", "most": "1,500"}
    assert CELLS.holds(summary) == "3 to 1,500 cells, 502.3 on average"
    assert CELLS.summary(np.array([]), ASSETS) == {"truth": {}}


# Answers


def test_a_row_is_json_and_says_number_interval_and_unit():
    said = row()
    assert json.loads(json.dumps(said)) == said
    assert set(said) == {"number", "low", "high", "coverage", "unit"}
    answer = CELLS.answer(said)
    assert (answer.text, answer.certainty) == ("174 cells", "90 % interval 155 to 194")
    none = CELLS.answer(row(radius=None))
    assert (none.text, none.certainty) == ("174 cells", "no interval: the validation part was too small")


@pytest.mark.parametrize("radius", [1.5, None, 0.0])
@pytest.mark.parametrize("number", [0.0, 0.4, 174.4, 5e5])
def test_a_view_shows_number_and_band_on_every_page(monkeypatch, number, radius):
    monkeypatch.setenv("NO_COLOR", "1")
    answered = row(number, radius)
    answer, gauge = blocks = CELLS.view(answered, {**ASSETS, "radius": radius})
    assert answer == CELLS.answer(answered)
    assert gauge.interval == (None if radius is None else (answered["low"], answered["high"]))
    assert gauge.low <= gauge.value <= gauge.high
    assert (answered["high"] or number) <= gauge.high
    assert ("90 % of inputs" in gauge.note) == (radius is not None)
    for text in (str(html.htmls(blocks)), "\n".join(map(terminal.text, blocks))):
        assert f"{number:.0f} cells" in text
        assert ("90 % interval" in text) == (radius is not None)
        assert "nan" not in text
        assert "None" not in text


def test_tables_take_the_row_by_name_and_may_have_no_interval():
    for each in (row(), row(radius=None)):
        for column in CELLS.table(ASSETS):
            assert column.path[0] in each
    assert [column.title for column in CELLS.table(ASSETS)] == ["Cells", "From", "To"]


def test_a_higher_number_is_what_is_explained():
    assert CELLS.target(row(), ASSETS).of == CELLS.subject(ASSETS) == "a higher number of cells"


@pytest.mark.parametrize("kind", [CELLS, HYPHENED])
@pytest.mark.parametrize("truth", [0, 13, 7.25, 1_234_567, 1e9])
def test_a_file_name_tells_the_truth(kind, truth):
    stem = f"{kind.sample(truth, ASSETS)}-0"
    assert kind.sampled(stem, ASSETS) == kind.told(truth, ASSETS)
    assert float(kind.told(truth, ASSETS).split()[0]) == truth
    assert "/" not in stem
    assert CELLS.sample(13, ASSETS) == "13-cells"


@pytest.mark.parametrize("stem", ["holiday", "13", "13-cells", "x-cells-0", "a-b-c-d", "", "-13-cells-0"])
def test_a_file_name_of_another_kind_tells_nothing(stem):
    assert CELLS.sampled(stem, ASSETS) is None


# Feedback


@pytest.mark.parametrize(
    ("label", "kept"), [("174", "174"), (" 174 cells ", "174"), ("174cells", "174"), ("0", "0"), ("3.5", "3.5")]
)
def test_feedback_is_a_number_with_or_without_its_unit(label, kept):
    assert CELLS.feedback(label, ASSETS) == kept


@pytest.mark.parametrize("label", ["-1", "abc", "1e9", "", "cells", "nan", "inf", "1,5", "174 dogs", "9" * 13, "1\n2"])
def test_what_is_no_number_is_refused_as_feedback(label):
    with pytest.raises(BadInput, match="must be a number of cells, such as 174"):
        CELLS.feedback(label, ASSETS)


def test_the_error_is_the_distance_from_the_truth():
    text, value = CELLS.noted(row(1_234_567.5))
    assert value == pytest.approx(1_234_567.5)
    assert CELLS.error(text, "1234560") == pytest.approx(7.5)
    assert CELLS.error("170", "174") == CELLS.error("178", "174.0") == 4


# Report


@pytest.mark.parametrize("radius", [1.0, None])
@pytest.mark.parametrize("count", [1, 3, 2000])
def test_figures_are_drawn_for_few_and_for_many(count, radius):
    seen = found(count, radius=radius)
    charts = CELLS.figures(seen, None, WORDS)
    assert [one.name for one in charts] == ["predicted", "agreement"]
    assert "image" in charts[0].caption
    summary = CELLS.summary(seen.truth, ASSETS)
    assert CELLS.shares({"train": summary, "validation": {"truth": {}}, "test": summary}, WORDS).name == "ranges"


def test_the_worst_in_both_directions_are_notable():
    seen = found(30)
    error = seen.values["network"] - seen.truth
    above, below, near = CELLS.notable(seen)
    assert error[above.rows].tolist() == sorted(error, reverse=True)[:4]
    assert error[below.rows].tolist() == sorted(error)[:4]
    assert np.abs(error[near.rows]).max() <= np.sort(np.abs(error))[1]
    perfect = Found(seen.truth, seen.groups, {"network": seen.truth}, {})
    assert [len(one.rows) for one in CELLS.notable(perfect)] == [0, 0, 2]


def test_the_interval_is_explained_with_how_it_held():
    (prose,) = CELLS.explained({"network": {"coverage": {"value": 0.875}}}, ASSETS, None, WORDS)
    assert "1.50 times the square root" in prose.text
    assert "**88 %**" in prose.text
    (prose,) = CELLS.explained({"network": {}}, NONE, None, WORDS)
    assert prose.warning
    assert "too few images" in prose.text


def test_neighbours_vote_with_their_mean():
    nearest = CELLS.nearest(2).fit(np.array([[0.0], [1], [10]]), [4, 6, 100])
    assert CELLS.votes(nearest, np.array([[0.2]])).tolist() == [[5]]
    assert isinstance(CELLS, Output)
