"""The emoji sentences: the real format with its stray columns, embedded set, download, what cannot be read."""

import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from file_server import serving_files

from keras_dl.data import download
from keras_dl.data.sets.texts import emoji
from keras_dl.data.splits import by_group
from keras_dl.errors import KerasDLError, UsageError

GOOD = "hold my hand,0,,\nhit the ball,1,,\nfine joke,2,,\nall is lost,3,,\nhot soup,4,,\n"
OTHER = "kiss me,0,,\nrun faster,1,,\nha ha,2,,\nI weep,3,,\nmore rice,4,,\n"


def write(path: Path, content: str | bytes = GOOD) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_classes_and_their_emoji():
    assert emoji.CLASSES == ("heart", "baseball", "smile", "disappointed", "fork_and_knife")
    assert "".join(emoji.EMOJI.values()) == "❤️⚾😄😞🍴"


def test_one_file_has_no_parts(tmp_path):
    texts = emoji.read(write(tmp_path / "mine.csv"))
    assert texts.texts[:2] == ("hold my hand", "hit the ball")
    assert texts.classes == emoji.CLASSES
    assert texts.labels.tolist() == [0, 1, 2, 3, 4]
    assert texts.ids[:2] == ("mine.csv:1", "mine.csv:2")
    assert set(texts.parts) == {""}


@pytest.mark.parametrize(
    ("row", "text", "label"),
    [
        ("I am in\t,2,,", "I am in", 2),
        (" my\tdear  friend ,0,, [3]", "my dear friend", 0),
        ("throw it,\t1 ,,v2", "throw it", 1),
        ("nothing left,3", "nothing left", 3),
        ('"well, well",2,,', "well, well", 2),
        ("bread, butter and tea,4,,", "bread, butter and tea", 4),
        ("5 o'clock,4,,", "5 o'clock", 4),
        ("café 😄 שלום,2,,", "café 😄 שלום", 2),
        ('he said "no",3,,', 'he said "no"', 3),
    ],
)
def test_stray_columns_tabs_and_commas(tmp_path, row, text, label):
    texts = emoji.read(write(tmp_path / "set.csv", f"{row}\n"))
    assert (texts.texts, texts.labels.tolist()) == ((text,), [label])


@pytest.mark.parametrize("header", ["sentence,label", "Question,rating,,", "\ufefftext,emoji,,"])
def test_a_header_is_skipped_and_lines_keep_their_numbers(tmp_path, header):
    texts = emoji.read(write(tmp_path / "set.csv", f"{header}\r\n{GOOD}"))
    assert len(texts) == 5
    assert texts.ids[0] == "set.csv:2"
    assert not texts.skipped


@pytest.mark.parametrize("test_name", ["tesss.csv", "test_emoji.csv"])
@pytest.mark.parametrize("inside", ["", "course/data/"])
def test_a_folder_has_parts(tmp_path, test_name, inside):
    write(tmp_path / f"{inside}train_emoji.csv")
    write(tmp_path / f"{inside}{test_name}", OTHER)
    write(tmp_path / f"{inside}emojify_data.csv", "of no use")
    texts = emoji.read(tmp_path)
    assert Counter(texts.parts) == {"train": 5, "test": 5}
    assert texts.ids[5] == f"{test_name}:1"
    assert texts.texts[5] == "kiss me"


def test_of_two_test_files_the_exercises_own_is_taken(tmp_path):
    for name, content in {"train_emoji.csv": GOOD, "test_emoji.csv": "no,3", "tesss.csv": OTHER}.items():
        write(tmp_path / name, content)
    assert Counter(emoji.read(tmp_path).parts) == {"train": 5, "test": 5}


def test_without_a_test_file_a_test_part_is_carved_later(tmp_path):
    write(tmp_path / "train_emoji.csv")
    assert set(emoji.read(tmp_path).parts) == {""}


def test_an_archive_is_read_like_a_folder(tmp_path):
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        archive.writestr("emojify/train_emoji.csv", GOOD)
        archive.writestr("emojify/tesss.csv", OTHER)
        archive.writestr("__MACOSX/emojify/train_emoji.csv", b"\0\5\x16\7")
    assert Counter(emoji.read(tmp_path / "archive.zip").parts) == {"train": 5, "test": 5}


