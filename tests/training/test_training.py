"""Stopping and going on, with real signals and real files."""

import contextlib
import signal
import subprocess
import sys
from functools import cache

import numpy as np
import pandas as pd
import pytest
from kept_weights import weights

from keras_dl import api
from keras_dl.errors import KerasDLError, UsageError
from keras_dl.runs.run import Run
from keras_dl.training import checkpoints

TINY = {"deterministic": True, "epochs": 12, "patience": 12}
SMALL = "pneumonia-simple-cnn"  # is traced in less than half the time of the default network


def command(*arguments):
    return [sys.executable, "-m", "keras_dl", *map(str, arguments)]


def started(out, *arguments):
    settings = [word for key, value in TINY.items() for word in ("--set", f"{key}={value}")]
    words = arguments or ("--tiny", *settings)
    return subprocess.Popen(
        command("train", SMALL, "--out", out, *words),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def stopped_in_epoch(process, epoch, how):
    """Send the signal when the epoch before has been reported, so inside the next one; return what was printed."""
    printed = []
    for line in process.stderr:
        printed.append(line)
        if line.startswith(f"train {epoch - 1}/"):
            process.send_signal(how)
            break
    return "".join(printed) + process.communicate()[1]


def ended_well(process):
    _, printed = process.communicate()
    assert process.returncode == 0, printed
    return True


def test_a_run_that_was_stopped_twice_ends_as_one_that_never_was(tmp_path):
    whole = started(tmp_path / "whole")
    assert ended_well(whole)

    interrupted = started(tmp_path / "stopped")
    printed = stopped_in_epoch(interrupted, 2, signal.SIGINT)
    assert interrupted.returncode == 1
    assert "--resume" in printed
    assert "Traceback" not in printed
    assert not Run(tmp_path / "stopped").complete

    killed = started(tmp_path / "stopped", "--resume")
    printed = stopped_in_epoch(killed, 7, signal.SIGKILL)
    assert "resumed after epoch" in printed
    assert killed.returncode == -signal.SIGKILL
    assert not Run(tmp_path / "stopped").complete

    assert ended_well(started(tmp_path / "stopped", "--resume"))
    histories = [pd.read_csv(tmp_path / name / "history.csv").drop(columns="seconds") for name in ("whole", "stopped")]
    pd.testing.assert_frame_equal(*histories, check_exact=True)
    one, other = weights(tmp_path / "whole"), weights(tmp_path / "stopped")
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)
    assert Run(tmp_path / "whole").metrics == Run(tmp_path / "stopped").metrics


def test_early_stopping_and_plateau_go_on_with_their_counters(tmp_path):
    """The state of Keras' own callbacks is in the checkpoint, and comes back after they have reset it."""
    import keras

    def callbacks():
        stopping = keras.callbacks.EarlyStopping(patience=7)
        plateau = keras.callbacks.ReduceLROnPlateau(patience=5)
        return stopping, plateau

    progress = checkpoints.Progress()
    first = callbacks()
    for callback in first:
        callback.on_train_begin()
    first[0].wait, first[0].best, first[1].wait, first[1].best = 3, 0.25, 2, 0.25
    progress.callbacks = [checkpoints.plain_state(callback) for callback in first]
    second = callbacks()
    for callback in second:
        callback.on_train_begin()
    checkpoints.Checkpoints(tmp_path, progress, second, "val_loss", whole=None).on_train_begin()
    assert (second[0].wait, second[0].best, second[1].wait, second[1].best) == (3, 0.25, 2, 0.25)


@pytest.fixture(scope="module")
def trained_whole(tmp_path_factory):
    """Give the run of the phases that are there at the first call, trained without a stop: once for each freezing."""
    return cache(lambda frozen: api.train(SMALL, tiny=True, out=tmp_path_factory.mktemp("whole") / "run"))


