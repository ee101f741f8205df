"""A skip that nobody planned fails the suite."""

import subprocess
import sys
from pathlib import Path

import pytest
import skips

HERE = Path(__file__).parent
TESTS = """
import pytest
def test_planned(): pytest.skip("no disk")
def test_other(): pytest.skip("not today")
@pytest.mark.skipif(True, reason="never")
def test_marked(): pass
@pytest.mark.xfail(reason="known")
def test_expected(): assert False
def test_runs(): pass
"""


def test_every_line_of_the_list_names_a_test_that_is_there_and_has_a_reason():
    for start, reason in skips.planned(skips.LIST.read_text(encoding="utf-8")).items():
        path, _, name = start.partition("::")
        assert reason, start
        assert f"def {name}" in (HERE.parent / path).read_text(encoding="utf-8"), start


def test_a_list_may_have_remarks():
    assert skips.planned("# why\n\ntests/a.py::test_b   no disk here\n") == {"tests/a.py::test_b": "no disk here"}


@pytest.fixture
def outcome(tmp_path):
    """Run small tests in a process of their own, with a list that names one of them; give what was printed."""
    (tmp_path / "test_small.py").write_text(TESTS)
    (tmp_path / "test_whole.py").write_text("import pytest\npytest.importorskip('no_such_package')\n")
    (tmp_path / "skips.txt").write_text("test_small.py::test_planned  there is no disk\n")
    (tmp_path / "skips.py").write_text((HERE / "skips.py").read_text(encoding="utf-8"))
    command = [sys.executable, "-m", "pytest", "-q", "-rfEs", "-p", "skips", "-p", "no:cacheprovider", "--rootdir", "."]
    command += ["--continue-on-collection-errors"]
    return subprocess.run([*command, "."], cwd=tmp_path, capture_output=True, text=True, timeout=60).stdout


def test_a_skip_that_is_not_on_the_list_fails(outcome):
    assert "test_small.py::test_other is skipped, and skips.txt does not name it" in outcome
    assert "test_small.py::test_marked is skipped" in outcome
    assert "test_whole.py is skipped" in outcome
    assert "test_planned is skipped" not in outcome
    assert "1 skipped" in outcome
    assert "1 xfailed" in outcome
