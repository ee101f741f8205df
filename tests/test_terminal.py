"""Long work that hears no signal, as a process of its own."""

import signal
import subprocess
import sys

import pytest

DEAF = """
import ctypes, sys
from contextlib import suppress
from keras_dl import terminal

def farewell():
    print("go on", file=sys.stderr, flush=True)
    {more}

terminal.GRACE = 0.5
with terminal.interruptible(farewell):
    mutex = ctypes.create_string_buffer(128)  # of zeros: a mutex that is free
    for _ in range(3):  # from the second time on for ever, and no signal ends it
        with suppress(KeyboardInterrupt):
            print("ready", flush=True)
            ctypes.CDLL(None).pthread_mutex_lock(mutex)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("more", ["pass", "raise BrokenPipeError"])
def test_deaf_work_ends_all_the_same(how, more):
    process = subprocess.Popen(
        [sys.executable, "-c", DEAF.format(more=more)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert [process.stdout.readline() for _ in range(2)] == ["ready\n"] * 2
    process.send_signal(how)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 1
    assert said.startswith("go on\n")
