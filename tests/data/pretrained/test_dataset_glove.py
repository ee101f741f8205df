"""Word vectors: every form of the file, bad lines, the cache, the words of a vocabulary, the download."""

import gzip
import hashlib
import zipfile
from pathlib import Path

import numpy as np
import pytest
from file_server import serving_files

from keras_dl.data import download
from keras_dl.data.pretrained import glove, glove_text
from keras_dl.data.pretrained.glove import Vectors
from keras_dl.errors import KerasDLError, UsageError

NAMES = ["the", ",", '"', "'s", "a\u00a0b", "naïve", "日本", "x\u2028y", "don't", "0.5", "1", "nan"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_DL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def numbers(count: int, dimension: int = 4) -> np.ndarray:
    return np.random.default_rng(dimension).normal(size=(count, dimension)).round(5).astype(np.float32)


def lines_of(words: list[str], matrix: np.ndarray) -> list[bytes]:
    return [" ".join([word, *map(str, row)]).encode() for word, row in zip(words, matrix, strict=True)]


def text(path: Path, lines: list[bytes], end: bytes = b"\n") -> Path:
    path.write_bytes(end.join(lines) + end)
    return path


def same(found: Vectors, words: list[str], matrix: np.ndarray) -> bool:
    return found.words == words and np.array_equal(found.matrix, matrix) and found.matrix.dtype == np.float32


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b" \n"])
def test_words_and_numbers_are_as_written(tmp_path, end):
    matrix = numbers(len(NAMES))
    found = glove.vectors(text(tmp_path / "v.txt", lines_of(NAMES, matrix), end))
    assert same(found, NAMES, matrix)
    assert found.skipped == ()


def test_packed_files_are_read_too(tmp_path):
    matrix = numbers(len(NAMES))
    content = b"\n".join(lines_of(NAMES, matrix))  # without an end to its last line
    (tmp_path / "v.txt.gz").write_bytes(gzip.compress(content, mtime=0))
    with zipfile.ZipFile(tmp_path / "v.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("__MACOSX/._v.txt", b"\0")
        archive.writestr("inside/v.txt", content)
    assert same(glove.vectors(tmp_path / "v.txt.gz"), NAMES, matrix)
    assert same(glove.vectors(str(tmp_path / "v.zip")), NAMES, matrix)


def test_of_several_texts_in_a_zip_the_dimension_chooses(tmp_path):
    path = tmp_path / "glove.6B.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for dimension in (50, 100):
            archive.writestr(f"glove.6B.{dimension}d.txt", b"\n".join(lines_of(["a", "b"], numbers(2, dimension))))
    assert glove.vectors(path).matrix.shape == (2, 50)
    assert glove.vectors(path, dimension=100).matrix.shape == (2, 100)
    with pytest.raises(UsageError, match=r"0 of its files have 200 dim.*one of glove.6B.50d.txt, glove.6B.100d.txt"):
        glove.vectors(path, dimension=200)


def test_the_most_frequent_words_alone(tmp_path):
    path = text(tmp_path / "v.txt", lines_of(NAMES, numbers(len(NAMES))))
    assert same(glove.vectors(path, 3), NAMES[:3], numbers(len(NAMES))[:3])
    assert len(glove.vectors(path, 99).words) == len(NAMES)
    with pytest.raises(UsageError, match="words=-1"):
        glove.vectors(path, -1)


def test_words_with_blanks_and_a_header_line_are_read(tmp_path):
    words, matrix = ["a", ". . .", "at x@y.org", "b"], numbers(4)
    found = glove.vectors(text(tmp_path / "v.vec", [b"4 4", *lines_of(words, matrix)]))
    assert same(found, words, matrix)
    assert found.skipped == ()


BAD = {
    b"short 1 2 3": "3 values instead of 4",
    b"long 1 2 3 4 5": "5 values instead of 4",
    b"letters 1 2 x 4": "not all of its values are numbers",
    b"endless 1 2 inf 4": "not all of its values are numbers",
    b"huge 1 2 1e39 4": "not all of its values are numbers",
    b"gap 1  2 3": "3 values instead of 4",
    b"caf\xe9 1 2 3 4": "its word is not UTF-8",
    b"w7 1 2 3 4": "a second vector for the word 'w7'",
    b"w1500 1 2 3 4": "a second vector for the word 'w1500'",
    b"1 2 3 4": "3 values instead of 4",
}


@pytest.mark.parametrize("block", [1 << 21, 5000])
def test_bad_lines_are_left_out_and_named(tmp_path, monkeypatch, block):
    monkeypatch.setattr(glove_text, "BLOCK", block)
    words, matrix = [f"w{number}" for number in range(3000)], numbers(3000)
    lines = lines_of(words, matrix)
    lines[2000:2000] = [*BAD, b"", b"  "]
    found = glove.vectors(text(tmp_path / "v.txt", lines))
    assert same(found, words, matrix)
    assert found.skipped == tuple(f"line {2001 + place}: {reason}" for place, reason in enumerate(BAD.values()))
    assert glove.vectors(tmp_path / "v.txt").skipped == found.skipped  # from the cache


@pytest.mark.parametrize("bad", [[line] for line in BAD] + [[b"gap 1  2 3", b"tab 1\t2 3 4 5"]])
def test_a_bad_line_among_good_ones_is_noticed(tmp_path, monkeypatch, bad):
    monkeypatch.setattr(glove_text, "BLOCK", 5000)
    words, matrix = [f"w{number}" for number in range(2000)], numbers(2000)
    found = glove.vectors(text(tmp_path / "v.txt", [*lines_of(words, matrix), *bad]))
    assert same(found, words, matrix)
    assert len(found.skipped) == len(bad)


def test_too_many_bad_lines_are_refused(tmp_path, own_cache):
    lines = lines_of([f"w{number}" for number in range(300)], numbers(300))
    path = text(tmp_path / "v.txt", [*lines, *BAD])
    with pytest.raises(KerasDLError, match=r"v.txt: 9 of 310 lines are damaged \(line 301: 3 values .*1% may be"):
        glove.vectors(path)
    assert list((own_cache / "glove").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("v.txt", b"", "no word vectors in it"),
        ("v.txt", b"\n\n", "no word vectors in it"),
        ("v.txt", b"a sentence of a book\n" * 9, "no word vectors in it"),
        ("v.txt", b"\x89PNG\0\1" * 99, "no word vectors in it"),
        ("v.txt", b"x" * (1 << 18), "it has a line of more than 131,072 bytes"),
        ("v.gz", b"no gzip", "cannot be read"),
        ("v.gz", gzip.compress(b"a 1 2 3\n" * 999, mtime=0)[:-9], "cannot be read"),
        ("v.zip", b"no zip", "cannot be read"),
    ],
)
def test_what_holds_no_vectors_is_refused_in_one_line(tmp_path, name, content, reason):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(KerasDLError) as caught:
        glove.vectors(tmp_path / name)
    assert str(caught.value).startswith(str(tmp_path / name))
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_an_empty_zip_name_the_choices(tmp_path):
    with zipfile.ZipFile(tmp_path / "v.zip", "w") as archive:
        archive.writestr("readme.md", "nothing")
    for name in ("nowhere.txt", "v.zip"):
        with pytest.raises(KerasDLError, match=r"embedding=PATH .*embedding=glove .*embedding=none"):
            glove.vectors(tmp_path / name)


