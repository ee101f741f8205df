"""What every command shares: how failures end, how a run is opened, how results are printed."""

from __future__ import annotations

import io
import json
import logging
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from keras_dl import registry
from keras_dl.errors import KerasDLError, UsageError
from keras_dl.pages.terminal import harmless
from keras_dl.paths import at_home

GRACE = 5  # seconds between a signal and the end of a process that does not hear it


class FilePath(click.Path):
    """The path of a file or folder, which may begin with ~."""

    def __init__(self) -> None:
        """Take any path; the verb that uses it says what is wrong with it."""
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path."""
        return at_home(str(super().convert(value, param, ctx)))


class Named(click.ParamType):
    """A task's name, or with `or_run` also a run; the tab key completes it, and the verb says what is wrong with it."""

    name = "text"

    def __init__(self, *, or_run: bool = False) -> None:
        self.or_run = or_run

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the tasks that begin so, and leave folders to the shell."""
        found = [CompletionItem(name) for name in registry.TASKS if name.startswith(incomplete)]
        return found + ([CompletionItem(incomplete, type="dir")] if self.or_run else [])


class Group(click.Group):
    """Runs a command and turns every failure into one line and an exit code: 1 for a failure, 2 for wrong usage."""

    def invoke(self, context: click.Context) -> Any:
        use_own_surroundings()
        try:
            return super().invoke(context)
        except UsageError as error:
            fail(context, error, 2)
        except KerasDLError as error:
            fail(context, error, 1)
        except KeyboardInterrupt:
            click.echo("\nstopped", err=True)
            context.exit(1)
        except OSError as error:
            fail(context, error, 1)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except Exception as error:
            if isinstance(error, MemoryError) or "OOM when allocating" in str(error):  # a device's is TensorFlow's
                fail(context, error, 1, "no memory is left: ", "; take a smaller --set batch_size=N")
            fail(context, error, 1, f"unexpected {type(error).__name__}: ", " (--debug shows where)")


def use_own_surroundings() -> None:
    """Keep out of a command what is meant for other programs, or would lose a result."""
    os.environ["MPLBACKEND"] = "agg"  # a notebook sets its own for every process, which then need not be there
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # no home for its cache, a key of another version: no harm
    if os.path.expanduser("~") == "~":  # noqa: PTH111 - a container runs as a number; Path raises there
        os.environ["HOME"] = tempfile.gettempdir()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # an emoji on a latin-1 terminal must not cost the answer


def fail(context: click.Context, error: Exception, code: int, prefix: str = "", suffix: str = "") -> None:
    """Print the reason in one line and exit; with --debug let the traceback through."""
    if context.params.get("debug"):
        raise error
    reason = harmless(" ".join(str(error).split()))  # it may be a server's
    click.echo(f"Error: {prefix}{reason}{suffix}", err=True)
    context.exit(code)


@contextmanager
def interruptible(farewell: Callable[[], None]) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end long work within GRACE seconds, with exit code 1, and say how to go on.

    Python hears no signal while TensorFlow waits for a machine that does not answer; then a thread ends the process.
    So what is in the block must survive a kill.
    """
    left = threading.Event()
    heard, told = socket.socketpair()
    told.setblocking(False)

    def watch() -> None:
        with heard:
            if not heard.recv(1) or left.wait(GRACE):
                return
        try:
            farewell()
        finally:
            os._exit(1)  # also where the terminal is gone

    threading.Thread(target=watch, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    before = signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
    try:
        yield
    except KeyboardInterrupt:
        farewell()
        raise
    finally:
        left.set()
        signal.set_wakeup_fd(before)
        told.close()


def opened(run: str) -> Any:
    """Open a complete run and import TensorFlow, quietly: the arguments are known to be right."""
    from keras_dl import open_run
    from keras_dl.runs import marks
    from keras_dl.training.machines import devices

    found = open_run(run)
    if marks.tiny(found.asked):
        click.echo(f"{found.path} is a tiny run: its answers and its figures mean nothing", err=True)
    devices.import_quietly()
    return found


def emit(value: Any, as_json: bool, text: str) -> None:
    """Print a result to stdout, for programs or for people."""
    click.echo(json.dumps(value, indent=1, ensure_ascii=not writes_unicode()) if as_json else text)


def writes_unicode() -> bool:
    """Whether every character can be written to stdout."""
    return (sys.stdout.encoding or "").lower().replace("-", "") in ("utf8", "utf16", "utf32")


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for use by programs.")
slices_option = click.option(
    "--slices",
    metavar="TABLE",
    type=FilePath(),
    help="A CSV or TSV file of what you know of the test examples, to look for slices that are worse. A column called "
    "id or file names the example.",
)
