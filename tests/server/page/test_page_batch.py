"""The web page: many inputs at once, and what one reads when the server refuses or goes away."""

import csv
import io
import zipfile

import page_models
import pytest
from selenium.webdriver.common.by import By

TEXTS = [f"message {row} {'you won' if row % 3 == 0 else 'come home'}" for row in range(450)]
EVIL = ["=HYPERLINK(0)", "+1 free", "-2", "@SUM(1)", 'say "hi", now', "<b>plain</b>", "❤️"]


@pytest.fixture
def texts(tmp_path):
    """Give a function that writes a CSV file of texts."""

    def written(lines, name="texts.csv"):
        (tmp_path / name).write_text("\n".join(["text", *lines]), encoding="utf-8")
        return tmp_path / name

    return written


def batch_field(page):
    return page.browser.find_elements(By.CSS_SELECTOR, "input[type=file]")[-1]


def test_a_csv_file_fills_a_table(page, texts):
    page.go("spam")
    batch_field(page).send_keys(str(texts(TEXTS)))
    page.find(".progress", "All 450 done in")
    assert [one.text for one in page.all("[aria-label=Show] button")] == ["All: 450", "ham: 300", "spam: 150"]
    assert page.find("tbody tr").text == "message 0 you won spam 97.0 %"
    assert len(page.all("tbody tr")) == 200
    page.find("section", "This table shows the first 200 of 450")
    page.click(".choices button", "spam: 150")
    assert len(page.all("tbody tr")) == 150
    progress = page.find("progress")
    assert (progress.get_property("value"), progress.get_property("max")) == (450, 450)
    assert not page.all("button", "Cancel")


def test_answers_with_several_possible_classes_can_be_looked_at_alone(page, texts):
    page.go("emoji")
    batch_field(page).send_keys(str(texts(["I love you", "perhaps love", "let us eat"])))
    page.click(".choices button", "Several possible: 1")
    (row,) = page.all("tbody tr")
    assert row.text == "perhaps love ❤️ heart 80 % ❤️ heart, ⚾ baseball"
    page.click(".choices button", "All: 3")
    assert page.find("tbody tr").text == "I love you ❤️ heart 80 %", "of one possible class nothing is said"


def test_unusual_inputs_are_marked_and_can_be_looked_at_alone(page, texts):
    page.go("spam")
    batch_field(page).send_keys(str(texts(["see you", "qwertz asdf"])))
    page.click(".choices button", "Unusual: 1")
    (row,) = page.all("tbody tr")
    assert row.text == "qwertz asdf unusual ham 3.1 %"
    page.click("button", "Download all as CSV")
    file = page.downloads / "spam-answers.csv"
    page.wait(lambda: file.exists() and file.stat().st_size)
    rows = list(csv.DictReader(io.StringIO(file.read_bytes().decode("utf-8-sig"))))
    file.unlink()
    assert [(row["unusual"], row["unusualness"]) for row in rows] == [("false", "0.4"), ("true", "3.2")]


def test_the_table_is_downloaded_and_runs_no_formula(page, texts):
    page.go("spam")
    batch_field(page).send_keys(str(texts(EVIL)))
    page.click("button", "Download all as CSV")
    file = page.downloads / "spam-answers.csv"
    page.wait(lambda: file.exists() and file.stat().st_size)
    rows = list(csv.DictReader(io.StringIO(file.read_bytes().decode("utf-8-sig"))))
    file.unlink()
    assert [row["input"] for row in rows] == [f"'{text}" if text[0] in "=+-@" else text for text in EVIL]
    assert [row["probability"] for row in rows[:3]] == ["0.0312", "0.97", "0.0312"]
    assert (rows[0]["label"], rows[0]["of"], rows[0]["threshold"], rows[0]["error"]) == ("ham", "spam", "0.43", "")
    assert page.browser.find_elements(By.CSS_SELECTOR, "td b") == []


def test_a_zip_of_images_with_one_that_is_none(page, tmp_path):
    with zipfile.ZipFile(tmp_path / "some.zip", "w") as archive:
        for number in range(3):
            archive.writestr(f"{number}.png", page_models.picture(2 * number))
        archive.writestr("x.png", b"none")
    page.go("kinds")
    batch_field(page).send_keys(str(tmp_path / "some.zip"))
    page.find(".progress", "All 4 done")
    assert "1 of them could not be used" in page.find(".progress").text
    page.click(".choices button", "Not usable: 1")
    assert [row.text for row in page.all("tbody tr")] == ["x.png no image that can be read"]
    page.click("button", "Download")
    file = page.downloads / "kinds-answers.csv"
    page.wait(lambda: file.exists() and file.stat().st_size)
    last = list(csv.DictReader(io.StringIO(file.read_bytes().decode("utf-8-sig"))))
    assert last[0]["probabilities VIRAL"]
    assert last[3] == {**dict.fromkeys(last[0], ""), "input": "x.png", "error": "no image that can be read"}