@pytest.mark.parametrize("suffix", [".txt", ".zip"])
def test_the_second_reading_maps_the_first_and_a_changed_file_is_read_anew(tmp_path, monkeypatch, suffix):
    path = tmp_path / f"v{suffix}"

    def store(matrix: np.ndarray) -> None:
        text(tmp_path / "v.txt", lines_of(NAMES, matrix))
        if suffix == ".zip":
            with zipfile.ZipFile(path, "w") as archive:
                archive.write(tmp_path / "v.txt", "v.txt")

    store(numbers(len(NAMES)))
    glove.vectors(path)
    with monkeypatch.context() as patch:
        patch.setattr(glove, "convert", None)
        found = glove.vectors(path)
        moved = glove.vectors(path.rename(tmp_path / f"moved{suffix}")) if suffix == ".zip" else found
    assert same(found, NAMES, numbers(len(NAMES)))
    assert moved.words == found.words
    assert isinstance(found.matrix, np.memmap)
    assert not found.matrix.flags.writeable
    store(numbers(len(NAMES))[::-1])  # as long as before
    assert np.array_equal(glove.vectors(path).matrix, numbers(len(NAMES))[::-1])


def test_a_vocabulary_has_zeros_where_a_word_is_unknown():
    vectors = Vectors(["the", "cat"], np.array([[1, 2], [3, 4]], dtype=np.float32))
    found = glove.matrix_for(["", "cat", "Cat", "the", "cat"], vectors)
    assert found.dtype == np.float32
    assert found.tolist() == [[0, 0], [3, 4], [0, 0], [1, 2], [3, 4]]
    assert glove.matrix_for(["dog"], vectors).tolist() == [[0, 0]]
    assert glove.matrix_for([], vectors).shape == (0, 2)


def test_the_archive_is_downloaded_once(tmp_path, own_cache, monkeypatch):
    content = b"an archive"
    monkeypatch.setitem(glove.SUMS, "glove.6B", hashlib.sha256(content).hexdigest())

    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "glove.6B.zip").write_bytes(content)
    assert glove.cached() is None
    with serving_files(tmp_path / "site") as site:
        path = glove.download(base=site.base)
    assert path == glove.cached() == own_cache / "glove/glove.6B.zip"
    assert path.read_bytes() == content
    assert glove.download(base="http://127.0.0.1:1") == path


def test_without_a_network_the_choices_are_named(monkeypatch):
    monkeypatch.setattr(download, "FIRST_PAUSE", 0.001)
    with pytest.raises(KerasDLError) as caught:
        glove.download(base="http://127.0.0.1:1")
    message = str(caught.value)
    assert "no connection" in message
    assert all(f"embedding={choice}" in message for choice in ("PATH", "glove", "none"))
    assert "\n" not in message
    assert glove.cached() is None


def test_unknown_vectors_are_a_usage_error():
    with pytest.raises(UsageError, match=r"there are no vectors 'glove.7B'; choose from glove.6B"):
        glove.download("glove.7B")
