"""What replicas, pieces of batches and precisions change in settings and models."""

import keras
import numpy as np
import pytest

from keras_dl import api
from keras_dl.task import Config
from keras_dl.training.machines import devices, replicas
from keras_dl.verbs import evaluate

PLAIN = {"reader": "mean", "ngrams": "", "dropout": 0, "epochs": 2}


def test_batch_and_rate_grow_with_the_replicas_only_when_asked():
    config = Config(batch_size=32, learning_rate=1e-3)
    assert replicas.scaled(config, 4) == config
    scaled = replicas.scaled(Config(batch_size=32, learning_rate=1e-3, scale_learning_rate=True), 4)
    assert (scaled.batch_size, scaled.learning_rate) == (128, 4e-3)
    assert replicas.scaled(scaled, 4) == scaled


def test_what_is_said_of_a_strategy_is_what_is_computed():
    class Strategy:
        num_replicas_in_sync = 4

    lines = replicas.remarks(Strategy(), Config(batch_size=64, precision="mixed_bfloat16"))
    assert "4 replicas x 16 examples = batches of 64, learning rate 0.001" in lines[0]
    assert lines[1:] == [
        "with several replicas, steps_per_execution is 1",
        "trained in mixed_bfloat16; the saved model computes in float32",
    ]
    strategy = devices.prepare("cpu")
    assert replicas.remarks(strategy, Config()) == []
    assert replicas.remarks(strategy, Config(accumulate=4)) == ["batches of 32 are computed as 4 x 8 examples"]


def test_normalisation_is_synchronised_and_the_last_layer_in_float32():
    class Strategy:
        num_replicas_in_sync = 2

    before = keras.config.dtype_policy()
    with replicas.precision("mixed_bfloat16"):
        inner = keras.Sequential([keras.Input((3,)), keras.layers.BatchNormalization(name="inner")])
        inputs = keras.Input((3,))
        model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(inner(inputs)))
        assert model(np.ones((2, 3))).dtype == "bfloat16"
        assert replicas.fit_for(model, Strategy()) is model
    assert inner.get_layer("inner").synchronized
    assert model(np.ones((2, 3))).dtype == "float32"
    assert keras.config.dtype_policy() == before


@pytest.fixture
def kept(monkeypatch):
    """The models that trainings would keep; what comes after training is left out, which takes longer."""
    models = []

    def keep(run, model, data, splits, described):
        models.append(model)
        return run

    monkeypatch.setattr(evaluate, "conclude", keep)
    return models


def test_pieces_of_a_batch_give_what_the_batch_gives(tmp_path, monkeypatch, kept):
    """Without dropout and augmentation; the learning rate's schedule counts batches, not pieces."""
    monkeypatch.setattr(keras.optimizers, "Adam", lambda rate: keras.optimizers.SGD(rate))
    for pieces in (1, 4):
        api.train("spam", tiny=True, out=tmp_path / str(pieces), accumulate=pieces, **PLAIN)
    for one, other in zip(*[model.variables for model in kept], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_what_is_trained_in_bfloat16_is_kept_in_float32(tmp_path, kept):
    run = api.train("spam", tiny=True, out=tmp_path / "run", precision="mixed_bfloat16", **PLAIN)
    (model,) = kept
    assert run.asked["config"]["precision"] == "mixed_bfloat16"
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}
    assert model.output.dtype == "float32"
