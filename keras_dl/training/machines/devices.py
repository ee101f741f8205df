"""The device and the distribution strategy of a training, its seeds, and a quiet start of TensorFlow."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_dl.errors import KerasDLError, UsageError
from keras_dl.task import Config
from keras_dl.training.machines import cluster as clusters
from keras_dl.training.machines import rendezvous
from keras_dl.training.machines.cluster import Cluster

if TYPE_CHECKING:
    import tensorflow as tf

if "keras" not in sys.modules:
    os.environ["KERAS_BACKEND"] = "tensorflow"  # for whoever imports Keras next, here or in a worker: data is tf.data's

DEVICES = ("auto", "cpu", "gpu", "tpu")
STRATEGIES = ("auto", "default", "mirrored", "multiworker", "tpu")
HEARTBEAT = 30  # seconds of silence after which a worker counts as dead; KERAS_DL_HEARTBEAT
PATIENCE = 600  # seconds that workers wait for each other at the start; KERAS_DL_WAIT


def import_quietly() -> None:
    """Import TensorFlow and Keras without the lines that the C++ part writes to stderr; no warning is an error.

    Raises:
        KerasDLError: if Keras was imported with another backend, or cannot be imported.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if sys.warnoptions:  # "python -W error" is meant for code of the user's own
        warnings.filters = [one for one in warnings.filters if one[0] != "error"]
    if "keras" in sys.modules and (backend := sys.modules["keras"].config.backend()) != "tensorflow":
        raise KerasDLError(
            f"Keras was imported with the backend '{backend}', but keras_dl needs TensorFlow; restart Python, and "
            "import keras_dl before keras, or set KERAS_BACKEND=tensorflow"
        )
    stderr = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere, sign_of_life(stderr):
        os.dup2(nowhere.fileno(), 2)
        try:
            import tensorflow as tf

            tf.config.list_physical_devices()  # looks for CUDA, and says so
        except (ValueError, AttributeError, TypeError, AssertionError) as error:  # of Keras' files, which it imports
            folder = os.environ.get("KERAS_HOME", "~/.keras")
            raise KerasDLError(f"Keras cannot be imported ({error!r}); correct or delete {folder}/keras.json") from None
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
    tf.get_logger().setLevel("ERROR")
    warnings.filterwarnings("ignore", module="keras|tensorflow")


@contextmanager
def sign_of_life(stderr: int) -> Iterator[None]:
    """Say to a terminal what takes some seconds, as long as it takes them."""
    if "tensorflow" in sys.modules or not os.isatty(stderr):
        yield
        return
    from rich.console import Console

    with os.fdopen(os.dup(stderr), "w") as file, Console(file=file).status("loading TensorFlow"):
        yield


def planned(device: str, strategy: str, config: Config) -> Cluster | None:
    """Refuse, before any work, what cannot be run together; return the workers, where there are several.

    Args:
        device: one of DEVICES.
        strategy: one of STRATEGIES; "auto" is several workers where TF_CONFIG or an Indexed Job names them.
        config: for precision, batch size and accumulation.

    Raises:
        UsageError: with the reason and the way out.
    """
    if device not in DEVICES:
        raise UsageError(f"no device '{device}'; choose from {', '.join(DEVICES)}")
    if strategy.replace("_", "") in ("parameterserver", "ps", "centralstorage"):
        raise UsageError(f"Keras 3 cannot train with the strategy '{strategy}'; use --strategy multiworker")
    if strategy not in STRATEGIES:
        raise UsageError(f"no strategy '{strategy}'; choose from {', '.join(STRATEGIES)}")
    if "tpu" in (device, strategy) and (device not in ("auto", "tpu") or strategy not in ("auto", "tpu")):
        raise UsageError(f"--device {device} and --strategy {strategy} exclude each other; for a TPU, use --device tpu")
    if config.precision == "mixed_float16" and device in ("cpu", "tpu"):
        raise float16_refused(device.upper())
    if config.precision == "mixed_float16" and config.accumulate > 1:
        raise UsageError(
            f"precision=mixed_float16 does not work with accumulate={config.accumulate}: a piece whose gradients "
            "overflow would be left out; use --set precision=mixed_bfloat16"
        )
    if strategy in ("default", "mirrored", "tpu") or device == "tpu":
        return None
    cluster = clusters.find(os.environ, slurm=strategy == "multiworker")
    if cluster is None and strategy == "multiworker":
        raise UsageError(
            "--strategy multiworker needs to know the workers: set TF_CONFIG, or start it as deploy/slurm/train.sbatch "
            "or deploy/kubernetes/train.yaml does; on one machine, use --strategy default or mirrored"
        )
    if cluster is None or len(cluster.workers) == 1:
        return None
    check_shares(config, len(cluster.workers))
    return cluster


