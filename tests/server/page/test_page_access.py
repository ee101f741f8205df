"""The web page for everybody: from the keyboard alone, on a phone, in light and dark, read aloud."""

import page_models
import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

FOCUSED = """
const one = document.activeElement, shown = one.closest(".zone") ?? one, style = getComputedStyle(shown);
return [one.tagName, one.innerText ?? "", style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2];
"""
CONTRAST = """
const parse = (text) => text.match(/[\\d.]+/g).map(Number);
const over = (top, below) => top.slice(0, 3).map((value, i) => value * (top[3] ?? 1) + below[i] * (1 - (top[3] ?? 1)));
const light = (rgb) => {
  const [r, g, b] = rgb.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const paper = (one) => {
  const below = one.parentElement ? paper(one.parentElement) : [255, 255, 255];
  return over(parse(getComputedStyle(one).backgroundColor), below);
};
const poor = [];
for (const one of document.querySelectorAll("body *")) {
  const own = [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  if (!own || !one.checkVisibility() || one.disabled) continue;
  const [ink, back] = [light(over(parse(getComputedStyle(one).color), paper(one))), light(paper(one))];
  const ratio = (Math.max(ink, back) + 0.05) / (Math.min(ink, back) + 0.05);
  if (ratio < 4.5) poor.push(`${one.tagName} ${one.className} "${one.textContent.slice(0, 30)}": ${ratio.toFixed(2)}`);
}
return poor;
"""


def filled(page, name, tmp_path):
    """Show a model with an answer, its explanation and a table."""
    page.go(name)
    if page_models.MODELS[name]["modality"] == "image":
        page.click(".thumbnails button")
        page.find("figcaption")
        return
    page.find("textarea").send_keys("you won a prize, the verylongwordwithoutanyblank" + "k" * 60)
    page.find("mark")
    (tmp_path / "texts.csv").write_text("text\nI love you\n" + "w" * 80)
    fields = page.run("return [...document.querySelectorAll('input[type=file]')]")
    fields[-1].send_keys(str(tmp_path / "texts.csv"))
    page.find("button", "Download all as CSV")


@pytest.mark.parametrize("name", page_models.MODELS)
def test_nothing_is_wider_than_a_phone(page, tmp_path, name):
    page.open(page.address, width=360)
    filled(page, name, tmp_path)
    assert page.run("return document.documentElement.scrollWidth") == 360


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_paper(page, tmp_path, scheme):
    page.wish(prefers_color_scheme=scheme)
    paper = page.run("return getComputedStyle(document.body).backgroundColor")
    assert paper == {"light": "rgb(255, 255, 255)", "dark": "rgb(21, 23, 27)"}[scheme]
    poor = []
    for name in ("pneumonia", "emoji", "spam"):
        filled(page, name, tmp_path)
        page.run("document.getAnimations().forEach((one) => one.finish())")
        poor += page.run(CONTRAST)
    assert poor == []


def test_nothing_moves_for_who_does_not_want_it(page):
    duration = "return getComputedStyle(document.querySelector('.fill')).transitionDuration"
    page.click(".thumbnails button")
    page.find(".fill")
    assert page.run(duration) == "0.25s"
    page.wish(prefers_reduced_motion="reduce")
    assert page.run(duration) == "0s"


def press(page, *keys):
    ActionChains(page.browser, duration=0).send_keys(*keys).perform()


def tab_to(page, tag, text=""):
    """Press Tab until something is reached; everything on the way must show that it has the focus."""
    for _ in range(40):
        press(page, Keys.TAB)
        found, words, seen = page.run(FOCUSED)
        assert seen or found == "BODY", f"{found} {words} does not show that it has the focus"
        if found == tag and text in words:
            return
    raise AssertionError(f"Tab does not reach {tag} {text}")


def test_the_keyboard_is_enough_for_texts(page, stub):
    tab_to(page, "A", "emoji")
    press(page, Keys.ENTER)
    page.find("h1", "Emoji")
    tab_to(page, "TEXTAREA")
    press(page, "so sad")
    page.find(".answer", "disappointed")
    tab_to(page, "BUTTON", "No, ⚾ baseball")
    press(page, Keys.SPACE)
    page.find(".feedback", "Stored: baseball.")
    assert [one["label"] for one in stub.feedback] == ["baseball"]


