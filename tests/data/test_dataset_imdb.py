"""The film reviews: folders, archives and CSV files as people have them, embedded set, download, the real set."""

import hashlib
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from file_server import serving_files

from keras_dl.data import samples
from keras_dl.data.sets.texts import imdb, reviews_synthetic
from keras_dl.data.splits import by_group
from keras_dl.errors import KerasDLError, UsageError

REAL = Path(os.environ.get("KERAS_DL_REAL_DATA", Path(__file__).parents[3] / "shared" / "data"))

REVIEWS = {
    "train/neg/0_3.txt": "Bad.<br /><br />Very bad.",
    "train/neg/1_1.txt": "I slept.",
    "train/pos/0_9.txt": "A joy, 好 😀",
    "train/pos/1_10.txt": "a  JOY, 好 😀",
    "train/pos/2_8.txt": "Seen twice",
    "test/neg/0_2.txt": "No.",
    "test/pos/0_7.txt": "seen TWICE",
}
OTHERS = ("train/unsup/0_0.txt", "train/unsup/1_0.txt", "README", "train/labeledBow.feat", "train/pos/._0_9.txt")
FILES = REVIEWS | dict.fromkeys(OTHERS, "other")
KINDS, COLUMNS = {".tar.gz": "gztar", ".tar.xz": "xztar", ".zip": "zip"}, "review,sentiment\n"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KERAS_DL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))  # no Kaggle account
    monkeypatch.delenv("KAGGLE_USERNAME", raising=False)
    return tmp_path / "cache"


