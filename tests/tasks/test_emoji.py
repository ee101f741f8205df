"""What is particular to Emojify: the package's own sentences beside those of the data, and the words of GloVe."""

import numpy as np
import pytest

from keras_dl.data import samples, texts
from keras_dl.data.sets.texts import emoji
from keras_dl.recipes import word_vectors
from keras_dl.task import settings as settings_of
from keras_dl.tasks.texts import emoji as task
from keras_dl.tasks.texts.emoji import EMOJI, Emoji

OWN = emoji.read(samples.folder("emoji"))
WORDS = ["the", "not", "i", "love", "food", "ball"]


@pytest.fixture
def vectors(tmp_path):
    rows = [" ".join([word, *["0.5"] * 49, str(number)]) for number, word in enumerate(WORDS)]
    (tmp_path / "glove.txt").write_text("\n".join(rows))
    return str(tmp_path / "glove.txt")


@pytest.fixture
def source(tmp_path):
    """Other sentences, but for one of the package's in the training file and one in that of the test."""
    train = [f"sentence {number} of class {number % 5},{number % 5}" for number in range(40)]
    test = [f"another {number} of class {number % 5},{number % 5}" for number in range(10)]
    folder = tmp_path / "emojify"
    folder.mkdir()
    (folder / "train_emoji.csv").write_text("\n".join([*train, f'"{OWN.texts[0].upper()}",{OWN.labels[0]}']))
    (folder / "tesss.csv").write_text("\n".join([*test, f'"{OWN.texts[-1]}",{OWN.labels[-1]}']))
    return folder


def test_own_sentences_are_trained_on_besides_but_for_copies(source):
    data = EMOJI.load(Emoji(embedding="none"), source)
    added = [name for name in data.train.ids if name.startswith("samples/")]
    assert len(added) == len({texts.key(one) for one in OWN.texts}) - 2
    for split in (data.validation, data.test):
        assert not any(name.startswith("samples/") for name in split.ids)
        assert not set(split.groups) & set(data.train.groups)
    assert len(data.test) == 11
    assert len(set(data.train.groups)) == len(data.train)
    labels = dict(zip(OWN.texts, OWN.labels.tolist(), strict=True))
    assert all(
        labels[one] == label
        for name, one, label in zip(data.train.ids, data.train.texts, data.train.truth, strict=True)
        if name in added
    )


def test_without_them_or_on_them_nothing_is_added(source):
    data = EMOJI.load(Emoji(embedding="none", samples=False), source)
    assert len(data.train) + len(data.validation) == 41
    own = EMOJI.load(Emoji(embedding="none"), samples.folder("emoji"))
    assert sum(len(split) for split in own.splits().values()) == len(OWN)
    assert not any(name.startswith("samples/") for name in own.train.ids)


def test_the_vocabulary_is_that_of_the_vectors_and_without_them_of_the_training_part(source, vectors):
    known = EMOJI.load(Emoji(embedding=vectors), source)
    assert known.assets == {"classes": list(emoji.CLASSES), "vocabulary": WORDS}
    assert EMOJI.load(Emoji(embedding=vectors, vocabulary=2), source).assets["vocabulary"] == WORDS[:2]
    own = EMOJI.load(Emoji(embedding="none", samples=False), source).assets["vocabulary"]
    assert {"sentence", "class"} < set(own)
    assert "another" not in own, "it is in the test part alone"


def test_both_networks_stand_on_the_vectors_as_they_are(vectors):
    assets = {"classes": list(emoji.CLASSES), "vocabulary": WORDS}
    for network in ("emojify", "deep_average"):
        model = task.build(Emoji(embedding=vectors, network=network), assets)
        layer = model.get_layer("embedding")
        assert not layer.trainable
        assert layer.embeddings.numpy()[:, -1].tolist() == [0, 0, 0, 1, 2, 3, 4, 5]
        assert (model.name, model.output_shape) == (network, (None, 5))
    counts = model.get_layer("weights").embeddings.numpy()[:, 0]
    assert counts.tolist() == [0, 0, 0, 1, 0, 1, 1, 1], "'not' says something, 'the' does not"
    assert task.build(Emoji(embedding="none"), assets).get_layer("embedding").trainable


def test_the_documents_recipe_builds_its_network(vectors):
    settings = settings_of.resolve(EMOJI, {"recipe": "original", "embedding": vectors})
    model = task.build(settings, {"classes": list(emoji.CLASSES), "vocabulary": WORDS})
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == 223_877
    assert model.input_shape == (None, 10)
    assert (settings.epochs, settings.learning_rate, settings.batch_size) == (100, 1e-3, 32)
    assert (settings.vocabulary, settings.samples) == (400_000, False)


def test_it_is_trained_to_the_end_in_one_phase():
    (phase,) = task.phases(Emoji(epochs=7), None)
    assert (phase.epochs, phase.monitor, list(phase.callbacks)) == (7, "loss", [])


def test_the_card_says_which_vectors(vectors):
    assert task.prepare(Emoji(embedding=vectors))["word vectors"].startswith("glove.txt, the first 6 words")
    assert task.prepare(Emoji(embedding="none"))["word vectors"].startswith("none")


def test_the_baseline_stands_on_the_vectors_too(vectors):
    assert isinstance(task.baseline(Emoji(embedding=vectors))[0], word_vectors.MeanVectors)
    plain = task.baseline(Emoji(embedding="none")).fit(OWN.texts[:40], OWN.labels[:40])
    assert plain.decision_function(["love"]).shape == (1, len(set(OWN.labels[:40])))


def test_the_documents_recipe_has_the_documents_dropout():
    original = settings_of.resolve(EMOJI, {"recipe": "original"})
    assert (original.network, original.dropout, original.epochs, original.samples) == ("emojify", 0.5, 100, False)
