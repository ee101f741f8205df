"""What a text task takes for an input, and what it answers to what it cannot use."""

import io
import json
import sys
from pathlib import Path

import kept_runs
import numpy as np
import pytest

from keras_dl import registry, show
from keras_dl.errors import UsageError
from keras_dl.inputs.given import expand
from keras_dl.verbs.predict import answer, predict

NOTE = "none of its words is known: the answer rests on nothing that was learned"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return kept_runs.make(tmp_path_factory.mktemp("predict") / "run", "text")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory, with two texts and a hidden file in a folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "texts").mkdir()
    for name, text in (("b.txt", "see you at lunch"), ("a.txt", "\ufeffa prize"), (".hidden", "x")):
        (tmp_path / "texts" / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_files_folders_and_texts_are_taken_in_order(run, folder):
    rows = predict(run, ["lunch at noon", "texts", Path("texts/b.txt"), "texts/a.txt"])
    assert [row["input"] for row in rows] == ["lunch at noon", *(f"texts/{one}.txt" for one in "abba")]
    assert [row["label"] for row in rows] == ["ham", "spam", "ham", "ham", "spam"]
    assert rows == run.predict("lunch at noon", "texts/a.txt", "texts/b.txt", "texts/b.txt", "texts/a.txt")


def test_each_line_of_standard_input_is_a_text(run, monkeypatch):
    lines = "you won a prize\r\n今日\n\n".encode() + b"\xff\n" + b"lunch"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines)))
    rows = predict(run, ["-"])
    assert [row["input"] for row in rows] == ["you won a prize", "今日", "", "\ufffd", "lunch"]
    assert [row.get("label") for row in rows] == ["spam", "spam", None, None, "ham"]
    assert rows[2]["error"] == "the text is empty"
    assert "not UTF-8 at byte 0" in rows[3]["error"]


@pytest.mark.parametrize("text", ["ok...", "e.g. this.txt is named", "http://prize.example/win", "🍕", "50%.", "3.14"])
def test_what_no_file_is_called_is_a_text(run, folder, text):
    assert predict(run, [text])[0]["input"] == text


@pytest.mark.parametrize("name", ["message.txt", "mail/inbox", "spam.csv", "/nowhere"])
def test_what_looks_like_a_file_must_be_there(run, folder, name):
    with pytest.raises(UsageError, match=f"there is no file '{name}'; if it is a text: echo TEXT"):
        predict(run, [name])
    with pytest.raises(UsageError, match="there is no file"):
        predict(run, [Path("no file at all")])


def test_an_image_is_always_a_file(folder):
    for name in ("-", "a fine image"):
        with pytest.raises(UsageError, match=f"there is no file '{name}'; give an image file, or a folder of them"):
            list(expand(registry.find("pneumonia"), [name]))


def test_texts_that_cannot_be_used_have_a_reason_each(run, folder):
    (folder / "long.txt").write_bytes(b"long " * 2_000_000)
    (folder / "latin.txt").write_bytes("caf\u00e9".encode("latin-1"))
    rows = predict(run, ["", " \n", "\udcff", "long.txt", "latin.txt", "prize " * 1000])
    assert ["error" in row for row in rows] == [True] * 5 + [False]
    assert "10,000,000 bytes are more than" in rows[3]["error"]
    assert "not UTF-8 at byte 3" in rows[4]["error"]
    text = show.predictions(rows, run.task.output.answer)
    assert "\ufffd  cannot be used: not UTF-8" in text
    assert max(map(len, text.splitlines())) < 200
    assert rows[5]["input"] == "prize " * 1000


def test_what_is_to_be_known_of_a_text_is_noted(run):
    known, unknown = predict(run, ["prize", "xyzzy"])
    assert "note" not in known
    assert unknown["note"] == NOTE
    assert show.predictions([unknown], run.task.output.answer).endswith(f"; {NOTE}")


def test_a_batch_that_the_model_does_not_take_is_described(run):
    with pytest.raises(
        UsageError, match=r"takes int32 of shape \[12\] \(word ids of texts\); this is uint8 of shape \[3\]"
    ):
        answer(run, np.zeros((1, 3), "uint8"))


def test_a_run_with_layers_of_ours_opens_in_a_new_process(tiny_run, keras_dl_command):
    run = tiny_run("spam")
    process = keras_dl_command("predict", run.path, "you have won a prize", "--json")
    assert process.returncode == 0, process.stderr
    (row,) = json.loads(process.stdout)
    assert row["probability"] == pytest.approx(run.predict("you have won a prize")[0]["probability"], abs=1e-5)
