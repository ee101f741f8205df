"""What the recipes for texts share: reading and splitting, the two halves trained apart, the baseline."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from keras_dl.errors import BadInput, UsageError
from keras_dl.models.texts.wide_and_deep_text import wide_and_deep_text
from keras_dl.recipes import texts
from keras_dl.recipes.texts import TextConfig
from keras_dl.runs import baseline as baselines
from keras_dl.tasks.texts.spam import Spam

HAM = ["see you at lunch", "are you home?", "ok then, later", "call me when home", "so tired today", "on my way home"]
SPAM = ["WIN a prize now", "free prize, text WIN", "claim £500 free", "you WON a free phone", "txt now to claim"]
IDS = np.random.default_rng(0).integers(1, 20, (8, 12)).astype("int32")
LABELS = np.array([0, 1] * 4)


@pytest.fixture
def source(tmp_path):
    """A file of 44 messages: every text four times in other words, and one of them twice."""
    rows = [f"{label},{one} {number}" for number in range(4) for label, of in RAW.items() for one in of]
    path = tmp_path / "mine.csv"
    path.write_text("\n".join(["label,text", *rows, "ham,SEE you at  lunch 0"]).replace("ham,ok then,", "ham,ok then"))
    return path


RAW = {"ham": HAM, "spam": [one.replace(",", "") for one in SPAM]}
CONFIG = TextConfig(length=6, vocabulary=20)


def model(reader="mean", ngrams=(1, 2)):
    return wide_and_deep_text(
        words=20, length=8, characters=4, read=8, reader=reader, dimension=4, dropout=0.0, ngrams=ngrams, buckets=64
    )


def test_a_set_is_split_by_group_and_the_vocabulary_is_of_the_training_part(source):
    data = texts.load(CONFIG, source, dataset="spam")
    groups = [set(split.groups) for split in data.splits().values()]
    assert sum(map(len, groups)) == len(set.union(*groups)) == 44
    assert sum(len(split) for split in data.splits().values()) == 45
    split = texts.INPUT.tokens(CONFIG, {})
    assert data.assets == {
        "classes": ["ham", "spam"],
        "vocabulary": texts.tokenization.vocabulary(data.train.texts, split, size=20),
    }
    assert (data.balance, data.bucket, data.resample) == ("none", True, None)
    assert data.notes["copies"] == 1
    assert texts.load(CONFIG, source, dataset="spam").test.ids == data.test.ids


def test_an_example_is_the_ids_of_its_text_and_its_label(source):
    data = texts.load(Spam(length=6, characters=3, style="words"), source, dataset="spam")
    decode = texts.INPUT.decode(Spam(length=6, characters=3, style="words"), data.assets)
    test = data.test
    for row, (x, y) in enumerate(test.examples.as_numpy_iterator()):
        assert test.raw(row).decode() == test.texts[row]
        np.testing.assert_array_equal(x, decode(tf.constant(test.raw(row))))
        assert (x.shape, y.tolist()) == ((9,), [float(test.truth[row])])
        words = [word.strip("?") for word in test.texts[row].lower().replace("£", "").split()]
        known = [
            data.assets["vocabulary"].index(word) + 2 if word in data.assets["vocabulary"] else 1 for word in words
        ]
        assert x[:6].tolist() == (known + [0] * 6)[:6]
        assert x[6:].tolist() == [ord(sign) for sign in test.texts[row].lower()[:3]]


def test_the_recipe_chooses_the_test_part_the_resampling_and_what_is_learned(source):
    def fit(config, train):
        assert "WIN" in " ".join(train)
        return {"vocabulary": ["win"], "stop_words": ["you"]}

    data = texts.load(
        CONFIG,
        source,
        dataset="spam",
        fit=fit,
        test_rows=lambda config, found: np.array(["4" > one[-1] > "2" for one in found.texts]),
        resample=lambda config: "as the recipe wants",
    )
    assert all(one.endswith("3") for one in data.test.texts)
    assert not any(one.endswith("3") for one in (*data.train.texts, *data.validation.texts))
    assert len(data.test) == 11
    assert data.resample == "as the recipe wants"
    decode = texts.INPUT.decode(CONFIG, data.assets)
    assert decode(tf.constant("You WIN you lose")).numpy().tolist() == [2, 1, 0, 0, 0, 0]


def test_another_set_is_read_as_one_test_split(source):
    assets = {"classes": ["ham", "spam"], "vocabulary": ["home"]}
    split = texts.read(CONFIG, assets, source, dataset="spam")
    assert len(split) == 45
    assert {int(x.max()) for x, _ in split.examples.as_numpy_iterator()} == {1, 2}


def test_a_text_of_unknown_words_is_remarked_on_and_its_letters_do_not_count():
    config = Spam(length=3, characters=2)
    assert "the model knows none of its words" in texts.INPUT.remark(config, np.array([1, 1, 0, 97, 98]))
    assert "the model knows none of its words" in texts.INPUT.remark(config, np.array([0, 0, 0, 0, 0]))
    assert texts.INPUT.remark(config, np.array([1, 2, 0, 97, 98])) == ""


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({}, ["count", "wide", "deep"]),
        ({"reader": "none"}, ["count", "train"]),
        ({"ngrams": ""}, ["train"]),
        ({"ngrams": "", "network": "spam_lstm", "characters": 0}, ["train"]),
    ],
)
def test_the_phases_are_those_of_the_parts_that_are_there(settings, names):
    config = Spam(epochs=7, patience=2, **settings)
    phases = texts.wide_and_deep_phases(config, data=None)
    assert [phase.name for phase in phases] == names
    for phase in phases:
        assert (phase.epochs, len(phase.callbacks)) == ((1, 0) if phase.fit else (7, 1))
        assert bool(phase.fit) == (phase.name == "count")
        assert [make(config).patience for make in phase.callbacks] == [2] * len(phase.callbacks)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"ngrams": "", "reader": "none"}, "leave no network"),
        ({"network": "spam_lstm"}, "reads no characters; add --set characters=0"),
        ({"reader": "transformer", "dimension": 30}, "a multiple of 4"),
    ],
)
def test_settings_that_leave_no_network_are_refused(settings, reason):
    with pytest.raises(UsageError, match=reason):
        Spam(**settings)


def test_each_half_is_trained_alone_and_the_whole_blends_them():
    network = model()
    config = Spam(reader="mean", learning_rate=0.05)
    phases = {phase.name: phase for phase in texts.wide_and_deep_phases(config, data=None)}
    phases["count"].compile(network)
    phases["count"].fit(network, IDS, LABELS)
    for name in ("words", "characters"):
        assert len(np.unique(network.get_layer(name).scales)) > 2

    log_odds = {}
    for name in ("wide", "deep"):
        part = phases[name].part(network)
        phases[name].compile(part)
        part.run_eagerly = True  # nothing to trace for five steps
        before = {weight.path: weight.numpy() for weight in network.weights}
        loss = [part.train_on_batch(IDS, LABELS[:, None])[0] for _ in range(5)]
        assert loss[-1] < loss[0]
        changed = {weight.path for weight in network.weights if not np.array_equal(weight, before[weight.path])}
        assert len(changed) >= 4
        assert all(path.startswith(("words", "characters")) == (name == "wide") for path in changed)
        said = part(IDS).numpy()
        log_odds[name] = np.log(said / (1 - said))

    (share,) = {layer.shares[1] for layer in network.layers if layer.name == "log_odds"}
    both = (1 - share) * log_odds["wide"] + share * log_odds["deep"]
    np.testing.assert_allclose(network(IDS), 1 / (1 + np.exp(-both)), rtol=1e-4)


def test_one_half_alone_is_trained_whole():
    network = model("none")
    (count, train) = texts.wide_and_deep_phases(Spam(reader="none"), data=None)
    count.fit(network, IDS, LABELS)
    train.compile(network)
    assert len(network.trainable_weights) == 4
    assert network.optimizer.learning_rate == np.float32(Spam().learning_rate)


@pytest.mark.parametrize("characters", [False, True])
def test_the_baseline_takes_texts_and_a_run_keeps_it(characters, tmp_path):
    labels = [0] * len(HAM) + [1] * len(SPAM)
    baseline = texts.tfidf(TextConfig(), characters=characters).fit(HAM + SPAM, labels)
    assert (baseline.decision_function(HAM + SPAM) > 0).astype(int).tolist() == labels
    baselines.save(baseline, tmp_path / "assets" / "baseline.skops")
    loaded = baselines.load(SimpleNamespace(path=tmp_path))
    asked = ["a free prize", "home late", "", "你好", "home prlze free"]
    np.testing.assert_array_equal(loaded.decision_function(asked), baseline.decision_function(asked))
    # misspelt, the letters still tell
    assert (np.ptp(loaded.decision_function(["prlze frce", "lunhc"])) > 0.1) == characters


def test_a_record_is_that_of_two_classes_with_changes():
    record = texts.record("imdb", words={"example": "review"}, neighbours=3)
    assert (record["dataset"], record["input"].key, record["input"].raw_name) == ("texts.imdb", "text", "text")
    assert record["words"] == {"example": "review"}
    assert record["neighbours"] == 3
    assert (record["output"].key, record["output"].threshold, record["output"].both) == ("binary", 0.5, True)
    with pytest.raises(BadInput, match="the text is empty"):
        record["input"].check(b" ")
    assert record["limits"]
