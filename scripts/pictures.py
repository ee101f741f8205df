"""Make the pictures of README.md in docs/: screenshots of a run's report and of the page that serves it.

python scripts/pictures.py pneumonia

It needs the extra `dev`, and Chromium with its driver (apt-get install chromium chromium-driver).
"""

from __future__ import annotations

import io
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import urlopen

import click

from keras_dl.errors import KerasDLError, UsageError

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

DOCS = Path(__file__).parents[1] / "docs"
WIDTH, HEIGHT = 1200, 1000  # pixels of a window
COLOURS = 256  # of a picture: a screenshot needs no more, and the file is half as large
PATIENCE = 120  # seconds for the server to load its models, and for the page to show examples
SETTLED = 8  # seconds until the answer is drawn, and the heatmap over it


@click.command(help=__doc__)
@click.argument("run")
@click.option("--sample", default=4, show_default=True, help="Which example of the page is shown, from 1.")
def main(run: str, sample: int) -> None:
    """Write report.png and page.png of a run on images."""
    from keras_dl import open_run

    found = open_run(run)
    with browser() as chrome, served(found.path) as address:
        chrome.get((found.path / "report.html").resolve().as_uri())
        save(chrome, DOCS / "report.png")
        chrome.get(address)
        shown = partial(chrome.find_elements, "css selector", "main button img")
        until(lambda: len(shown()) >= sample, f"the page has no {sample} examples")
        shown()[sample - 1].click()
        time.sleep(SETTLED)
        save(chrome, DOCS / "page.png")


@contextmanager
def browser() -> Iterator[Chrome]:
    """Start Chromium without a window."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    programs = [shutil.which(name) for name in ("chromium", "chromedriver")]
    if not all(programs):
        raise UsageError("there is no chromium or no chromedriver: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = str(programs[0])
    for switch in ("--headless=new", "--no-sandbox", "--hide-scrollbars", f"--window-size={WIDTH},{HEIGHT}"):
        options.add_argument(switch)
    chrome = webdriver.Chrome(options=options, service=Service(programs[1]))
    try:
        yield chrome
    finally:
        chrome.quit()


@contextmanager
def served(run: Path) -> Iterator[str]:
    """Serve a run on a free port, and give the address of its page once it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}/"
    server = subprocess.Popen([sys.executable, "-m", "keras_dl", "serve", run, "--port", str(port)])
    try:
        until(lambda: answers(f"{address}readyz"), f"the server of {run} did not get ready")
        yield address
    finally:
        server.terminate()
        server.wait()


def answers(address: str) -> bool:
    """Whether a server answers with a success."""
    try:
        with urlopen(address, timeout=5):
            return True
    except OSError:  # refused, not ready, or too slow
        return False


def until(reached: Callable[[], bool], problem: str) -> None:
    """Wait for a condition; raises KerasDLError after PATIENCE seconds."""
    end = time.monotonic() + PATIENCE
    while not reached():
        if time.monotonic() > end:
            raise KerasDLError(f"{problem} within {PATIENCE} seconds")
        time.sleep(0.5)


def save(chrome: Chrome, path: Path) -> None:
    """Write what the window shows, in few colours."""
    from PIL import Image

    picture = Image.open(io.BytesIO(chrome.get_screenshot_as_png())).convert("RGB")
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    click.echo(f"{path} ({path.stat().st_size / 1000:.0f} kB)")


if __name__ == "__main__":
    main()