def check_shares(config: Config, replicas: int) -> None:
    """Refuse a batch that cannot be cut into equal parts for the replicas, or for the pieces of gradient accumulation.

    Raises:
        UsageError: with a batch size that can.
    """
    if replicas > 1 and config.accumulate > 1:
        raise UsageError(
            f"Keras 3 cannot accumulate gradients over {replicas} replicas; each already has only 1/{replicas} of the "
            f"batch; leave out --set accumulate={config.accumulate}, or use --strategy default"
        )
    parts = config.accumulate if config.scale_learning_rate else replicas * config.accumulate
    if config.batch_size % parts:
        near = max(1, round(config.batch_size / parts)) * parts
        what = "pieces" if config.accumulate > 1 else "replicas"
        raise UsageError(
            f"batch_size={config.batch_size} cannot be split among {parts} {what}; use --set batch_size={near}"
        )


def prepare(device: str = "auto", strategy: str = "auto", config: Config | None = None) -> tf.distribute.Strategy:
    """Make a device ready and return its strategy; models are built and compiled in its scope.

    Args:
        device: "cpu", "gpu", "tpu", or "auto": a GPU where TensorFlow sees one, else the CPU.
        strategy: "default" (one device), "mirrored" (all GPUs of this machine), "multiworker", "tpu", or "auto": what
            fits the workers and the GPUs that are there.
        config: what is to be trained; None for no training.

    Raises:
        UsageError: for another word, or for what cannot be run together.
        KerasDLError: if the device asked for is not there, or the other workers do not come.
    """
    config = config or Config()
    cluster = planned(device, strategy, config)
    import tensorflow as tf

    if "tpu" in (device, strategy):
        return checked(tpu_strategy(), config)
    gpus = tf.config.list_physical_devices("GPU")
    if device == "gpu" and not gpus:
        raise KerasDLError("TensorFlow sees no GPU; try pip install 'tensorflow[and-cuda]', or use --device cpu")
    if device == "cpu" and gpus:
        tf.config.set_visible_devices([], "GPU")
        gpus = []
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    if config.precision == "mixed_float16" and not gpus:
        raise float16_refused("CPU")
    if cluster:
        return checked(several_workers(cluster), config)
    replicas = tf.config.list_logical_devices("GPU") if gpus else tf.config.list_logical_devices("CPU")
    if strategy == "mirrored" and len(replicas) < 2:
        kind = "GPU" if gpus else "CPU and no GPU"
        raise KerasDLError(f"--strategy mirrored needs several GPUs, but there is one {kind}; use --strategy default")
    if strategy == "mirrored" or (strategy == "auto" and gpus and len(replicas) > 1):
        return checked(mirrored([replica.name for replica in replicas], gpus=bool(gpus)), config)
    check_shares(config, 1)
    return tf.distribute.get_strategy()


def checked(strategy: tf.distribute.Strategy, config: Config) -> tf.distribute.Strategy:
    """Return the strategy if its replicas can share the batches."""
    check_shares(config, strategy.num_replicas_in_sync)
    return strategy


def mirrored(names: list[str], *, gpus: bool) -> tf.distribute.Strategy:
    """Return the strategy for several devices of this machine.

    How sums are formed is said: TensorFlow's own choice for CPUs mixes up the gradients of some recipes and stops.
    """
    import tensorflow as tf

    across = tf.distribute.NcclAllReduce() if gpus else tf.distribute.ReductionToOneDevice()
    return tf.distribute.MirroredStrategy(names, cross_device_ops=across)


def tpu_strategy() -> tf.distribute.Strategy:
    """Connect to the TPU named by the environment, the way Cloud TPU machines and Colab set it up."""
    import tensorflow as tf

    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver.connect()
    except (ValueError, tf.errors.OpError) as error:
        reason = str(error).splitlines()[0]
        raise KerasDLError(f"cannot reach a TPU ({reason}); use --device cpu or --device gpu") from None
    return tf.distribute.TPUStrategy(resolver)