def test_bad_rows_are_reported_up_to_a_share(tmp_path):
    path = write(tmp_path / "set.csv", f"{GOOD},2,,\nten,10,,\nnone,,3\nalone\nminus,-1\n")
    texts = emoji.read(path, bad_share=0.5)
    assert texts.texts == emoji.read(write(tmp_path / "good.csv")).texts
    assert [one.path for one in texts.skipped] == [f"set.csv:{line}" for line in range(6, 11)]
    assert [one.reason.partition(":")[0] for one in texts.skipped] == ["empty text", *["label outside the classes"] * 4]
    with pytest.raises(KerasDLError, match=r"set.csv: 5 of 10 rows cannot be used .*set.csv:7.*bad_share"):
        emoji.read(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it has no sentences"),
        (b"\n \n", "it has no sentences"),
        (b"sentence,label\n", "it has no sentences"),
        (b"one column\nand no more\n", "no row has a label"),
        (b"\x89PNG\r\n\0\0\0", "not a text file"),
    ],
)
def test_what_is_no_such_csv_is_refused_in_one_line(tmp_path, content, reason):
    path = write(tmp_path / "set.csv", content)
    with pytest.raises(KerasDLError) as caught:
        emoji.read(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert reason in message
    assert ("expected one sentence and its number (0 to 4)" in message) != (reason == "not a text file")
    assert "\n" not in message


def test_a_folder_without_the_files_is_refused_with_what_is_there(tmp_path):
    with pytest.raises(KerasDLError, match=r"expected one train_emoji.csv .* there is no CSV file; pass the folder"):
        emoji.read(tmp_path)
    write(tmp_path / "spam.csv")
    with pytest.raises(KerasDLError, match=r"there is spam.csv; pass the folder that has them to --data, or one CSV"):
        emoji.read(tmp_path)
    for name in "ab":
        write(tmp_path / name / "train_emoji.csv")
    with pytest.raises(KerasDLError, match=r"there are 2: a/train_emoji.csv, b/train_emoji.csv"):
        emoji.read(tmp_path)
    with pytest.raises(KerasDLError, match="no such file or folder"):
        emoji.read(tmp_path / "nowhere.csv")


def test_the_embedded_set_is_large_and_hard_enough(tmp_path):
    folder = emoji.synthesize(tmp_path)
    texts = emoji.read(folder)
    train, test = texts.take(texts.parts == "train"), texts.take(texts.parts == "test")
    assert len(train) >= 150
    assert len(test) >= 60
    assert not texts.skipped
    assert len(set(texts.groups)) == len(texts)
    assert min(np.bincount(train.labels)) >= 30
    assert min(np.bincount(test.labels)) >= 10
    words = [len(text.split()) for text in texts.texts]
    assert min(words) >= 1
    assert max(words) <= 10
    known = {word.lower() for text in train.texts for word in text.split()}
    new = [word for text in test.texts for word in set(text.lower().split()) - known]
    assert len(new) > len(test)  # word vectors learned elsewhere are worth having
    assert any(" not " in text for text in test.texts)
    raw = (folder / "train_emoji.csv").read_text()
    assert all(stray in raw for stray in ("\t,", " ,", ",, [", ",,v2"))


def test_the_tiny_set_is_a_balanced_part_of_it_that_splits(tmp_path):
    whole = emoji.read(emoji.synthesize(tmp_path))
    folder = emoji.synthesize(tmp_path, tiny=True)
    tiny = emoji.read(folder)
    assert emoji.synthesize(tmp_path, tiny=True) == folder
    assert Counter(tiny.parts) == {"train": 60, "test": 30}
    assert set(tiny.texts) < set(whole.texts)
    split = by_group(tiny.groups, tiny.labels, seed=0, parts=tiny.parts)
    assert all(len(set(tiny.labels[index])) == 5 for index in split.values())
    assert emoji.read(emoji.synthesize(tmp_path, tiny=True, seed=1)).texts != tiny.texts
    assert emoji.synthesize(tiny=True).parent == download.cache_folder()


@pytest.fixture
def site(tmp_path, monkeypatch):
    """The address of a server with data/train_emoji.csv and data/tesss.csv of five lines each."""
    write(tmp_path / "site/data/train_emoji.csv")
    write(tmp_path / "site/data/tesss.csv", OTHER)
    small = replace(emoji.SOURCES["github"], holds={"train_emoji.csv": 5, "tesss.csv": 5})
    monkeypatch.setitem(emoji.SOURCES, "github", small)
    monkeypatch.setattr(download, "FIRST_PAUSE", 0.001)

    with serving_files(tmp_path / "site") as site:
        yield site.base


def test_download_gives_a_folder_that_read_takes(site, tmp_path):
    folder = emoji.download(tmp_path / "data", base=site)
    assert Counter(emoji.read(folder).parts) == {"train": 5, "test": 5}
    assert emoji.download(tmp_path / "data", base="http://127.0.0.1:1") == folder  # no network needed any more


def test_a_download_of_too_few_sentences_is_noticed(site, tmp_path):
    write(tmp_path / "site/data/tesss.csv", "short,2\n")
    with pytest.raises(KerasDLError, match=r"tesss.csv: 1 sentences instead of 5 and more; delete .*emoji-github"):
        emoji.download(tmp_path / "data", base=site)


@pytest.mark.parametrize("reason", ["404", "no connection"])
def test_a_failed_download_says_what_to_do_by_hand(site, tmp_path, reason):
    base = f"{site}/nowhere" if reason == "404" else "http://127.0.0.1:1"
    with pytest.raises(KerasDLError) as caught:
        emoji.download(tmp_path / "data", base=base)
    message = str(caught.value)
    assert reason in message
    assert "by hand: open https://" in message
    assert f"keras-dl train emoji --data {tmp_path}/data/emoji-github" in message
    assert "\n" not in message


def test_an_unknown_source_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="there is no source 'drive'; choose from github"):
        emoji.download(tmp_path, "drive")
