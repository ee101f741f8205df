"""What a text task takes for an input, and what it answers to what it cannot use."""

import gzip
import io
import json
import sys
import zipfile
from pathlib import Path

import kept_runs
import numpy as np
import pandas as pd
import pytest

from keras_dl import registry, show
from keras_dl.errors import UsageError
from keras_dl.inputs.given import expand
from keras_dl.server.routes import sent as sent_files
from keras_dl.verbs.predict import answer, predict

NOTE = "the model knows none of its words, so the answer means nothing"


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


@pytest.mark.parametrize("name", ["message.txt", "mail/inbox", "spam.csv", "all.zip", "/nowhere"])
def test_what_looks_like_a_file_must_be_there(run, folder, name):
    with pytest.raises(UsageError, match=f"there is no file '{name}'; if it is a text: echo TEXT"):
        predict(run, [name])
    with pytest.raises(UsageError, match="there is no file"):
        predict(run, [Path("no file at all")])


TABLES = {
    "messages.csv": b"id,text\n1,a prize\n2,\n3,see you at lunch\n",
    "messages.tsv": b'Message\tid\n"a prize"\t1\n\t2\nsee you at lunch\t3\n',
    "semicolons.csv": "id;sms\n1;a prize\n2; \n3;see you at lunch\n".encode("utf-16"),
    "packed.csv.gz": gzip.compress(b"\xef\xbb\xbfid|review\n1|a prize\n2|\n3|see you at lunch\n"),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_predicted_row_by_row_as_a_server_does_it(run, folder, name):
    (folder / name).write_bytes(TABLES[name])
    rows = predict(run, [name], out="answers.csv")
    assert [row["input"].strip() for row in rows] == ["a prize", "", "see you at lunch"]
    assert [row["from"] for row in rows] == [f"{name}:{line}" for line in (2, 3, 4)]
    assert [row.get("label") for row in rows] == ["spam", None, "ham"]
    assert rows[1]["error"] == "the text is empty"
    upload = run.task.input.many(TABLES[name], 10)
    assert [raw.strip() for _, raw in upload.items] == [b"a prize", b"", b"see you at lunch"]
    written = pd.read_csv("answers.csv", keep_default_na=False)
    assert written["label"].tolist() == ["spam", "", "ham"]
    assert written["from"].tolist() == [row["from"] for row in rows]
    assert float(written["probability"][0]) == pytest.approx(rows[0]["probability"])
    assert len(written) == upload.count


def test_a_table_without_a_column_of_texts_is_refused_with_what_to_do(run, folder):
    (folder / "a.csv").write_text("id,words\n1,a prize\n")
    with pytest.raises(UsageError, match=r"a\.csv: .*none is called 'text'; name the text column"):
        predict(run, ["a.csv"])


def test_an_archive_and_a_folder_give_all_but_clutter(run, folder):
    inside = {
        "one/a.txt": "a prize",
        "one/b.csv": "text\nlunch\na prize\n",
        "one/Thumbs.db": "x",
        "__MACOSX/a.txt": "x",
    }
    inside |= {".ipynb_checkpoints/a.txt": "x", "@eaDir/a.txt": "x", "one/desktop.ini": "x", "__MACOSX/a.txt": "x"}
    with zipfile.ZipFile("all.zip", "w") as file:
        for name, text in inside.items():
            file.writestr(name.replace("/", "\\"), text)
    with zipfile.ZipFile("all.zip") as file:
        for name in inside:
            path = folder / "all" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.read(name.replace("/", "\\")))
    (folder / "all" / "linked").symlink_to(folder / "texts")
    rows = predict(run, ["all.zip"])
    assert [row["input"] for row in rows] == ["all.zip/one/a.txt", "lunch", "a prize"]
    assert [row["input"] for row in predict(run, ["all"])][:1] == ["all/linked/a.txt"]
    assert len(predict(run, ["all"])) == 5
    upload = sent_files.zipped((folder / "all.zip").read_bytes())
    assert sorted(name for name, _ in upload.items) == ["one/a.txt", "one/b.csv"]


def test_a_table_of_images_names_files_beside_it(folder):
    (folder / "list.csv").write_text("id;image_path\n1;texts/a.png\n2;b.png\n")
    found = list(expand(registry.find("pneumonia"), ["list.csv"]))
    assert [(one.name, one.path, one.origin) for one in found] == [
        ("texts/a.png", Path("texts/a.png"), "list.csv:2"),
        ("b.png", Path("b.png"), "list.csv:3"),
    ]
    (folder / "none.csv").write_text("id;what\n1;texts/a.png\n")
    with pytest.raises(UsageError, match="its first line names no column of image files; call that column 'file'"):
        list(expand(registry.find("pneumonia"), ["none.csv"]))


def test_a_text_that_a_spreadsheet_would_run_is_written_as_text(run, folder):
    predict(run, ["=1+1"], out="answers.csv")
    assert pd.read_csv("answers.csv")["input"].tolist() == ["'=1+1"]
    with pytest.raises(UsageError, match=r"answers\.csv cannot be written: No such file or directory"):
        predict(run, ["a"], out="nowhere/answers.csv")
    with pytest.raises(UsageError, match=r"--out pictures is not a CSV file"):
        predict(run, ["a"], out="pictures")


def test_an_image_is_always_a_file(folder):
    for name in ("-", "a fine image"):
        with pytest.raises(UsageError, match=f"there is no file '{name}'; give an image file, or a folder of them"):
            list(expand(registry.find("pneumonia"), [name]))


def test_texts_that_cannot_be_used_have_a_reason_each(run, folder):
    (folder / "long.txt").write_bytes(b"long " * 2_000_000)
    (folder / "latin.txt").write_bytes("caf\u00e9".encode("latin-1"))
    rows = predict(run, ["", " \n", "\udcff", "long.txt", "latin.txt", "prize " * 1000])
    assert ["error" in row for row in rows] == [True] * 5 + [False]
    assert "10,000,000 bytes, but a text may have at most" in rows[3]["error"]
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
        UsageError, match=r"takes int32 of shape \[12\] \(word ids of texts\); this input is uint8 of shape \[3\]"
    ):
        answer(run, np.zeros((1, 3), "uint8"))


def test_a_run_with_layers_of_ours_opens_in_a_new_process(tiny_run, keras_dl_command):
    run = tiny_run("spam")
    process = keras_dl_command("predict", run.path, "you have won a prize", "--json")
    assert process.returncode == 0, process.stderr
    (row,) = json.loads(process.stdout)
    assert row["probability"] == pytest.approx(run.predict("you have won a prize")[0]["probability"], abs=1e-5)