def several_workers(cluster: Cluster) -> tf.distribute.Strategy:
    """Meet the other workers; TensorFlow's coordination service then watches that all of them stay alive.

    Raises:
        KerasDLError: if one does not come within PATIENCE seconds.
    """
    import tensorflow as tf

    # Private: no public setting of MultiWorkerMirroredStrategy says how soon a worker that is gone must be noticed.
    from tensorflow.python.eager import context

    patience = seconds("KERAS_DL_WAIT", PATIENCE)
    rendezvous.meet(cluster, patience)
    job = context.coordination_config_pb2.CoordinatedJob(name="worker", num_tasks=len(cluster.workers))
    context.context().configure_coordination_service(
        "standalone",
        service_leader="/job:worker/replica:0/task:0",
        heartbeat_timeout_in_ms=1000 * seconds("KERAS_DL_HEARTBEAT", HEARTBEAT),
        cluster_register_timeout_in_ms=1000 * patience,
        coordinated_jobs=[job],
    )
    hosts = ",".join(worker.rpartition(":")[0].strip("[]") for worker in cluster.workers)
    os.environ |= {"TF_CONFIG": cluster.tf_config(), "no_grpc_proxy": hosts}  # the way to a worker is no proxy's
    handler = signal.getsignal(signal.SIGTERM)
    try:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
        with suppress(ValueError, TypeError):  # in another thread, or in another program, it is not ours
            signal.signal(signal.SIGTERM, handler)  # TensorFlow takes SIGTERM for itself, and goes on
        return strategy
    except (tf.errors.OpError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise KerasDLError(
            f"{cluster.name} ({cluster.workers[cluster.index]}) did not meet the others "
            f"({', '.join(cluster.workers)}): {reason}; check that all were started and can reach each other"
        ) from None


def seed_everything(seed: int, *, deterministic: bool) -> None:
    """Seed Python, NumPy and Keras; with `deterministic`, TensorFlow also picks operations that repeat bit for bit."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(seed)
    if deterministic:
        tf.config.experimental.enable_op_determinism()


def describe(strategy: tf.distribute.Strategy) -> str:
    """Return what the model runs on, for the run's card: "CPU, 2 cores", "NVIDIA H200, 4 replicas (mirrored)"."""
    import tensorflow as tf

    replicas = strategy.num_replicas_in_sync
    if isinstance(strategy, tf.distribute.TPUStrategy):
        return f"TPU, {replicas} replicas"
    gpus = tf.config.get_visible_devices("GPU")
    details = tf.config.experimental.get_device_details(gpus[0]) if gpus else {}
    device = details.get("device_name", "GPU") if gpus else f"CPU, {cores()} cores"
    return device if replicas == 1 else f"{device}, {replicas} replicas ({name_of(strategy)})"


def cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def described(strategy: tf.distribute.Strategy) -> dict[str, Any]:
    """Return what the run's card says of the device and the strategy."""
    replicas = strategy.num_replicas_in_sync
    return {"device": describe(strategy), "strategy": name_of(strategy), "replicas": replicas}


def name_of(strategy: tf.distribute.Strategy) -> str:
    """Return the strategy's name among STRATEGIES."""
    import tensorflow as tf

    tpu, workers = tf.distribute.TPUStrategy, tf.distribute.MultiWorkerMirroredStrategy
    kinds = {"tpu": tpu, "multiworker": workers, "mirrored": tf.distribute.MirroredStrategy}
    return next((name for name, kind in kinds.items() if isinstance(strategy, kind)), "default")


def seconds(variable: str, default: int) -> int:
    """Return a time from the environment.

    Raises:
        UsageError: if it is no whole number of seconds.
    """
    text = os.environ.get(variable, str(default))
    if not text.isdigit() or not 0 < int(text) <= 86_400:
        raise UsageError(f"{variable}='{text}' must be a number of seconds, 1 to 86400")
    return int(text)


def float16_refused(where: str) -> UsageError:
    """Return the error for float16 where it does not pay."""
    return UsageError(f"precision=mixed_float16 is slow on a {where}; use --set precision=mixed_bfloat16")
