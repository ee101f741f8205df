"""The film reviews: folders, archives and CSV files as people have them, embedded set, download, the real set."""

import hashlib
import io
import os
import tarfile
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from keras_dl.datasets import imdb, reviews_synthetic, samples
from keras_dl.datasets.splits import by_group
from keras_dl.errors import KerasDLError, UsageError

REAL = Path(os.environ.get("KERAS_DL_REAL_DATA", Path(__file__).parents[2] / "shared" / "data"))

FILES = {
    "train/neg/0_3.txt": "Bad.<br /><br />Very bad.",
    "train/neg/1_1.txt": "I slept.",
    "train/pos/0_9.txt": "A joy, 好 😀",
    "train/pos/1_10.txt": "a  JOY, 好 😀",
    "train/pos/2_8.txt": "Seen twice",
    "test/neg/0_2.txt": "No.",
    "test/pos/0_7.txt": "seen TWICE",
    "train/unsup/0_0.txt": "Who knows",
    "train/unsup/1_0.txt": "Nobody knows",
    "README": "about it",
    "train/labeledBow.feat": "9 0:9",
    "train/pos/._0_9.txt": "clutter",
}
COLUMNS = "review,sentiment\n"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KERAS_DL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def write(root: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def tar(files: dict[str, str], mode: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as out:
        for name, text in files.items():
            member = tarfile.TarInfo(f"aclImdb/{name}")
            member.size = len(text.encode())
            out.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def zipped(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as out:
        for name, text in files.items():
            out.writestr(name, text)
    return buffer.getvalue()


@pytest.mark.parametrize("wrap", ["", "aclImdb/", "aclImdb/aclImdb/"])
def test_the_folder(tmp_path, wrap):
    write(tmp_path / "set" / wrap, FILES)
    texts = imdb.read(tmp_path / "set", bad_share=0)
    read = dict(zip(texts.ids, zip(texts.texts, texts.labels, texts.parts, strict=True), strict=True))
    assert read == {
        "train/neg/0_3.txt": ("Bad. Very bad.", 0, "train"),
        "train/neg/1_1.txt": ("I slept.", 0, "train"),
        "train/pos/0_9.txt": ("A joy, 好 😀", 1, "train"),
        "train/pos/1_10.txt": ("a  JOY, 好 😀", 1, "train"),
        "test/neg/0_2.txt": ("No.", 0, "test"),
        "test/pos/0_7.txt": ("seen TWICE", 1, "test"),
    }
    assert texts.classes == imdb.CLASSES
    assert [(one.path, one.reason) for one in texts.skipped] == [("train/pos/2_8.txt", "has a copy in the test part")]
    assert texts.notes == {"rows": 7, "copies": 2, "unlabelled": 2}
    groups = dict(zip(texts.ids, texts.groups, strict=True))
    assert groups["train/pos/0_9.txt"] == groups["train/pos/1_10.txt"]
    assert len(set(groups.values())) == 5


def test_without_a_test_part_one_can_be_carved(tmp_path):
    train = {name: text for name, text in FILES.items() if name.startswith("train/")}
    texts = imdb.read(write(tmp_path, train))
    assert set(texts.parts) == {""}
    assert texts.ids[0] == "train/neg/0_3.txt"
    inside = imdb.read(tmp_path / "train")
    assert inside.ids == tuple(name.removeprefix("train/") for name in texts.ids)
    assert inside.notes["unlabelled"] == 2
    assert not any(inside.parts)


@pytest.mark.parametrize("suffix", ["tar.gz", "tar.xz", "zip"])
def test_archives(tmp_path, cache, suffix):
    expected = imdb.read(write(tmp_path / "set", FILES))
    content = zipped(FILES) if suffix == "zip" else tar(FILES, f"w:{suffix[4:]}")
    texts = imdb.read(write(tmp_path, {f"aclImdb.{suffix}": content}) / f"aclImdb.{suffix}")
    assert (texts.texts, texts.ids) == (expected.texts, expected.ids)
    assert list((cache / "unpacked").glob("aclImdb-*"))


def url(film: int) -> str:
    return f"http://www.imdb.com/title/tt{film:07d}/usercomments"


def test_reviews_of_a_film_are_one_group(tmp_path):
    reviews = {f"train/pos/{n}_9.txt": f"fine {n}" for n in range(6)} | {
        f"train/neg/{n}_2.txt": f"poor {n}" for n in (0, 1)
    }
    reviews |= {
        "train/pos/4_9.txt": "FINE 2",
        "train/pos/mine.txt": "no number",
        "train/pos/9_9.txt": "not in the list",
    }
    urls = {"train/urls_pos.txt": "\n".join(map(url, (1, 1, 2, 3, 3, 4))), "train/urls_neg.txt": f"{url(1)}\nwhat?\n"}
    texts = imdb.read(write(tmp_path, reviews | urls))
    groups = dict(zip(texts.ids, texts.groups, strict=True))
    assert groups["train/pos/0_9.txt"] == groups["train/pos/1_9.txt"] == groups["train/neg/0_2.txt"] == "tt0000001"
    # 2 and 4 are copies, and so their films 2 and 3 are one group.
    assert len({groups[f"train/pos/{n}_9.txt"] for n in (2, 3, 4)}) == 1
    assert groups["train/pos/5_9.txt"] == "tt0000004"
    assert len(set(groups.values())) == 6
    assert texts.notes["films"] == 4
    assert texts.notes["copies"] == 1
    assert len(texts) == 10


def test_films_of_the_test_part_are_not_trained_on(tmp_path):
    reviews = {
        "train/neg/0_2.txt": "poor",
        "train/neg/1_2.txt": "bad copy",  # in the test part under another film: only this review goes
        "train/neg/2_2.txt": "feeble",
        "train/pos/0_9.txt": "fine",  # of a film of the test part
        "train/pos/1_9.txt": "good",
        "test/neg/0_1.txt": "bad COPY",
        "test/pos/0_9.txt": "great",
    }
    urls = {
        "train/urls_neg.txt": f"{url(1)}\n{url(2)}\n{url(2)}\n",
        "train/urls_pos.txt": f"{url(8)}\n{url(2)}\n",
        "test/urls_neg.txt": url(9),
        "test/urls_pos.txt": url(8),
    }
    texts = imdb.read(write(tmp_path, reviews | urls))
    assert {one.path: one.reason for one in texts.skipped} == {
        "train/neg/1_2.txt": "has a copy in the test part",
        "train/pos/0_9.txt": "its film is in the test part",
    }
    assert [name for name in texts.ids if name.startswith("train/")] == [
        "train/neg/0_2.txt",
        "train/neg/2_2.txt",
        "train/pos/1_9.txt",
    ]
    assert texts.notes == {"rows": 7, "copies": 1, "unlabelled": 0, "films": 4}
    assert not set(texts.groups[texts.parts == "test"]) & set(texts.groups[texts.parts != "test"])


def test_files_that_cannot_be_read_are_reported(tmp_path):
    bad = {
        "pos/1_9.txt": b"caf\xe9",
        "pos/2_9.txt": b" \n",
        "pos/3_9.txt": b"<br />",
        "pos/4_9.txt": b"a\0b",
        "pos/5_9.txt": b"x" * 1_000_001,
    }
    good = {"pos/0_9.txt": b"\xef\xbb\xbfyes", "neg/0_1.txt": "no"}
    (tmp_path / "neg/1_1.txt").mkdir(parents=True)
    texts = imdb.read(write(tmp_path, good | bad), bad_share=0.9)
    assert texts.texts == ("no", "yes")
    assert {one.path: one.reason.split(";")[0] for one in texts.skipped} == {
        "neg/1_1.txt": "cannot be read: Is a directory",
        "pos/1_9.txt": "not UTF-8 at byte 3 (0xe9)",
        "pos/2_9.txt": "the text is empty",
        "pos/3_9.txt": "empty text",
        "pos/4_9.txt": "zero bytes: not a text file",
        "pos/5_9.txt": "1,000,001 bytes are more than the 1,000,000 a text may have",
    }
    with pytest.raises(KerasDLError, match=r"6 of 8 rows cannot be used .*--set bad_share=0.5"):
        imdb.read(tmp_path)


def test_the_file_of_kaggle(tmp_path):
    text = COLUMNS + '"Bad.<br /><br />Very ""bad"", no?",negative\n"two\nlines",positive\nA joy,positive\n'
    texts = imdb.read(write(tmp_path, {"IMDB Dataset.csv": text}) / "IMDB Dataset.csv")
    assert texts.texts == ('Bad. Very "bad", no?', "two\nlines", "A joy")
    assert texts.labels.tolist() == [0, 1, 1]
    assert texts.ids == tuple(f"IMDB Dataset.csv:{line}" for line in (2, 3, 5))
    assert not any(texts.parts)
    assert imdb.read(tmp_path).texts == texts.texts
    (tmp_path / "archive.zip").write_bytes(zipped({"IMDB Dataset.csv": text, "__MACOSX/x.csv": "rubbish"}))
    assert imdb.read(tmp_path / "archive.zip").texts == texts.texts


@pytest.mark.parametrize("labels", [("negative", "positive"), ("NEG", " Pos"), ("0", "1")])
@pytest.mark.parametrize("header", ["review,sentiment", "\ufeffText,Label", " text ,sentiment"])
def test_columns_and_labels(tmp_path, header, labels):
    rows = "".join(f"{text},{label}\n" for text, label in zip(("no", "yes"), labels, strict=True))
    texts = imdb.read(write(tmp_path, {"x.csv": f"{header}\n{rows}"}) / "x.csv")
    assert (texts.texts, texts.labels.tolist()) == (("no", "yes"), [0, 1])


def test_columns_in_another_order_and_besides(tmp_path):
    path = write(tmp_path, {"x.csv": ",label,text\n0,1,yes\n1,0,no\n"}) / "x.csv"
    assert imdb.read(path).texts == ("yes", "no")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"x\.csv: the file is empty; give --data"),
        (b"\x00\x01", r"x\.csv: not a text file, it has zero bytes; give --data"),
        ("a,b\nx,1\n", r"x\.csv: no column review or text in its first line 'a, b'; name the columns review,sentiment"),
        ("review,b\nx,1\n", r"no column sentiment or label in its first line"),
        (COLUMNS, r"0 of 0 rows cannot be used \(it is empty\)"),
        (
            COLUMNS + "a,0\nb,1\nc,2\n",
            r"1 of 3 .*label outside the classes: '2' is none of .*, as at x\.csv:4.*bad_share",
        ),
        (COLUMNS + "a,0\nb,c,1\nd\n", r"2 of 3 .*2 times has not the header's 2 cells, as at x\.csv:3"),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path, content, message):
    with pytest.raises(KerasDLError, match=message) as caught:
        imdb.read(write(tmp_path, {"x.csv": content}) / "x.csv")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, r"no folders pos and neg in it, and no CSV file; give --data the folder aclImdb"),
        ({"train/pos/0_9.txt": "x"}, r"no folders pos and neg in it, and no CSV file"),
        ({"a.csv": COLUMNS, "b.csv": COLUMNS}, r"and the CSV files a\.csv, b\.csv; give"),
    ],
)
def test_a_folder_that_cannot_be_used(tmp_path, files, message):
    (tmp_path / "set").mkdir()
    with pytest.raises(KerasDLError, match=message):
        imdb.read(write(tmp_path / "set", files))


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(KerasDLError, match="no such file or folder; check the path after --data"):
        imdb.read(tmp_path / "nowhere")


