"""What every test stands on: no network, no GPU, no cache of the user's, and one tiny training of each task."""

from __future__ import annotations

import fcntl
import ipaddress
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from skips import pytest_make_collect_report, pytest_runtest_makereport  # noqa: F401 - hooks

if TYPE_CHECKING:
    from keras_dl.runs.run import Run

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"  # these two before anything imports TensorFlow
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

hypothesis.settings.register_profile("keras-dl", deadline=None)  # a busy machine is no error
hypothesis.settings.load_profile("keras-dl")

KERAS_DL = Path(sys.executable).with_name("keras-dl")  # the installed command, beside the Python that runs the tests
Completed = subprocess.CompletedProcess[str]


@pytest.fixture(scope="session")
def session_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this test session, the same for all workers of pytest-xdist."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session", autouse=True)
def own_cache(session_folder: Path) -> Iterator[None]:
    """Keep embedded data sets and downloads out of the cache of whoever runs the tests, and tests out of a proxy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_DL_CACHE", str(session_folder / "cache"))
        patch.delenv("COLUMNS", raising=False)  # else lines may break as in a narrow terminal
        patch.setenv("no_proxy", "localhost,127.0.0.1,::1")  # for what the tests ask by themselves
        yield


@pytest.fixture
def behind_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set a proxy for everything, where nobody listens: whatever goes through it fails."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.setenv(name.upper(), "http://127.0.0.1:9")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)


@pytest.fixture(scope="session", autouse=True)
def no_network() -> Iterator[None]:
    """Let the sockets of this process reach this machine alone."""

    def guarded(connect: Callable[..., Any]) -> Callable[..., Any]:
        def checked(self: socket.socket, address: Any) -> Any:
            if self.family != socket.AF_UNIX and not is_loopback(address[0]):
                raise RuntimeError(f"a test wants to reach {address}: tests use this machine alone")
            return connect(self, address)

        return checked

    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, guarded(getattr(socket.socket, name)))
        yield


@pytest.fixture(scope="session")
def tiny_run(session_folder: Path) -> Callable[[str], Run]:
    """Give a task's run with its tiny settings on its embedded data: trained once, shared, not to be changed."""
    import keras_dl

    @cache
    def trained(task: str) -> Run:
        path = session_folder / f"run-{task}"
        with locked(path):
            if not (path / "metrics.json").exists():
                keras_dl.train(task, tiny=True, out=path)
        return keras_dl.open_run(path)

    return trained


@pytest.fixture(scope="session")
def exported(session_folder: Path, tiny_run: Callable[[str], Run]) -> Callable[[str], Path]:
    """Give the exported version of a task's tiny run: made once, shared, not to be changed."""

    @cache
    def version(task: str) -> Path:
        folder = session_folder / f"models-{task}"
        with locked(folder):
            return folder / "1" if (folder / "1").exists() else tiny_run(task).export(folder)

    return version


@pytest.fixture(scope="session")
def trained_alike(session_folder: Path) -> tuple[Path, Path]:
    """Give two folders with history and weights of each way to train, by the task's name: twice with the same seed.

    Two processes of their own are needed: op determinism cannot be taken back in this one. Neither evaluates.
    """
    from one_of_each import one_of_each, training

    program = (
        "import sys\n"
        "import numpy as np\n"
        "from keras_dl import api\n"
        "from keras_dl.training.fit import fit_run\n"
        "def keep(run, model, *_):\n"
        "    np.savez(run.path / 'weights.npz', *[variable.numpy() for variable in model.weights])\n"
        "    return run\n"
        "for task in sys.argv[2:]:\n"
        "    asked = {'deterministic': True, 'epochs': 2}\n"
        "    fit_run(api.begin(task, tiny=True, settings=asked, out=f'{sys.argv[1]}/{task}'), keep)\n"
    )
    done, work = session_folder / "alike", session_folder / "alike.unfinished"
    with locked(done):
        if not done.exists():
            command = [sys.executable, "-c", program]
            tasks = one_of_each(training)
            both = [
                subprocess.Popen([*command, work / name, *tasks], stderr=subprocess.PIPE, text=True)
                for name in ("first", "second")
            ]
            printed = [process.communicate()[1] for process in both]
            assert [process.returncode for process in both] == [0, 0], printed
            work.rename(done)
    return done / "first", done / "second"


@pytest.fixture(scope="session")
def keras_dl_command() -> Callable[..., Completed]:
    """Give a function that runs the installed command in a process of its own."""
    return lambda *arguments: subprocess.run([KERAS_DL, *arguments], capture_output=True, text=True, timeout=300)


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Make parallel workers that share a result wait for the one that makes it."""
    with path.with_name(f"{path.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
