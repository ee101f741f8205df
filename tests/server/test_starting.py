"""How the server starts: whatever goes wrong is one line and exit code 1, and "ready" is said when it is."""

import errno
import json
import logging
import shutil
import signal
import socket
import sys

import pytest
import uvicorn
from click.testing import CliRunner

from keras_dl.cli import main
from keras_dl.errors import KerasDLError
from keras_dl.server import starting, watching
from keras_dl.server.models import sources
from keras_dl.server.settings import Settings

LOGGERS = ("keras_dl", "uvicorn.error", "uvicorn.access")


@pytest.fixture(autouse=True)
def as_before():
    """Give loggers and signals back as they were: a server takes those of its process."""
    loggers = [logging.getLogger(name) for name in LOGGERS]
    kept = [(one.handlers, one.propagate, one.level) for one in loggers]
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    yield
    for one, (before, propagate, level) in zip(loggers, kept, strict=True):
        one.handlers, one.propagate, one.level = before, propagate, level
    for number, handler in handlers.items():
        if handler is not None and signal.getsignal(number) is not handler:
            signal.signal(number, handler)


@pytest.fixture
def fails(tiny_run):
    """Give a function that starts a server which cannot start, and returns the only line that it says."""

    def failing(*options, run=None):
        found = CliRunner().invoke(main, ["serve", str(run or tiny_run("emoji").path), *options])
        assert found.exit_code == 1
        assert found.stdout == ""
        (line,) = [one for one in found.stderr.splitlines() if not one.startswith("{")]
        return line.removeprefix("Error: ")

    return failing