def test_one_class_is_refused_by_the_split(tmp_path):
    texts = imdb.read(write(tmp_path, {"x.csv": COLUMNS + "a,1\nb,1\n"}) / "x.csv")
    with pytest.raises(KerasDLError, match="at least two classes are needed"):
        by_group(texts.groups, texts.labels, seed=0)


def test_the_generator_writes_exactly_the_embedded_file(tmp_path):
    folder = samples.folder("imdb")
    words = reviews_synthetic.read_ingredients(folder)
    assert reviews_synthetic.write(tmp_path, words).read_bytes() == (folder / reviews_synthetic.NAME).read_bytes()
    assert list(reviews_synthetic.generate(words, reviews=5, seed=1)) != list(
        reviews_synthetic.generate(words, reviews=5, seed=2)
    )


def test_the_embedded_set_is_varied_and_no_bag_of_words_solves_it():
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    folder = imdb.synthesize()
    texts = imdb.read(folder)
    assert folder == samples.folder("imdb")
    assert np.bincount(texts.labels).tolist() == [1200, 1200]
    assert texts.notes == {"rows": 2400, "copies": 0}
    assert not texts.skipped
    assert not any("<br" in text or "{" in text for text in texts.texts)
    lengths = [len(text.split()) for text in texts.texts]
    assert min(lengths) >= 30
    assert max(lengths) <= 121  # the mark between paragraphs can glue two words
    assert (folder / reviews_synthetic.NAME).stat().st_size < 1_500_000
    split = by_group(texts.groups, texts.labels, seed=0, test=0.25)
    train, test = texts.take(split["train"]), texts.take(split["test"])
    model = make_pipeline(TfidfVectorizer(), LogisticRegression(C=10)).fit(train.texts, train.labels)
    assert 0.82 < model.score(test.texts, test.labels) < 0.93


