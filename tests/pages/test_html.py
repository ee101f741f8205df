"""Blocks as HTML: what each shows, that nothing in them is markup, and the page around them."""

import base64
import html.parser
import io
import re
from pathlib import Path

import numpy as np
import pytest
from blocks_to_show import EACH, EMPTY, EVIL, PIXELS, spans
from PIL import Image

from keras_dl.pages import html as rendering
from keras_dl.pages import pixels
from keras_dl.task.blocks import Answer, Bar, Bars, Chart, Gauge, Panel, Picture, Prose, Table

VOID = {"img", "meta"}
VARIABLE = re.compile(r"(--[\w-]+): ([^;]+);")


class Seen(html.parser.HTMLParser):
    """What a browser sees of a page: elements with their attributes, and text by element."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.texts = [], [], []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else "", data))

    def all(self, tag, **attributes):
        named = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        return [has for one, has in self.elements if one == tag and named.items() <= has.items()]

    def text(self, tag):
        return [data for one, data in self.texts if one == tag]


def seen(block):
    return Seen(rendering.html(block))


@pytest.mark.parametrize("name", EACH)
def test_nothing_in_a_block_is_markup(name):
    page = seen(EACH[name])
    assert {tag for tag, _ in page.elements}.isdisjoint({"script", "b"})
    assert all(not attribute.startswith("on") for _, has in page.elements for attribute in has)
    assert any(EVIL in data for _, data in page.texts), "the text itself is shown"
    assert all(
        data == data.replace("alert", "alert") and "<script>alert" in data for _, data in page.texts if "alert" in data
    )


@pytest.mark.parametrize("name", EMPTY)
def test_what_is_empty_is_rendered_too(name):
    assert "nan" not in str(rendering.html(EMPTY[name]))
    Seen(rendering.html(EMPTY[name]))


def test_markup_of_texts():
    page = seen(Prose("From **0.43 <b>** on; `a **b** <i>`. 2 * 3 ** 4", "Threshold"))
    assert page.text("strong") == ["0.43 <b>"]
    assert page.text("code") == ["a **b** <i>"]
    assert page.text("h3") == ["Threshold"]
    assert "".join(page.text("p")) == "From  on; . 2 * 3 ** 4"
    warning = seen(Prose("Look `here`.", "Mind", warning=True))
    assert warning.all("div", class_="banner", role="note")
    assert warning.text("strong") == ["Mind"]


def test_words_are_coloured_by_the_share_of_the_strongest():
    text = "you won a prize and then lunch مرحبا, beyond"
    page = seen(spans(text, ("you", 0.01), ("prize", 2.0), ("lunch", -1.0), ("مرحبا", 0.5), read=text.index(", ")))
    marks = page.all("mark")
    assert [(mark["class"], mark["style"], mark["title"]) for mark in marks] == [
        ("for", "--w: 1.00", "+2.000"),
        ("against", "--w: 0.50", "−1.000"),
        ("for", "--w: 0.25", "+0.500"),
    ]
    assert page.text("mark") == ["prize", "lunch", "مرحبا"]
    assert page.text("span") == [", beyond", "against spam", "for spam"]
    assert page.text("caption") == ["For spam", "Against spam"]
    assert page.text("td") == ["+2.000", "+0.500", "+0.010", "−1.000"]
    assert page.text("bdi") == ["prize", "مرحبا", "you", "lunch"]
    (meaning,) = page.text("p")
    assert meaning == (
        "Colour: a change; the strongest word is in full colour. Grey: text that the model does not read."
    )
    assert page.all("div", class_="text", dir="auto")


def test_the_text_is_whole_and_what_stands_between_words_is_no_markup():
    text = f"{EVIL} won 🍕 {EVIL}, unread {EVIL}"
    page = seen(spans(text, ("won", 2.0), ("🍕", 0.0), read=text.index(", "), numbers=False))
    assert "".join(data for _, data in page.texts) == text
    assert [tag for tag, _ in page.elements] == ["p", "mark", "span"]


def test_shares_have_no_side_and_excerpts_no_numbers():
    page = seen(spans("look here", ("here", 0.7), signed=False))
    assert page.text("caption") == ["Most weight"]
    assert page.text("td") == ["0.700"]
    assert "little weight" in page.text("span")
    brief = seen(spans("look here", ("here", 0.7), numbers=False))
    assert [tag for tag, _ in brief.elements] == ["p", "mark"]
    even = seen(spans("no weight at all", ("weight", 0.0)))
    assert even.all("mark") == even.all("table") == []


def test_long_texts_are_cut_where_nothing_is_read():
    page = rendering.html(spans("w" * 400 + " " + "<b> " * 4000, ("w" * 400, 1.0), read=400))
    assert ">" + "w" * 300 + "…</mark>" in page
    assert '<span class="unread"> &lt;b&gt;' in page
    assert "… (11,001 characters more)" in page


def test_a_gauge_shows_value_threshold_and_interval():
    page = seen(
        Gauge(0.9, 0, 1, "probability 90 %", 0.4, "threshold 40 %", (0.8, 1.2), ("NO", "YES"), "**Calibrated**")
    )
    assert page.all("div", class_="track above")
    assert page.all("span", class_="fill", style="width: 90.00%")
    assert page.all("span", class_="mark", style="left: 40.00%")
    assert page.all("span", class_="band", style="left: 80.00%; width: 20.00%")  # inside, whatever the interval
    (scale,) = page.all("div", class_="scale", role="img")
    assert scale["aria-label"] == "probability 90 %, interval 0.8 to 1.2, threshold 40 %"
    assert page.text("span") == ["NO", "YES", "threshold 40 %"]
    assert page.text("strong") == ["Calibrated"]
    plain = seen(Gauge(5, 10, 20, "5"))
    assert plain.all("span", class_="fill", style="width: 0.00%")
    assert plain.all("div", class_="track")
    assert not plain.all("span", class_="mark") + plain.all("span", class_="band")


def test_bars_and_percent():
    shares = [0.9996, 0.0004, 0.25, 0.05, 1, 0, 1.7, float("nan")]
    page = seen(Bars([Bar("🍕", share, chosen=share == 0.25) for share in shares]))
    assert page.text("span")[1::2] == [
        "over 99.9 %", "under 0.1 %", "25 %", "5.0 %", "100.0 %", "0.0 %", "170.0 %", "not known",
    ]  # fmt: skip
    assert [fill["style"] for fill in page.all("span", class_="fill")][-3:] == [
        "width: 0.00%",
        "width: 100.00%",
        "width: 0.00%",
    ]
    assert len(page.all("li", class_="chosen")) == 1


def decoded(source):
    assert source.startswith("data:image/jpeg;base64,")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(source.split(",")[1]))))


def test_a_picture_and_the_same_under_its_heatmap():
    image, heat = np.full((16, 16, 1), 100.0), np.zeros((16, 16))
    heat[:, 8:] = 1
    page = seen(Picture([Panel("the input", image)], "where", heat, "evidence for it"))
    plain, under = (decoded(one["src"]) for one in page.all("img"))
    assert plain.shape == (16, 16)
    assert abs(plain.astype(int) - 100).max() <= 3
    assert under.shape == (16, 16, 3)
    assert abs(under[8, 2].astype(int) - 100).max() < 12  # nothing there
    assert abs(under[8, 13].astype(int) - pixels.overlay(image, heat)[8, 13]).max() < 12
    assert [one["alt"] for one in page.all("img")] == ["the input", "the same with a heatmap: evidence for it"]
    assert page.text("figcaption") == ["where"]
    several = seen(Picture([Panel("first", PIXELS), Panel("second", PIXELS)], alt="both"))
    assert several.text("small") == ["first", "second"]
    assert [one["alt"] for one in several.all("img")] == ["both", "second"]
    assert not several.all("figure")


def test_the_overlay_is_half_image_half_colour():
    image = np.full((1, 2, 3), 200.0)
    found = pixels.overlay(image, np.array([[0.0, 1.0]]))
    np.testing.assert_array_equal(found[0, 0], 200)
    hottest = np.array([252, 255, 164])  # of matplotlib's inferno
    np.testing.assert_allclose(found[0, 1], 0.45 * 200 + 0.55 * hottest, atol=1.5)


def test_a_table_scrolls_and_its_numbers_stand_right():
    page = seen(Table(["Metric", "Value"], [["AUROC", "0.9"], ["F1", "0.8"]], "Metrics", "Test **part**", [1]))
    assert page.all("div", class_="scroll", tabindex="0", role="region", aria_label="Metrics")
    assert [head.get("class") for head in page.all("th", scope="col")] == [None, "right"]
    assert len(page.all("td", class_="right")) == len(page.all("th", scope="row")) == 2
    assert page.text("strong") == ["part"]


def test_a_page_needs_nothing_but_itself():
    blocks = [Answer("spam", "probability of spam 0.912, threshold 0.430", "🍕"), *EACH.values()]
    text = rendering.page(f"Spam {EVIL}", blocks, note="the model knows none of its words")
    page = Seen(text)
    assert page.text("title") == [f"Spam {EVIL}: spam"]
    assert page.text("h1") == [" spam"]
    assert page.text("span")[0] == "🍕"
    assert f"Spam {EVIL}" in page.text("p")
    assert "probability of spam 0.912, threshold 0.430; the model knows none of its words" in page.text("p")
    assert not page.all("script") + page.all("link")
    assert re.findall(r"url\(|@import|https?://", text) == []
    assert all(one["src"].startswith("data:") for one in page.all("img"))
    assert "\n  --paper" in page.text("style")[0]  # the style sheet as it is, not escaped
    assert Seen(rendering.page("Nothing", [])).text("h1") == ["Nothing"]
    assert Seen(rendering.page("A text", [Prose("x")], note="short")).text("p") == ["short", "x"]


def test_the_style_of_a_notebook_stays_in_its_cell():
    page = Seen(rendering.notebook([Prose("x"), Prose("y")]))
    (style,) = page.text("style")
    assert ":root" not in style
    assert style.count("& {") == 4  # the colours, light and dark, and what else the page itself would have
    assert style.startswith(".keras-dl.keras-dl.keras-dl {")
    assert style.count("{") == style.count("}")


def test_the_served_page_has_the_same_colours():
    own = rendering.style()
    served = (Path(rendering.__file__).parents[1] / "server" / "page" / "page.css").read_text()
    ours, theirs = (
        [dict(VARIABLE.findall(part)) for part in text.split("* { box-sizing")[0].split("@media")]
        for text in (own, served)
    )
    for mine, other in zip(ours, theirs, strict=True):
        shared = mine.keys() & other.keys()
        assert len(shared) >= 12
        assert {name: mine[name] for name in shared} == {name: other[name] for name in shared}


def test_a_sentence_in_a_table_has_several_lines_and_charts_of_a_notebook_stand_side_by_side():
    table = rendering.html(Table(["a", "b"], [["name", "0.912 [0.880, 0.941]"], ["name", "so many words " * 4]]))
    assert table.count('<td class="prose">') == 1
    cell = rendering.notebook([Prose("x"), Chart("a", "<svg></svg>"), Chart("b", "<svg></svg>"), Prose("y")])
    assert cell.count('<div class="plots">') == 1
    assert cell.split('<div class="plots">')[1].split("</div>")[0].count("<svg>") == 2