@pytest.mark.parametrize("workers", ["1", "3"])
def test_a_port_that_is_taken(workers, fails):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = fails("--port", str(port), "--workers", workers)
    assert said == f"port {port} is taken by another program; stop it, or choose another port: --port {port + 1}"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--host", "nowhere.invalid"], "--host nowhere.invalid is not an address"),
        (["--host", "a b"], "--host a b is not an address"),
        (["--host", "192.0.2.1"], "--host 192.0.2.1 is not an address of this machine"),
        (["--database", "sqlite:////proc/requests.db"], "requests.db cannot be used: "),
        (["--database", "sqlite:////no/such/folder/requests.db", "--workers", "2"], "requests.db cannot be used: "),
    ],
)
def test_what_cannot_be_used(options, said, fails, monkeypatch):
    def without_network(host, *_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    if options[1] in ("nowhere.invalid", "a b"):
        monkeypatch.setattr(starting.socket, "getaddrinfo", without_network)
    assert said in fails("--port", "0", *options)


def test_a_port_of_the_administrator(fails, monkeypatch):
    class Strict(socket.socket):
        def bind(self, address):
            raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(starting.socket, "socket", Strict)
    said = fails("--port", "80")
    assert said == "port 80 is reserved for the administrator; choose 1024 or higher: --port 7860"


def test_a_folder_of_models_that_cannot_be_read(fails, tmp_path, monkeypatch):
    def numbers(folder):
        raise PermissionError(errno.EACCES, "Permission denied", str(folder))

    monkeypatch.setattr(sources.versions, "numbers", numbers)
    assert fails("--port", "0", run=tmp_path) == f"{tmp_path} cannot be read: Permission denied; check its permissions"


def test_of_several_folders_one_that_cannot_be_read_is_passed_over(exported, tmp_path, monkeypatch):
    shutil.copytree(exported("emoji"), tmp_path / "emoji" / "1")
    (tmp_path / "lost+found").mkdir()
    numbers = sources.versions.numbers

    def strict(folder):
        if folder.name == "lost+found":
            raise PermissionError(errno.EACCES, "Permission denied", str(folder))
        return numbers(folder)

    monkeypatch.setattr(sources.versions, "numbers", strict)
    (source,) = sources.find([str(tmp_path)])
    assert [one.name for one in sources.expanded(source)] == ["emoji"]
    shutil.rmtree(tmp_path / "emoji")
    with pytest.raises(KerasDLError, match=r"lost\+found cannot be read: Permission denied"):
        sources.find([str(tmp_path)])


def test_a_run_that_cannot_be_loaded_ends_the_server(damaged, fails):
    assert fails("--port", "0", "--log", "json", run=damaged).startswith("version 1 of emoji cannot be served: ")


@pytest.fixture
def damaged(tiny_run, tmp_path):
    """Give a run whose network is cut off."""
    run = tiny_run("emoji").path
    for path in run.iterdir():
        if path.name != "model.keras":
            (tmp_path / path.name).symlink_to(path)
    (tmp_path / "model.keras").write_bytes((run / "model.keras").read_bytes()[:1000])
    return tmp_path


def test_a_worker_that_never_will_be_ready_ends_all(tmp_path, monkeypatch):
    monkeypatch.setattr(
        starting.Workers, "init_processes", lambda self: (tmp_path / "failure-7").write_text("emoji is damaged")
    )
    config = uvicorn.Config("nothing:here", workers=2, log_config=None)
    with starting.opened("127.0.0.1", 0) as door, pytest.raises(KerasDLError, match="emoji is damaged"):
        starting.Workers(config, door, tmp_path, "http://here").run()


def test_workers_are_ready_when_all_are(tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO, "keras_dl.server")
    config = uvicorn.Config("nothing:here", workers=2, log_config=None)
    with starting.opened("127.0.0.1", 0) as door:
        workers = starting.Workers(config, door, tmp_path, "http://here")
        for number in range(3):
            workers.keep_subprocess_alive()
            assert caplog.messages.count("ready: open http://here (the API: /docs); stop with Ctrl-C") == (number == 2)
            (tmp_path / f"ready-{number}").touch()
        workers.keep_subprocess_alive()
    assert len(caplog.messages) == 1


def test_only_what_may_still_get_a_version_is_waited_for(tmp_path):
    from keras_dl.server.models.catalogue import Catalogue

    for kind, ends in (("run", True), ("version", True), ("folder", False), ("models", False)):
        found = Catalogue([sources.Source("emoji", tmp_path, kind)], None)
        found.unsaid = [("it is damaged", KerasDLError("damaged"))]
        assert found.hopeless() == ("it is damaged" if ends else "")


@pytest.mark.parametrize(
    ("host", "wanted"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("localhost", "localhost")]
)
def test_it_says_where_a_browser_finds_it(host, wanted):
    with starting.opened(host, 0) as door:
        assert starting.address(host, door) == f"http://{wanted}:{door.getsockname()[1]}"
        socket.create_connection(("127.0.0.1", door.getsockname()[1]), 2).close()


# Log lines

FACTS = {"method": "POST", "path": "/predict", "status": 200, "ms": 2.13, "model": "emoji", "version": "1"}


@pytest.mark.parametrize(
    ("style", "is_terminal", "is_text"),
    [("auto", True, True), ("auto", False, False), ("text", False, True), ("json", True, False)],
)
def test_log_lines_are_for_who_reads_them(style, is_terminal, is_text, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
    watching.log_lines(style)
    log = logging.getLogger("keras_dl.server")
    log.info("request", extra={"facts": FACTS})
    log.error("it broke\x1b[2J")
    logging.getLogger("uvicorn.error").info("of no interest")
    first, second = capsys.readouterr().err.splitlines()
    if is_text:
        assert [first[10:], second[10:]] == ["POST /predict 200, 2.1 ms, emoji 1", "error: it broke\ufffd[2J"]
    else:
        assert json.loads(first) | FACTS == json.loads(first)
        assert json.loads(second)["level"] == "error"


def test_settings_reach_the_workers(monkeypatch):
    monkeypatch.setenv("KERAS_DL_SERVE", "")
    given = Settings(runs=("a",), log="text", root_path="/keras")
    given.to_environment()
    assert Settings.from_environment() == given
