"""Files with bits that changed, were cut off or are of something else: found before anything of them is used."""

import dataclasses
import json
import os
import shutil

import keras
import numpy as np
import pytest

from keras_dl.errors import KerasDLError
from keras_dl.task import Config, Split
from keras_dl.training import checkpoints, features, pipeline


def variables(value=0.0, count=3):
    return [keras.Variable(np.full((4, number + 1), value, "float32")) for number in range(count)]


def training(folder, epochs, best=None):
    """Leave what a training of so many epochs leaves; the best is that of `best(epoch)`, or each is better."""
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.optimizer.build(model.trainable_variables)
    progress = checkpoints.Progress()
    callback = checkpoints.Checkpoints(folder, progress, [], "val_loss", whole=model)
    callback.set_model(model)
    for epoch in range(epochs):
        model.layers[0].bias.assign([epoch + 1.0])
        callback.on_epoch_end(epoch, {"val_loss": (best or (lambda epoch: -epoch))(epoch + 1)})
    return model


def flip(path, byte, bit=0):
    data = bytearray(path.read_bytes())
    data[byte] ^= 1 << bit
    path.write_bytes(data)


def test_a_bit_that_changed_anywhere_in_a_file_is_found(tmp_path):
    path = tmp_path / "epoch-0003.npz"
    checkpoints.save(path, variables(0.5), {"epoch": 3, "history": [{"loss": 0.25}]})
    checkpoints.restore(path, given := variables())
    assert all((np.asarray(variable) == 0.5).all() for variable in given)
    given, whole = variables(), path.read_bytes()
    for byte in range(0, len(whole), 5):
        path.write_bytes(whole)
        flip(path, byte, byte % 8)
        with pytest.raises(KerasDLError, match=r"epoch-0003\.npz is damaged"):
            checkpoints.restore(path, given)
    assert all((np.asarray(variable) == 0).all() for variable in given), "nothing is used of what is damaged"


@pytest.mark.parametrize("cut", [0, 1, 100, 500, -1])
def test_a_file_that_is_cut_off_is_found(cut, tmp_path):
    path = tmp_path / "best-0001.npz"
    checkpoints.save(path, variables())
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(KerasDLError, match=r"best-0001\.npz is damaged"):
        checkpoints.restore(path, variables())


