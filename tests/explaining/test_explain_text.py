"""What the words of a text say for an answer: true to the model, to the text as typed, and safe to look at."""

import sys
from dataclasses import replace
from types import SimpleNamespace

import kept_runs
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.special import logit

from keras_dl import show
from keras_dl.errors import UsageError
from keras_dl.explaining import words
from keras_dl.verbs import explain as verb


def explain(run, source, out=None, **options):
    """Explain as `Run.explain` does."""
    return verb.explain(run, source, out, **options).json()


def shown(run, text, out, **options):
    """Explain, and return what the terminal shows."""
    return show.explained(verb.explain(run, text, out, **options), run)


MESSAGE = "Hello: you WON a prize!!! see you at lunch, ok?"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run of each kind of texts, by kind; not to be changed."""
    folder = tmp_path_factory.mktemp("runs")
    return {kind: kept_runs.make(folder / kind, kind) for kind in kept_runs.TEXTS}


@pytest.fixture
def run(runs):
    return runs["text"]


@pytest.fixture(scope="module")
def split(runs):
    return words.tokenizer(runs["text"])


def weights(result):
    return {word["text"]: word["weight"] for word in result["words"]}


# Words as typed


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (MESSAGE, ["Hello:", "you", "WON", "a", "prize!!!", "see", "you", "at", "lunch,", "ok?"]),
        ("nice...but  DON'T\n", ["nice...", "but", "DON'T"]),
        ("今日は、pizza🍕!", ["今", "日", "は、", "pizza", "🍕!"]),
        ("שלום, (עולם)", ["שלום,", "(עולם)"]),
        ("bad.<br /><br />good", ["bad.", "<br />", "<br />", "good"]),
        ("👩🏽‍💻👍", ["👩🏽‍💻", "👍"]),
        ("I <3 you & 2 > 1", ["I", "<3", "you &", "2 >", "1"]),
        ("...", ["..."]),
        (" ", []),
    ],
)
def test_a_text_is_divided_into_words_as_typed(run, split, text, parts):
    longer = SimpleNamespace(config=replace(run.config, length=30))
    read = words.reading(longer, text, split)
    assert [text[start:end] for start, end in read.spans] == parts
    assert read.text == text


@settings(max_examples=150)
@given(st.text(max_size=60))
@example("I <3 you & 2 > 1")
@example("a'b 'c' d' ''")
@example("❤️ 🇩🇪")
def test_every_token_belongs_to_a_word_and_the_model_reads_so_many(runs, split, text):
    run = runs["text"]
    text = text.encode("utf-8", "ignore").decode().replace("\x00", "")
    read = words.reading(run, text, split)
    assert [token for one in read.tokens for token in one] == split(text)[: run.config.length]
    places = [place for span in read.spans for place in span]
    assert places == sorted(places)
    assert text.startswith(read.text)
    assert not places or places[-1] <= len(read.text)


def test_of_a_long_text_only_what_the_model_reads_is_explained(run, tmp_path):
    text = "prize " + "the " * 11 + "lunch is beyond " + "<b> " * 4000
    result = explain(run, text, tmp_path)
    assert len(result["words"]) == run.config.length
    assert text[result["read"] :].startswith(" lunch")
    page = (tmp_path / "prize-the-the-the-explained.html").read_text()
    assert '<span class="unread"> lunch is beyond &lt;b&gt;' in page
    assert "characters more)" in page
    assert "more characters that the model does not read)" in shown(run, text, tmp_path)
    assert weights(result)["prize"] == weights(explain(run, text[: result["read"]], tmp_path))["prize"]


def test_signs_without_end_are_no_endless_work(run, split):
    assert len(words.reading(run, "… " * 100_000, split).spans) == 4 * run.config.length
    assert len(words.reading(run, "今" * 100_000, split).spans) == run.config.length


# Occlusion


def test_the_decisive_word_has_the_largest_weight(run, tmp_path):
    result = explain(run, MESSAGE, tmp_path)
    found = weights(result)
    assert max(found, key=found.get) == "prize!!!"
    assert min(found, key=found.get) == "lunch,"
    assert found["prize!!!"] == pytest.approx(4 / 2), "log-odds are divided by the temperature"
    assert found["Hello:"] == 0
    assert {*result} >= {"input", "probability", "label", "of", "threshold", "method", "html", "text", "read"}
    assert [(row["start"], row["end"]) for row in result["words"][:2]] == [(0, 6), (7, 10)]


@pytest.mark.parametrize("kind", ["text", "texts"])
def test_a_weight_is_what_the_probability_loses_in_log_odds(runs, kind, tmp_path):
    result = explain(runs[kind], "the prize 今 lunch", tmp_path)
    without = runs[kind].predict("the 今 lunch", "the prize 今")

    def odds(row):
        return logit(row["probabilities"][result["of"]] if kind == "texts" else row["probability"])

    assert result["of"] == ("fork" if kind == "texts" else "spam")
    found = weights(result)
    assert found["prize"] == pytest.approx(odds(result) - odds(without[0]), abs=1e-3)
    assert found["lunch"] == pytest.approx(odds(result) - odds(without[1]), abs=1e-3)


def test_a_model_without_the_usual_last_layer_is_explained_too(run, monkeypatch):
    plain = words.occlusion(words.log_odds(run), MESSAGE, [(17, 25)], 1)
    monkeypatch.setattr(words.keras.activations, "sigmoid", None)
    other = words.occlusion(words.log_odds(run), MESSAGE, [(17, 25)], 1)
    np.testing.assert_allclose(plain, other, rtol=1e-4)


def test_a_model_that_is_sure_still_has_weights(tmp_path):
    run = kept_runs.make(tmp_path / "run", "text")
    run.model.get_layer("head").set_weights([np.array([[0.0], [0], [50]]), np.zeros(1)])
    found = weights(explain(run, "prize prize pizza", tmp_path))
    assert found["pizza"] == pytest.approx(5 * 50 / 2)
    assert run.predict("prize")[0]["score"] == 1, "the last activation is back"


def test_other_weights_of_the_model_are_other_weights_of_the_words(tmp_path):
    run = kept_runs.make(tmp_path / "run", "text")
    before = weights(explain(run, MESSAGE, tmp_path))
    layer = run.model.get_layer("words")
    layer.set_weights([np.random.default_rng(0).normal(size=layer.get_weights()[0].shape)])
    after = weights(explain(run, MESSAGE, tmp_path))
    assert abs(np.corrcoef([*before.values()], [*after.values()])[0, 1]) < 0.7


@pytest.mark.parametrize("text", ["xyzzy", "🦑", "蛸", "…", "prize", "שלום prize"])
def test_texts_of_all_kinds_can_be_explained(run, tmp_path, text):
    result = explain(run, text, tmp_path / "page.html")
    assert ("note" in result) == ("prize" not in text)
    assert any(weights(result).values()) == ("prize" in text)
    assert "prize" not in text or weights(result)["prize"] == pytest.approx(2)
    assert shown(run, text, tmp_path / "page.html").endswith("page.html")


# The other methods


@pytest.mark.parametrize("kind", ["text", "texts"])
def test_shap_values_add_up(runs, kind, tmp_path):
    result = explain(runs[kind], MESSAGE, tmp_path, method="shap")
    found = [word["weight"] for word in result["words"]]
    of = runs[kind].assets["classes"].index(result["of"])
    full, empty = words.log_odds(runs[kind])([MESSAGE, " "], of)
    assert sum(found) == pytest.approx(full - empty, abs=1e-3)
    assert result["words"][int(np.argmax(found))]["text"] == "prize!!!"
    assert len(explain(runs[kind], "prize", tmp_path, method="shap")["words"]) == 1


def test_without_shap_it_says_how_to_get_it(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "shap", None)
    with pytest.raises(UsageError, match=r"pip install shap"):
        explain(run, MESSAGE, tmp_path, method="shap")


def test_attention_is_that_of_the_last_layer_and_adds_up(runs, tmp_path):
    run = runs["attention"]
    for layer in ("attention_1", "attention_2"):
        model = run.model.get_layer(layer)
        model.set_weights([10 * weight for weight in kept_random(model)])
    ids = run.task.input.decode(run.config, run.assets)(tf.constant("you won a prize at noon"))[None]
    answers = run.model(ids).numpy()
    result = explain(run, "You won, a prize at noon", tmp_path, method="attention")
    found = [word["weight"] for word in result["words"]]
    assert sum(found) == pytest.approx(1, abs=1e-3)
    assert max(found) > 1.2 / 6
    np.testing.assert_allclose(found, by_hand(run.model, ids)[:6], atol=1e-4)
    np.testing.assert_array_equal(run.model(ids).numpy(), answers)
    text = shown(run, "You won, a prize at noon", tmp_path, method="attention")
    assert "most weight" in text
    assert "share of the last layer's attention" in text
    assert "against" not in text


def kept_random(layer):
    random = np.random.default_rng(0)
    return [random.normal(size=weight.shape) for weight in layer.get_weights()]


def by_hand(model, ids):
    """Run the last layer of attention again on its inputs and return the mean attention each place gets."""
    layer = model.get_layer("attention_2")
    inputs = words.keras.Model(model.input, layer.input)(ids)
    query, value, mask = (tf.convert_to_tensor(one) for one in inputs)
    _, scores = layer(query, value, attention_mask=mask, return_attention_scores=True)
    count = int((ids[0] != 0).numpy().sum())
    return scores.numpy()[0, :, :count].mean(axis=(0, 1))


def test_attention_of_tokens_that_depend_on_their_neighbours_is_matched(runs):
    run = runs["attention"]
    read = words.reading(run, "you won a prize", words.tokenizer(run))
    whole = words.attention(run, read)
    read.tokens[0].append(b"which the text as a whole has not")
    np.testing.assert_allclose(words.attention(run, read), whole)


def test_a_method_that_cannot_be_names_those_that_can(runs, run, tmp_path):
    for method in ("attention", "magic"):
        with pytest.raises(UsageError, match=f"method={method} must be one of: occlusion, shap$"):
            explain(run, MESSAGE, tmp_path, method=method)
    with pytest.raises(UsageError, match="method=magic must be one of: occlusion, shap, attention"):
        explain(runs["attention"], MESSAGE, tmp_path, method="magic")
    with pytest.raises(UsageError, match="no attention layer; method=occlusion"):
        words.attention(run, words.reading(run, MESSAGE, words.tokenizer(run)))


def test_the_part_of_a_long_text_that_matters_is_shown():
    spans = [(start, start + 9) for start in range(0, 3000, 10)]
    asked = []

    def weigh(given):
        asked.append(given)
        return np.array([-2.0 if start <= 1500 < end else 1.0 for start, end in given])

    part = words.strongest_part(spans, weigh)
    assert part[0][0] <= 1500 < part[-1][1]
    assert part[-1][1] - part[0][0] <= words.SHOWN
    assert asked[0][0][0] == 0
    assert asked[0][-1][1] == 2999
    assert words.strongest_part(spans[:5], weigh) == spans[:5]
    assert words.strongest_part([], weigh) == []
