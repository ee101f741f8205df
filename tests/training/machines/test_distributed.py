"""Several replicas: weights equal on all of them and to those of one process; and what a lost worker does."""

import json
import os
import shutil
import signal
import socket
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import replicas_at_work
from kept_weights import weights
from replicas_at_work import start

from keras_dl import terminal
from keras_dl.runs.run import Run

HEARTBEAT = 6  # seconds, in these tests
PARITY = 1e-5  # the largest difference of a weight


def free_addresses(count):
    """Return addresses of this machine that nobody listens on."""
    with ExitStack() as opened:
        sockets = [opened.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]


def workers(count, folder, function, *arguments, heartbeat=HEARTBEAT):
    """Start workers that know each other by TF_CONFIG; what each prints, and its temporary files, are in `folder`."""
    addresses, started = free_addresses(count), []
    for index in range(count):
        config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        temporary = folder / f"temporary-{index}"
        temporary.mkdir(exist_ok=True)
        proxies = dict.fromkeys(("http_proxy", "https_proxy", "grpc_proxy"), "http://127.0.0.1:9")  # nobody is there
        own = {"TF_CONFIG": json.dumps(config), "TMPDIR": str(temporary), "KERAS_DL_HEARTBEAT": str(heartbeat)}
        started.append(start(function, *arguments, printed=folder / f"printed-{index}.txt", **own, **proxies))
    return started


def ended(processes):
    """Wait for processes and return their exit codes. None outlives a test that fails."""
    try:
        for process in processes:
            process.join(150)
        return [process.exitcode for process in processes]
    finally:
        for process in processes:
            process.kill()


def printed(folder, index):
    return (folder / f"printed-{index}.txt").read_text()


def wait_for(text, folder, chief):
    """Wait until the chief has printed something, or has ended."""
    deadline = time.monotonic() + 100
    while text not in printed(folder, 0) and chief.is_alive() and time.monotonic() < deadline:
        time.sleep(0.02)


def differences(one, other):
    """Return the largest difference of two lists of arrays."""
    return max(float(np.abs(a - b).max()) for a, b in zip(one, other, strict=True) if a.size)


@pytest.fixture(scope="module")
def four(tmp_path_factory):
    """What four workers found, and the folder that they wrote to."""
    folder = tmp_path_factory.mktemp("four")
    codes = ended(workers(4, folder, replicas_at_work.work, folder))
    assert codes == [-signal.SIGKILL, 0, 0, 0], printed(folder, 1)
    return folder, [json.loads((folder / f"worker-{index}.json").read_text()) for index in range(4)]


def test_four_workers_have_equal_weights_and_those_of_one_process(four):
    import keras
    import tensorflow as tf

    folder, found = four
    assert len({one["digest"] for one in found}) == 1
    model, logs = replicas_at_work.train(tf.distribute.get_strategy())
    with np.load(folder / "worker-0.npz") as file:
        theirs = list(file.values())
    assert differences(theirs, [keras.ops.convert_to_numpy(one) for one in model.variables]) < PARITY
    # an evaluation that left out or repeated one of the 21 examples would be off by more
    for one in found:
        assert len(one["logs"]) == len(logs) == replicas_at_work.END
        assert one["logs"] == found[0]["logs"]
        for ours, single in zip(one["logs"], logs, strict=True):
            assert ours == pytest.approx(single, abs=1e-5)


def test_workers_find_out_when_they_differ(four):
    for one in four[1]:
        assert "the workers have different names" in one["disagreed"]
        assert one["broadcast"] == ["", "from the chief"]


def test_workers_can_be_made_equal(four):
    folder, found = four
    assert len({one["digest after"] for one in found}) == 1
    assert found[0]["digest after"] == found[0]["digest"]
    for index in range(1, 4):
        with np.load(folder / "worker-0.npz") as chief, np.load(folder / f"worker-{index}.npz") as other:
            for name in chief:
                np.testing.assert_array_equal(chief[name], other[name])


def test_workers_stop_when_the_chief_is_killed(four):
    for index, one in enumerate(four[1][1:], 2):
        assert one["lost"].startswith(f"worker {index} of 4 stops: ")
        assert "no longer answers" in one["lost"]
        assert one["lost"].endswith("--resume")
        assert one["seconds"] < 2 * HEARTBEAT + 20


