"""The web page in a real browser, on made-up answers: what a person does with one model, and what one sees."""

import re
import time

import page_models
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

PNG = page_models.picture(3)
TYPE = """
const [field, text] = arguments;
const timer = setInterval(() => {
  field.value = text.slice(0, field.value.length + 1);
  field.dispatchEvent(new Event("input", { bubbles: true }));
  if (field.value === text) clearInterval(timer);
}, 40);
"""  # the driver itself types faster than anybody


def test_a_model_is_picked_and_the_address_keeps_it(page):
    assert [link.text for link in page.all("nav a")] == list(page_models.MODELS)
    page.go("emoji")
    assert page.browser.current_url.endswith("/#/emoji")
    assert page.browser.title == "Emoji for a sentence · keras-dl"
    page.browser.refresh()
    page.find("h1", "Emoji for a sentence")
    assert page.find("nav a[aria-current=page]").text == "emoji"
    page.browser.back()
    page.find("h1", "Pneumonia")


def test_it_says_what_a_model_is_for_and_what_it_is_not_for(page):
    assert page.find(".caution").text == "Not a medical device · Tiny run, synthetic data"
    page.click(".caution summary")
    text = page.find("main").text
    for said in (
        "Tiny run, synthetic data",
        "mean nothing",
        "Teaching and method comparison",
        "Not a medical",
    ):
        assert said in text
    assert "1,786 test examples" in text
    assert "AUROC\n0.953\n0.931 to 0.972" in text
    page.click("summary", "All 5 figures")
    page.find("th", "Positive predictive value")
    page.go("spam")
    page.click(".caution summary", "Intended use and limits")
    assert "Synthetic" not in page.find("main").text
    assert "Tiny" not in page.find("main").text


def test_a_sample_gives_a_probability_and_a_heatmap(page, stub):
    page.click(".thumbnails button", "PNEUMONIA")
    assert page.find(".answer").text == "PNEUMONIA"
    assert page.find(".gauge .value").text == "probability of PNEUMONIA: 49 %"
    assert not page.all(".certainty")  # the gauge says it
    assert "49 %, threshold 43 %" in page.find(".scale").get_attribute("aria-label")
    assert page.run("return document.querySelector('.panel .mark').style.left") == "43%"
    assert page.run("return document.querySelector('.panel .caption').style.transform") == "translateX(-43%)"
    page.find(".medical", "Not a medical device")
    page.find("figcaption", "evidence for PNEUMONIA (Grad-CAM)")
    over, slider = page.find(".over"), page.find("input[type=range]")
    assert page.run("return arguments[0].naturalWidth", over) == 128
    before = float(over.value_of_css_property("opacity"))
    slider.send_keys(Keys.HOME)
    assert (before, over.value_of_css_property("opacity")) == (pytest.approx(0.7), "0")
    page.click("button", "Image alone")
    assert not over.is_displayed()
    assert stub.asked[-2:] == ["/v1/models/pneumonia:answer", "/v1/models/pneumonia/versions/1:explain"]


def test_an_image_is_chosen_dropped_or_pasted(page, stub, tmp_path):
    file = tmp_path / "mine.png"
    file.write_bytes(PNG)
    page.choose("section input[type=file]", file)
    page.find(".heat")
    for kind, where in (("drop", ".zone"), ("paste", "body")):
        asked = len(stub.asked)
        if kind == "drop":
            page.give(where, "dragover", "other.png", "image/png", PNG)
            page.find(".zone.over")
        page.give(where, kind, "other.png", "image/png", PNG)
        page.wait(lambda asked=asked: len(stub.asked) == asked + 2, kind)
        page.find(".heat")
    assert not page.all(".zone.over")
    assert page.find(".answer").text == "PNEUMONIA"
    page.give(".zone", "drop", "<img src=x>.png", "image/png", b"no image")
    page.find(".empty", "This cannot be used: no image that can be read")
    assert not page.all(".heat")


