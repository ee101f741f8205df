"""The text messages: files as people have them, the document's split, embedded set, download, the real set."""

import os
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from file_server import serving_files

from keras_dl.data import kaggle, samples
from keras_dl.data.sets.texts import sms_synthetic, spam
from keras_dl.data.splits import by_group
from keras_dl.errors import KerasDLError, UsageError

REAL = Path(os.environ.get("KERAS_DL_REAL_DATA", Path(__file__).parents[3] / "shared" / "data"))

KAGGLE = """v1,v2,,,
ham,Ok then... see you at 5,,,
spam,"WIN a phone, text GO to 01234. Cost £3",,,
ham,I said, who knows, maybe,
HAM,"two
lines",,,
Spam,I said&lt;#&gt; & £5,,,
ham,ok   THEN... see you at 5,,,
"""
UCI = 'ham\tHe said "wait, what?\nspam\tWIN £5\tnow\nham\t"quoted" till here\n'


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_DL_CACHE", str(tmp_path / "cache"))


def written(path: Path, text: str, encoding: str = "latin-1") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))
    return path


def zipped(path: Path, **files: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name.replace("_csv", ".csv"), text.encode("latin-1"))
    return path


def test_the_file_of_kaggle(tmp_path):
    texts = spam.read(written(tmp_path / "spam.csv", KAGGLE))
    assert texts.texts == (
        "Ok then... see you at 5",
        "WIN a phone, text GO to 01234. Cost £3",
        "I said, who knows, maybe",
        "two\nlines",
        "I said&lt;#&gt; & £5",
        "ok   THEN... see you at 5",
    )
    assert [texts.classes[label] for label in texts.labels] == ["ham", "spam", "ham", "ham", "spam", "ham"]
    assert texts.ids == tuple(f"spam.csv:{line}" for line in (2, 3, 4, 5, 7, 8))
    assert texts.groups[0] == texts.groups[5]
    assert len(set(texts.groups)) == 5
    assert texts.notes == {"rows": 6, "copies": 1, "mended": 0}
    assert not any(texts.parts)


def test_the_file_of_uci_and_what_quotation_marks_mean_there(tmp_path):
    texts = spam.read(written(tmp_path / "SMSSpamCollection", UCI, "utf-8"))
    assert texts.texts == ('He said "wait, what?', "WIN £5\tnow", '"quoted" till here')
    assert texts.labels.tolist() == [0, 1, 0]
    assert texts.ids == tuple(f"SMSSpamCollection:{line}" for line in (1, 2, 3))
    with_header = spam.read(written(tmp_path / "x.tsv", "\ufeffLabel\tText\r\n" + UCI.replace("\n", "\r\n"), "utf-8"))
    assert with_header.texts == texts.texts
    assert with_header.ids[0] == "x.tsv:2"


@pytest.mark.parametrize("header", ["v1,v2", "label,text", "LABEL,Message", "Category, Message", "\ufefflabel,text"])
def test_names_of_columns(tmp_path, header):
    path = written(tmp_path / "mine.csv", f"{header}\nham,hello\nspam,win\n", "utf-8")
    assert spam.read(path).texts == ("hello", "win")


def test_columns_in_another_order_and_besides(tmp_path):
    path = written(tmp_path / "mine.csv", "id,text,Unnamed: 2,label,n\n7,one,two,ham,3\n8,three,,spam,9\n")
    texts = spam.read(path)
    assert texts.texts == ("one,two", "three")
    assert texts.labels.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("damaged", "text"),
    [
        ("å£1000 and å£5", "£1000 and £5"),
        ("ÌÏ say Ì_'ll", "Ü say ü'll"),
        ("don\x89Ûªt", "don’t"),
        ("don‰Ûªt ‰Û_", "don’t …"),
        ("itåÕs", "it’s"),
        ("£5 på café Ü 你好 😀 _", "£5 på café Ü 你好 😀 _"),
    ],
)
def test_damaged_signs_are_mended_and_others_left(damaged, text, tmp_path):
    path = written(tmp_path / "mine.csv", f"label,text\nham,{damaged}\nspam,x\n", "utf-8")
    texts = spam.read(path)
    assert texts.texts[0] == text
    assert texts.notes["mended"] == (damaged != text)
    latin = damaged.encode("latin-1", "ignore").decode("latin-1")
    if latin == damaged:
        assert spam.read(written(tmp_path / "latin.csv", f"label,text\nham,{latin}\nspam,x\n")).texts[0] == text


