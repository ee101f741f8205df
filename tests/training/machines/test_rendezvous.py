"""Workers that meet before TensorFlow does, over real sockets."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from test_distributed import free_addresses

from keras_dl.errors import KerasDLError
from keras_dl.training.machines import rendezvous
from keras_dl.training.machines.cluster import Cluster


@pytest.fixture
def three():
    addresses = tuple(free_addresses(3))
    return [Cluster(addresses, index) for index in range(3)]


@pytest.fixture
def pool():
    with ThreadPoolExecutor(4) as executor:
        yield executor


def connected(cluster, text):
    """Connect to the chief, which may not listen yet, and say something."""
    host, port = cluster.workers[0].split(":")
    for _ in range(100):
        try:
            connection = socket.create_connection((host, int(port)), timeout=5)
            break
        except ConnectionRefusedError:
            time.sleep(0.05)
    connection.sendall(text)
    return connection


def test_all_go_on_when_the_last_one_has_come(three, pool):
    first = [pool.submit(rendezvous.meet, three[index], 30) for index in (2, 0)]
    time.sleep(1)
    assert not any(one.done() for one in first)
    rendezvous.meet(three[1], 30)
    for one in first:
        one.result(5)
    with socket.create_server(("127.0.0.1", int(three[0].workers[0].split(":")[1]))):
        pass  # the address is free for TensorFlow


def test_the_chief_names_those_who_did_not_come(three, pool, capsys, monkeypatch):
    monkeypatch.setattr(rendezvous, "PATIENT", 0.1)
    worker = pool.submit(rendezvous.meet, three[1], 8)
    with pytest.raises(KerasDLError) as missing:
        rendezvous.meet(three[0], 4)
    assert str(missing.value).startswith(f"worker 3 ({three[0].workers[2]}) did not come; check that all 3 workers")
    assert "waiting for worker 3 (" in capsys.readouterr().err
    with pytest.raises(KerasDLError, match=r"worker 2 of 3 did not meet the chief, .* check that it was started"):
        worker.result(20)


def test_a_worker_that_went_away_is_waited_for_anew(three, pool):
    chief = pool.submit(rendezvous.meet, three[0], 30)
    connected(three[0], b"worker 1 of 3\n").close()
    third = pool.submit(rendezvous.meet, three[2], 30)
    time.sleep(1)
    assert not chief.done()
    assert not third.done()
    rendezvous.meet(three[1], 30)
    chief.result(5)
    third.result(5)


@pytest.mark.parametrize("said", [b"worker 1 of 4\n", b"worker 0 of 3\n", b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 200])
def test_strangers_are_sent_away(three, pool, said):
    chief = pool.submit(rendezvous.meet, three[0], 30)
    with connected(three[0], said) as stranger:
        assert stranger.recv(100) == b"another training meets there\n"
    others = [pool.submit(rendezvous.meet, cluster, 30) for cluster in three[1:]]
    for one in (chief, *others):
        one.result(10)


def test_a_worker_of_another_training_is_told_so(three, pool):
    other = Cluster((three[0].workers[0], "127.0.0.1:9"), 1)
    chief = pool.submit(rendezvous.meet, three[0], 4)
    with pytest.raises(KerasDLError, match=r"did not meet the chief, .* \(another training meets there\)"):
        rendezvous.meet(other, 2)
    assert isinstance(chief.exception(10), KerasDLError)


def test_an_address_that_is_taken_is_said(three):
    port = int(three[0].workers[0].split(":")[1])
    with socket.create_server(("", port)), pytest.raises(KerasDLError, match=r"cannot listen on .* another port"):
        rendezvous.meet(three[0], 1)


def test_a_silent_connection_does_not_keep_the_others_out(three, pool, monkeypatch):
    monkeypatch.setattr(rendezvous, "TALK", 1)
    chief = pool.submit(rendezvous.meet, three[0], 30)
    with connected(three[0], b""):
        others = [pool.submit(rendezvous.meet, cluster, 30) for cluster in three[1:]]
        for one in (chief, *others):
            one.result(10)