@pytest.mark.parametrize(
    ("name", "selector", "said", "bars"),
    [
        ("kinds", ".answer", "BACTERIAL", ["10 %", "80 %", "10 %"]),
        ("anomaly", ".value", "score of PNEUMONIA: 14.63", []),
        ("cells", ".answer", "about 98 cells", []),
    ],
)
def test_other_kinds_of_answers(page, name, selector, said, bars):
    page.go(name)
    page.click(".thumbnails li:nth-child(2) button")
    assert page.find(selector).text == said
    assert [bar.text for bar in page.all(".bars li .number")] == bars
    assert bool(page.all(".panel", "A score is not a probability")) == (name == "anomaly")


def test_a_count_has_a_band_and_its_feedback_is_a_number(page, stub):
    page.go("cells")
    page.click(".thumbnails button")
    label = page.find(".scale").get_attribute("aria-label")
    assert re.fullmatch(r"70 cells, interval 64.\d* to 76.\d*", label)
    left, width = page.run("const { left, width } = document.querySelector('.band').style; return [left, width]")
    assert (float(left[:-1]), float(width[:-1])) == (pytest.approx(32.2, abs=0.5), pytest.approx(6.1, abs=0.5))
    band, track = (page.find(selector).rect for selector in (".band", ".gauge .track"))
    assert band["y"] < track["y"]
    assert band["y"] + band["height"] > track["y"] + track["height"]
    assert not page.all(".mark")
    page.find(".gauge strong", "90 %")
    assert not page.all(".choices button", "Yes")
    page.find("form", "The right number is").find_element(By.TAG_NAME, "input").send_keys("81", Keys.ENTER)
    page.find(".feedback", "Thank you. Stored: 81.")
    assert [one["label"] for one in stub.feedback] == ["81"]


def test_bars_move_and_are_not_made_anew(page):
    page.go("emoji")
    field = page.find("textarea")
    field.send_keys("I love you")
    page.find(".answer", "heart")
    page.run("document.querySelectorAll('.bars li, .answer').forEach((one) => (one.dataset.same = 'yes'))")
    field.clear()
    field.send_keys("so sad")
    page.find(".answer[data-same]", "disappointed")
    assert [row.text for row in page.all(".bars li[data-same].chosen .class")] == ["😞 disappointed"]


def test_the_heatmap_keeps_its_slider_from_image_to_image(page):
    page.click(".thumbnails button", "PNEUMONIA")
    page.find("input[type=range]").send_keys(Keys.HOME)
    page.click(".thumbnails button", "NORMAL")
    page.find(".answer", "NORMAL")
    page.find("figcaption")
    assert page.find(".over").value_of_css_property("opacity") == "0"


def test_a_sentence_gives_an_emoji_and_its_words(page):
    page.go("emoji")
    field = page.find("textarea")
    field.send_keys("I love the pizza")
    assert page.find(".symbol", "❤️")
    assert page.find(".answer").text == "heart"
    assert [bar.text for bar in page.all(".bars .number")] == ["80 %", *["5.0 %"] * 4]
    page.find(".explanation h3", "Evidence for heart")
    field.clear()
    page.run(
        "arguments[0].value = '😄 <b>family</b> the <img src=x onerror=alert(1)>'", field
    )  # not to be typed by the driver
    field.send_keys(" sad")
    page.find(".explanation mark", "sad")
    assert page.find(".explanation .text").text == "😄 <b>family</b> the <img src=x onerror=alert(1)> sad"
    assert [mark.text for mark in page.all("mark")][:3] == ["😄", "<b>family</b>", "the"]
    assert [mark.text for mark in page.all("mark.against")][:2] == ["😄", "sad"]
    assert page.browser.find_elements(By.CSS_SELECTOR, "main img, main b") == []
    page.click("summary", "The numbers")
    page.find("caption", "Against disappointed")
    field.clear()
    field.send_keys(Keys.SPACE)
    page.find(".empty", "The answer appears here")
    assert not page.all(".explanation")
    field.send_keys(Keys.BACKSPACE)
    page.find(".panel", "Example from the test part: ❤️")


def test_only_the_last_answer_counts_while_typing(page, stub):
    stub.slow = {"that is sad": 0.6}
    page.go("emoji")
    field = page.find("textarea")
    page.run(TYPE, field, "that is sad")
    page.wait(lambda: field.get_property("value") == "that is sad" and stub.asked)
    assert (
        len(stub.asked) < 7
    )  # with two for the example, and not one for each of the 11 letters, even on a machine that stops and starts
    field.send_keys(" pizza with love")
    page.find(".answer", "heart")
    page.find(".explanation mark", "pizza")
    time.sleep(0.6)  # the slow answer has come by now, if the browser still waits for it
    assert page.find(".answer").text == "heart"