def middle(path):
    flip(path, path.stat().st_size // 3)


@pytest.mark.parametrize(
    ("damaged", "epoch", "said"),
    [
        ([], 4, ""),
        (
            ["epoch-0004.npz"],
            3,
            "epoch-0004.npz is damaged: its checksum is wrong; trying that of epoch 3",
        ),
        (
            ["best-0004.npz"],
            3,
            "best-0004.npz is damaged: its checksum is wrong; trying that of epoch 3",
        ),
        (["epoch-0003.npz", "best-0003.npz"], 4, ""),
        (
            ["epoch-0003.npz", "epoch-0004.npz"],
            0,
            "epoch-0003.npz is damaged: its checksum is wrong; no other is left",
        ),
        (
            ["best-0003.npz", "best-0004.npz"],
            0,
            "best-0003.npz is damaged: its checksum is wrong; no other is left",
        ),
    ],
)
def test_the_newest_checkpoint_that_is_whole_serves_and_what_is_damaged_is_named(
    damaged, epoch, said, tmp_path, capsys
):
    training(tmp_path, 4)
    for name in damaged:
        middle(tmp_path / name)
    progress, path = checkpoints.read_progress(tmp_path)
    assert (progress.epoch, path and path.name) == (epoch, f"epoch-{epoch:04d}.npz" if epoch else None)
    assert said in capsys.readouterr().err
    if epoch:
        assert progress.best_epoch == epoch


def test_the_best_weights_are_those_that_the_state_means(tmp_path):
    """Killed after the best weights of epoch 4 and before its state, the training goes on with those of epoch 2."""
    model = training(tmp_path, 3, best=lambda epoch: {2: -1.0}.get(epoch, 0.0))
    checkpoints.save(checkpoints.best_file(tmp_path, 4), [keras.Variable(variable) for variable in model.variables])
    progress, _ = checkpoints.read_progress(tmp_path)
    assert (progress.epoch, progress.best_epoch) == (3, 2)
    checkpoints.restore(checkpoints.best_file(tmp_path, progress.best_epoch), model.variables)
    assert float(model.layers[0].bias[0]) == 2.0


def test_two_states_and_their_best_weights_are_kept_and_nothing_else(tmp_path):
    def left():
        return sorted(path.name for path in tmp_path.iterdir())

    training(tmp_path, 6, best=lambda epoch: {2: -1.0, 6: -2.0}.get(epoch, 0.0))
    assert left() == ["best-0002.npz", "best-0006.npz", "epoch-0005.npz", "epoch-0006.npz"]
    for path in tmp_path.glob("epoch-*"):
        middle(path)
    training(tmp_path, 1)  # starts over: what is damaged must not outlive what is new
    assert left() == ["best-0001.npz", "epoch-0001.npz"]


def test_newest_is_the_highest_epoch_whatever_the_clock_says(tmp_path):
    for epoch in (9999, 10000, 10001):
        checkpoints.save(tmp_path / f"epoch-{epoch:04d}.npz", variables(), {"epoch": epoch})
    os.utime(tmp_path / "epoch-9999.npz", (4e9, 4e9))
    assert checkpoints.read_progress(tmp_path)[0].epoch == 10001


def test_a_foreign_file_in_a_checkpoints_place_is_passed_over(tmp_path, capsys):
    checkpoints.write_arrays(tmp_path / "epoch-0001.npz", {"v0": np.zeros(2)})
    checkpoints.write_arrays(tmp_path / "epoch-0002.npz", {"state": np.array(json.dumps({"other": 1}))})
    assert checkpoints.read_progress(tmp_path) == (checkpoints.Progress(), None)
    assert capsys.readouterr().err.count("is not a checkpoint") == 2


EXAMPLES = np.random.default_rng(0).integers(0, 256, (5, 4), dtype="uint8")


def extractor():
    keras.utils.set_random_seed(0)
    given = keras.Input((4,), dtype="uint8")
    return keras.Model(given, keras.layers.Dense(3)(keras.layers.Rescaling(1 / 255)(given)))


def zeros(count=5, width=3, kind="float32"):
    return np.zeros((count, width), kind)


@pytest.mark.parametrize(
    "foreign",
    [
        {"features": zeros(width=2)},
        {"features": zeros(kind="float64")},
        {"features": zeros(count=4)},
        {"digests": zeros(width=16)},
        {"digests": zeros(width=8, kind="uint8")},
        {"other": zeros()},
        "flipped",
        "text",
    ],
)
def test_a_cache_of_features_that_is_damaged_or_foreign_is_made_anew(foreign, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_DL_CACHE", str(tmp_path))
    model = extractor()
    before = features.cached(model, EXAMPLES)
    (path,) = (tmp_path / "features").glob("*.npz")
    if foreign == "text":
        path.write_text("not an archive")
    elif foreign == "flipped":
        middle(path)
    else:
        with np.load(path) as file:
            kept = dict(file)
        checkpoints.write_arrays(path, foreign if "other" in foreign else kept | foreign)
    np.testing.assert_array_equal(features.cached(extractor(), EXAMPLES), before)
    with np.load(path) as file:
        assert sorted(map(bytes, file["digests"])) == sorted(map(features.digest, EXAMPLES))
        assert np.isin(before, file["features"]).all()


@pytest.mark.parametrize("what", [b"", b"\x93NUMPY", b"x" * 10_000])
def test_what_an_earlier_training_left_of_decoded_examples_is_not_read(what, tmp_path):
    import tensorflow as tf

    split_of = tf.data.Dataset.from_tensor_slices((EXAMPLES, np.ones((5, 1), "float32")))
    split = Split(split_of, list("abcde"), list("abcde"), [0] * 5, raw=lambda row: b"")
    (tmp_path / "train.x.npy").write_bytes(what)
    examples = pipeline.decoded(split, dataclasses.replace(Config(), cache_gb=0.0), tmp_path / "train")
    np.testing.assert_array_equal(examples.x, EXAMPLES)
    batches = pipeline.evaluation(examples, 2)
    np.testing.assert_array_equal(np.concatenate([x for x, _ in batches]), EXAMPLES)


@pytest.mark.parametrize("how", ["gone", "cut", "folder", "list"])
def test_embedded_data_in_the_cache_that_lost_something_is_made_anew(how, tmp_path, monkeypatch):
    from keras_dl.data.download import list_of
    from keras_dl.data.sets.images import chest_xray

    def content(folder):
        return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.jpeg")}

    monkeypatch.setenv("KERAS_DL_CACHE", str(tmp_path))
    monkeypatch.setattr("keras_dl.data.sets.images.chest_xray.TINY_PATIENTS", 4)
    whole = chest_xray.synthesize(tiny=True)
    before = content(whole)
    victim = max(whole.rglob("*.jpeg"))
    if how == "gone":
        victim.unlink()
    elif how == "cut":
        victim.write_bytes(victim.read_bytes()[:-10])
    elif how == "folder":
        shutil.rmtree(victim.parent)
    else:
        list_of(whole).write_text("{")
    assert content(chest_xray.synthesize(tiny=True)) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([whole.name, list_of(whole).name])


def test_a_folder_that_is_the_users_is_let_be(tmp_path, monkeypatch):
    from keras_dl.data.sets.images import chest_xray

    monkeypatch.setattr(chest_xray, "TINY_PATIENTS", 4)
    folder = chest_xray.synthesize(tmp_path, tiny=True)
    victim = max(folder.rglob("*.jpeg"))
    victim.unlink()
    assert chest_xray.synthesize(tmp_path, tiny=True) == folder
    assert not victim.exists()
