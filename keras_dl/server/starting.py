"""How the server starts and stops.

What can fail is tried before TensorFlow is imported, and fails in one line: the address, the arguments, the database.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import math
import os
import signal
import socket
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from keras_dl.errors import KerasDLError, UsageError
from keras_dl.server import watching
from keras_dl.server.patience import Protocol
from keras_dl.server.settings import Settings
from keras_dl.training.machines import devices

if TYPE_CHECKING:
    from keras_dl.server.guard import Guard
    from keras_dl.server.models.catalogue import Catalogue

LOG = logging.getLogger("keras_dl.server")
BACKLOG = 2048  # connections that may wait to be accepted
EVERYWHERE = ("0.0.0.0", "::")
PRIVILEGED = 1024  # ports below belong to the administrator


def serve(settings: Settings) -> None:
    """Serve until a signal says stop.

    Raises:
        UsageError: if there is nothing to serve, or an option's value is none.
        KerasDLError: if the address, the database or all of the models cannot be used.
    """
    watching.log_lines(settings.log)
    with opened(settings.host, settings.port) as door:
        where = address(settings.host, door)
        check(settings)
        LOG.info("loading the models for %s", where, extra={"facts": {"url": where}})
        options: dict[str, Any] = {
            "log_config": None,
            "access_log": False,
            "server_header": False,
            "timeout_graceful_shutdown": math.ceil(settings.timeout) + 10,
            "timeout_keep_alive": 30,
            "timeout_worker_healthcheck": 15,  # a worker that imports TensorFlow from a cold disk is not dead
            "http": Protocol,
            "backlog": BACKLOG,
            "workers": settings.workers,
        }
        if settings.workers > 1:
            settings.to_environment()
            with watching.shared_figures() as shared:
                config = uvicorn.Config("keras_dl.server.starting:from_environment", factory=True, **options)
                Workers(config, door, Path(shared), where).run()
        else:
            alone(settings, options, door, where)
    LOG.info("stopped")


def opened(host: str, port: int) -> socket.socket:
    """Return a socket that listens; clients that connect now wait until the server takes them.

    Raises:
        KerasDLError: if the port is taken, or not for us, or the address is not this machine's.
    """
    try:
        known = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError):
        raise KerasDLError(f"--host {host} is not an address; write 127.0.0.1, or 0.0.0.0 for all addresses") from None
    family, kind, protocol, _, place = min(known, key=lambda one: one[0] != socket.AF_INET)
    door = socket.socket(family, kind, protocol)
    try:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind(place)
        door.listen(BACKLOG)
    except OSError as error:
        door.close()
        raise KerasDLError(closed(error, host, port)) from None
    door.set_inheritable(True)  # by workers
    return door


def closed(error: OSError, host: str, port: int) -> str:
    """Say why an address cannot be listened at, and what helps."""
    other = port + 1 if PRIVILEGED <= port < 65535 else 7860
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is taken by another program; stop it, or choose another port: --port {other}"
    if error.errno in (errno.EACCES, errno.EPERM) and port < PRIVILEGED:
        return f"port {port} is reserved for the administrator; choose {PRIVILEGED} or higher: --port {other}"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"--host {host} is not an address of this machine; write 127.0.0.1, or 0.0.0.0 for all addresses"
    return f"cannot listen on {host}:{port}: {error.strerror}"


def address(host: str, door: socket.socket) -> str:
    """Return the address that a browser on this machine can open."""
    port = door.getsockname()[1]
    host = "127.0.0.1" if host in ("", *EVERYWHERE) else host
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def check(settings: Settings) -> None:
    """Say what is wrong before a worker starts: one that cannot start would be started again and again.

    Raises:
        UsageError: if there is nothing to serve, or the rate is none.
        KerasDLError: if the database cannot be reached.
    """
    from limits import parse

    from keras_dl.server.journal.journal import Journal
    from keras_dl.server.models import sources

    sources.find(settings.runs, settings.name)
    try:
        parse(settings.rate or "1/second")
    except ValueError:
        raise UsageError(f"--rate {settings.rate} must be a number per unit of time, such as 50/second") from None
    if settings.database:
        Journal(settings.database).close()


def say_ready(where: str) -> None:
    """Log that requests are answered from now on, where, and how that is ended."""
    facts = {"facts": {"url": where}}
    LOG.info("ready: open %s (the API: /docs); stop with Ctrl-C", where, extra=facts)


# In one process


def alone(settings: Settings, options: dict[str, Any], door: socket.socket, where: str) -> None:
    """Serve in this process."""
    devices.import_quietly()
    from keras_dl.server.app import create

    def loaded(found: Catalogue) -> None:
        server.failure = found.hopeless()
        if server.failure:
            server.should_exit = True
        elif any(model.ready for model in found.models.values()):
            say_ready(where)
        else:
            LOG.warning("no model can be served yet; the server checks the folders every second")

    app = create(settings, loaded)
    server = Server(uvicorn.Config(app.state.outermost, **options), app.state.guard, settings.drain)
    server.run(sockets=[door])
    if server.failure:
        raise KerasDLError(server.failure)


class Server(uvicorn.Server):
    """Uvicorn's server, which at SIGTERM says that it is not ready, serves on for a while, and then shuts down."""

    def __init__(self, config: uvicorn.Config, guard: Guard, drain: float) -> None:
        """Take uvicorn's configuration, the guard, and seconds."""
        super().__init__(config)
        self.guard, self.drain = guard, drain
        self.failure = ""  # why nothing can be served

    async def shutdown(self, sockets: Any = None) -> None:
        """Shut down; a stop that was asked for is no failure, so the signal is not raised again: exit code 0."""
        if not self.failure:
            LOG.info("accepting no more requests; answering those it has accepted")
        await super().shutdown(sockets)
        self._captured_signals.clear()

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Begin to stop."""
        begin_to_stop(self.guard, self.drain, partial(super().handle_exit, sig, frame))


def begin_to_stop(guard: Guard, drain: float, stop: Callable[[], None]) -> None:
    """Say that the server is not ready, serve on for a while, and then stop; a second signal does not wait.

    For a signal handler, which may interrupt anything, even the writing of a log line: it only leaves word with the
    event loop. To log here could fail in the middle of another line, and then nothing would ever stop.
    """
    again, guard.draining_since = guard.draining_since is not None, guard.draining_since or time.monotonic()
    if again or not drain or guard.loop is None:
        stop()
    else:
        guard.loop.call_soon_threadsafe(stop_later, guard.loop, drain, stop)


def stop_later(loop: asyncio.AbstractEventLoop, drain: float, stop: Callable[[], None]) -> None:
    """Stop after some seconds, and say so."""
    loop.call_later(drain, stop)
    LOG.info("draining for %g s, requests are still answered; press Ctrl-C again to stop now", drain)


# In several: workers tell their parent by files in a folder that all know


class Workers(Multiprocess):
    """Uvicorn's parent of workers, which says when all can answer, and ends with the reason if none ever will."""

    def __init__(self, config: uvicorn.Config, door: socket.socket, shared: Path, where: str) -> None:
        """Take uvicorn's configuration, the socket, the folder where workers leave word, and the address."""
        super().__init__(config, sockets=[door])
        self.shared, self.where, self.is_ready = shared, where, False

    def run(self) -> None:
        """Run the workers until a signal says stop; raises KerasDLError if they cannot serve."""
        super().run()
        for failure in self.shared.glob("failure-*"):
            raise KerasDLError(failure.read_text("utf-8"))
        if any(process.exitcode == STARTUP_FAILURE for process in self.processes):
            raise KerasDLError("the workers cannot start; --workers 1 shows the reason")

    def keep_subprocess_alive(self) -> None:
        """Start workers again that ended; look whether all are ready, or one has failed for good."""
        if any(self.shared.glob("failure-*")):
            self.should_exit.set()
            return
        if not self.is_ready and len(list(self.shared.glob("ready-*"))) >= self.processes_num:
            self.is_ready = True
            say_ready(self.where)
        before = list(self.processes)
        super().keep_subprocess_alive()
        for old, new in zip(before, self.processes, strict=False):
            if old is not new:
                LOG.warning("worker %s ended with code %s; %s replaces it", old.pid, old.exitcode, new.pid)


def from_environment() -> Any:
    """Make the application of a worker process."""
    devices.import_quietly()
    from keras_dl.server.app import create

    settings = Settings.from_environment()
    watching.log_lines(settings.log)
    LOG.info("worker %d is loading the models", os.getpid(), extra={"facts": {"worker": os.getpid()}})
    watching.forget_the_dead()
    app = create(settings, tell_parent)
    stop: Any = signal.getsignal(signal.SIGTERM)  # uvicorn has set its own before it makes the application
    begin = partial(begin_to_stop, app.state.guard, settings.drain)
    signal.signal(signal.SIGTERM, lambda sig, frame: begin(partial(stop, sig, frame)))
    return app.state.outermost


def tell_parent(found: Catalogue) -> None:
    """Leave word for the parent that this worker is ready, or why it never will be."""
    failure = found.hopeless()
    shared = Path(os.environ[watching.MULTIPLE])
    (shared / f"{'failure' if failure else 'ready'}-{os.getpid()}").write_text(failure, "utf-8")
    if failure:
        os._exit(STARTUP_FAILURE)  # before it takes requests; an exception would be logged with all its lines