def write(root: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def packed(path: Path, files: dict[str, str]) -> Path:
    """Write an archive of the kind that the name tells, with the files in a folder aclImdb."""
    suffix = next(suffix for suffix in KINDS if path.name.endswith(suffix))
    with tempfile.TemporaryDirectory(dir=path.parent) as work:
        write(Path(work, "aclImdb"), files)
        shutil.make_archive(str(path).removesuffix(suffix), KINDS[suffix], work, "aclImdb")
    return path


@pytest.mark.parametrize("wrap", ["", "aclImdb/", "aclImdb/aclImdb/"])
def test_the_folder(tmp_path, wrap):
    write(tmp_path / "set" / wrap, FILES)
    texts = imdb.read(tmp_path / "set", bad_share=0)
    kept = REVIEWS | {"train/neg/0_3.txt": "Bad. Very bad."}
    del kept["train/pos/2_8.txt"]
    assert dict(zip(texts.ids, texts.texts, strict=True)) == kept
    assert [imdb.CLASSES[label][:3] for label in texts.labels] == [name.split("/")[1] for name in texts.ids]
    assert texts.parts.tolist() == [name.split("/")[0] for name in texts.ids]
    assert [(one.path, one.reason) for one in texts.skipped] == [("train/pos/2_8.txt", "has a copy in the test part")]
    assert texts.notes == {"rows": 7, "copies": 2, "unlabelled": 2}
    assert texts.groups[texts.ids.index("train/pos/0_9.txt")] == texts.groups[texts.ids.index("train/pos/1_10.txt")]


def test_without_a_test_part_one_can_be_carved(tmp_path):
    train = {name: text for name, text in FILES.items() if name.startswith("train/")}
    texts = imdb.read(write(tmp_path, train))
    inside = imdb.read(tmp_path / "train")
    assert not any([*texts.parts, *inside.parts])
    assert texts.ids == tuple(f"train/{name}" for name in inside.ids)
    assert texts.notes["unlabelled"] == inside.notes["unlabelled"] == 2


@pytest.mark.parametrize("suffix", KINDS)
def test_archives(tmp_path, cache, suffix):
    expected = imdb.read(write(tmp_path / "set", FILES))
    texts = imdb.read(packed(tmp_path / f"aclImdb{suffix}", FILES))
    assert (texts.texts, texts.ids) == (expected.texts, expected.ids)
    assert list((cache / "unpacked").glob("aclImdb-*"))


def urls(*films: int) -> str:
    return "\n".join(f"http://www.imdb.com/title/tt{film:07d}/usercomments" for film in films)


def test_reviews_of_a_film_are_one_group(tmp_path):
    texts = ("fine 0", "fine 1", "fine 2", "fine 3", "FINE 2", "fine 5")
    files = {f"train/pos/{number}_9.txt": text for number, text in enumerate(texts)}
    files |= {"train/neg/0_2.txt": "poor 0", "train/neg/1_2.txt": "of no film"}
    files |= {"train/pos/mine.txt": "no number", "train/pos/9_9.txt": "not in the list"}
    files |= {"train/urls_pos.txt": urls(1, 1, 2, 3, 3, 4), "train/urls_neg.txt": f"{urls(1)}\nwhat?\n"}
    texts = imdb.read(write(tmp_path, files))
    groups = dict(zip(texts.ids, texts.groups, strict=True))
    assert groups["train/pos/0_9.txt"] == groups["train/pos/1_9.txt"] == groups["train/neg/0_2.txt"] == "tt0000001"
    # 2 and 4 are copies, and so their films 2 and 3 are one group.
    assert len({groups[f"train/pos/{n}_9.txt"] for n in (2, 3, 4)}) == 1
    assert groups["train/pos/5_9.txt"] == "tt0000004"
    assert len(set(groups.values())) == 6
    assert texts.notes == {"rows": 10, "copies": 1, "unlabelled": 0, "films": 4}


def test_films_of_the_test_part_are_not_trained_on(tmp_path):
    reviews = {"train/neg/0_2.txt": "poor", "train/neg/2_2.txt": "feeble", "train/pos/1_9.txt": "good"}
    reviews |= {"test/neg/0_1.txt": "bad COPY", "test/pos/0_9.txt": "great"}
    reviews["train/neg/1_2.txt"] = "bad copy"  # in the test part under another film: only this review goes
    reviews["train/pos/0_9.txt"] = "fine"  # of a film of the test part
    films = {"train/urls_neg.txt": urls(1, 2, 2), "train/urls_pos.txt": urls(8, 2)}
    films |= {"test/urls_neg.txt": urls(9), "test/urls_pos.txt": urls(8)}
    texts = imdb.read(write(tmp_path, reviews | films))
    assert {one.path: one.reason for one in texts.skipped} == {
        "train/neg/1_2.txt": "has a copy in the test part",
        "train/pos/0_9.txt": "its film is in the test part",
    }
    assert texts.ids[2:] == ("train/neg/0_2.txt", "train/neg/2_2.txt", "train/pos/1_9.txt")
    assert texts.notes == {"rows": 7, "copies": 1, "unlabelled": 0, "films": 4}
    assert not set(texts.groups[texts.parts == "test"]) & set(texts.groups[texts.parts != "test"])


def test_files_that_cannot_be_read_are_reported(tmp_path):
    bad = {
        "pos/1_9.txt": (b"caf\xe9", "not UTF-8 at byte 3 (0xe9)"),
        "pos/2_9.txt": (b" \n", "the text is empty"),
        "pos/3_9.txt": (b"<br />", "empty text"),
        "pos/4_9.txt": (b"a\0b", "zero bytes: not a text file"),
        "pos/5_9.txt": (b"x" * 1_000_001, "1,000,001 bytes, but a text may have at most 1,000,000"),
    }
    write(tmp_path, {"pos/0_9.txt": b"\xef\xbb\xbfyes", "neg/0_1.txt": "no"})
    texts = imdb.read(write(tmp_path, {name: content for name, (content, _) in bad.items()}), bad_share=0.9)
    assert texts.texts == ("no", "yes")
    reasons = {one.path: one.reason.split(";")[0] for one in texts.skipped}
    assert reasons == {name: reason for name, (_, reason) in bad.items()}
    with pytest.raises(KerasDLError, match=r"5 of 7 rows cannot be used .*--set bad_share=0.72"):
        imdb.read(tmp_path)


def test_the_file_of_kaggle(tmp_path):
    text = COLUMNS + '"Bad.<br /><br />Very ""bad"", no?",negative\n"two\nlines",positive\nA joy,positive\n'
    texts = imdb.read(write(tmp_path, {"IMDB Dataset.csv": text}) / "IMDB Dataset.csv")
    assert texts.texts == ('Bad. Very "bad", no?', "two\nlines", "A joy")
    assert texts.labels.tolist() == [0, 1, 1]
    assert texts.ids == tuple(f"IMDB Dataset.csv:{line}" for line in (2, 3, 5))
    archive = packed(tmp_path / "archive.zip", {"IMDB Dataset.csv": text, "__MACOSX/x.csv": "rubbish"})
    assert imdb.read(tmp_path).texts == imdb.read(archive).texts == texts.texts


@pytest.mark.parametrize("labels", [("negative", "positive"), ("NEG", " Pos"), ("0", "1")])
@pytest.mark.parametrize("header", ["review,sentiment", "\ufeffText,Label", " text ,sentiment", "text,label,note"])
def test_columns_and_labels(tmp_path, header, labels):
    more = ",x" if "note" in header else ""
    rows = "".join(f"{text},{label}{more}\n" for text, label in zip(("no", "yes"), labels, strict=True))
    texts = imdb.read(write(tmp_path, {"x.csv": f"{header}\n{rows}"}) / "x.csv")
    assert (texts.texts, texts.labels.tolist()) == (("no", "yes"), [0, 1])
    one = texts.take(texts.labels == 1)
    with pytest.raises(KerasDLError, match="at least two classes are needed"):
        by_group(one.groups, one.labels, seed=0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"x\.csv: the file is empty; pass a table"),
        (b"\x00\x01", r"x\.csv: not a text file, because it has zero bytes; use a CSV file"),
        (
            "a,b\nx,1\n",
            r"x\.csv: its first line 'a,b', read with commas .* does not name a column of .*; name the columns",
        ),
        ("review,b\nx,1\n", r"does not name a column of texts .text, message, review, .* and one of labels"),
        (COLUMNS, r"0 of 0 rows cannot be used \(it is empty\)"),
        (COLUMNS + "a,0\nb,1\nc,2\n", r"1 of 3 .*label outside the classes: '2' is none of .*, as at x\.csv:4"),
        (COLUMNS + "a,0\nb,c,1\nd\n", r"2 of 3 .*2 times without the header's 2 cells, as at x\.csv:3"),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path, content, message):
    with pytest.raises(KerasDLError, match=message) as caught:
        imdb.read(write(tmp_path, {"x.csv": content}) / "x.csv")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, r"it has no folders pos and neg, and no CSV file; give --data the folder aclImdb"),
        ({"train/pos/0_9.txt": "x"}, r"it has no folders pos and neg, and no CSV file"),
        (
            {"a.csv": COLUMNS, "b.csv": COLUMNS},
            r"and the tables a\.csv, b\.csv, whose names .*; give",
        ),
    ],
)
def test_a_folder_that_cannot_be_used(tmp_path, files, message):
    (tmp_path / "set").mkdir()
    with pytest.raises(KerasDLError, match=message):
        imdb.read(write(tmp_path / "set", files))
    with pytest.raises(KerasDLError, match="no such file or folder; check the path after --data"):
        imdb.read(tmp_path / "nowhere")