def test_the_keyboard_is_enough_for_images(page):
    tab_to(page, "A", "Skip")
    press(page, Keys.ENTER)
    tab_to(page, "INPUT")
    tab_to(page, "BUTTON", "PNEUMONIA")
    press(page, Keys.ENTER)
    page.find("figcaption")
    tab_to(page, "BUTTON", "No, ")
    tab_to(page, "INPUT")
    before = page.find(".over").value_of_css_property("opacity")
    press(page, Keys.ARROW_LEFT)
    assert float(page.find(".over").value_of_css_property("opacity")) < float(before)
    tab_to(page, "BUTTON", "Image alone")
    press(page, Keys.SPACE)
    assert not page.all(".over")


@pytest.mark.parametrize("name", ["pneumonia", "emoji", "spam"])
def test_everything_to_press_has_a_name_that_is_read_aloud(page, tmp_path, name):
    filled(page, name, tmp_path)
    nodes = page.command("Accessibility.getFullAXTree")["nodes"]
    roles = {"button", "link", "textbox", "combobox", "slider", "progressbar", "image", "region", "navigation"}
    found = [
        (node["role"]["value"], node["name"]["value"]) for node in nodes if node.get("role", {}).get("value") in roles
    ]
    assert [role for role, name in found if not name.strip()] == []
    kinds = {role for role, _ in found}
    assert {"button", "link", "navigation"} <= kinds
    assert ("slider" in kinds, "textbox" in kinds) == (name == "pneumonia", name != "pneumonia")


def test_what_is_answered_is_read_aloud(page):
    page.click(".thumbnails button", "PNEUMONIA")
    page.find(".answer")
    (spoken,) = [one for one in page.all("[role=status]") if "PNEUMONIA" in one.text]
    assert spoken.text == "PNEUMONIA, " + page.find(".gauge .value").text


@pytest.mark.parametrize("name", ["pneumonia", "emoji", "cells"])
def test_the_trial_and_its_answer_are_on_the_first_screen_of_a_phone(page, name):
    page.open(page.address, f"#/{name}", width=390, height=844)
    page.greeted()
    assert page.run("return scrollY") == 0
    line = page.find(".caution summary")
    assert line.rect["height"] < 36, "one line"
    for selector in (".zone, textarea", ".answer"):
        place = page.find(selector).rect
        assert place["y"] + place["height"] < 844, selector


LONG = ["PNEUMONIA", "disappointed", "Internationalisation", "Staphylococcus aureus"]
BROKEN = r"""
const found = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const node = walker.currentNode;
  if (!node.parentElement.checkVisibility()) continue;
  for (const match of node.data.matchAll(/[\p{L}\p{N}]+/gu)) {
    const range = document.createRange();
    range.setStart(node, match.index);
    range.setEnd(node, match.index + match[0].length);
    if (new Set([...range.getClientRects()].map((one) => Math.round(one.top))).size > 1) found.push(match[0]);
  }
}
return found;
"""


@pytest.mark.parametrize("width", [360, 800, 1200])
def test_no_word_is_broken_inside(page, stub, tmp_path, width):
    kinds = page_models.MODELS["kinds"] | {"classes": LONG, "choices": LONG}
    emoji = page_models.MODELS["emoji"]
    stub.models = {"kinds": kinds, "emoji": emoji, "a_model_with_a_rather_long_name_2026": kinds}
    page.open(page.address, width=width)
    page.greeted()
    assert page.run(BROKEN) == []
    page.go("emoji")
    (tmp_path / "texts.csv").write_text("text\nI love you and Internationalisation, incomprehensibly long\n" * 2)
    page.run("return [...document.querySelectorAll('input[type=file]')]")[-1].send_keys(str(tmp_path / "texts.csv"))
    page.find("button", "Download all as CSV")
    assert page.run(BROKEN) == []


def test_on_a_phone_the_answer_comes_into_sight_and_else_nothing_moves(page):
    for width, height, moves in ((1200, 900, False), (360, 480, True)):
        page.open(page.address, width=width, height=height)
        page.greeted()
        page.run("arguments[0].scrollIntoView({ block: 'end' })", page.find(".thumbnails"))
        before = page.run("return scrollY")
        page.run("document.querySelector('.thumbnails button').click()")
        page.find(".answer")
        page.wait(lambda before=before, moves=moves: (page.run("return scrollY") > before) == moves, str(width))
        assert page.run("return document.querySelector('.answer').getBoundingClientRect().top < innerHeight")
