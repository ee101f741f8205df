"""What is particular to the film reviews: three readers, and the networks of the document under its recipe."""

import pytest

from keras_dl.recipes import texts
from keras_dl.task import settings as settings_of
from keras_dl.tasks.texts.imdb import IMDB_BILSTM, IMDB_FFN, IMDB_TRANSFORMER, build

ASSETS = {"vocabulary": ["word"] * 98}
DOCUMENT = {"length": 200, "vocabulary": 10_000, "epochs": 5, "batch_size": 32, "learning_rate": 1e-3}


def original(task):
    settings = settings_of.resolve(task, {"recipe": "original"})
    assert {name: getattr(settings, name) for name in DOCUMENT} == DOCUMENT
    assert [phase.name for phase in texts.wide_and_deep_phases(settings, None)] == ["train"]
    return build(settings, ASSETS)


def kinds(model):
    return [type(layer).__name__ for layer in model.layers if layer.weights or "Dropout" in type(layer).__name__]


def test_the_documents_feed_forward_network():
    model = original(IMDB_FFN)
    assert (model.name, model.input_shape, model.output_shape) == ("imdb_ffn", (None, 200), (None, 1))
    assert model.count_params() == 100 * 128 + (200 * 128 + 1) * 64 + 65 * 32 + 33
    assert [layer.rate for layer in model.layers if "dropout" in layer.name] == [0.0, 0.0]


def test_the_documents_bidirectional_lstm():
    model = original(IMDB_BILSTM)
    assert kinds(model) == ["Embedding", "Bidirectional", "Dropout", "LSTM", "Dropout", "Dense"]
    assert model.get_layer("bilstm").forward_layer.units == 64
    assert model.get_layer("lstm").units == 32
    assert model.get_layer("embedding").output_dim == 64
    assert model.count_params() == 100 * 64 + 2 * 4 * 64 * 129 + 4 * 32 * 161 + 33


def test_the_transformer_alone():
    model = original(IMDB_TRANSFORMER)
    names = {layer.name for layer in model.layers}
    assert model.name == "wide_and_transformer"
    assert not names & {"wide", "blend"}
    assert model.input_shape == (None, 200)
    assert model.get_layer("positions").vectors.shape == (200, 64)


@pytest.mark.parametrize(
    ("task", "reader", "read"),
    [(IMDB_FFN, "mean", 1000), (IMDB_BILSTM, "bilstm", 400), (IMDB_TRANSFORMER, "transformer", 200)],
)
def test_by_default_each_stands_beside_the_ngrams_of_the_whole_review(task, reader, read):
    settings = settings_of.resolve(task)
    model = build(settings, ASSETS)
    assert (settings.length, settings.read) == (1000, read)
    assert model.name == f"wide_and_{reader}"
    assert model.get_layer("words").orders == (1, 2)
    assert model.get_layer("words").input.shape == (None, 1000)
    assert model.get_layer("embedding").output.shape == (None, read, 64)
    names = [phase.name for phase in texts.wide_and_deep_phases(settings, None)]
    assert names == ["count", "wide", "deep"]
