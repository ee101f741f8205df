"""Export: a versioned SavedModel for TensorFlow Serving that takes raw inputs and answers as the trained model does.

    <version>/saved_model.pb, variables/    the SavedModel
    <version>/assets.extra/                 the run without its data, and the warm-up records that TF Serving replays
    <version>/assets.extra/sha256.json      the digest of every other file, written last

So server, predict, explain and export take `assets.extra/` as a run. Evaluate, embed, report and compare need the run
itself.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_dl.errors import KerasDLError, UsageError
from keras_dl.paths import at_home
from keras_dl.runs import versions
from keras_dl.runs.files import refuse_name, room_for, write_json
from keras_dl.runs.run import Run
from keras_dl.training.own_keras import own_keras
from keras_dl.verbs.predict import answer

JSON_FILES = ("config.json", "card.json", "metrics.json", "assets/assets.json")  # of a run
EXTRA, CHECKSUMS = "assets.extra", "assets.extra/sha256.json"
TOLERANCE = 1e-5  # largest difference between the live model's numbers and the exported ones; above 1, relative
LARGER = {"unusualness": 1e-4}  # hundreds of channels, each over its own small spread: rounding adds up


@own_keras()
def export(run: Run, out: str | Path | None = None) -> Path:
    """Write `<out>/<version>/` and prove it: reload it and compare it with the live model on the run's examples.

    `serving_default` takes raw inputs `[batch]` (encoded images as bytes), the signature "tensors" decoded ones. Both
    give what `Output.respond` names, by name.

    Args:
        run: a complete run.
        out: the model's folder; None for models/<task>. The version is one above the highest there.

    Returns:
        The version's folder.

    Raises:
        KerasDLError: if the reloaded model answers differently; nothing is left then.
    """
    folder = at_home(out) if out else Path("models") / run.task.name
    refuse_name(folder)
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; give --out the folder of the model's versions")
    folder.mkdir(parents=True, exist_ok=True)
    with room_for(folder), versions.locked(folder):  # two exports at once would take the same number
        return write_version(run, folder)


def write_version(run: Run, folder: Path) -> Path:
    """Write and prove the next version below a model's folder, and return its folder."""
    version = 1 + max((int(path.name) for path in folder.iterdir() if path.name.isdigit()), default=0)
    temporary = folder / f".{version}.unfinished"  # TF Serving looks at numbers alone
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        raw = [path.read_bytes() for path in sorted((run.path / "examples").glob("[!.]*"))]
        if not raw:
            raise KerasDLError(f"{run.path} has no examples to check the export with; train again")
        write_archive(run, temporary)
        keep_run(run, temporary / EXTRA)
        write_warm_up(temporary / EXTRA / "tf_serving_warmup_requests", run, raw)
        prove(run, temporary, raw)
        write_json(temporary / CHECKSUMS, digests(temporary))
        temporary.rename(folder / str(version))
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder / str(version)


def write_archive(run: Run, path: Path) -> None:
    """Write the SavedModel with its signatures."""
    archive = keras.export.ExportArchive()
    archive.track(run.model)
    if run.answering.holder is not None:
        archive.track(run.answering.holder)
    for name, (function, spec) in signatures(run).items():
        archive.add_endpoint(name, function, input_signature=[spec])
    archive.write_out(str(path), verbose=False)


def signatures(run: Run) -> dict[str, tuple[Callable[[tf.Tensor], dict[str, tf.Tensor]], tf.TensorSpec]]:
    """Return what a served run answers to: for each signature the function and what it takes."""
    model, output, wanted = run.model, run.task.output, run.model.inputs[0]
    decode = run.task.input.decode(run.config, run.assets)
    spec = tf.TensorSpec(wanted.shape[1:], wanted.dtype)
    raw_name = run.task.input.raw_name

    def tensors(x: tf.Tensor) -> dict[str, tf.Tensor]:
        return run.answering(x)

    def one(raw: tf.Tensor) -> dict[str, tf.Tensor]:
        return {name: value[0] for name, value in tensors(decode(raw)[None]).items()}

    def serving_default(raw: tf.Tensor) -> dict[str, tf.Tensor]:
        if spec.shape.is_fully_defined():
            return tensors(tf.map_fn(decode, raw, fn_output_signature=spec))
        specs = run.answering.specs()
        return tf.map_fn(one, raw, fn_output_signature=specs)  # inputs of different shapes fit into no batch

    found = {
        "serving_default": (serving_default, tf.TensorSpec([None], tf.string, name=raw_name)),
        "tensors": (tensors, tf.TensorSpec(wanted.shape, wanted.dtype, name=wanted.name)),
    }

    def large(name: str) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
        def of_one(raw: tf.Tensor) -> dict[str, tf.Tensor]:
            outputs = model(decode(raw[0])[None], training=False)
            return {name: output.signatures(outputs, run.assets)[name]}

        return of_one

    for name in output.large:
        found[name] = (large(name), tf.TensorSpec([1], tf.string, name=raw_name))
    return found