@pytest.mark.parametrize(("frozen", "stop_in_epoch"), [("", 3), ("dense2", 1), ("dense2", 3)])
def test_two_phases_resume_and_the_second_goes_on_from_the_best_of_the_first(
    frozen, stop_in_epoch, trained_whole, tmp_path, monkeypatch
):
    """Freezing in the first phase must not change which variable is which in a checkpoint."""
    import dataclasses

    import keras

    from keras_dl import registry
    from keras_dl.task import Phase

    def compile_phase(model, frozen):
        for layer in model.layers[:-3]:
            layer.trainable = not frozen
        model.compile(keras.optimizers.Adam(1e-3), "binary_crossentropy")

    class StopIn(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == stop_in:
                raise KeyboardInterrupt

    def phases(config, data):
        return [
            Phase("head", 2, lambda model: compile_phase(model, frozen=True), [lambda config: StopIn()], frozen=frozen),
            Phase("all", 2, lambda model: compile_phase(model, frozen=False), [lambda config: StopIn()]),
        ]

    task = dataclasses.replace(registry.find(SMALL), phases=phases)
    monkeypatch.setattr(registry, "find", lambda name: task)
    stop_in = None
    whole = trained_whole(frozen)
    stop_in = stop_in_epoch
    with pytest.raises(KeyboardInterrupt):
        api.train(SMALL, tiny=True, out=tmp_path / "stopped")
    stop_in = None
    stopped = api.train(SMALL, resume=True, out=tmp_path / "stopped")
    histories = [pd.read_csv(run.path / "history.csv").drop(columns="seconds") for run in (whole, stopped)]
    assert histories[0]["phase"].tolist() == ["head", "head", "all", "all"]
    pd.testing.assert_frame_equal(*histories, rtol=1e-4)
    one, other = weights(whole.path), weights(stopped.path)
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-3, atol=1e-5, err_msg=name)


def test_a_head_on_cached_features_is_trained_as_one_behind_a_frozen_backbone(tmp_path, monkeypatch):
    """The cache changes the speed alone; without dropout and augmentation the losses are the same."""
    import dataclasses

    import keras

    from keras_dl import registry
    from keras_dl.task import Phase

    def compile_head(model):
        for layer in model.layers:
            layer.trainable = layer.name == "logits"
        model.compile(keras.optimizers.Adam(1e-2), "binary_crossentropy")

    runs = []
    for frozen in ("", "dense2_dropout"):
        task = registry.find(SMALL)
        task = dataclasses.replace(task, phases=lambda *_: [Phase("head", 3, compile_head, frozen=frozen)])  # noqa: B023
        task = dataclasses.replace(task, load=lambda *a, load=task.load: dataclasses.replace(load(*a), augment=None))
        monkeypatch.setattr(registry, "find", lambda name, task=task: task)
        runs.append(api.train(SMALL, tiny=True, dropout=0, out=tmp_path / (frozen or "whole")))
        monkeypatch.undo()
    histories = [pd.read_csv(run.path / "history.csv") for run in runs]
    # a frozen BatchNorm is in inference mode in both
    np.testing.assert_allclose(*(table[["loss", "val_loss"]] for table in histories), rtol=1e-3)
    predictions = [pd.read_csv(run.path / "predictions.csv")["network"] for run in runs]
    np.testing.assert_allclose(*predictions, atol=1e-3)


def test_a_phase_can_be_fitted_at_once(tmp_path, monkeypatch):
    import dataclasses

    from keras_dl import registry
    from keras_dl.task import Phase

    def fit(head, features, labels):
        assert len(features) == len(labels)
        assert features.shape[1:] == head.input_shape[1:]
        kernel = features.mean(axis=0)[:, None] / 100
        head.get_layer("logits").set_weights([kernel, np.zeros(1)])

    phase = Phase("mean", 1, lambda model: None, frozen="dense2", fit=fit)
    task = dataclasses.replace(registry.find(SMALL), phases=lambda config, data: [phase])
    monkeypatch.setattr(registry, "find", lambda name: task)
    run = api.train(SMALL, tiny=True, out=tmp_path / "run")
    (row,) = pd.read_csv(run.path / "history.csv").to_dict("records")
    assert (row["phase"], np.isnan(row["epoch"])) == ("mean", True)
    assert run.card["training"]["best_epoch"] == 0
    assert run.model.get_layer("logits").bias.numpy() == 0
    assert run.model.get_layer("logits").kernel.numpy().min() >= 0


