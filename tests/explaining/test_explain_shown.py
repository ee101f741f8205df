"""How the words of an explained text are shown: pages that are safe, the terminal, what cannot be explained."""

import re

import click
import kept_runs
import pytest

from keras_dl import show
from keras_dl.errors import BadInput, UsageError
from keras_dl.verbs import explain as verb

MESSAGE = "Hello: you WON a prize!!! see you at lunch, ok?"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of texts of two classes; not to be changed."""
    return kept_runs.make(tmp_path_factory.mktemp("explain") / "run", "text")


def explain(run, source, out=None, **options):
    """Explain as `Run.explain` does."""
    return verb.explain(run, source, out, **options).json()


def shown(run, text, out, **options):
    """Explain, and return what the terminal shows."""
    return show.explained(verb.explain(run, text, out, **options), run)


def weights(result):
    return {word["text"]: word["weight"] for word in result["words"]}


def test_the_page_is_safe_and_needs_nothing_else(run, tmp_path):
    evil = "<script>alert('prize')</script> prize <img src=x onerror=alert(1)>"
    result = explain(run, evil, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert result["html"] == str(tmp_path / "page.html")
    assert not re.search(r"<(script|img|link)|https?:|@import|url\(", page)
    assert "&lt;script&gt;" in page
    assert 'dir="auto"' in page
    assert '<mark class="for" style="--w: 1.00" title="+2.000">prize</mark>' in page
    assert "prefers-color-scheme: dark" in page
    assert len(page) < 12_000


def test_a_file_is_explained_under_its_name(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sms 1.txt").write_text("a prize 🍕", encoding="utf-8")
    result = explain(run, tmp_path / "sms 1.txt")
    assert result["input"] == str(tmp_path / "sms 1.txt")
    assert result["html"] == "sms 1-explained.html"
    assert (tmp_path / "sms 1-explained.html").is_file()
    assert weights(result) == pytest.approx({"a": 0, "prize": 2, "🍕": 2})


def test_what_cannot_be_explained(run, tmp_path):
    (tmp_path / "latin.txt").write_bytes("café".encode("latin-1"))
    with pytest.raises(BadInput, match=r"latin.txt cannot be used: not UTF-8"):
        explain(run, tmp_path / "latin.txt")
    with pytest.raises(BadInput, match="the text is empty"):
        explain(run, "  ")
    with pytest.raises(UsageError, match=r"explain takes one file, but .* is a folder"):
        explain(run, tmp_path)
    with pytest.raises(UsageError, match=r"there is no file 'nowhere\.txt'"):
        explain(run, "nowhere.txt")


def test_the_terminal_shows_colours_numbers_and_no_commands(run, tmp_path, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    said = "you won a prize\x1b[2J, lunch"
    text = shown(run, said, tmp_path)
    assert "\x1b[2J" not in text
    assert click.style("prize\ufffd[", fg=16, bg=208) in text
    assert "+2.000  prize" in text
    assert "against spam\n   -1.500  lunch" in text
    assert text.endswith(explain(run, said, tmp_path)["html"])
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in shown(run, said, tmp_path)
