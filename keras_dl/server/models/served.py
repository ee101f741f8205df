"""One version of a model, ready to answer: the traced graphs of a run, or the signatures of an exported SavedModel."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from keras_dl.answering import answers
from keras_dl.errors import BadInput, KerasDLError
from keras_dl.pages.wire import as_json
from keras_dl.runs import marks
from keras_dl.runs.run import Run
from keras_dl.server.routes.rest import Signature, signature_defs
from keras_dl.task.blocks import Block
from keras_dl.verbs import export

DEFAULT = "serving_default"


class Version:
    """A version of a model: answers batches of raw inputs, knows its card, explains."""

    def __init__(self, number: int, run: Run, graphs: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
        """Take concrete functions by signature; `run` is the run itself or what an export keeps of it."""
        self.number, self.run, self.metadata = number, run, metadata
        self.signatures = {name: Signature.of(graph) for name, graph in graphs.items()}
        self.graphs = graphs
        self.methods = {name: method for name, method in run.explanations().items() if method.served}
        self.explaining = threading.Lock()  # an explanation changes layers for a moment
        self.folder: Path | None = None  # of an export
        self.loaded: Any = None  # and the SavedModel, whose variables go with it
        self.decode: Any = None

    @classmethod
    def of_run(cls, run: Run, number: int = 1) -> Version:
        """Trace a run's graphs, the same that an export would hold."""
        graphs = {
            name: tf.function(function, input_signature=[spec]).get_concrete_function()
            for name, (function, spec) in export.signatures(run).items()
        }
        return cls(number, run, graphs, signature_defs(graphs))

    @classmethod
    def of_export(cls, folder: Path) -> Version:
        """Load an exported version whose files are those that were exported.

        Raises:
            KerasDLError: if they are not, or TensorFlow cannot load them.
        """
        export.verify(folder)
        run = Run(folder / export.EXTRA)
        try:
            loaded = tf.saved_model.load(str(folder))
        except (OSError, ValueError, RuntimeError, tf.errors.OpError) as error:
            raise KerasDLError(f"{folder} cannot be loaded: {str(error).splitlines()[0]}") from None
        graphs = dict(loaded.signatures)
        version = cls(int(folder.name) if folder.name.isdigit() else 1, run, graphs, signature_defs(graphs))
        version.folder, version.loaded = folder, loaded
        return version

    @property
    def samples(self) -> list[Path]:
        """Raw inputs that may be shown: a few of the test part."""
        return sorted(path for path in (self.run.path / "examples").glob("[!.]*") if path.is_file())

    def warm_up(self, largest: int) -> None:
        """Run every batch size that is to come, roughly, so that the first user does not wait."""
        raw = [path.read_bytes() for path in self.samples]
        size = 1
        while raw and size <= largest:
            self.answer([raw[number % len(raw)] for number in range(size)])
            size *= 2

    def answer(self, raw: Sequence[bytes]) -> dict[str, np.ndarray]:
        """Answer raw inputs, `[count]`; raises BadInput if one of them cannot be decoded."""
        return self.call(DEFAULT, tf.constant(list(raw), tf.string))

    def call(self, signature: str, batch: Any) -> dict[str, np.ndarray]:
        """Run one signature on a batch as it takes it; raises BadInput where TensorFlow refuses the values."""
        try:
            found = self.graphs[signature](**{self.signatures[signature].name: tf.convert_to_tensor(batch)})
            return {name: tensor.numpy() for name, tensor in found.items()}
        except (tf.errors.InvalidArgumentError, tf.errors.OutOfRangeError) as error:
            raise BadInput(f"the input cannot be used: {reason(error.message)}") from None

    def empty(self, signature: str) -> dict[str, np.ndarray]:
        """Return the answer to no inputs at all, which TensorFlow's image operations would refuse."""
        return {
            name: np.zeros((0, *(side or 0 for side in spec.shape[1:])), spec.dtype.as_numpy_dtype)
            for name, spec in self.signatures[signature].outputs.items()
        }

    def row(self, found: Mapping[str, np.ndarray], number: int = 0) -> dict[str, Any]:
        """Return one example's answers in words, as `keras_dl.answering.answers.worded` does."""
        return answers.worded(self.run, {name: values[number] for name, values in found.items()})

    def view(self, row: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the blocks that show one row; none for one that has an error."""
        if "error" in row:
            return []
        return [as_json(block) for block in answers.view(self.run, row)]

    def noted(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the journal keeps of a row: "answer", "value" and "unusualness", or None."""
        answer, value = (None, None) if "error" in row else self.run.task.output.noted(row)
        return {"answer": answer, "value": value, "unusualness": row.get("unusualness")}

    def watched(self, answers: Mapping[str, Any]) -> dict[str, np.ndarray] | None:
        """Return the numbers of answers that are watched for drift, each `[count]`; None for none, or an older run."""
        output = self.run.task.output
        if not len(answers.get("unusualness", ())):
            return None
        values = np.asarray(answers[output.value])
        return {"value": output.level(values), "unusualness": np.asarray(answers["unusualness"])}

    def watched_rows(
        self, rows: Sequence[Mapping[str, Any]], raw: Sequence[bytes]
    ) -> tuple[dict[str, np.ndarray] | None, list[bytes]]:
        """Return the same of rows in words, and the inputs that they are of: those that could be used."""
        good = [(row, one) for row, one in zip(rows, raw, strict=True) if "unusualness" in row]
        values = [self.noted(row)["value"] for row, _ in good]
        found = {"value": np.array(values), "unusualness": np.array([row["unusualness"] for row, _ in good])}
        return found if good else None, [one for _, one in good]

    def notes(self, raw: Sequence[bytes]) -> list[str]:
        """Return for each input what a user should know of it; "" mostly."""
        kind = self.run.task.input
        if not kind.remarks:
            return [""] * len(raw)
        if self.decode is None:
            graph = tf.function(kind.decode(self.run.config, self.run.assets))
            self.decode = graph.get_concrete_function(tf.TensorSpec([], tf.string))
        return [kind.remark(self.run.config, self.decode(tf.constant(one)).numpy()) for one in raw]

    def explain(self, raw: bytes, row: Mapping[str, Any], method: str) -> Block:
        """Return what explains the answer to one input; `method` is one of `methods`."""
        run = self.run
        with self.explaining:
            if self.folder is not None and "model" not in vars(run):
                export.verify(self.folder)  # an export's Keras model is read only now: is it still what it was?
            target = run.task.output.target(row, run.assets)
            (block,) = self.methods[method].explain(run, [raw], [target], False)
        return block


def facts(name: str, version: Version) -> dict[str, Any]:
    """Return what a version's card says, in the words of the API."""
    run, task, assets = version.run, version.run.task, version.run.assets
    tested = run.metrics["test"]
    return {
        "title": run.card["title"],
        "task": task.name,
        **task.input.facts(),
        **task.output.facts(assets),
        "columns": [asdict(column) for column in task.output.table(assets)],
        "intended_use": run.card["intended_use"],
        "limits": run.card["limits"],
        "methods": list(version.methods),
        "method_titles": {key: method.title for key, method in version.methods.items()},
        "samples": [
            {
                "name": path.name,
                "label": task.output.sampled(path.stem, assets),
                "url": f"/v1/models/{name}/samples/{path.name}",
            }
            for path in version.samples
        ],
        "test": {
            "examples": tested["examples"],
            "metrics": tested["network"],
            "titles": {key: task.output.metric(key, assets).title for key in tested["network"]},
            "digits": {key: task.output.metric(key, assets).digits for key in tested["network"]},
            "first": [key for key in task.output.first if key in tested["network"]],
        },
        "watched": "drift" in assets,  # whether the server compares what it answers with validation
        "tiny": marks.tiny(run.asked),
        "synthetic": marks.synthetic(run.asked),
        "marks": [as_json(mark) for mark in run.marks],
        "default_version": str(version.number),
    }


def reason(message: str) -> str:
    """Return what TensorFlow says of an input, without where in the graph it was."""
    lines = [re.sub(r"\{\{.*?\}\}|\[\[.*", "", line).strip() for line in str(message).splitlines()]
    said = [line for line in lines if line and not line.startswith(("Graph execution error", "Detected at node"))]
    return said[-1][:200] if said else "TensorFlow does not accept its values"
