"""The web page: every block as the served page shows it, and pages of HTML in the same browser."""

import numpy as np
import pytest
from selenium.webdriver.common.by import By
from test_page_access import CONTRAST

from keras_dl.pages import html, wire
from keras_dl.task.blocks import Answer, Bar, Bars, Chart, Gauge, Panel, Picture, Prose, Spans, Table, Word

BLOCKS = """
const [blocks, done] = arguments;
import("/static/blocks.js").then(({ render }) => {
  const place = document.createElement("div");
  place.id = "shown";
  place.append(...blocks.map(render));
  document.querySelector("main").replaceChildren(place);
  done();
});
"""


def test_every_block_is_shown_and_nothing_in_it_is_markup(page):
    evil = "<img src=x onerror=alert(1)>"
    pixels = np.full((8, 8, 3), 200, "uint8")
    svg = '<svg viewBox="0 0 200 80"><rect width="200" height="80" style="fill: var(--network)"/></svg>'
    blocks = [
        Answer(evil, evil, "🍕"),
        Bars([Bar(evil, 0.25, evil), Bar("toString", 0.75, chosen=True)], evil),
        Gauge(3, 3, 3, evil, 7, evil, (1, 2), (evil, evil), evil),
        Spans(f"😄 {evil} مرحبا", [Word(2, 2 + len(evil), -1.0)], 2 + len(evil), evil, evil),
        Spans("", [], 0, evil, evil),
        Picture([Panel(evil, pixels), Panel("second", pixels)], evil, alt=f"both {evil}"),
        Picture([], "no image"),
        Table([evil, "Value"], [[evil, "1"]], evil, evil, [1]),
        Table([], []),
        Chart("one", svg, evil, evil),
        Prose(f"**bold {evil}** and `code **` {evil}", evil, warning=True),
    ]
    page.browser.execute_async_script(BLOCKS, [*[wire.as_json(block) for block in blocks], {"block": "constructor"}])
    shown = page.find("#shown")
    assert shown.find_elements(By.CSS_SELECTOR, "[onerror], script") == []
    assert shown.text.count(evil) >= 15
    assert page.find("#shown strong", "bold").text == f"bold {evil}"
    assert page.find("#shown code").text == "code **"
    assert page.find("#shown mark").text == evil
    assert page.find("#shown .unread").text.strip() == "مرحبا"
    assert [image.get_attribute("alt") for image in page.all(".panels img")] == [f"both {evil}", "second"]
    page.wait(lambda: page.run("return document.querySelector('.chart').naturalWidth") == 288)
    assert [cell.get_attribute("class") for cell in page.all("#shown .scroll tr > :nth-child(2)")] == ["right"] * 2
    page.find("#shown", "out of date")
    assert page.run("return getComputedStyle(document.querySelector('#shown .fill')).width") != ""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_a_page_of_its_own_fits_and_can_be_read(page, tmp_path, scheme, width):
    columns, row = ["Metric", *["logistic regression on features"] * 4], ["AUROC", *["0.953 [0.931, 0.972]"] * 4]
    blocks = [
        Answer("spam", "probability of spam 0.912", "🍕"),
        Bars([Bar("a class of a rather long name", 0.9, "🍕", chosen=True), Bar("w" * 80, 0.1)], "Shares"),
        Gauge(0.9, 0, 1, "probability 90 %", 0.95, "threshold 95 %", (0.8, 0.93), ("ham", "spam"), "Calibrated."),
        Spans("you won " + "w" * 300, [Word(4, 7, 1.0), Word(0, 3, -1.0)], 8, "spam", "a change"),
        Table(columns, [row], "Metrics", "On the test part.", [1, 2, 3, 4]),
        Prose("Synthetic.", "Mind", warning=True),
    ]
    (tmp_path / "page.html").write_text(html.page("Spam among messages", blocks), encoding="utf-8")
    page.wish(prefers_color_scheme=scheme)
    page.command("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 500)
    page.address = "file:"
    page.browser.get(f"file://{tmp_path}/page.html")
    assert page.run("return document.documentElement.scrollWidth") == width
    assert page.run(CONTRAST) == []
    region = page.find(".scroll")
    hidden = page.run("return arguments[0].scrollWidth - arguments[0].clientWidth", region)
    assert (hidden > 0) == (width == 360)
    assert "local" in region.value_of_css_property("background-attachment")  # the fade at the edge
