"""What is particular to the spam filter: document D's test part, SMOTE and cleaning, each where it is asked for."""

import dataclasses
from functools import partial

import numpy as np
import pytest
import tensorflow as tf
from nltk_files import WORDNET, only_place, put  # noqa: F401 - a fixture

from keras_dl.data.pretrained import nltk_data
from keras_dl.data.sets.texts import spam
from keras_dl.errors import KerasDLError
from keras_dl.recipes import texts
from keras_dl.task import settings as settings_of
from keras_dl.tasks.texts import spam as task
from keras_dl.tasks.texts.spam import SPAM, Spam
from keras_dl.training import fit, pipeline

ORIGINAL = settings_of.resolve(SPAM, {"recipe": "original", "length": 30})
ROWS = [f"{'spam' if row % 5 == 0 else 'ham'},message {row}" for row in range(58)]
TRAIN = ["The dogs won prizes", "a dog of the feet", "win 100 prizes", "don't"]


@pytest.fixture(scope="module")
def source():
    return spam.synthesize(tiny=True)


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A file of 60 rows that is taken for the published one; in the last two rows copies of two others."""
    monkeypatch.setattr(spam, "document_split", partial(spam.document_split, rows=60))
    path = tmp_path / "spam.csv"
    path.write_text("\n".join(["v1,v2", *ROWS, "spam,message 0", "ham,message 1"]))
    return path


def test_the_published_file_is_split_as_in_the_document(published):
    found = spam.read(published)
    data = SPAM.load(Spam(), published)
    test = spam.document_split(found)
    assert data.test.ids == found.take(test).ids
    assert len(data.test) == 24
    assert not set(data.test.groups) & {*data.train.groups, *data.validation.groups}
    assert SPAM.load(Spam(seed=1), published).test.ids == data.test.ids


def test_another_split_is_a_setting_and_that_of_every_other_file(published):
    assert len(SPAM.load(Spam(split="group"), published).test) < 15
    published.write_text("\n".join(["v1,v2", *ROWS]))
    ours, theirs = (SPAM.load(Spam(split=split), published) for split in ("auto", "group"))
    assert ours.test.ids == theirs.test.ids
    assert len(ours.test) < 15


def decoded(split, settings, tmp_path):
    return pipeline.decoded(split, settings, tmp_path / "spill")


def test_smote_makes_as_much_spam_as_ham_in_the_training_part_alone(source, tmp_path):
    data = SPAM.load(ORIGINAL, source)
    train = decoded(data.train, ORIGINAL, tmp_path)
    more = fit.resampled(train, data)
    assert np.bincount(train.truth)[1] < np.bincount(train.truth)[0]
    assert np.bincount(more.truth).tolist() == [np.bincount(train.truth)[0]] * 2
    np.testing.assert_array_equal(more.x[: len(train)], train.x)
    new = more.x[len(train) :].numpy()
    assert new.dtype == np.int32
    assert new.min() >= 0
    assert new.max() <= train.x.numpy().max()
    assert set(more.truth[len(train) :]) == {1}
    np.testing.assert_array_equal(more.y[:, 0], more.truth)
    real = {tuple(row) for row in train.x.numpy()}
    assert sum(tuple(row) not in real for row in new) > len(new) / 2, "they are new, between two real ones"
    for name in ("train", "validation", "test"):
        split = data.splits()[name]
        assert len(decoded(split, ORIGINAL, tmp_path)) == len(split.texts) == len(split.ids)
    np.testing.assert_array_equal(fit.resampled(train, data).x, more.x)


@pytest.mark.parametrize("few", [2, 3, 5, 6])
def test_smote_draws_between_as_many_as_there_are(few):
    ids = np.random.default_rng(0).integers(2, 90, (20 + few, 8), dtype=np.int32)
    labels = np.r_[np.zeros(20, int), np.ones(few, int)]
    more, balanced = task.resample(ORIGINAL)(ids, labels)
    assert np.bincount(balanced).tolist() == [20, 20]
    np.testing.assert_array_equal(more[: len(ids)], ids)


def test_smote_of_one_message_is_refused():
    with pytest.raises(
        KerasDLError,
        match="2 training messages of each class, but one has 1; add messages, or train with --set resample=none",
    ):
        task.resample(ORIGINAL)(np.ones((9, 4), np.int32), np.r_[np.zeros(8, int), 1])


def test_by_default_no_message_is_made_up(source, tmp_path):
    settings = settings_of.resolve(SPAM, tiny=True)
    data = SPAM.load(settings, source)
    assert data.resample is None
    assert "stop_words" not in data.assets
    assert task.prepare(settings) == {}
    ours, theirs = data.splits(), SPAM.load(ORIGINAL, source).splits()
    assert [ours[name].ids for name in ours] == [theirs[name].ids for name in ours]


def ids(settings, assets, raw):
    found = texts.INPUT.decode(settings, assets)(tf.constant(raw)).numpy()
    return found[found > 0].tolist()


def test_cleaning_with_nltk(corpora):
    put(corpora, "stopwords", {"english": "the\nof\na\n"}, zipped=False)
    put(corpora, "wordnet", WORDNET, zipped=False)
    assets = task.fitted(ORIGINAL, TRAIN)
    assert assets["stop_words"] == ["a", "of", "the"]
    assert assets["lemmas"] == {"dogs": "dog", "prizes": "prize", "feet": "foot"}
    assert assets["vocabulary"] == ["prize", "dog", "don", "foot", "t", "win", "won"]
    assert ids(ORIGINAL, assets, "The DOGS of a dog") == [3, 3]
    assert ids(ORIGINAL, assets, "prize 5 feet foot") == [2, 5, 5]
    assert task.prepare(ORIGINAL) == {
        "stop words": "NLTK's English list of 3",
        "lemmas": "WordNet 3.0, for nouns",
    }


def test_cleaning_without_nltks_data_is_with_the_own_stop_words_and_said():
    assets = task.fitted(ORIGINAL, TRAIN)
    assert assets["stop_words"] == sorted(nltk_data.OWN_STOP_WORDS)
    assert assets["lemmas"] == {}
    assert not {"the", "of", "a"} & set(assets["vocabulary"])
    assert {"dogs", "dog", "prizes"} <= set(assets["vocabulary"])
    said = task.prepare(ORIGINAL)
    assert "package's own" in said["stop words"]
    assert "none, words stay as they are" in said["lemmas"]


def test_the_documents_recipe_builds_its_network():
    settings = settings_of.resolve(SPAM, {"recipe": "original"})
    model = task.build(settings, {"vocabulary": ["word"] * 5963})
    assert (model.name, model.count_params(), model.input_shape) == ("spam_lstm", 622_933, (None, 419))
    assert model.get_layer("dropout").rate == 0.2
    assert (settings.learning_rate, settings.batch_size, settings.epochs, settings.patience) == (1e-3, 32, 10, 5)
    assert (settings.style, settings.cleaning, settings.resample) == ("letters", "nltk", "smote")


def test_the_default_network_has_both_halves_and_reads_letters_too():
    model = task.build(settings_of.resolve(SPAM, tiny=True), {"vocabulary": ["word"] * 10})
    assert model.name == "wide_and_bilstm"
    assert model.input_shape == (None, 24 + 240)
    assert {model.get_layer(name).scale for name in ("words", "characters")} == {"idf"}
    narrow = dataclasses.replace(settings_of.resolve(SPAM, tiny=True), ngrams="", reader="mean")
    assert "blend" not in {layer.name for layer in task.build(narrow, {"vocabulary": ["word"]}).layers}


def test_the_documents_network_reads_the_zeros_first():
    decoded = texts.INPUT.decode(ORIGINAL, {"vocabulary": ["prize"]})(tf.constant("prize")).numpy()
    assert decoded.shape == (ORIGINAL.length,)
    assert decoded[-1] == 2
    assert not decoded[:-1].any()