def test_a_tiny_set_and_another_seed_go_into_the_cache(tmp_path, cache):
    tiny = imdb.synthesize(tiny=True)
    assert tiny.parent == cache
    assert imdb.synthesize(tiny=True) == tiny
    texts = imdb.read(tiny)
    assert np.bincount(texts.labels).tolist() == [80, 80]
    split = by_group(texts.groups, texts.labels, seed=0)
    assert all(len(set(texts.labels[index])) == 2 for index in split.values())
    other = imdb.synthesize(tmp_path / "here", tiny=True, seed=1)
    assert other.parent == tmp_path / "here"
    assert imdb.read(other).texts != texts.texts


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type]:
    """A server of small sets like those of Stanford and Kaggle; `site.asked` counts requests."""
    root, archive = tmp_path / "site", tar(FILES, "w:gz")
    rows = COLUMNS + "".join(f"text {n},{label}\n" for n, label in enumerate(imdb.CLASSES))
    write(root, {"aclImdb_v1.tar.gz": archive, imdb.SOURCES["kaggle"].file: zipped({"IMDB Dataset.csv": rows})})
    stanford = replace(imdb.SOURCES["stanford"], md5=hashlib.md5(archive).hexdigest(), reviews=7)
    monkeypatch.setitem(imdb.SOURCES, "stanford", stanford)
    monkeypatch.setitem(imdb.SOURCES, "kaggle", replace(imdb.SOURCES["kaggle"], reviews=2))

    class Handler(SimpleHTTPRequestHandler):
        asked = 0

        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(root))

        def do_GET(self):
            Handler.asked += 1
            super().do_GET()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        Handler.base = f"http://127.0.0.1:{server.server_port}"
        yield Handler
        server.shutdown()
        thread.join()


