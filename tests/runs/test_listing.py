"""The list of runs and its page: every run stands in it once, with its figures, its marks, and what to type."""

import json
import os
import re
import shutil
from pathlib import Path

import kept_runs
import pytest
from click.testing import CliRunner

from keras_dl.cli import main
from keras_dl.errors import UsageError
from keras_dl.figures import courses
from keras_dl.pages.terminal import columns
from keras_dl.runs import listing
from keras_dl.runs.run import Run
from keras_dl.show import runs as show_runs

TINY_ONE = "20261128-024600-123456"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Give a folder with runs of every state."""
    home = tmp_path_factory.mktemp("home")
    folder = home / "runs"
    kept_runs.make(folder / "pneumonia" / "good")
    change(folder / "pneumonia" / "good", name="a-name-longer-than-others", data="/data/chest_xray-kaggle")
    for name, changes in ((TINY_ONE, {"tiny": True}), ("own", {"synthetic": True}), ("half", {"data": "/data/a"})):
        shutil.copytree(folder / "pneumonia" / "good", folder / "pneumonia" / name)
        change(folder / "pneumonia" / name, name=None, **changes)
    better(folder / "pneumonia" / "own")
    (folder / "pneumonia" / "half" / "metrics.json").unlink()
    kept_runs.make(folder / "spam one", "text")
    (folder / "broken").mkdir()
    (folder / "broken" / "config.json").write_text("{")
    shutil.copytree(folder / "spam one", folder / "newer")
    change(folder / "newer", task="from-a-later-version")
    for number, name in enumerate(("half", "own", "good", TINY_ONE)):
        os.utime(folder / "pneumonia" / name / "config.json", (1.7e9 + number,) * 2)
    return home


@pytest.fixture
def here(made, monkeypatch):
    monkeypatch.chdir(made)
    return made


def change(path, **changes):
    asked = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(asked | changes))


def better(path):
    metrics = json.loads((path / "metrics.json").read_text())
    metrics["test"]["network"]["auroc"]["value"] = 0.99
    (path / "metrics.json").write_text(json.dumps(metrics))


def run(*arguments):
    result = CliRunner().invoke(main, ["runs", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_every_run_is_listed_once_task_by_task_the_newest_first(here):
    rows = json.loads(run("--json"))
    assert [(row["task"], Path(row["run"]).name) for row in rows] == [
        ("pneumonia", TINY_ONE), ("pneumonia", "good"), ("pneumonia", "own"), ("pneumonia", "half"),
        ("spam", "spam one"), ("", "broken"), ("from-a-later-version", "newer"),
    ]  # fmt: skip
    tiny, good, own, half, spam, broken, newer = rows
    assert [row["marks"] for row in (tiny, good, own, half)] == [["tiny"], [], ["embedded data"], ["not complete"]]
    assert [row["answers"] for row in rows] == [False, True, False, False, True, False, False]
    assert (good["data"], own["data"]) == ("chest_xray-kaggle", "embedded")
    assert good["metrics"]["auroc"] == {"title": "AUROC", "value": 0.9, "low": 0.8, "high": 0.95,
                                        "more_is_better": True, "digits": 3}  # fmt: skip
    assert good["metrics"]["brier"]["more_is_better"] is False
    assert good["settings"] == {"image_size": 32, "learning_rate": 0.0123}
    assert half["resume"] == "keras-dl train pneumonia --resume --out runs/pneumonia/half"
    assert "config.json cannot be read" in broken["problem"]
    assert "from-a-later-version" in newer["problem"]
    assert not any(row["problem"] for row in (tiny, good, own, half, spam))


@pytest.mark.parametrize(
    ("sort", "first"), [("begun", TINY_ONE), ("name", TINY_ONE), ("data", "half"), ("figure", "own")]
)
def test_runs_are_sorted_within_their_task(sort, first, here):
    rows = listing.rows(sort=sort)
    assert Path(rows[0]["run"]).name == first
    assert len(rows) == 7
    if sort == "figure":
        assert Path(rows[3]["run"]).name == "half", "what has no figure comes last"


def test_less_is_better_sorts_the_other_way():
    cells = [{"value": value, "more_is_better": False} for value in (3.0, 1.0, None, 2.0)]
    assert [cell["value"] for cell in sorted([*cells], key=listing.worth)] == [1.0, 2.0, 3.0, None]


@pytest.mark.parametrize("width", [80, 120])
def test_the_list_fits_and_shows_what_there_is(width, here, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    text = run()
    tables, _, rest = text.partition("\n\nOn the test part")
    assert max(map(columns, text.split("stopped; resume")[0].splitlines())) <= width
    lines = tables.splitlines()
    (good,) = [line for line in lines if line.startswith("* a-name")]
    assert "0.900 [0.800, 0.950]" in good
    assert good.split()[1] == ("a-name-longer-…-others" if width == 80 else "a-name-longer-than-others")
    assert good.count("[") == (1 if width == 80 else 2)
    (tiny,) = [line for line in lines if TINY_ONE in line]
    assert tiny.endswith("tiny")
    (half,) = [line for line in lines if line.startswith("  half ")]
    assert half.endswith("stopped, epoch 3")
    assert "more is better: AUROC" in rest
    assert ("Brier" in rest) == ("Brier" in tables)
    assert "stopped; resume with:\n  keras-dl train pneumonia --resume --out runs/pneumonia/half" in rest
    assert "not readable:\n  runs/broken: config.json cannot be read" in rest


def test_every_name_that_is_listed_opens_its_run(here):
    copy = Path(shutil.copytree("runs/pneumonia/half", "runs/spam half/half"))
    os.utime(copy / "config.json", (1.7e9 + 99,) * 2)
    try:
        rows = [row for row in listing.rows() if not row["problem"]]
        for row in rows:
            assert Run.find(row["call"], complete=row["complete"]).path == Path(row["run"])
        assert {row["call"] for row in rows} == {
            "a-name-longer-than-others", TINY_ONE, "own", "half", "pneumonia/half", "spam one",
        }, "two folders are called half, and the name means the newer one"  # fmt: skip
    finally:
        shutil.rmtree("runs/spam half")


def test_points_stand_below_each_other():
    cells = [{"value": value, "low": 1.0, "high": 20.0, "digits": 2} for value in (14.11, 6.85)]
    rows = [{"metrics": {"mae": cell}} for cell in cells] + [{"metrics": {}}]
    rows += [{"metrics": {"mae": dict.fromkeys(("value", "low", "high"), None) | {"digits": 2}}}]
    said = show_runs.figures(rows, "mae")
    assert said == ["14.11 [ 1.00, 20.00]", " 6.85 [ 1.00, 20.00]", "", "not defined"]


def test_a_run_that_is_in_training_now_is_not_to_be_resumed(here):
    half = Run(Path("runs/pneumonia/half"))
    with half.locked():
        text = run("runs/pneumonia")
        assert re.search(r"half .* training, epoch 3", text)
        assert "--resume" not in text
    assert "--resume" in run("runs/pneumonia")


def test_runs_of_another_folder_go_by_their_paths_and_answer_to_no_name(here, monkeypatch, tmp_path):
    assert "* pneumonia/good" in run("runs")
    monkeypatch.chdir(tmp_path)
    text = run(here)
    assert " runs/pneumonia/good " in text
    assert "*" not in text
    assert run() == "no run in runs; keras-dl train TASK makes one\n"
    with pytest.raises(UsageError, match="there is no folder 'nowhere'"):
        listing.rows("nowhere")
    with pytest.raises(UsageError, match="--sort magic must be one of: begun, name, data, figure"):
        listing.rows(sort="magic")


# The page


def test_the_page_holds_every_run_with_a_link_to_its_report(here, tmp_path):
    from keras_dl.show import index

    report = here / "runs" / "spam one" / "report.html"
    report.write_text("a report")
    page = index.write(listing.rows(), "runs", tmp_path / "runs.html")
    text = page.read_text()
    for row in listing.rows():
        assert row["name"] in text
    (link,) = re.findall(r'<a href="([^"#]*report.html)">', text)
    assert (tmp_path / link.replace("%20", " ")).resolve() == report
    assert text.count("<svg") >= 2 + 4, "two figures of curves, and a swatch for each line in them"
    assert "keras-dl train pneumonia --resume --out runs/pneumonia/half" in text
    assert text.count('class="tag">tiny<') == 1
    assert "Tiny runs are not shown here" in text
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"|https://doi', "", text), "it needs nothing but itself"


@pytest.mark.parametrize("page", ["runs.htm", "runs"])
def test_a_page_that_no_browser_would_take_for_one_is_refused(page, here, tmp_path):
    from keras_dl.show import index

    with pytest.raises(UsageError, match=r"must end in \.html"):
        index.write([], "runs", tmp_path / page)


def test_runs_without_a_history_are_listed_and_not_drawn(here, tmp_path):
    from keras_dl.show import index

    rows = [{**row, "run": str(tmp_path)} for row in listing.rows()]
    text = index.write(rows, "runs", tmp_path).read_text()
    assert "<svg" not in text
    assert text.count("<tr>") == 2 * len(rows) - len(rows) + len(list(listing.by_task(rows)))


# Its figure


def course(name, values, look, phases=None):
    phases = phases or ["all"] * len(values)
    return courses.Course(name, {"epoch": [*range(1, len(values) + 1)], "phase": phases, "val_loss": values}, 2, look)


def test_a_line_is_broken_where_a_phase_begins_and_has_a_point_where_weights_were_kept():
    figure = courses.courses([course("a", [3.0, 2.0, 9.0], 0, ["head", "head", "all"])], {"val_loss": "Loss"})
    (axes,) = figure.axes
    assert [list(line.get_ydata()) for line in axes.lines] == [[3.0, 2.0], [9.0], [2.0]]
    assert axes.get_yscale() == "linear"


def test_values_of_all_sizes_share_a_logarithmic_axis_with_plain_numbers():
    figure = courses.courses([course("a", [1e4, 1e2], 0), course("b", [0.01, 0.02], 1)], {"val_loss": "Loss"})
    (axes,) = figure.axes
    assert axes.get_yscale() == "log"
    figure.draw_without_rendering()
    assert "$" not in "".join(label.get_text() for label in axes.get_yticklabels())


def test_looks_differ_until_there_are_too_many():
    looks = [courses.look(number) for number in range(courses.LOOKS)]
    assert len(set(looks)) == courses.LOOKS == 24
    assert courses.look(courses.LOOKS) == courses.look(courses.LOOKS + 1)
    assert 'stroke="var(--class-1)"' in courses.swatch(1)
    assert 'stroke="var(--muted)"' in courses.swatch(99)