def test_only_the_training_part_is_resampled_and_only_where_the_recipe_says_so():
    import tensorflow as tf

    from keras_dl.task import Data
    from keras_dl.training.fit import resampled
    from keras_dl.training.pipeline import Examples

    def doubled(x, labels):
        assert isinstance(x, np.ndarray)
        return np.concatenate([x, x + 10]), np.concatenate([labels, 1 - labels])

    parts = (None, None, None)  # what is resampled are the decoded examples
    labels = np.array([0, 1, 1])
    examples = Examples(
        tf.range(6, dtype=tf.int32)[:, None] * [[1, 2]], tf.zeros((6, 1)), np.tile(labels, 2), np.tile(labels, 2)
    )
    assert resampled(examples, Data(*parts)) is examples
    more = resampled(examples, Data(*parts, resample=doubled))
    assert (len(more), len(examples)) == (12, 6)
    np.testing.assert_array_equal(more.x, np.concatenate([examples.x, examples.x + 10]))
    assert more.x.dtype == tf.int32
    assert more.truth.tolist() == [0, 1, 1, 0, 1, 1, 1, 0, 0, 1, 0, 0]
    assert more.y.dtype == tf.float32
    np.testing.assert_array_equal(more.y[:, 0], more.truth)


def test_a_damaged_checkpoint_falls_back_to_the_one_before(tmp_path):
    import keras

    variables = [keras.Variable(np.arange(3.0))]
    for epoch in (1, 2):
        checkpoints.save(tmp_path / f"epoch-{epoch:04d}.npz", variables, {"epoch": epoch})
    newest = tmp_path / "epoch-0002.npz"
    newest.write_bytes(newest.read_bytes()[:-200])
    progress, path = checkpoints.read_progress(tmp_path)
    assert (progress.epoch, path.name) == (1, "epoch-0001.npz")


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    import keras

    checkpoints.save(tmp_path / "best.npz", [keras.Variable(np.zeros(3))])
    with pytest.raises(KerasDLError, match="does not fit this model"):
        checkpoints.restore(tmp_path / "best.npz", [keras.Variable(np.zeros(4))])


def test_a_second_training_in_the_same_directory_is_refused(tmp_path):
    run = api.begin("pneumonia", out=tmp_path / "run", tiny=True)
    with run.locked(), pytest.raises(KerasDLError, match="another training"):
        api.finish(Run(run.path))


def test_a_directory_that_holds_something_is_not_taken(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        api.begin("pneumonia", out=tmp_path / "run")


def test_a_loss_that_is_not_finite_stops_with_advice(tmp_path, monkeypatch):
    import keras

    def compile_broken(self, model, optimizer, **options):
        model.compile(keras.optimizers.Adam(0.5), lambda wanted, given: keras.ops.log(given - 2.0))

    monkeypatch.setattr("keras_dl.outputs.binary.Binary.compile", compile_broken)
    with pytest.raises(KerasDLError, match=r"not finite.*smaller --set learning_rate"):
        api.train("pneumonia", tiny=True, out=tmp_path / "run")
    assert not Run(tmp_path / "run").complete


def test_changed_data_is_noticed_on_resume(tmp_path):
    from keras_dl.data.sets.images import chest_xray

    folder = chest_xray.synthesize(tmp_path / "data", tiny=True)
    run = api.begin("pneumonia", data=folder, out=tmp_path / "run", tiny=True)
    from keras_dl.runs import sources

    sources.load(run)
    next(folder.rglob("person*.jpeg")).unlink()
    with pytest.raises(UsageError, match="1 examples are missing"):
        sources.load(run)


def test_a_failed_write_leaves_the_old_file(tmp_path):
    from keras_dl.runs.files import replacing, write_json

    write_json(tmp_path / "a.json", {"old": 1})
    with contextlib.suppress(RuntimeError), replacing(tmp_path / "a.json") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert (tmp_path / "a.json").read_text() == '{\n "old": 1\n}\n'
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
