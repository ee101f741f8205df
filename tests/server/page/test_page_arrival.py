"""The web page: what one sees before doing anything, and how an image and its heatmap lie over each other."""

import time

import page_models
import pytest

PNG = page_models.picture(3)


def test_an_example_is_answered_and_explained_on_arrival(page, stub):
    page.open(page.address)
    assert page.find(".panel", "Example from the test part: NORMAL")
    assert [one.text for one in page.all(".thumbnails [aria-pressed=true]")] == ["NORMAL"]
    page.find("figcaption", "evidence for PNEUMONIA")
    assert page.run("return scrollY") == 0
    page.click(".thumbnails button", "PNEUMONIA")
    page.find(".panel", "Example from the test part: PNEUMONIA")
    assert [one.text for one in page.all(".thumbnails [aria-pressed=true]")] == ["PNEUMONIA"]
    page.give(".zone", "drop", "mine.png", "image/png", PNG)
    page.find(".panel", "mine.png")
    assert not page.all(".thumbnails [aria-pressed=true]")
    page.go("emoji")
    assert page.find("textarea").get_attribute("placeholder") == "I love you so much"
    page.find(".panel", "Example from the test part: ❤️")
    page.find("textarea").send_keys("so sad")
    page.find(".answer", "disappointed")
    assert not page.all(".panel", "Example")


def test_what_comes_first_is_not_overtaken_by_the_example(page, stub):
    stub.late = 0.8
    page.open(page.address)
    page.give(".zone", "drop", "mine.png", "image/png", PNG)
    page.find(".panel", "mine.png")
    page.wait(lambda: page.run("return document.querySelector('.thumbnails img').naturalWidth"))
    time.sleep(0.3)
    assert page.all(".panel", "mine.png")


def test_among_many_classes_the_right_one_is_chosen_from_a_list(page, stub):
    known = page_models.MODELS["emoji"]
    choices = [*known["choices"], *(f"class {number}" for number in range(200))]
    stub.models = {"emoji": known | {"choices": choices}}
    page.browser.refresh()
    page.click("button", "Yes, ❤️ heart")
    page.find(".feedback", "Thank you. Stored: heart.")
    assert [one.text for one in page.all(".feedback button")] == ["Yes, ❤️ heart", "Send"]
    page.find(".feedback select").send_keys("class 150")
    page.click(".feedback button", "Send")
    page.find(".feedback", "Thank you. Stored: class 150.")
    assert page.find(".feedback button").get_attribute("aria-pressed") == "false"
    assert [one["label"] for one in stub.feedback] == ["heart", "class 150"]


@pytest.mark.parametrize(("width", "height"), [(640, 320), (200, 500), (24, 24)])
def test_the_heatmap_lies_over_the_sharp_image_in_its_own_proportions(page, width, height):
    page.give(".zone", "drop", "mine.png", "image/png", page_models.plain(width, height))
    page.find(".panel", "mine.png")
    page.find("figcaption")
    page.wait(lambda: page.run("return document.querySelector('.stack .seen').naturalWidth") == width)
    image, heat = page.find(".stack .seen").rect, page.find(".stack .over").rect
    assert image == heat
    assert image["width"] / image["height"] == pytest.approx(width / height, rel=0.02)
    assert max(image["width"], image["height"]) > 250
    assert image["height"] <= 28 * 16 + 1


def test_an_image_that_no_browser_shows_is_seen_as_the_model_sees_it(page, stub):
    stub.any_image = True
    page.give(".zone", "drop", "mine.tif", "image/tiff", b"II*\0")
    page.find(".panel", "mine.tif")
    page.wait(lambda: page.run("return document.querySelector('.stack .seen').naturalWidth") == 128)
    assert page.all(".stack .seen")


def test_a_model_that_is_still_loading_is_looked_at_again(page, stub):
    states = {"name": "late", "versions": [{"version": "1", "state": "LOADING", "labels": [], "weight": None}]}
    stub.models = {"late": states}
    page.browser.refresh()
    page.find(".banner", "version 1: loading")
    stub.models = page_models.MODELS
    page.find("h1", "Pneumonia")