def test_the_generator_writes_exactly_the_embedded_file(tmp_path):
    folder = samples.folder("imdb")
    words = reviews_synthetic.read_ingredients(folder)
    assert reviews_synthetic.write(tmp_path, words).read_bytes() == (folder / reviews_synthetic.NAME).read_bytes()
    first, second = (list(reviews_synthetic.generate(words, reviews=5, seed=seed)) for seed in (1, 2))
    assert first != second


def test_the_embedded_set_is_varied_and_no_bag_of_words_solves_it():
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    folder = imdb.synthesize()
    texts = imdb.read(folder)
    assert np.bincount(texts.labels).tolist() == [1200, 1200]
    assert (folder, texts.notes, texts.skipped) == (samples.folder("imdb"), {"rows": 2400, "copies": 0}, ())
    assert not any("<br" in text or "{" in text for text in texts.texts)
    lengths = [len(text.split()) for text in texts.texts]
    assert 30 <= min(lengths) <= max(lengths) <= 120
    assert (folder / reviews_synthetic.NAME).stat().st_size < 1_500_000
    split = by_group(texts.groups, texts.labels, seed=0, test=0.25)
    train, test = texts.take(split["train"]), texts.take(split["test"])
    model = make_pipeline(TfidfVectorizer(), LogisticRegression(C=10)).fit(train.texts, train.labels)
    assert 0.82 < model.score(test.texts, test.labels) < 0.93