def test_counts_have_a_table_and_a_file_of_their_own(page, tmp_path):
    with zipfile.ZipFile(tmp_path / "some.zip", "w") as archive:
        archive.writestr("0.png", page_models.picture(0))
    page.go("cells")
    batch_field(page).send_keys(str(tmp_path / "some.zip"))
    page.find(".progress", "All 1 done")
    page.find("tbody tr")
    assert [one.text for one in page.all("[aria-label=Show] button")] == ["All: 1"]
    assert [one.text for one in page.all("thead th")][:2] == ["Input", "Cells"]
    assert page.find("tbody td.right").text.startswith("69.")
    page.click("button", "Download")
    file = page.downloads / "cells-answers.csv"
    page.wait(lambda: file.exists() and file.stat().st_size)
    assert file.read_bytes().decode("utf-8-sig").splitlines()[0] == "input,count,low,note,error"


def test_a_batch_is_cancelled_and_what_has_come_stays(page, stub, texts):
    stub.pause = 0.05
    page.go("spam")
    batch_field(page).send_keys(str(texts(TEXTS)))
    page.find("tbody tr")
    page.click("button", "Cancel")
    page.find(".progress", "Stopped after")
    assert page.find(".choices button", "All: ").text != "All: 450"
    assert page.find("button", "Download all as CSV")


def test_a_batch_that_breaks_off_says_so(page, stub, texts):
    stub.cut = 5
    page.go("spam")
    batch_field(page).send_keys(str(texts(TEXTS)))
    page.find("[role=alert]", "the model went away")
    page.find(".progress", "Ended after 5 answers.")
    assert len(page.all("tbody tr")) == 5
    stub.cut = None
    page.click("button", "Try again")
    page.find(".progress", "All 450 done")
    assert not page.all("[role=alert]")


@pytest.mark.parametrize(
    ("status", "headers", "said"),
    [
        (400, {}, ["The server cannot use this", "made to fail."]),
        (404, {}, ["no longer served", "reload"]),
        (413, {}, ["too large", "Use a smaller file"]),
        (429, {"Retry-After": "7"}, ["too busy", "Try again in 7 s."]),
        (500, {"X-Request-Id": "abc-1"}, ["The server failed", "under abc-1"]),
        (503, {}, ["not ready", "Try again in a moment."]),
    ],
)
def test_failures_are_told_in_words(page, stub, status, headers, said):
    page.expected = f"status of {status}"
    stub.failures = [(":answer", status, headers)]
    page.click(".thumbnails button", "PNEUMONIA")
    note = page.find("[role=alert]", said[0]).text
    assert all(words in note for words in said)
    page.click("button", "Try again")
    assert page.find(".answer").text == "PNEUMONIA"
    assert not page.all("[role=alert]")


def test_without_a_connection(page):
    page.expected = "ERR_INTERNET_DISCONNECTED"
    offline = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    page.go("emoji")
    page.command("Network.enable")
    page.command("Network.emulateNetworkConditions", offline=True, **offline)
    try:
        page.find("textarea").send_keys("so happy")
        page.find("[role=alert]", "The server does not answer")
    finally:
        page.command("Network.emulateNetworkConditions", offline=False, **offline)
    page.click("button", "Try again")
    page.find(".answer", "smile")


def test_typing_goes_on_by_itself_when_the_server_has_time_again(page, stub):
    page.expected = "status of 429"
    page.go("emoji")
    stub.failures = [(":answer", 429, {"Retry-After": "1"})]
    page.find("textarea").send_keys("so happy")
    page.find("[role=alert]", "Try again in 1 s.")
    page.find(".answer", "smile")
    assert not page.all("[role=alert]")


def test_a_server_that_is_loading_is_asked_again(page, stub):
    page.expected = "status of 503"
    stub.failures = [("/v1/models", 503, {"Retry-After": "1"})]
    page.browser.refresh()
    page.find("[role=alert]", "The server is not ready")
    page.find("h1", "Pneumonia")


def test_a_key_is_asked_for_and_kept(page, stub):
    page.expected = "status of 401"
    stub.key = "sesame"
    page.browser.refresh()
    page.find("#key-why", "Ask the person who runs the server")
    for key in ("wrong", "sesame"):
        page.find("#key input").send_keys(key)
        page.click("#key button")
        if key == "wrong":
            page.find("#key-why", "did not accept this key")
    page.find("h1", "Pneumonia")
    page.wait(lambda: page.run("return document.querySelector('.thumbnails img').naturalWidth") == 160)
    page.browser.refresh()
    page.click(".thumbnails button", "PNEUMONIA")
    page.find(".heat")
    assert not page.all("#key")