@pytest.fixture
def no_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KAGGLE_USERNAME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.mark.usefixtures("no_account")
@pytest.mark.parametrize(("source", "parts"), [("stanford", {"train": 4, "test": 2}), ("kaggle", {"": 2})])
def test_download_gives_a_folder_that_read_takes(site, tmp_path, source, parts):
    folder = imdb.download(tmp_path / "data", source, base=site.base)
    assert Counter(imdb.read(folder).parts) == parts
    asked = site.asked
    assert imdb.download(tmp_path / "data", source, base="http://127.0.0.1:1") == folder  # offline
    assert site.asked == asked


def test_download_notices_another_archive_and_missing_reviews(site, tmp_path, monkeypatch):
    monkeypatch.setitem(imdb.SOURCES, "stanford", replace(imdb.SOURCES["stanford"], reviews=50_000))
    with pytest.raises(KerasDLError, match=r"7 reviews instead of 50,000; delete .*download again"):
        imdb.download(tmp_path / "data", base=site.base)
    monkeypatch.setitem(imdb.SOURCES, "stanford", replace(imdb.SOURCES["stanford"], md5="0" * 32))
    with pytest.raises(KerasDLError, match=r"its md5 is not the expected 000.*; by hand: open https://ai\.stanford"):
        imdb.download(tmp_path / "other", base=site.base)


@pytest.mark.usefixtures("no_account")
@pytest.mark.parametrize(("source", "suffix"), [("stanford", "tar.gz"), ("kaggle", "zip")])
def test_offline_it_says_what_to_do_by_hand(tmp_path, monkeypatch, source, suffix):
    monkeypatch.setattr("keras_dl.datasets.download.FIRST_PAUSE", 0)
    with pytest.raises(KerasDLError) as caught:
        imdb.download(tmp_path / "data", source, base="http://127.0.0.1:1")
    message = str(caught.value)
    assert "no connection" in message
    assert "open https://" in message
    assert f"keras-dl train imdb-bilstm --data {tmp_path}/data/imdb-{source}.{suffix}" in message
    assert "\n" not in message


def test_an_unknown_source_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="'drive' is not known; choose from stanford, kaggle"):
        imdb.download(tmp_path, "drive")


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir() and not os.environ.get("CI"), reason=f"no real data in {REAL}")
def test_the_real_training_part(record_property):
    start = time.perf_counter()
    texts = imdb.read(REAL / "aclImdb_train.tar.xz")
    record_property("seconds", time.perf_counter() - start)
    assert np.bincount(texts.labels).tolist() == [12500, 12500]
    assert texts.notes == {"rows": 25000, "copies": 98, "unlabelled": 0}
    assert not texts.skipped
    assert not any(texts.parts)
    assert not any("<br" in text for text in texts.texts)
    split = by_group(texts.groups, texts.labels, seed=0)
    assert {name: len(index) for name, index in split.items()} == {"train": 18750, "validation": 2500, "test": 3750}
