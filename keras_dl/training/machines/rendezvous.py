"""How workers meet before TensorFlow does: all of them are there, or the one that is not is named.

TensorFlow itself would wait without an end, and hear no Ctrl-C. The chief listens on its address, each other worker
says its number there, and when all have come the chief sends them on; then the address is free for TensorFlow.
"""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack, closing, suppress

from keras_dl.errors import KerasDLError, UsageError
from keras_dl.progress import say
from keras_dl.training.machines.cluster import Cluster

PAUSE = 0.5  # seconds between two attempts
TALK = 5  # seconds that a line may take
PATIENT = 2  # seconds before it is said that one waits


def meet(cluster: Cluster, patience: float) -> None:
    """Wait until all workers of the cluster have been started, at most `patience` seconds.

    Raises:
        KerasDLError: if one does not come in time, or the chief cannot listen on its address.
    """
    (receive if cluster.chief else report)(cluster, time.monotonic() + patience)


def receive(cluster: Cluster, deadline: float) -> None:
    """As the chief, wait for the others and send them on; one that went away meanwhile is waited for anew."""
    others = {f"worker {index} of {len(cluster.workers)}": index for index in range(1, len(cluster.workers))}
    say_at = time.monotonic() + PATIENT
    with ExitStack() as at_end:
        server = at_end.enter_context(listening(cluster.workers[0]))
        here: dict[int, socket.socket] = {}
        while missing := [index for index in others.values() if not still(here.get(index))]:
            names = ", ".join(f"worker {index + 1} ({cluster.workers[index]})" for index in missing)
            if time.monotonic() > deadline:
                raise KerasDLError(
                    f"{names} did not come; check that all {len(cluster.workers)} workers were started and can "
                    f"reach {cluster.workers[0]}"
                )
            if time.monotonic() > say_at:
                say(f"waiting for {names}")
                say_at = deadline
            with suppress(OSError):  # nobody came
                connection = at_end.enter_context(server.accept()[0])
                if (index := index_of(connection, others)) is not None:
                    here[index] = connection
        server.close()
        for connection in here.values():
            with suppress(OSError):  # TensorFlow will tell if one is gone in this moment
                connection.settimeout(TALK)
                connection.sendall(b"go on\n")
                line(connection, TALK)  # empty: the other side closes first, which leaves the address free


def index_of(connection: socket.socket, others: dict[str, int]) -> int | None:
    """Return which worker has come; a stranger, and one who says nothing, is sent away, and may come again."""
    with suppress(OSError):
        if (index := others.get(line(connection, TALK))) is not None:
            return index
        connection.sendall(b"another training meets there\n")
    connection.close()
    return None


def report(cluster: Cluster, deadline: float) -> None:
    """As another worker, say one's number to the chief until it sends one on."""
    host, port = cluster.workers[0].rsplit(":", 1)
    reason = "no answer"
    while (left := deadline - time.monotonic()) > 0:
        try:
            with closing(socket.create_connection((host, int(port)), timeout=min(TALK, left))) as connection:
                connection.sendall(f"worker {cluster.index} of {len(cluster.workers)}\n".encode())
                answer = line(connection, left)
            if answer == "go on":
                return
            reason = answer if answer.isprintable() and answer else reason
        except UnicodeError:
            raise UsageError(f"'{host}' is not the name of a machine") from None
        except OSError as error:
            reason = error.strerror or str(error)
        time.sleep(PAUSE)
    raise KerasDLError(
        f"{cluster.name} did not meet the chief, {cluster.workers[0]} ({reason}); check that it was started"
    )


def listening(address: str) -> socket.socket:
    """Listen on the port of an address of this machine."""
    port = int(address.rsplit(":", 1)[1])
    both = socket.has_dualstack_ipv6()
    try:
        server = socket.create_server(
            ("", port), family=socket.AF_INET6 if both else socket.AF_INET, dualstack_ipv6=both
        )
    except OSError as error:
        raise KerasDLError(
            f"the chief cannot listen on {address} ({error.strerror}); give the workers another port"
        ) from None
    server.settimeout(PAUSE)
    return server


def line(connection: socket.socket, patience: float) -> str:
    """Read a short line; empty if the other side closes."""
    connection.settimeout(patience)
    with connection.makefile("rb") as file:
        return file.readline(80).decode(errors="replace").strip()


def still(connection: socket.socket | None) -> bool:
    """Whether the other side of a connection, which has nothing to say, is there."""
    if connection is None:
        return False
    connection.setblocking(False)
    try:
        return bool(connection.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return True
    except OSError:
        return False