def test_a_killed_worker_stops_the_training_and_resume_ends_as_if_it_had_not(tmp_path):
    settings = ("reader=mean", "ngrams=", "dropout=0", "epochs=12", "patience=12")
    words = ["--tiny", *[word for pair in settings for word in ("--set", pair)]]
    out, one = str(tmp_path / "run"), str(tmp_path / "one")
    command = replicas_at_work.command

    start_at = ("train", "spam", "--strategy", "multiworker", "--out", out, *words)
    chief, other = workers(2, tmp_path, command, *start_at)
    wait_for("train 3/", tmp_path, chief)
    other.kill()
    began = time.monotonic()
    assert ended([chief, other]) == [1, -signal.SIGKILL]
    assert time.monotonic() - began < 2 * HEARTBEAT + 20
    said = printed(tmp_path, 0)
    assert "worker 1 of 2 stops: worker 2 (127.0.0.1:" in said
    assert "--resume" in said
    assert "Traceback" not in said
    assert not Run(Path(out)).complete
    shutil.rmtree(tmp_path / "temporary-1")  # a killed process leaves its temporary files

    resumed = workers(2, tmp_path, command, "train", "spam", "--resume", "--out", out)
    single = start(command, "train", "spam", "--out", one, *words, printed=tmp_path / "printed-2.txt")
    assert ended([*resumed, single]) == [0, 0, 0], [printed(tmp_path, index) for index in range(3)]
    assert "resumed after epoch" in printed(tmp_path, 0)
    (line,) = printed(tmp_path, 1).splitlines()
    assert line.startswith("worker 2 of 2; the chief, 127.0.0.1:")
    assert [path.name for index in (0, 1) for path in (tmp_path / f"temporary-{index}").glob("keras-dl-*")] == []

    assert Run(Path(out)).card["training"]["strategy"] == "multiworker"
    histories = [pd.read_csv(Path(path) / "history.csv").drop(columns="seconds") for path in (out, one)]
    pd.testing.assert_frame_equal(*histories, rtol=1e-4, atol=1e-5)
    ours, theirs = weights(Path(out)), weights(Path(one))
    assert ours.keys() == theirs.keys()
    assert differences(ours.values(), theirs.values()) < PARITY


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("trained", [False, True])
def test_a_worker_that_waits_for_another_one_can_be_stopped(tmp_path, how, trained):
    """At the start for one that does not come, in training for one that does not answer."""
    run = str(tmp_path / "run")
    command = ("train", "spam", "--tiny", "--out", run)
    chief, other = workers(2, tmp_path, replicas_at_work.command, *command, heartbeat=60)
    try:
        if not trained:
            other.kill()
        wait_for("wide 2/" if trained else "waiting for worker 2", tmp_path, chief)
        if trained:
            os.kill(other.pid, signal.SIGSTOP)
            time.sleep(1)
        os.kill(chief.pid, how)
        chief.join(terminal.GRACE + 10)
        assert chief.exitcode == 1, printed(tmp_path, 0)
        assert f"resume with: keras-dl train spam --resume --out {run}" in printed(tmp_path, 0)
    finally:
        for process in (chief, other):
            process.kill()


def test_a_worker_that_is_stopped_while_it_waits_leaves_nothing(tmp_path):
    command = ("train", "spam", "--tiny", "--out", str(tmp_path / "run"))
    chief, other = workers(2, tmp_path, replicas_at_work.command, *command, heartbeat=60)
    try:
        wait_for("wide 2/", tmp_path, chief)
        assert list((tmp_path / "temporary-1").glob("keras-dl-*"))
        os.kill(chief.pid, signal.SIGSTOP)
        time.sleep(1)
        os.kill(other.pid, signal.SIGTERM)
        other.join(terminal.GRACE + 10)
        assert other.exitcode == 1, printed(tmp_path, 1)
        assert not list((tmp_path / "temporary-1").glob("keras-dl-*"))
    finally:
        for process in (chief, other):
            process.kill()


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """What was written by a process with two virtual CPUs, and what it printed."""
    folder = tmp_path_factory.mktemp("two")
    process = start(replicas_at_work.mirror, folder, printed=folder / "printed-0.txt")
    assert ended([process]) == [0], printed(folder, 0)
    return folder


@pytest.mark.parametrize("of_attention", [False, True])
def test_each_replica_drops_other_units(two, of_attention):
    with np.load(two / f"dropout-{of_attention}.npz") as file:
        (first, second), single = file["mirrored"].swapaxes(0, 1), file["default"][:, 0]
    for step in range(2):
        assert (first[step] != second[step]).mean() > 0.2
    np.testing.assert_array_equal(first, single)
    assert (first[0] != first[1]).any()


def test_two_devices_of_one_machine_give_what_one_gives(two):
    for task in ("pneumonia", "spam"):
        described = json.loads((two / f"{task}-mirrored.json").read_text())
        assert described["device"].endswith("2 replicas (mirrored)")
        with np.load(two / f"{task}-mirrored.npz") as both, np.load(two / f"{task}-default.npz") as one:
            for name in one:  # batches are normalised by another formula, which rounds otherwise
                np.testing.assert_allclose(both[name], one[name], rtol=1e-4, atol=2e-5)
    assert "2 replicas x 8 examples = batches of 16" in printed(two, 0)
