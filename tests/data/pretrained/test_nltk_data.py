"""Stop words and lemmas: NLTK's data unpacked, zipped or absent. All data here is made up."""

import os
from pathlib import Path

import pytest
from nltk_files import WORDNET, only_place, put  # noqa: F401 - a fixture

from keras_dl.data.pretrained import nltk_data

REAL = Path(os.environ.get("KERAS_DL_REAL_DATA", Path(__file__).parents[4] / "shared" / "data"))


@pytest.mark.parametrize("zipped", [False, True])
def test_the_stop_words_of_nltk(corpora, zipped):
    put(corpora, "stopwords", {"english": "the\nof\ndon't\n"}, zipped=zipped)
    assert nltk_data.stop_words() == ({"the", "of", "don't"}, "stop words: NLTK's English list of 3")


def test_own_stop_words_without_nltks():
    words, sentence = nltk_data.stop_words()
    assert words == nltk_data.OWN_STOP_WORDS
    assert {"the", "you", "is"} <= words
    assert not words & {"free", "win", "call", "text", "now"}  # these tell much
    assert f"own {len(words)}," in sentence
    assert "python -m nltk.downloader stopwords" in sentence


def test_damaged_stop_words_are_as_none(corpora):
    (corpora / "stopwords.zip").write_bytes(b"no archive")
    assert nltk_data.stop_words()[0] == nltk_data.OWN_STOP_WORDS


@pytest.mark.parametrize("zipped", [False, True])
def test_the_lemmas_of_wordnet(corpora, zipped):
    put(corpora, "wordnet", WORDNET, zipped=zipped)
    found, sentence = nltk_data.lemmas(["dogs", "dog", "feet", "us", "prizes", "dogs", "xyz", ""])
    assert found == {"dogs": "dog", "feet": "foot", "us": "u", "prizes": "prize"}
    assert sentence == "lemmas: WordNet 3.0, for nouns; 4 words change"


def test_a_damaged_wordnet_is_as_none(corpora):
    (corpora / "wordnet.zip").write_bytes(b"no archive")
    assert nltk_data.lemmas(["dogs"])[0] == {}


def test_no_lemmas_without_wordnet():
    found, sentence = nltk_data.lemmas(["dogs"])
    assert found == {}
    assert "python -m nltk.downloader wordnet" in sentence


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir() and not os.environ.get("CI"), reason=f"no real data in {REAL}")
def test_the_real_stop_words(corpora):
    (corpora / "stopwords.zip").write_bytes((REAL / "nltk_stopwords.zip").read_bytes())
    (corpora / "stopwords.zip").chmod(0o644)
    words, sentence = nltk_data.stop_words()
    assert len(words) == 179
    assert sentence.endswith("179")
    assert len(nltk_data.OWN_STOP_WORDS - words) <= 20
