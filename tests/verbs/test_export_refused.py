"""When an export is refused, and where it is written: once for each kind of input."""

from copy import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from one_of_each import one_of_each

from keras_dl.api import Run
from keras_dl.errors import KerasDLError, UsageError

pytestmark = pytest.mark.parametrize("task", one_of_each(lambda task: task.input.key))


def test_each_export_is_one_version_above_the_highest(task, tiny_run, tmp_path):
    (tmp_path / "7").mkdir()
    (tmp_path / "notes").mkdir()
    assert tiny_run(task).export(tmp_path) == tmp_path / "8"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["7", "8", "notes"]


def test_a_file_in_the_folders_place_is_wrong_usage(task, tiny_run, tmp_path):
    (tmp_path / "model").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        tiny_run(task).export(tmp_path / "model")


def test_an_export_whose_weights_differ_is_refused_and_leaves_nothing(task, tiny_run, tmp_path, monkeypatch):
    from keras_dl.verbs import export

    run, write_archive = Run(tiny_run(task).path), export.write_archive

    def write_other_weights(run: Run, path: Path) -> None:
        last = run.model.weights[-1]
        right = last.numpy()
        last.assign(right + 1e-2 * np.arange(1, 1 + right.size).reshape(right.shape))
        write_archive(run, path)
        last.assign(right)

    monkeypatch.setattr(export, "write_archive", write_other_weights)
    with pytest.raises(KerasDLError, match="the exported model is refused"):
        run.export(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_decodes_otherwise_in_the_graph_is_refused(task, tiny_run, tmp_path):
    import tensorflow as tf

    run = Run(tiny_run(task).path)
    right = run.task.input.decode(run.config, run.assets)

    def decode(raw: tf.Tensor) -> tf.Tensor:
        return right(raw) // 2 if tf.inside_function() else right(raw)

    kind = copy(run.task.input)
    kind.decode = lambda config, assets: decode
    run.task = replace(run.task, input=kind)
    with pytest.raises(KerasDLError, match=r"is refused: .* of 'serving_default'"):
        run.export(tmp_path)
    assert list(tmp_path.iterdir()) == []
