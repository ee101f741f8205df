"""The device and the distribution strategy of a training, its seeds, and a quiet start of TensorFlow."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from keras_dl.errors import KerasDLError, UsageError

if TYPE_CHECKING:
    import tensorflow as tf

DEVICES = ("auto", "cpu", "gpu", "tpu")


def import_quietly() -> None:
    """Import TensorFlow without the lines its C++ part writes to stderr before anyone could ask it not to."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["KERAS_BACKEND"] = "tensorflow"  # whatever ~/.keras/keras.json says: the pipeline is tf.data
    stderr = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            import tensorflow as tf

            tf.config.list_physical_devices()  # looks for CUDA, and says so
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
    tf.get_logger().setLevel("ERROR")
    warnings.filterwarnings("ignore", module="keras|tensorflow")


def prepare(device: str = "auto") -> tf.distribute.Strategy:
    """Make a device ready and return its strategy; models are built and compiled in its scope.

    Args:
        device: "cpu", "gpu", "tpu", or "auto": a GPU where TensorFlow sees one, else the CPU.

    Raises:
        UsageError: for another word.
        KerasDLError: if the device asked for is not there.
    """
    if device not in DEVICES:
        raise UsageError(f"no device '{device}'; there is: {', '.join(DEVICES)}")
    import tensorflow as tf

    if device == "tpu":
        return tpu_strategy()
    gpus = tf.config.list_physical_devices("GPU")
    if device == "gpu" and not gpus:
        raise KerasDLError("TensorFlow sees no GPU: check nvidia-smi, pip install 'keras-dl[gpu]', or use --device cpu")
    if device == "cpu" and gpus:
        tf.config.set_visible_devices([], "GPU")
    elif gpus:
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)
    return tf.distribute.get_strategy()


def tpu_strategy() -> tf.distribute.Strategy:
    """Connect to the TPU named by the environment, the way Cloud TPU machines and Colab set it up."""
    import tensorflow as tf

    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver.connect()
    except (ValueError, tf.errors.OpError) as error:
        reason = str(error).splitlines()[0]
        raise KerasDLError(f"no TPU can be reached ({reason}); use --device cpu or --device gpu") from None
    return tf.distribute.TPUStrategy(resolver)


def seed_everything(seed: int, *, deterministic: bool) -> None:
    """Seed Python, NumPy and Keras; with `deterministic`, TensorFlow also picks operations that repeat bit for bit."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(seed)
    if deterministic:
        tf.config.experimental.enable_op_determinism()


def describe(strategy: tf.distribute.Strategy) -> str:
    """Return what the model runs on, for the run's card: "CPU, 2 cores", "NVIDIA H200", ..."""
    import tensorflow as tf

    if isinstance(strategy, tf.distribute.TPUStrategy):
        return f"TPU, {strategy.num_replicas_in_sync} replicas"
    gpus = tf.config.get_visible_devices("GPU")
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        return details.get("device_name", "GPU")
    return f"CPU, {len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()} cores"
