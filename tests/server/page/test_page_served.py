"""The web page on the real server: what a person does first, with real answers."""

import live_server
import pytest
import requests


@pytest.fixture(scope="module")
def served(tiny_run, tmp_path_factory):
    database = f"sqlite:///{tmp_path_factory.mktemp('journal')}/requests.db"
    runs = [tiny_run(name).path for name in ("pneumonia", "emoji")]
    with live_server.serving(*runs, database=database) as address:
        yield address


@pytest.fixture
def real(browser, served):
    """The page of the real server; it must end without a word in the console and without a request elsewhere."""
    page = browser[0]
    page.open(served)
    yield page
    assert page.complaints() == []


def test_a_radiograph_is_answered_explained_and_judged(real, served):
    real.click("nav a", "pneumonia")
    real.find("main", "Not a medical device")
    real.click(".thumbnails button")
    label = real.find(".answer").text
    probability = real.find(".gauge .value", "probability of PNEUMONIA: ")
    (model,) = [
        one for one in requests.get(f"{served}/v1/models", timeout=9).json()["models"] if one["name"] == "pneumonia"
    ]
    sample = requests.get(served + model["samples"][0]["url"], timeout=9).content
    files = {"files": ("0.png", sample)}
    (row,) = requests.post(f"{served}/v1/models/pneumonia:answer", files=files, timeout=9).json()["predictions"]
    assert label == row["label"]
    assert float(probability.text.split()[-2]) == pytest.approx(100 * row["probability"], abs=0.6)
    real.find("figcaption", "evidence for PNEUMONIA")
    assert real.run("return document.querySelector('.over').naturalWidth") == 32
    real.click("button", f"Yes, {label}")
    real.find(".feedback", f"Thank you. Stored: {label}.")


def test_a_sentence_is_answered_while_it_is_typed(real):
    real.click("nav a", "emoji")
    real.find("textarea").send_keys("I love you ❤")
    assert real.find(".symbol").text in "❤️ ⚾ 😄 😞 🍴"
    shares = [float(one.text.rstrip(" %").removeprefix("under ")) for one in real.all(".bars .number")]
    assert (len(shares), sum(shares)) == (5, pytest.approx(100, abs=2.5))
    real.find(".explanation", "Evidence for")
    assert real.find(".explanation .text").text == "I love you ❤"


def test_a_batch_with_labels_gets_a_score(real, tmp_path):
    real.click("nav a", "emoji")
    rows = ["I love you;heart", "let us eat;Fork and knife", "so happy;2", "no such class;elephant"]
    (tmp_path / "texts.csv").write_text("text;label\n" + "\n".join(rows * 3))
    real.choose("section + section input[type=file]", tmp_path / "texts.csv")
    real.find(".progress", "All 12 done in")
    real.find("h3", "How good the answers are: 9 inputs with a label")
    assert [one.text for one in real.all("[aria-label='Confusion table'] tbody th")] == [
        "heart", "baseball", "smile", "disappointed", "fork_and_knife"
    ]  # fmt: skip
    real.find(".prose", "3 inputs have no label that this model knows: 'elephant' (3).")
    assert [one.text for one in real.all(".tall thead th")][:2] == ["Input", "Truth"]
    wrong = int(real.find("[aria-label=Show] button", "Wrong: ").text.split()[-1])
    real.click("[aria-label=Show] button", "Wrong: ")
    real.wait(lambda: len(real.all(".tall tbody tr")) == wrong)
    assert len(real.all(".tall tbody tr.wrong")) == wrong
    real.click("button", "Download all as CSV")
    file = real.downloads / "emoji-answers.csv"
    real.wait(lambda: file.exists() and file.stat().st_size)
    first, *rest = file.read_text(encoding="utf-8-sig").splitlines()
    assert first.startswith("input,truth,label,")
    assert [line.split(",")[1] for line in rest[:4]] == ["heart", "fork_and_knife", "smile", ""]


def test_a_batch_is_answered(real, tmp_path):
    real.click("nav a", "emoji")
    (tmp_path / "texts.csv").write_text("text\n" + "\n".join(f"sentence {row}" for row in range(70)) + "\n\n")
    real.choose("section + section input[type=file]", tmp_path / "texts.csv")
    real.find(".progress", "All 70 done in")
    assert real.find(".choices button", "All: 70")


def test_whoever_runs_the_server_sees_whether_it_drifts(real):
    real.click("nav a", "emoji")
    real.click("summary", "Compare all answers so far with the validation part")
    real.find(".prose, .blocks", "The validation part is too small for a shift of 0.25 to be certain")
    real.find(".blocks th", "Shift of unusualness")
