"""`kill -9`, again and again: a training that goes on ends as one that was never stopped, to the bit."""

import os
import random
import signal
import subprocess
import time
from contextlib import contextmanager

import pytest
from trainings import Kill, assert_equal, started, trained

from keras_dl import api
from keras_dl.errors import KerasDLError
from keras_dl.runs.run import Run

KILLS = int(os.environ.get("KERAS_DL_KILLS", "0"))  # more of them, at moments drawn by the clock alone
SETTINGS = {"deterministic": True, "epochs": 5, "patience": 3}


def begun(path, **settings):
    return api.begin("pneumonia-simple-cnn", tiny=True, settings={**SETTINGS, **settings}, out=path).path


def test_what_happens_to_a_long_training_changes_nothing(tmp_path, small_disk):
    """Three kills, a full disk and two damaged checkpoints, one after another."""
    draw = random.Random(6)
    whole = begun(tmp_path / "whole")
    hurt = api.begin(file=whole / "config.json", out=small_disk / "hurt").path  # the same once more
    states = hurt / "checkpoints"
    assert trained(whole)[0] == 0

    code, printed = trained(hurt, Kill("-epoch-0002.npz", draw.uniform(0, 0.01), writing=True))
    assert code == -signal.SIGKILL, printed
    assert len(list(states.glob(".*-epoch-0002.npz"))) == 1, "it was being written"
    assert not (states / "epoch-0002.npz").exists()

    code, printed = trained(hurt, Kill("-epoch-0003.npz", draw.uniform(0, 0.4)))
    assert code == -signal.SIGKILL, printed
    assert "resumed after epoch 1" in printed
    assert not list(states.glob(".*-epoch-0002.npz")), "what was half-written is cleared away"

    newest = max(states.glob("epoch-*.npz"))
    data = bytearray(newest.read_bytes())
    data[len(data) // 3] ^= 4
    newest.write_bytes(data)
    with filled(small_disk):
        code, printed = trained(hurt)
    assert code == 1, printed
    assert f"{newest} is damaged: its checksum is wrong; trying that of epoch {int(newest.stem[-4:]) - 1}" in printed
    error = printed.splitlines()[-1]
    assert error.startswith(f"Error: cannot write {states}/")
    assert error.endswith("free some space there and try again (resume a training with --resume)")
    assert not list(states.glob(".*")), "what did not fit is gone"

    code, printed = trained(hurt, Kill("model.keras", draw.uniform(0, 1.5)))
    assert code == -signal.SIGKILL, printed
    assert not Run(hurt).complete

    code, printed = trained(hurt)
    assert code == 0, printed
    assert "resumed after epoch" in printed
    assert_equal(whole, hurt)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 100 MB that can be full; skipped where none may be mounted."""
    path = tmp_path / "disk"
    path.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100m", "tmpfs", path], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted: {mounted.stderr.strip()}")
    yield path
    subprocess.run(["umount", "--lazy", path], check=True)


@contextmanager
def filled(disk, left=3_000_000):
    """Take all room on a disk but some bytes: a log fits, a checkpoint does not."""
    room = os.statvfs(disk)
    (disk / "filled").write_bytes(bytes(room.f_bavail * room.f_bsize - left))
    yield
    (disk / "filled").unlink()


def test_a_second_training_of_the_same_run_is_refused_while_the_first_one_lives(tmp_path):
    path = begun(tmp_path / "run", epochs=1)
    process, _ = started(path, Kill("-epoch-0001.npz", 60, writing=True))  # stands still, holding the run
    until(lambda: list(path.glob("checkpoints/.*")), process)
    with pytest.raises(KerasDLError, match="another training is writing to"):
        api.finish(Run(path))
    process.kill()
    process.join()
    with Run(path).locked():
        pass


@pytest.mark.skipif(not KILLS, reason="dear: KERAS_DL_KILLS=20 asks for it")
def test_kills_at_random_moments_change_nothing(tmp_path):
    """A fifth of them falls into the start, a fifth into the evaluation, the rest into epochs and checkpoints."""
    draw = random.Random(KILLS)
    whole, killed = (begun(tmp_path / name, epochs=240, patience=240) for name in ("whole", "killed"))
    assert trained(whole)[0] == 0
    for number in range(KILLS):
        process, printed = started(killed)
        share = number / KILLS
        if share >= 0.2:
            word = "train " if share < 0.8 else "trained in"
            until(lambda text=printed, word=word: f"\n{word}" in text.read_text(), process, 300)
        process.join(draw.uniform(0, 3))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL, printed.read_text()
        print(f"kill {number + 1}: {sorted(path.name for path in killed.glob('checkpoints/*'))}")
    assert trained(killed)[0] == 0
    assert_equal(whole, killed)


def until(condition, process, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert process.is_alive()
        assert time.monotonic() < end
        time.sleep(0.01)
