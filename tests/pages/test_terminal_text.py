"""Blocks as text: what each shows, how wide it is, and that no text is a command to the terminal."""

import unicodedata

import click
import pytest
from blocks_to_show import EACH, EMPTY, each, spans
from rich.cells import cell_len

from keras_dl.pages import terminal
from keras_dl.task.blocks import Answer, Bar, Bars, Chart, Gauge, Prose, Table

COMMAND = "\x1b[2J\x07\x9b1m\u202e"


@pytest.fixture
def plain(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def coloured(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.mark.parametrize("name", EMPTY)
def test_what_is_empty_is_rendered_too(plain, name):
    assert "nan" not in terminal.text(EMPTY[name])


@pytest.mark.parametrize("name", EACH)
def test_no_text_is_a_command(plain, name):
    text = terminal.text(each(COMMAND)[name])
    assert not {one for one in text if unicodedata.category(one) == "Cc"} - {"\n"}
    assert "\u202e" not in text
    assert "\ufffd[2J\ufffd\ufffd1m\ufffd" in text


def test_an_answer_is_one_line():
    answer = Answer("PNEUMONIA", "probability of PNEUMONIA 0.912, threshold 0.430")
    assert terminal.line(answer) == "PNEUMONIA  probability of PNEUMONIA 0.912, threshold 0.430"
    assert terminal.line(Answer("fork_and_knife", "0.9", "🍴")) == "🍴 fork_and_knife  0.9"
    assert terminal.line(Answer("143 cells")) == "143 cells"


@pytest.mark.parametrize("width", [40, 80, 120])
def test_drawings_fit_the_screen(plain, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    names = ["❤️ heart", "日本語", "a very long name of a class that nobody can read" * 2]
    bars = terminal.text(Bars([Bar(name, share) for name, share in zip(names, (0.9996, 0.0003, 0), strict=True)]))
    rows = bars.splitlines()
    assert len({cell_len(row) for row in rows}) == 1, "all bars end in one column"
    assert cell_len(rows[0]) <= width
    assert cell_len(rows[0]) >= min(width, 100) - 3, "the room is used"
    for value, threshold in ((0, 1), (0.5, 0.5), (1, 0), (1, 1)):
        gauge = Gauge(value, 0, 1, "text", threshold, "threshold of so many", (0.2, 0.9), ("日本語", "PNEUMONIA"))
        for row in terminal.text(gauge).splitlines():
            assert cell_len(row) <= width


def test_bars_are_as_long_as_their_shares(plain):
    text = terminal.text(Bars([Bar("a", 0.5), Bar("b", 0.25, chosen=True), Bar("c", 0.0001), Bar("d", 0)], "Shares"))
    title, *rows = text.splitlines()
    full = [row.count("█") for row in rows]
    length = sum(rows[0].count(one) for one in "█░▌")
    assert title == "Shares"
    assert full == [length // 2, length // 4, 0, 0]
    assert "▏" in rows[2]
    assert "▏" not in rows[3]
    assert [row.split("  ")[-1].strip() for row in rows] == ["50 %", "25 %", "under 0.1 %", "0.0 %"]


def test_a_gauge_draws_value_threshold_and_interval(plain):
    head, scale, caption, note = terminal.text(
        Gauge(0.75, 0, 1, "p 75 %", 0.5, "threshold", (0.7, 0.8), ("NO", "YES"), "It is **calibrated**.")
    ).splitlines()
    assert head == "p 75 %  (▓▒ 0.7 to 0.8)"
    cells = scale.strip().removeprefix("NO ").removesuffix(" YES")
    assert len(cells) == 80 - 2 - 3 - 4
    mark = cells.index("┃")
    assert mark / len(cells) == pytest.approx(0.5, abs=0.01)
    filled = len(cells) - cells.count("░") - cells.count("▒")
    assert filled / len(cells) == pytest.approx(0.75, abs=0.01)
    assert (cells.count("▓") + cells.count("▒")) / len(cells) == pytest.approx(0.1, abs=0.03)
    place = scale.index("┃")
    assert caption[: place + 1].strip(), "the caption begins left of the mark"
    assert caption[place:].strip(), "and ends right of it"
    assert note == "It is calibrated."
    assert "┃" not in terminal.text(Gauge(3, 0, 10, "3 cells"))


def test_words_are_coloured_where_colours_are_wanted(coloured, monkeypatch):
    block = spans(
        "you won a prize\x1b[2J, lunch is مرحبا and more", ("prize\x1b[", 2), ("lunch", -1.5), ("is", 0.01), read=30
    )
    text = terminal.text(block)
    assert click.style("prize\ufffd[", fg=16, bg=208) in text
    assert click.style("lunch", fg=16, bg=75) in text
    assert "\x1b[2J" not in text
    assert "for spam\n   +2.000  prize\ufffd[" in text
    assert "against spam\n   -1.500  lunch" in text
    assert "more characters that the model does not read)" in text
    assert text.endswith("numbers: a change")
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in terminal.text(block)
    shares = terminal.text(spans("look here", ("here", 0.7), signed=False))
    assert "most weight\n    0.700  here" in shares
    assert terminal.text(spans("look here", ("here", 0.7), numbers=False)) == "look here"


def test_a_table_counts_wide_characters(plain):
    rows = [("", "n"), ("日本", "1"), ("❤️", "100"), ("e\u0301", "x")]
    lines = terminal.table(rows, [1]).splitlines()
    assert lines == ["        n", "日本    1", "❤️    100", "e\u0301       x"]
    shown = terminal.text(Table(["Metric", "Value"], [["F1", "0.9"]], "Metrics", "Of the `test` part.", [1]))
    assert shown.splitlines() == ["Metrics", "Of the test part.", "Metric  Value", "F1        0.9"]
    assert terminal.table([]) == ""


INTERVALS = [
    ("", "network", "baseline", "network - baseline"),
    ("precision fork_and_knife", "0.286 [0.000, 0.714]", "0.486 [0.312, 0.750]", "-0.200 [-0.367, -0.071] p 0.012"),
    ("mean absolute error", "12.29 [9.30, 15.71]", "9.86 [8.12, 11.50]", "+2.43 [-0.27, +5.31] p 0.081"),
]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_table_fits_the_screen_and_keeps_every_word_and_figure_whole(plain, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    table = terminal.table(INTERVALS, (1, 2, 3), {(1, 2)})
    lines = table.splitlines()
    assert max(map(cell_len, lines)) <= max(width, 70), "it is wider only where a figure would be broken"
    assert len(lines) == (3 if width == 120 else len(lines))
    for whole in ("precision", "fork_and_knife", "[0.000, 0.714]", "*0.486", "[-0.367, -0.071]", "p 0.081", "error"):
        assert whole in table
    ends = {line.rindex("]") for line in lines if line.endswith("]")}
    assert len(ends) <= 1, "figures end in one column"


def test_a_pipe_gets_a_line_for_each_row_and_no_colour(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    long = [("name", "what"), ("a", "word " * 200)]
    assert len(terminal.table(long).splitlines()) == 2
    assert terminal.filled("word " * 200).count("\n") == 0
    monkeypatch.setattr(terminal.sys.stdout, "isatty", lambda: True, raising=False)
    assert len(terminal.table(long).splitlines()) > 5


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_colour_can_be_refused_and_what_is_better_is_seen_without(monkeypatch, variables):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[1;32m" in terminal.table(INTERVALS, (1, 2, 3), {(1, 2)})
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    plain = terminal.table(INTERVALS, (1, 2, 3), {(1, 2)})
    assert "\x1b" not in plain
    assert plain.count("*") == 1


def test_what_a_terminal_cannot_show_is_named(plain):
    assert terminal.text(EACH["picture"]).startswith("picture: ")
    assert "--out" in terminal.text(EACH["picture"])
    assert terminal.text(Chart("roc", "<svg></svg>", "ROC", "Bands: **95 %**.")) == "figure: ROC: Bands: 95 %."


def test_prose(coloured):
    assert terminal.text(Prose("from **0.43** on `x`", "T")) == (
        f"{click.style('T', bold=True)}\nfrom {click.style('0.43', bold=True)} on x"
    )
    assert terminal.text(Prose("mind", warning=True)) == click.style("Warning: mind", fg="yellow")


def test_an_input_is_shown_in_one_line(tmp_path):
    assert terminal.shown("a\n b\t" + "word " * 100).startswith("a b word word")
    assert len(terminal.shown("word " * 100)) <= 80
    assert terminal.columns(terminal.shown("日本" * 100)) == 79  # a wide character more would be too much
    long = tmp_path / ("n" * 90)
    long.touch()
    assert terminal.shown(str(long)) == str(long)


@pytest.mark.parametrize("emoji", ["❤️", "⚾", "😄", "👍🏽", "👩‍🚀", "🇩🇪", "👨‍👩‍👧"])
def test_an_emoji_takes_two_columns(emoji):
    assert terminal.columns(emoji) == 2
    assert terminal.columns(terminal.padded(emoji, 5)) == 5


@pytest.mark.parametrize("width", ["1", "3", "12"])
@pytest.mark.parametrize("name", EACH)
def test_a_very_narrow_terminal_ends_nothing(monkeypatch, name, width):
    monkeypatch.setenv("COLUMNS", width)
    assert terminal.text(each("probability")[name])
