"""A run with the verbs for notebooks. What a verb returns shows itself."""

from __future__ import annotations

import importlib
from functools import partial
from pathlib import Path
from types import ModuleType

from keras_dl.pages.result import Page, Record, Rows
from keras_dl.runs import run as directory
from keras_dl.training.machines import devices


class Run(directory.Run):
    """A run directory, with the verbs as methods.

    A method returns plain data, as `keras-dl VERB --json` prints it. The data also displays itself in a notebook and
    at a Python prompt.
    """

    def evaluate(self, data: str | Path | None = None, *, slices: str | Path | None = None) -> Record:
        """Evaluate on the run's own test part again, or on another set, with the stored threshold and calibration.

        Args:
            data: a folder, table or archive in a layout the task reads; None for the run's own test part.
            slices: a CSV or TSV file of what else is known of the examples: a column id or file names the example, the
                others are cut into slices.

        Returns:
            `{"network", "baseline", "difference": {metric: {"value", "low", "high"}}, "examples", "groups", ...}`,
            with 95 % bootstrap intervals, drawn by group; "difference" is network minus baseline; "slices" breaks the
            figures down by what is known of the examples.

        Raises:
            UsageError: if there is nothing at `data`, the run's own data has changed, or `slices` names no example.
            KerasDLError: if the data cannot be used.
        """
        found = verb("evaluate").evaluate(self, data, slices)
        return Record(found, partial(verb("overview").of_evaluation, self, found))

    def adapt(
        self, data: str | Path, *, labels: int = 0, name: str | None = None, out: str | Path | None = None
    ) -> Run:
        """Make a new run for inputs from elsewhere, without labels or with few; this run stays as it is.

        Args:
            data: a folder, table or archive of inputs.
            labels: how many labelled examples to use, drawn by group; all other labels are ignored.
            name: a name for the new run, to open it by; None for the name of its directory.
            out: the directory of the new run; None for runs/TASK/TIME.

        Returns:
            The new run; `card["adapted"]` says what was done.

        Raises:
            UsageError: if there is nothing at `data`, or `out` is taken.
            KerasDLError: if the set cannot be read, or adapting to it would do harm, with the reason.
        """
        return verb("adapt").adapt(self, data, labels=labels, name=name, out=out)

    def predict(self, *inputs: str | Path, neighbours: int = 0, out: str | Path | None = None) -> Rows:
        """Predict files or texts.

        Args:
            inputs: files or folders of files; for a text model also the texts themselves.
            neighbours: how many of the nearest training examples to show; call `embed` first.
            out: a .csv file for the answers, or a folder for pictures of the neighbours.

        Returns:
            One row of JSON values per input, in order: "input", the answer (`label` and `probability`, or `number`,
            ...), and "note" where there is something to know; or "input" and "error" for one that cannot be used.

        Raises:
            UsageError: if a file is not there, or the run has no embeddings.
        """
        rows = verb("predict").predict(self, inputs, neighbours=neighbours, out=out)
        return Rows(rows, partial(verb("overview").of_predictions, self, rows))

    def explain(self, source: str | Path, out: str | Path | None = None, *, method: str | None = None) -> Record:
        """Explain the prediction for one input: an image by a heatmap, a text by coloured words.

        Args:
            source: the file; for a text model also the text itself.
            out: the file to write, .png or .html, or a folder for it; None for the working directory.
            method: one of `explanations()`; None for the first.

        Returns:
            The row of the prediction with "method", and "heatmap", the path of the picture, or "html" and "words".

        Raises:
            BadInput: if the input cannot be used.
            UsageError: if it is not there, or the run has no such method.
        """
        found = verb("explain").explain(self, source, out, method=method)
        return Record(found.json(), partial(verb("overview").of_explained, self, found))

    def embed(self, *, neighbours: int | None = None) -> Record:
        """Write embeddings, evaluate a nearest-neighbour classifier on them, and draw t-SNE maps.

        Args:
            neighbours: how many training examples vote; None for the task's own number.

        Returns:
            What `evaluate` returns, with "knn" in place of "baseline"; and "embeddings", the folder.

        Raises:
            UsageError: if there are too few training examples, or the data has changed.
        """
        found = verb("embed").embed(self, neighbours=neighbours)
        return Record(found, partial(verb("overview").of_evaluation, self, found, "knn"))

    def export(self, out: str | Path | None = None) -> Path:
        """Write a SavedModel for TensorFlow Serving, checked against the trained model; return the version's folder.

        Args:
            out: the model's folder, in which the next version is written; None for models/TASK.

        Raises:
            KerasDLError: if the export does not answer as the model does, or cannot be written.
        """
        return verb("export").export(self, out)

    def report(self, *, slices: str | Path | None = None) -> Page:
        """Write report.html again; return its path. A notebook shows the figures of the report.

        Args:
            slices: a CSV or TSV file of what else is known of the test examples, as `evaluate` takes it.

        Raises:
            UsageError: if `slices` names no example.
        """
        return Page.at(verb("report").write(self, slices=slices), partial(verb("overview").of_report, self))

    def _repr_html_(self) -> str:
        """Show the run in a notebook: what it is, and its metrics on the test part."""
        from keras_dl.pages.html import notebook
        from keras_dl.verbs import overview

        return notebook(overview.of_run(self))


def verb(name: str) -> ModuleType:
    """Import a module of the verbs, and TensorFlow, quietly."""
    devices.import_quietly()
    return importlib.import_module(f"keras_dl.verbs.{name}")
