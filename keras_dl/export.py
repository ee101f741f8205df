"""Export: a versioned SavedModel for TensorFlow Serving that takes raw inputs and answers as the trained model does."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_dl.errors import KerasDLError, UsageError
from keras_dl.predict import answer
from keras_dl.run import Run, write_json

TOLERANCE = 1e-5  # largest difference between the live model's numbers and the exported ones


def export(run: Run, out: str | Path | None = None) -> Path:
    """Write `<out>/<version>/` and prove it: reload it and compare it with the live model on the run's examples.

    `serving_default` takes raw inputs `[batch]` (encoded images as bytes), the signature "tensors" decoded ones. Both
    give what `Task.predict` names, by name. `assets.extra/` holds card.json and assets.json with the class names and
    the threshold, and warm-up records that TF Serving replays when it loads the version.

    Args:
        run: a complete run.
        out: the model's folder; None for models/<task>. The version is one above the highest there.

    Returns:
        The version's folder.

    Raises:
        KerasDLError: if the reloaded model answers differently; nothing is left then.
    """
    folder = Path(out) if out else Path("models") / run.task.name
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; --out takes the folder of the model's versions")
    folder.mkdir(parents=True, exist_ok=True)
    version = 1 + max((int(path.name) for path in folder.iterdir() if path.name.isdigit()), default=0)
    temporary = folder / f".{version}.unfinished"  # TF Serving looks at numbers alone
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        raw = [path.read_bytes() for path in sorted((run.path / "examples").glob("[!.]*"))]
        if not raw:
            raise KerasDLError(f"{run.path} has no examples to prove the export on; train again")
        write_archive(run, temporary)
        extra = temporary / "assets.extra"
        extra.mkdir()
        write_json(extra / "card.json", run.card)
        write_json(extra / "assets.json", run.assets)
        write_warm_up(extra / "tf_serving_warmup_requests", run, raw)
        prove(run, temporary, raw)
        temporary.rename(folder / str(version))
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder / str(version)


def write_archive(run: Run, path: Path) -> None:
    """Write the SavedModel with its two signatures."""
    model, decode, wanted = run.model, run.task.decode(run.config, run.assets), run.model.inputs[0]

    def tensors(x: tf.Tensor) -> dict[str, tf.Tensor]:
        return run.task.predict(model(x, training=False), run.assets)

    def serving_default(raw: tf.Tensor) -> dict[str, tf.Tensor]:
        spec = tf.TensorSpec(wanted.shape[1:], wanted.dtype)
        return tensors(tf.map_fn(decode, raw, fn_output_signature=spec))

    archive = keras.export.ExportArchive()
    archive.track(model)
    raw_spec = tf.TensorSpec([None], tf.string, name=run.task.raw_name)
    archive.add_endpoint("serving_default", serving_default, input_signature=[raw_spec])
    tensor_spec = tf.TensorSpec(wanted.shape, wanted.dtype, name=wanted.name)
    archive.add_endpoint("tensors", tensors, input_signature=[tensor_spec])
    archive.write_out(str(path), verbose=False)


def write_warm_up(path: Path, run: Run, raw: list[bytes]) -> None:
    """Write requests of several batch sizes, so that the first user does not wait for TF Serving's first runs."""
    from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

    with tf.io.TFRecordWriter(str(path)) as writer:
        for count in (1, len(raw)):
            request = predict_pb2.PredictRequest()
            request.model_spec.name = run.task.name
            request.model_spec.signature_name = "serving_default"
            request.inputs[run.task.raw_name].CopyFrom(tf.make_tensor_proto(raw[:count], tf.string))
            log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
            writer.write(log.SerializeToString())


def prove(run: Run, path: Path, raw: list[bytes]) -> None:
    """Compare both signatures of the written model with the live one.

    Raises:
        KerasDLError: if any number differs by more than TOLERANCE, or any label.
    """
    decode = run.task.decode(run.config, run.assets)
    decoded = np.stack([decode(tf.constant(one)).numpy() for one in raw])
    live = answer(run, decoded)
    loaded = tf.saved_model.load(str(path))
    for name, batch in (("serving_default", tf.constant(raw)), ("tensors", tf.constant(decoded))):
        compare(name, loaded.signatures[name], batch, live)


def compare(name: str, signature: Any, batch: tf.Tensor, live: dict[str, np.ndarray]) -> None:
    """Compare one signature's answers with the live model's."""
    (argument,) = signature.structured_input_signature[1]
    exported = signature(**{argument: batch})
    for key, values in live.items():
        given = exported[key].numpy()
        if values.dtype.kind == "f":
            worst = float(np.max(np.abs(given - values)))
            if not worst <= TOLERANCE:
                raise KerasDLError(
                    f"the exported model is refused: '{key}' of '{name}' is off by {worst:.2g} from the trained model's"
                )
        elif not np.array_equal(given, values):
            raise KerasDLError(f"the exported model is refused: '{key}' of '{name}' differs from the trained model's")
