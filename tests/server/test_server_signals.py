"""`keras-dl serve` as a process: SIGTERM under load drops nothing accepted, a killed worker costs nobody else."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from live_server import until

KERAS_DL = Path(sys.executable).with_name("keras-dl")
PREDICT = "/v1/models/emoji:predict"
BODY = b'{"instances": ["I love you"]}'
HEAD = f"POST {PREDICT} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()


class Started:
    """A server in a process of its own: its address, and the lines it logs."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen([KERAS_DL, "serve", *map(str, arguments)], stderr=subprocess.PIPE, text=True)
        self.lines, self.connections = [], []
        threading.Thread(target=self.read, daemon=True).start()
        until(lambda: self.said("loading the models for"))
        self.port = int(re.search(r"loading the models for http://127.0.0.1:(\d+)", "".join(self.lines))[1])
        self.url = f"http://127.0.0.1:{self.port}"

    def read(self):
        with self.process.stderr as file:
            self.lines.extend(file)

    def said(self, what):
        """Return the lines with these words."""
        return [line for line in self.lines if what in line]

    def pids(self):
        """Return the process ids of the workers, in the order of their starts."""
        return [json.loads(line)["worker"] for line in self.said('"worker":')]

    def connect(self):
        """Open a connection, which is closed with the server."""
        self.connections.append(socket.create_connection(("127.0.0.1", self.port), timeout=20))
        return self.connections[-1]

    def close(self):
        """Kill what is left."""
        self.process.kill()
        self.process.wait(10)
        for connection in self.connections:
            connection.close()


@contextmanager
def started(*arguments):
    server = Started(*arguments)
    try:
        yield server
    finally:
        server.close()


@contextmanager
def load(url, clients=4):
    """Ask all the time, and give the lists of answers and of failures."""
    answers, failures, stop = [], [], threading.Event()

    def ask():
        with requests.Session() as session:
            while not stop.is_set():
                try:
                    answers.append(session.post(url + PREDICT, data=BODY, timeout=20))
                except requests.RequestException as error:
                    failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield answers, failures
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)


def answered(connection):
    """Read one answer from a connection: status, headers and body."""
    with connection.makefile("rb") as file:
        status = file.readline()
        headers = b"".join(iter(file.readline, b"\r\n")).lower()
        return status, headers, file.read(int(re.search(rb"content-length: (\d+)", headers)[1]))


def test_sigterm_under_load_drops_nothing_that_was_accepted(tiny_run):
    with started(tiny_run("emoji").path, "--port", 0, "--drain", 3) as server:
        until(lambda: server.said(f"ready: open {server.url} "))
        assert requests.get(f"{server.url}/readyz", timeout=5).ok
        idle = server.connect()  # has asked once, and now keeps silent
        idle.sendall(HEAD + BODY)
        assert answered(idle)[0].split()[1] == b"200"
        silent, late = server.connect(), server.connect()
        late.sendall(HEAD + BODY[:5])  # begun before the signal, ended after the door is closed
        rows = {"file": ("a.csv", b"\n".join([b"I love you"] * 3000))}
        batch = requests.post(f"{server.url}/v1/models/emoji:batch", files=rows, stream=True, timeout=20)
        with load(server.url) as (answers, failures):
            time.sleep(0.3)
            server.process.send_signal(signal.SIGTERM)
            until(lambda: server.said("draining"), 5)
            assert requests.get(f"{server.url}/readyz", timeout=5).status_code == 503
            assert requests.get(f"{server.url}/livez", timeout=5).ok
            before = len(answers)
            time.sleep(0.5)
        assert len(answers) > before, "it is served on while others learn that it is not ready"
        until(lambda: server.said("accepting no more requests"), 10)
        late.sendall(BODY[5:])
        status, headers, _ = answered(late)
        lines = batch.text.splitlines()
        assert server.process.wait(15) == 0, "\n".join(server.lines[-20:])
        assert not idle.recv(1)
        assert not silent.recv(1)
        with pytest.raises(OSError, match="refused"):
            server.connect()
    assert status.split()[1] == b"200"
    assert b"connection: close" in headers
    assert json.loads(lines[-1])["done"] == 3000
    assert not failures
    assert {one.status_code for one in answers} == {200}
    assert answers[-1].headers["Connection"] == "close"
    assert not server.said("Traceback")


def test_a_signal_in_the_middle_of_a_log_line_stops_the_server_too(monkeypatch):
    from keras_dl.server import starting
    from keras_dl.server.guard import Guard
    from keras_dl.server.settings import Settings

    def interrupted(*_):
        raise RuntimeError("reentrant call inside <_io.BufferedWriter name='<stderr>'>")

    async def scenario():
        loop, stopped = asyncio.get_running_loop(), asyncio.Event()
        loop.set_exception_handler(lambda *_: None)  # the log line is lost, and nothing else
        guard = Guard(None, Settings())
        guard.loop = loop
        starting.begin_to_stop(guard, 0.01, stopped.set)
        await asyncio.wait_for(stopped.wait(), 5)
        assert guard.draining_since is not None

    monkeypatch.setattr(starting.LOG, "info", interrupted)
    asyncio.run(scenario())


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="connections are found in /proc")
def test_a_killed_worker_costs_only_its_own_connections_and_comes_back(tiny_run):
    with started(tiny_run("emoji").path, "--port", 0, "--workers", 2, "--drain", 3) as server:
        until(lambda: server.said('"message": "ready: '), 120)
        assert len(server.said("is served")) == 2
        first, other = server.pids()
        held = [server.connect() for _ in range(2)]
        while {worker_of(one, server, (first, other)) for one in held} != {first, other}:
            assert len(held) < 200, "one worker takes all connections"
            held.append(server.connect())
        kept = [one for one in held if worker_of(one, server, (first, other)) == other]
        with load(server.url) as (answers, failures):
            until(lambda: len(answers) > 20, 10)
            for one in kept:
                one.sendall(HEAD + BODY[:5])
            os.kill(first, signal.SIGKILL)
            for one in kept:
                one.sendall(BODY[5:])
                assert answered(one)[0].split()[1] == b"200"
            until(lambda: len(server.said("is served")) == 3, 120)
            assert len(server.pids()) == 3
        assert {one.status_code for one in answers} == {200}
        assert len(failures) <= 4, "a client loses at most the request that was with the worker"
        with load(server.url) as (answers, failures):
            server.process.send_signal(signal.SIGTERM)
            until(lambda: len(server.said("draining")) == 2, 5)
            time.sleep(0.5)
        assert not failures
        assert {one.status_code for one in answers} == {200}
        assert server.process.wait(20) == 0
    assert not server.said("Traceback")
    assert not server.said("Warning")


def worker_of(connection, server, workers):
    """Return the process that has accepted a connection, once one has."""
    port, inode = connection.getsockname()[1], None
    end = time.monotonic() + 10
    while time.monotonic() < end:
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            _, local, remote, *_, inode = line.split()[:10]
            if int(local.partition(":")[2], 16) == server.port and int(remote.partition(":")[2], 16) == port:
                for worker in workers:
                    if f"socket:[{inode}]" in links(Path(f"/proc/{worker}/fd")):
                        return worker
        time.sleep(0.01)
    raise AssertionError("nobody takes the connection")


def links(folder):
    """Return where the links of a folder lead, as far as they are still there."""
    found = set()
    for path in folder.iterdir():
        try:
            found.add(str(path.readlink()))
        except OSError:  # closed meanwhile
            continue
    return found
