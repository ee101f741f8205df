"""A run with a damaged file: whatever is asked of it, the file is named in one line."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from keras_dl.api import Run
from keras_dl.cli import main
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


DAMAGE = {
    "empty": lambda raw: b"",
    "cut off": lambda raw: raw[: len(raw) // 2],
    "noise": lambda raw: bytes(range(128, 256)) * 3,
    "no object": lambda raw: b"[]",
    "an empty object": lambda raw: b"{}",
    "without columns": lambda raw: b"\n".join(line.partition(b",")[2] for line in raw.splitlines()),
}
READ_BY = {  # file -> the verbs that read it, and the damage of its kind
    "config.json": ("predict report", "empty noise no-object an-empty-object"),
    "card.json": ("report", "empty noise no-object an-empty-object"),
    "metrics.json": ("report", "empty noise no-object an-empty-object"),
    "assets/assets.json": ("predict report", "empty noise no-object an-empty-object"),
    "history.csv": ("report", "empty noise without-columns"),
    "predictions.csv": ("report", "empty cut-off noise without-columns"),
    "splits.csv": ("evaluate report", "empty noise without-columns"),
    "model.keras": ("predict explain", "empty cut-off noise"),
    "assets/baseline.skops": ("evaluate", "empty cut-off noise"),
}
CASES = [
    (file, how.replace("-", " "), verb)
    for file, (verbs, damages) in READ_BY.items()
    for verb in verbs.split()
    for how in damages.split()
]


@pytest.fixture(scope="module")
def whole(tiny_run, tmp_path_factory):
    """A copy of a run that may be damaged, and is mended after each test."""
    path = tmp_path_factory.mktemp("damaged") / "run"
    return shutil.copytree(tiny_run("emoji").path, path, ignore=shutil.ignore_patterns("checkpoints", "logs"))


@pytest.mark.parametrize(("file", "how", "verb"), CASES)
def test_whatever_reads_a_damaged_file_names_it(file, how, verb, whole, tmp_path):
    before = (whole / file).read_bytes()
    (whole / file).write_bytes(DAMAGE[how](before))
    rest = {"predict": ["I love you"], "explain": ["I love you", "--out", str(tmp_path / "page.html")]}
    try:
        result = CliRunner().invoke(main, [verb, str(whole), *rest.get(verb, [])])
    finally:
        (whole / file).write_bytes(before)
    assert result.exit_code in (1, 2), result.stdout
    line = result.stderr.splitlines()[-1]
    assert line.startswith("Error: ")
    assert "unexpected" not in line
    assert Path(file).name in line or "is not a run" in line
