"""Devices, strategies and precisions: what is chosen, what is said, and what is refused before any work."""

import json

import pytest

from keras_dl import registry
from keras_dl.errors import KerasDLError, UsageError
from keras_dl.task import Config
from keras_dl.training.machines import devices, rendezvous
from keras_dl.training.machines.devices import planned

WORKERS = {"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 0}}


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch):
    for name in ("TF_CONFIG", "KERAS_DL_WORKERS", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def two_workers(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", json.dumps(WORKERS))


# Refused before any work


@pytest.mark.parametrize(
    ("device", "strategy", "settings", "said"),
    [
        ("abacus", "auto", {}, "no device 'abacus'; choose from auto, cpu, gpu, tpu"),
        ("auto", "magic", {}, "no strategy 'magic'; choose from auto, default, mirrored, multiworker, tpu"),
        ("auto", "parameter_server", {}, "Keras 3 cannot train with the strategy 'parameter_server'"),
        ("cpu", "tpu", {}, "exclude each other"),
        ("tpu", "mirrored", {}, "exclude each other"),
        ("tpu", "multiworker", {}, "exclude each other"),
        ("auto", "multiworker", {}, "needs to know the workers: set TF_CONFIG"),
        ("cpu", "auto", {"precision": "mixed_float16"}, "use --set precision=mixed_bfloat16"),
        ("tpu", "auto", {"precision": "mixed_float16"}, "is slow on a TPU"),
        ("auto", "auto", {"precision": "mixed_float16", "accumulate": 2}, "does not work with accumulate=2"),
    ],
)
def test_what_cannot_be_run_is_refused_with_the_way_out(device, strategy, settings, said):
    with pytest.raises(UsageError) as refused:
        planned(device, strategy, Config(**settings))
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"batch_size": 33}, "batch_size=33 cannot be split among 2 replicas; use --set batch_size=32"),
        ({"batch_size": 1}, "use --set batch_size=2"),
        ({"accumulate": 2}, "cannot accumulate gradients over 2 replicas"),
    ],
)
def test_batches_that_two_workers_cannot_share_are_refused(settings, said, two_workers):
    with pytest.raises(UsageError) as refused:
        planned("auto", "auto", Config(**settings))
    assert said in str(refused.value)


def test_a_batch_is_cut_into_equal_pieces_only():
    with pytest.raises(UsageError, match="batch_size=32 cannot be split among 5 pieces; use --set batch_size=30"):
        devices.prepare("cpu", "default", Config(accumulate=5))
    devices.prepare("cpu", "default", Config(accumulate=4))


def test_the_command_line_refuses_before_it_imports_anything_heavy(keras_dl_command, tmp_path):
    done = keras_dl_command("train", "spam", "--strategy", "parameter_server", "--out", tmp_path / "run")
    assert done.returncode == 2
    assert "use --strategy multiworker" in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_cpu_is_not_mirrored_and_float16_needs_a_gpu():
    with pytest.raises(KerasDLError, match="needs several GPUs, but there is one CPU and no GPU"):
        devices.prepare("auto", "mirrored")
    with pytest.raises(UsageError, match="is slow on a CPU"):
        devices.prepare("auto", "auto", Config(precision="mixed_float16"))
    with pytest.raises(KerasDLError, match="sees no GPU"):
        devices.prepare("gpu")


# Chosen


def test_several_workers_are_taken_where_they_are_named_and_not_declined(two_workers):
    for strategy in ("auto", "multiworker"):
        assert planned("cpu", strategy, Config()).workers == ("a:1", "b:2")
    for strategy in ("default", "mirrored"):
        assert planned("cpu", strategy, Config()) is None
    assert planned("tpu", "auto", Config()) is None
    assert planned("auto", "auto", Config(batch_size=33, scale_learning_rate=True)) is not None


def test_one_worker_is_no_cluster(monkeypatch):
    cluster = {"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(cluster))
    assert planned("auto", "multiworker", Config()) is None


def test_a_process_of_its_own_runs_on_the_default_strategy():
    strategy = devices.prepare("cpu")
    assert devices.name_of(strategy) == "default"
    assert devices.describe(strategy).startswith("CPU, ")


def test_a_worker_that_waits_in_vain_is_told_so(two_workers, monkeypatch):
    import tensorflow as tf
    from tensorflow.python.eager import context

    asked = {}

    def configure(self, kind, **options):
        asked.update(options, kind=kind)

    def fail():
        raise tf.errors.DeadlineExceededError(None, None, "Barrier timed out\nand more")

    monkeypatch.setattr(type(context.context()), "configure_coordination_service", configure)
    monkeypatch.setattr(tf.distribute, "MultiWorkerMirroredStrategy", fail)
    monkeypatch.setattr(rendezvous, "meet", lambda cluster, patience: asked.update(waited=patience))
    monkeypatch.setenv("KERAS_DL_WAIT", "7")
    with pytest.raises(KerasDLError) as lost:
        devices.prepare("cpu", "multiworker")
    assert asked["waited"] == 7
    assert "worker 1 of 2 (a:1) did not meet the others (a:1, b:2): Barrier timed out; check" in str(lost.value)
    assert asked["heartbeat_timeout_in_ms"] == 1000 * devices.HEARTBEAT <= 60_000
    assert asked["cluster_register_timeout_in_ms"] == 7000
    monkeypatch.setenv("KERAS_DL_WAIT", "soon")
    with pytest.raises(UsageError, match="KERAS_DL_WAIT='soon' must be a number of seconds"):
        devices.prepare("cpu", "multiworker")


def test_a_tpu_is_reached_by_its_resolver(monkeypatch):
    import tensorflow as tf

    class Strategy:
        num_replicas_in_sync = 8

        def __init__(self, resolver):
            self.resolver = resolver

    monkeypatch.setattr(tf.distribute.cluster_resolver.TPUClusterResolver, "connect", lambda: "the resolver")
    monkeypatch.setattr(tf.distribute, "TPUStrategy", Strategy)
    for asked in (("tpu", "auto"), ("auto", "tpu")):
        strategy = devices.prepare(*asked)
        assert strategy.resolver == "the resolver"
        assert devices.describe(strategy) == "TPU, 8 replicas"
        assert devices.name_of(strategy) == "tpu"
    with pytest.raises(UsageError, match="cannot be split among 8 replicas"):
        devices.prepare("tpu", "auto", Config(batch_size=12))


def test_a_tpu_that_is_not_there_is_said_to_be_missing(monkeypatch):
    import tensorflow as tf

    def connect():
        raise ValueError("Please provide a TPU Name\nmore")

    monkeypatch.setattr(tf.distribute.cluster_resolver.TPUClusterResolver, "connect", connect)
    with pytest.raises(KerasDLError, match=r"cannot reach a TPU \(Please provide a TPU Name\); use --device cpu"):
        devices.prepare("tpu")


def test_every_task_names_its_precision_and_pieces_among_its_settings():
    for name in registry.TASKS:
        config = registry.find(name).config
        assert (config.precision, config.accumulate, config.scale_learning_rate) == ("float32", 1, False)
