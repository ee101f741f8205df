"""A real browser for tests of the web page: headless Chromium, driven as a person would drive it."""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

SWITCHES = (
    "--headless=new --no-sandbox --disable-dev-shm-usage --disable-gpu --no-first-run --hide-scrollbars "
    "--disable-background-networking --disable-component-update --disable-sync --window-size=1200,900"
)
PATIENCE = 10  # seconds; a busy machine is no error
DROP = """
const [target, kind, name, type, content] = arguments;
const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
const data = new DataTransfer();
data.items.add(new File([bytes], name, { type }));
const event = kind === "paste"
  ? new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true })
  : new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true });
target.dispatchEvent(event);
"""
SEEN = """
const seen = [...document.querySelectorAll(arguments[0])].filter((one) => one.checkVisibility());
return seen.filter((one) => one.innerText.includes(arguments[1]));
"""


class Page:
    """The page in a browser: what a person does, and what one sees."""

    def __init__(self, browser: webdriver.Chrome, downloads: Path) -> None:
        self.browser, self.downloads, self.address = browser, downloads, ""

    def open(self, address: str, place: str = "", width: int = 1200, height: int = 900) -> None:
        """Open the page of a server anew, as somebody who was never there, at a model's place."""
        self.address = address
        size = {"width": width, "height": height}
        self.command("Emulation.setDeviceMetricsOverride", **size, deviceScaleFactor=1, mobile=width < 500)
        self.leave()  # else a new place on the same page loads nothing
        self.browser.get(f"{address}/{place}")

    def leave(self) -> None:
        """Leave the page: it asks nothing any more, and forgets the key."""
        if self.browser.current_url.startswith("http"):
            self.run("sessionStorage.clear()")
        self.browser.get("about:blank")
        self.browser.get_log("browser")

    def go(self, name: str) -> None:
        """Pick a model by its name."""
        self.click("nav a", name)
        self.wait(lambda: self.all(f"nav a[aria-current=page][href$='/{name}']"), name)
        self.greeted()

    def greeted(self) -> None:
        """Wait for the example that a model answers and explains to everybody who comes."""
        self.find(".panel", "Example")
        self.find(".explanation :is(figcaption, .text)")

    def wish(self, **features: str) -> None:
        """Set what a person wishes of every page: prefers_color_scheme="dark", prefers_reduced_motion="reduce"."""
        wishes = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.command("Emulation.setEmulatedMedia", features=wishes)

    def command(self, name: str, **arguments: Any) -> Any:
        """Send a command of the DevTools protocol."""
        return self.browser.execute_cdp_cmd(name, arguments)

    def run(self, script: str, *arguments: Any) -> Any:
        """Run JavaScript in the page; return what it returns."""
        return self.browser.execute_script(script, *arguments)

    def all(self, selector: str, text: str = "") -> list[WebElement]:
        """Return what can be seen of a CSS selector and contains the text."""
        return self.run(SEEN, selector, text)

    def find(self, selector: str, text: str = "") -> WebElement:
        """Wait until there is something to see of a selector that contains a text; return the first."""
        message = f"nothing to see of {selector} with '{text}'"
        return self.wait(lambda: self.all(selector, text), message)[0]

    def click(self, selector: str, text: str = "") -> None:
        """Press what can be seen of a selector and contains a text."""
        self.find(selector, text).click()

    def wait(self, condition: Callable[[], Any], message: str = "") -> Any:
        """Wait until a condition holds; return what it gives. Elements may be replaced while they are looked at."""
        stale = [StaleElementReferenceException]
        return WebDriverWait(self.browser, PATIENCE, 0.02, stale).until(lambda _: condition(), message)

    def choose(self, field: str, path: Path) -> None:
        """Choose a file in a file field, which may be out of sight."""
        self.wait(lambda: self.browser.find_elements(By.CSS_SELECTOR, field), field)[0].send_keys(str(path))

    def give(self, selector: str, kind: str, name: str, media: str, content: bytes) -> None:
        """Let a file be dropped ("dragover", "drop") or pasted ("paste") somewhere."""
        self.run(DROP, self.find(selector), kind, name, media, base64.b64encode(content).decode())

    def complaints(self) -> list[str]:
        """Return what the console says since it was last asked, and each address of another host that was asked."""
        lines = [entry["message"] for entry in self.browser.get_log("browser") if entry["level"] != "INFO"]
        asked = self.run("return performance.getEntriesByType('resource').map((entry) => entry.name)")
        return lines + [one for one in asked if not one.startswith((self.address, "data:", "blob:"))]


@contextmanager
def chromium(folder: Path) -> Iterator[Page]:
    """Start a browser that saves into a folder; without one skip the test, or fail it where CI is set."""
    programs = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    for name, path in programs.items():
        if path is None:
            reason = f"there is no {name}: apt-get install chromium chromium-driver"
            (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    options = webdriver.ChromeOptions()
    options.binary_location = str(programs["chromium"])
    for switch in SWITCHES.split():
        options.add_argument(switch)
    options.add_experimental_option("prefs", {"download.default_directory": str(folder)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(programs["chromedriver"]))  # looks for none itself
    try:
        yield Page(browser, folder)
    finally:
        browser.quit()