def keep_run(run: Run, folder: Path) -> None:
    """Copy what answers and explains need: settings, card, metrics, assets, model and examples."""
    for name in JSON_FILES:
        write_json(folder / name, run.read(name))  # read, so that a damaged one is found here
    shutil.copyfile(run.path / "model.keras", folder / "model.keras")
    shutil.copytree(run.path / "examples", folder / "examples", ignore=shutil.ignore_patterns(".*"))


def verify(version: Path) -> None:
    """Make sure that an exported version is what was exported.

    Raises:
        KerasDLError: if it has no list of digests, or a file is changed, missing or foreign.
    """
    try:
        recorded = json.loads((version / CHECKSUMS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise KerasDLError(
            f"{version} has no readable {CHECKSUMS}; only models that keras-dl export wrote are served"
        ) from None
    found = digests(version)
    for name in sorted({*recorded, *found}):
        if recorded.get(name) != found.get(name):
            what = "missing" if name not in found else "foreign" if name not in recorded else "changed since the export"
            raise KerasDLError(f"{version} is refused, because {name} is {what}; export the run again")


def digests(version: Path) -> dict[str, str]:
    """Return the sha256 of every file of a version but the list of them, by its path in the version's folder."""
    found = {}
    for path in sorted(version.rglob("*")):
        name = path.relative_to(version).as_posix()
        if path.is_file() and name != CHECKSUMS:
            with path.open("rb") as file:
                found[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def write_warm_up(path: Path, run: Run, raw: list[bytes]) -> None:
    """Write requests of several batch sizes, so that the first user does not wait for TF Serving's first runs."""
    from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

    with tf.io.TFRecordWriter(str(path)) as writer:
        for count in (1, len(raw)):
            request = predict_pb2.PredictRequest()
            request.model_spec.name = run.task.name
            request.model_spec.signature_name = "serving_default"
            request.inputs[run.task.input.raw_name].CopyFrom(tf.make_tensor_proto(raw[:count], tf.string))
            log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
            writer.write(log.SerializeToString())


def prove(run: Run, path: Path, raw: list[bytes]) -> None:
    """Compare every signature of the written model with the live one.

    Raises:
        KerasDLError: if any number differs by more than TOLERANCE, or any label.
    """
    output, decode = run.task.output, run.task.input.decode(run.config, run.assets)
    decoded = np.stack([decode(tf.constant(one)).numpy() for one in raw])
    live = answer(run, decoded)
    loaded = tf.saved_model.load(str(path))
    for name, batch in (("serving_default", tf.constant(raw)), ("tensors", tf.constant(decoded))):
        compare(name, loaded.signatures[name], batch, live)
    maps = output.signatures(run.model(decoded[:1], training=False), run.assets) if output.large else {}
    for name, values in maps.items():
        compare(name, loaded.signatures[name], tf.constant(raw[:1]), {name: values.numpy()})


def compare(name: str, signature: Any, batch: tf.Tensor, live: dict[str, np.ndarray]) -> None:
    """Compare one signature's answers with the live model's."""
    (argument,) = signature.structured_input_signature[1]
    exported = signature(**{argument: batch})
    for key, values in live.items():
        given = exported[key].numpy()
        if key == "unusual":  # what is at its limit may be on either side of it
            clear = np.abs(live["unusualness"] - 1) >= LARGER["unusualness"]
            given, values = given[clear], values[clear]
        if values.dtype.kind == "f":
            worst = float(np.max(np.abs(given - values) / np.maximum(1, np.abs(values))))
            if not worst <= LARGER.get(key, TOLERANCE):
                raise KerasDLError(
                    f"the exported model is refused: '{key}' of '{name}' differs from the trained model's by "
                    f"{worst:.2g}"
                )
        elif not np.array_equal(given, values):
            raise KerasDLError(f"the exported model is refused: '{key}' of '{name}' differs from the trained model's")