def test_folders_and_archives(tmp_path):
    expected = spam.read(written(tmp_path / "folder/in/spam.csv", KAGGLE)).texts
    written(tmp_path / "folder/other.csv", "a,b\n1,2\n")
    written(tmp_path / "folder/__MACOSX/spam.csv", "rubbish")
    assert spam.read(tmp_path / "folder").texts == expected
    assert spam.read(zipped(tmp_path / "a.zip", spam_csv=KAGGLE)).texts == expected
    assert spam.read(zipped(tmp_path / "b.zip", mine_csv=KAGGLE)).texts == expected
    uci = spam.read(zipped(tmp_path / "c.zip", readme="label me", SMSSpamCollection=UCI))
    assert len(uci) == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"spam.csv: the file is empty; pass spam.csv"),
        ("\n \n", r"spam.csv: the file is empty; pass spam.csv"),
        ("\x00\x01\x02", r"spam.csv: not a text file, because it has zero bytes; use a CSV"),
        ("a,b\nham,x\n", r"first line 'a,b', read with commas .* does not name a column of texts .*; name the columns"),
        ("v1,v2\n", r"0 of 0 rows cannot be used \(it is empty\)"),
        ("v1,v2\nham,x\nspam,y\neggs,z\n", r"1 of 3 .*'eggs' is none of ham, spam, as at spam.csv:4.*bad_share"),
        (
            "v1,v2\nham,x\nspam\nspam, \n",
            r"2 of 3 .*header's 2 cells, as at spam.csv:3; 1 times empty text, as at spam.csv:4",
        ),
    ],
)
def test_a_file_that_cannot_be_used(content, message, tmp_path):
    with pytest.raises(KerasDLError, match=message) as caught:
        spam.read(written(tmp_path / "spam.csv", content))
    assert "\n" not in str(caught.value)


def test_what_is_not_there(tmp_path):
    with pytest.raises(KerasDLError, match=r"nothing: no such file or folder"):
        spam.read(tmp_path / "nothing")
    written(tmp_path / "f/a.csv", KAGGLE)
    written(tmp_path / "f/b.csv", KAGGLE)
    with pytest.raises(KerasDLError, match=r"but the tables a\.csv, b\.csv, whose .*; give --data the file itself"):
        spam.read(tmp_path / "f")
    written(tmp_path / "g/a.txt", KAGGLE)
    with pytest.raises(KerasDLError, match=r"it has neither spam\.csv nor SMSSpamCollection, but no CSV file"):
        spam.read(tmp_path / "g")


def test_one_class_is_refused_by_the_split(tmp_path):
    texts = spam.read(written(tmp_path / "spam.csv", "v1,v2\nham,x\nham,y\n"))
    with pytest.raises(KerasDLError, match="at least two classes are needed"):
        by_group(texts.groups, texts.labels, seed=0)


def test_the_split_of_the_document_counts_every_row_of_the_file(tmp_path):
    from sklearn.model_selection import train_test_split

    rows = [f'{"spam" if row % 5 == 0 else "ham"},"message{chr(10) * (row % 3 == 0)} {row}"' for row in range(60)]
    rows[7], rows[30] = "ham,", "eggs,x"  # skipped, for two reasons
    texts = spam.read(written(tmp_path / "spam.csv", "\n".join(["v1,v2", *rows, ""])), bad_share=0.5)
    assert [(one.path, one.reason[:10]) for one in texts.skipped] == [
        ("spam.csv:12", "empty text"),
        ("spam.csv:42", "label outs"),
    ]
    mask = spam.document_split(texts, rows=60)
    tested = {int(text.split()[1]) for text, test in zip(texts.texts, mask, strict=True) if test}
    assert tested == set(train_test_split(range(60), test_size=0.4, random_state=123)[1]) - {7, 30}
    assert mask.dtype == bool
    assert spam.document_split(texts) is None  # not the published file
    assert spam.document_split(texts.take(range(40)), rows=60) is None
    assert spam.document_split(texts.take(range(40)), rows=42) is None


def test_the_embedded_set_is_what_the_generator_writes(tmp_path):
    assert spam.synthesize() == samples.folder("spam")
    again = sms_synthetic.write(tmp_path)
    assert again.read_bytes() == (samples.folder("spam") / "spam.csv").read_bytes()
    assert spam.read(again).texts != spam.read(spam.synthesize(tmp_path, seed=1)).texts


def test_the_embedded_set_is_like_the_real_one():
    texts = spam.read(spam.synthesize())
    assert len(texts) >= 1600
    assert not texts.skipped
    assert texts.labels.mean() == pytest.approx(747 / 5572, abs=0.001)
    assert 0.03 < texts.notes["copies"] / len(texts) < 0.08
    lengths = np.array([len(text) for text in texts.texts])
    assert lengths[texts.labels == 1].mean() > 1.3 * lengths[texts.labels == 0].mean()