def test_a_tiny_set_and_another_seed_go_into_the_cache(tmp_path, cache):
    tiny = imdb.synthesize(tiny=True)
    assert imdb.synthesize(tiny=True) == tiny == cache / tiny.name
    texts = imdb.read(tiny)
    assert np.bincount(texts.labels).tolist() == [80, 80]
    split = by_group(texts.groups, texts.labels, seed=0)
    assert all(len(set(texts.labels[index])) == 2 for index in split.values())
    other = imdb.synthesize(tmp_path / "here", tiny=True, seed=1)
    assert other.parent == tmp_path / "here"
    assert imdb.read(other).texts != texts.texts


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server of small sets like those of Stanford and Kaggle."""
    root = tmp_path / "site"
    archive, csv = packed(write(root, {"x": ""}) / "aclImdb_v1.tar.gz", FILES), root / imdb.SOURCES["kaggle"].files[""]
    csv.parent.mkdir()
    packed(root / "x.zip", {"IMDB Dataset.csv": COLUMNS + "no,negative\nyes,positive\n"}).rename(csv)
    checksum = hashlib.md5(archive.read_bytes()).hexdigest()
    monkeypatch.setitem(imdb.SOURCES, "stanford", replace(imdb.SOURCES["stanford"], md5={"": checksum}, holds={"": 7}))
    monkeypatch.setitem(imdb.SOURCES, "kaggle", replace(imdb.SOURCES["kaggle"], holds={"": 2}))
    with serving_files(root) as site:
        yield site.base


@pytest.mark.parametrize(("source", "parts"), [("stanford", {"train": 4, "test": 2}), ("kaggle", {"": 2})])
def test_download_gives_a_folder_that_read_takes(site, tmp_path, source, parts):
    folder = imdb.download(tmp_path / "data", source, base=site)
    assert Counter(imdb.read(folder).parts) == parts
    assert imdb.download(tmp_path / "data", source, base="http://127.0.0.1:1") == folder  # offline


def test_download_notices_another_archive_and_missing_reviews(site, tmp_path, monkeypatch):
    monkeypatch.setitem(imdb.SOURCES, "stanford", replace(imdb.SOURCES["stanford"], holds={"": 50_000}))
    with pytest.raises(KerasDLError, match=r"7 reviews instead of 50,000; delete .*download again"):
        imdb.download(tmp_path / "data", base=site)
    monkeypatch.setitem(imdb.SOURCES, "stanford", replace(imdb.SOURCES["stanford"], md5={"": "0" * 32}))
    with pytest.raises(KerasDLError, match=r"its md5 is not the expected 000.*; by hand: open https://ai\.stanford"):
        imdb.download(tmp_path / "other", base=site)


@pytest.mark.parametrize(("source", "suffix"), [("stanford", "tar.gz"), ("kaggle", "zip")])
def test_a_download_that_cannot_be_says_what_to_do(tmp_path, monkeypatch, source, suffix):
    monkeypatch.setattr("keras_dl.data.download.FIRST_PAUSE", 0)
    with pytest.raises(KerasDLError, match=r"^[^\n]*no connection[^\n]*open https://[^\n]*$") as caught:
        imdb.download(tmp_path / "data", source, base="http://127.0.0.1:1")
    assert f"keras-dl train imdb-bilstm --data {tmp_path}/data/imdb-{source}.{suffix}" in str(caught.value)
    with pytest.raises(UsageError, match="there is no source 'drive'; choose from stanford, kaggle"):
        imdb.download(tmp_path, "drive")


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir() and not os.environ.get("CI"), reason=f"no real data in {REAL}")
def test_the_real_training_part():
    texts = imdb.read(REAL / "aclImdb_train.tar.xz")
    assert np.bincount(texts.labels).tolist() == [12500, 12500]
    assert texts.notes == {"rows": 25000, "copies": 98, "unlabelled": 0}
    assert not any([*texts.skipped, *texts.parts])
    assert not any("<br" in text for text in texts.texts)
    split = by_group(texts.groups, texts.labels, seed=0)
    assert {name: len(index) for name, index in split.items()} == {"train": 18750, "validation": 2500, "test": 3750}