def test_ways_to_explain_and_notes(page, stub):
    page.go("spam")
    page.click(".sentences button", "free prize")
    assert page.find("textarea").get_property("value") == "you won a free prize, call now"
    page.find(".explanation", "against spam")
    page.find(".explanation select").send_keys("attention")
    page.find(".explanation h3", "Words with the most weight")
    assert "much" in page.find(".legend").text
    page.find("textarea").clear()
    page.find("textarea").send_keys("xyzzy")
    page.find(".note", "Note: the model knows none of its words.")
    page.find("textarea").send_keys(" " + "long words " * 6)
    page.find(".unread", "words")


def test_an_unusual_input_is_said_first_and_feedback_asks_for_the_answer(page, stub):
    page.go("spam")
    page.find("textarea").send_keys("qwertz")
    banner = page.find("[data-place=answer] .banner", "Unusual input")
    answer = page.find(".answer", "ham")
    assert banner.location["y"] < answer.location["y"]
    assert "Unusual input, ham" in page.run("return document.querySelector('[data-place=answer] .spoken').textContent")
    page.click("button", "Yes, ham")
    page.find(".feedback", "Thank you. Stored: ham.")


def test_feedback_is_sent(page, stub):
    page.click(".thumbnails button", "NORMAL")
    page.click("button", "Yes, NORMAL")
    page.find(".feedback", "Thank you. Stored: NORMAL.")
    page.click("button", "No, PNEUMONIA")
    page.find(".feedback", "Thank you. Stored: PNEUMONIA.")
    assert [(one["index"], one["label"]) for one in stub.feedback] == [(0, "NORMAL"), (0, "PNEUMONIA")]
    assert len({one["request_id"] for one in stub.feedback}) == 1
    assert page.find("button[aria-pressed=true]", "No, PNEUMONIA")
    page.expected, stub.failures = "status of 404", [(":feedback", 404, {})]
    page.click("button", "Yes, NORMAL")
    said = page.find(".feedback [role=alert]", "This was not stored").text
    assert said.split("\n") == ["This was not stored", "made to fail", "Try again"]


def test_versions_and_labels(page, stub):
    page.go("emoji")
    options = page.find("select").find_elements(By.TAG_NAME, "option")
    assert [one.text for one in options] == [
        "chosen by the server",
        "canary: version 2, gets 10 % of the requests",
        "stable: version 1, gets 90 % of the requests",
        "version 3 (loading)",
        "version 2",
        "version 1",
    ]
    assert not options[3].is_enabled()
    page.find("textarea").send_keys("so happy")
    page.find(".panel", "Answered by version 1.")
    options[1].click()
    page.find(".panel", "Answered by version 2.")
    assert "/v1/models/emoji/labels/canary:answer" in stub.asked
    assert page.browser.current_url.endswith("/#/emoji/labels/canary")
    page.wait(lambda: stub.asked[-1] == "/v1/models/emoji/versions/2:explain")
    page.browser.refresh()
    assert page.find("select").get_property("value") == "/labels/canary"


def test_models_that_are_not_ready_yet(page, stub):
    stub.models = {}
    page.browser.refresh()
    page.find(".banner", "No model is served yet")
    states = {"name": "late", "versions": [{"version": "1", "state": "LOADING", "labels": [], "weight": None}]}
    stub.models = {"late": states}
    page.find("h1", "late")
    page.find(".banner", "version 1: loading")
    stub.models = page_models.MODELS
    page.click("button", "Look again")
    page.find("h1", "Pneumonia")


def test_where_no_feedback_is_kept_none_is_asked_for(page, stub):
    stub.models = {"pneumonia": {**page_models.MODELS["pneumonia"], "feedback": False}}
    page.browser.refresh()
    page.click(".thumbnails button", "PNEUMONIA")
    page.find("figcaption")
    assert not page.all("button", "Yes, PNEUMONIA")