def test_words_alone_do_not_tell_spam_of_the_embedded_set():
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.metrics import f1_score
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    texts = spam.read(spam.synthesize())
    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LinearSVC())
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    said = cross_val_predict(model, texts.texts, texts.labels, cv=folds, groups=texts.groups)
    assert 0.90 <= f1_score(texts.labels, said) <= 0.97


def test_the_tiny_set_is_made_once_and_splits(tmp_path):
    folder = spam.synthesize(tmp_path, tiny=True)
    before = (folder / "spam.csv").stat().st_mtime_ns
    assert spam.synthesize(tmp_path, tiny=True) == folder
    assert (folder / "spam.csv").stat().st_mtime_ns == before
    texts = spam.read(folder)
    assert len(texts) == 200
    split = by_group(texts.groups, texts.labels, seed=0)
    assert all(set(texts.labels[index]) == {0, 1} for index in split.values())


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server of small archives like those of Kaggle and UCI."""
    root = tmp_path / "site"
    zipped(root / "uciml/sms-spam-collection-dataset", spam_csv=KAGGLE)
    zipped(root / "sms+spam+collection.zip", SMSSpamCollection=UCI)
    for name, rows in {"kaggle": 6, "uci": 3}.items():
        monkeypatch.setitem(spam.SOURCES, name, replace(spam.SOURCES[name], holds={"": rows}))

    with serving_files(root) as site:
        yield site.base


@pytest.mark.parametrize(("source", "rows"), [("kaggle", 6), ("uci", 3)])
def test_download_gives_a_folder_that_read_takes(site, source, rows, tmp_path):
    folder = spam.download(tmp_path / "data", source, base=site)
    assert len(spam.read(folder)) == rows
    assert spam.download(tmp_path / "data", source, base="http://127.0.0.1:1") == folder  # offline


def test_download_notices_missing_rows(site, tmp_path, monkeypatch):
    monkeypatch.setitem(spam.SOURCES, "uci", replace(spam.SOURCES["uci"], holds={"": 5574}))
    with pytest.raises(KerasDLError, match=r"3 rows instead of 5574; delete .*spam-uci.zip\*"):
        spam.download(tmp_path / "data", "uci", base=site)


@pytest.mark.parametrize("source", ["kaggle", "uci"])
def test_a_failed_download_says_what_to_do_by_hand(site, source, tmp_path, monkeypatch):
    with pytest.raises(KerasDLError) as caught:
        spam.download(tmp_path / "data", source, base=f"{site}/nowhere")
    message = str(caught.value)
    assert "\n" not in message
    assert "refused with 404" in message
    assert f"keras-dl train spam --data {tmp_path}/data/spam-{source}.zip" in message
    monkeypatch.setattr("keras_dl.data.download.FIRST_PAUSE", 0.0)
    with pytest.raises(KerasDLError, match=r"no connection.*by hand: open https://"):
        spam.download(tmp_path / "data", source, base="http://127.0.0.1:1")


def test_an_unknown_source_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="there is no source 'drive'; choose from kaggle, uci"):
        spam.download(tmp_path, "drive")


def test_the_kaggle_account_is_found(tmp_path, monkeypatch):
    monkeypatch.delenv("KAGGLE_USERNAME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert kaggle.account() is None
    written(tmp_path / ".kaggle/kaggle.json", '{"username": "ann", "key": "k1"}')
    assert kaggle.account() == ("ann", "k1")
    written(tmp_path / ".kaggle/kaggle.json", "{}")
    with pytest.raises(KerasDLError, match="not a Kaggle account file"):
        kaggle.account()
    monkeypatch.setenv("KAGGLE_USERNAME", "bob")
    monkeypatch.setenv("KAGGLE_KEY", "k2")
    assert kaggle.account() == ("bob", "k2")


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir() and not os.environ.get("CI"), reason=f"no real data in {REAL}")
def test_the_real_training_part():
    texts = spam.read(REAL / "spam_train.csv")
    assert texts.notes == {"rows": 3343, "copies": 182, "mended": 289}
    assert np.bincount(texts.labels).tolist() == [2884, 459]
    signs = {sign for text in texts.texts for sign in text if ord(sign) > 127}
    assert signs == set("£üÜ’‘…–”“—¡úèì")
    assert sum(", one day these two will become" in text for text in texts.texts) == 1  # spilled over three columns
    assert spam.document_split(texts) is None
