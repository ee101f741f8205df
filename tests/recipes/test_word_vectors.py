"""The word vectors that a recipe begins with: each choice, what is said of it, and the baseline on them."""

import dataclasses
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest

from keras_dl.data import download
from keras_dl.data.pretrained import glove
from keras_dl.errors import KerasDLError, UsageError
from keras_dl.recipes import word_vectors
from keras_dl.runs import baseline as baselines
from keras_dl.tasks.texts.emoji import Emoji

LINES = "the 1 0 0 0\ngood 0 1 0 0\nbad 0 0 1 0\n. . . 9 9 9 9\nlunch 0 0 0 1\ndinner 0 0 0 .5\n"
WORDS = ["the", "good", "bad", ". . .", "lunch", "dinner"]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_DL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def config(tmp_path):
    (tmp_path / "vectors.txt").write_text(LINES)
    return Emoji(embedding=str(tmp_path / "vectors.txt"), dimension=4, vocabulary=100)


@pytest.fixture
def downloaded(cache):
    """What a download of GloVe leaves, with fewer words."""
    (cache / "glove").mkdir(parents=True)
    with zipfile.ZipFile(cache / "glove" / "glove.6B.zip", "w") as archive:
        for dimension in (4, 50):
            values = " ".join(["0.5"] * dimension)
            archive.writestr(f"glove.6B.{dimension}d.txt", f"the {values}\nof{dimension} {values}\n")


@pytest.mark.parametrize("count", [2, 100])
def test_the_first_words_of_a_file(config, count):
    vectors = word_vectors.found(config.embedding, 4, count)
    assert vectors.words == WORDS[:count]
    assert vectors.matrix.shape == (min(count, 6), 4)


def test_a_file_is_named_in_full_so_that_a_run_finds_it_again(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert word_vectors.file("vectors.txt") == tmp_path.resolve() / "vectors.txt"


@pytest.mark.parametrize("embedding", ["none", "auto"])
def test_without_vectors_they_are_trained(embedding):
    config = Emoji(embedding=embedding)
    assert word_vectors.found(embedding, 50, 10) is None
    assert word_vectors.matrix(config, ["good"]) is None
    assert word_vectors.words(config, ["good good", "Bad"]) == {"vocabulary": ["good", "bad"]}
    said = word_vectors.provenance(embedding, 50, 10)
    assert said.startswith("none: the vectors are trained from scratch")
    assert "--set embedding=glove" in said
    assert "--set embedding=PATH" in said


@pytest.mark.parametrize("embedding", ["glove", "auto"])
@pytest.mark.parametrize("dimension", [4, 50])
@pytest.mark.usefixtures("downloaded")
def test_those_that_were_downloaded_are_found(embedding, dimension):
    assert word_vectors.found(embedding, dimension, 10).words == ["the", f"of{dimension}"]
    assert word_vectors.found("none", dimension, 10) is None
    said = word_vectors.provenance(embedding, dimension, 10)
    assert said == "glove.6B.zip, the first 2 words, kept as they are"


def test_lines_that_were_left_out_are_said(tmp_path):
    lines = [f"word{number} 1 2 3 {number}" for number in range(200)]
    lines[50] = "broken 1 2"
    (tmp_path / "mine.txt").write_text("\n".join(lines))
    said = word_vectors.provenance(str(tmp_path / "mine.txt"), 4, 1000)
    assert said == "mine.txt, the first 199 words, kept as they are, 1 damaged lines of the file left out"


def test_what_cannot_be_had_names_the_choices(tmp_path, config, monkeypatch):
    with pytest.raises(UsageError, match=r"embedding=gone\.txt: there is no such file; choose .* glove .* or none"):
        word_vectors.found("gone.txt", 50, 10)
    with pytest.raises(UsageError, match=r"embedding=.*there is no such file"):
        word_vectors.found(str(tmp_path), 50, 10)
    (tmp_path / "prose.txt").write_text("once upon a time\n")
    with pytest.raises(KerasDLError, match="no word vectors in it"):
        word_vectors.found(str(tmp_path / "prose.txt"), 50, 10)
    monkeypatch.setattr(glove, "BASE", "http://127.0.0.1:1")
    monkeypatch.setattr(download, "FIRST_PAUSE", 0.001)
    with pytest.raises(KerasDLError, match=r"embedding=PATH.*embedding=none"):
        word_vectors.found("glove", 50, 10)


def test_another_dimension_is_an_error_that_says_which(config, downloaded):
    with pytest.raises(UsageError, match=r"have 4 numbers, not dimension=50; add --set dimension=4"):
        word_vectors.found(config.embedding, 50, 100)
    with pytest.raises(UsageError, match="dimensions; unpack one of"):
        word_vectors.found("glove", 100, 100)


def test_the_vocabulary_is_that_of_the_vectors(config):
    assert word_vectors.words(config, ["unheard of"]) == {"vocabulary": WORDS}
    assert word_vectors.words(dataclasses.replace(config, vocabulary=2), []) == {"vocabulary": WORDS[:2]}


def test_the_matrix_has_zeros_for_padding_and_what_is_unknown(config):
    matrix = word_vectors.matrix(config, ["lunch", "nothing", "good"])
    assert matrix.dtype == np.float32
    assert matrix.tolist() == [[0] * 4, [0] * 4, [0, 0, 0, 1], [0] * 4, [0, 1, 0, 0]]


def test_a_text_is_the_mean_of_its_known_words(config):
    means = word_vectors.MeanVectors(config.embedding, 4, 100).fit([])
    asked = ["The GOOD, good xyz!", "lunch", "nothing", ""]
    wanted = [[1 / 3, 2 / 3, 0, 0], [0, 0, 0, 1], [0] * 4, [0] * 4]
    np.testing.assert_allclose(means.transform(asked), wanted, rtol=1e-6)


def test_the_baseline_answers_without_the_file_of_vectors(config, tmp_path):
    texts = ["good lunch", "the good", "good", "bad lunch", "the bad", "bad"]
    baseline = word_vectors.mean_vector_regression(config).fit(texts, [0, 0, 0, 1, 1, 1])
    assert baseline.predict(["good dinner", "bad dinner"]).tolist() == [0, 1]
    baselines.save(baseline, tmp_path / "assets" / "baseline.skops")
    wanted = baseline.decision_function(texts)
    (tmp_path / "vectors.txt").unlink()
    loaded = baselines.load(SimpleNamespace(path=tmp_path))
    np.testing.assert_array_equal(loaded.decision_function(texts), wanted)
