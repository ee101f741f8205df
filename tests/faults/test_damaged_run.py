"""A run with a damaged file is not exported, and the file is named."""

import shutil
from pathlib import Path

import pytest

from keras_dl.api import Run
from keras_dl.errors import KerasDLError


@pytest.mark.parametrize("damage", ["cut off", "lost"])
@pytest.mark.parametrize("file", ["card.json", "assets/assets.json", "model.keras", "examples"])
def test_a_damaged_run_is_reported_by_the_name_of_the_file(file, damage, tiny_run, tmp_path):
    path = tmp_path / "run"
    shutil.copytree(tiny_run("xray-anomaly").path, path, ignore=shutil.ignore_patterns("checkpoints", "logs"))
    (path / file).rename(tmp_path / "whole")
    if damage == "cut off" and file == "examples":
        (path / file).mkdir()
    elif damage == "cut off":
        whole = (tmp_path / "whole").read_bytes()
        (path / file).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(KerasDLError, match=Path(file).name):
        Run(path).export(tmp_path / "models")
    assert list((tmp_path / "models").iterdir()) == []
