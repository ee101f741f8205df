"""From a raw text to ids: what a word is in every script, the vocabulary, and the same in and outside of a graph."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_dl.inputs import tokenization

SPLITS = {style: tokenization.tokens(style) for style in tokenization.STYLES}


def words_of(raw, style="words"):
    return [word.decode() for word in SPLITS[style](tf.constant(raw)).numpy()]


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ("Don't STOP, it's 5 o'clock!", ["don't", "stop", "it's", "5", "o'clock"]),
        ("don’t you ‘quote’ me", ["don't", "you", "quote", "me"]),
        ("'one' 'two' and ''three''", ["one", "two", "and", "three"]),
        ("ÜBER Straße ÑANDÚ cafe\u0301", ["über", "straße", "ñandú", "cafe\u0301"]),
        ("I ❤ 寿司pizza🍕🍕!", ["i", "❤", "寿", "司", "pizza", "🍕", "🍕"]),
        ("with love❤️you", ["with", "love", "❤", "you"]),  # the emoji and an invisible sign that makes it red
        ("ありがとう ตลาด 안녕 세상", [*"ありがとう", *"ตลาด", "안녕", "세상"]),
        ("שלום, עולם! مرحبا، بالعالم", ["שלום", "עולם", "مرحبا", "بالعالم"]),
        (b"\xff\xfehello \x80world\xe4", ["hello", "world"]),
        ("a\0b", ["a", "b"]),
        ("", []),
        (" \t\r\n ", []),
        ("' '' '", []),
    ],
)
def test_words(raw, words):
    assert words_of(raw) == words


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ("Don't pay £5.00!!", ["don't", "pay", "£", "5", ".", "00", "!", "!"]),
        ("‘so’ (rock 'n' roll)", ["'", "so", "'", "(", "rock", "'", "n", "'", "roll", ")"]),
        ("1+1=2 你好。", ["1", "+", "1", "=", "2", "你", "好", "。"]),
        ("", []),
    ],
)
def test_signs_are_tokens_where_they_are_wanted(raw, words):
    assert words_of(raw, "signs") == words


def test_letters_alone():
    assert words_of("WIN the 1st prize, don't £5 🍕", "letters") == ["win", "the", "st", "prize", "don", "t"]
    assert words_of("love❤️you", "letters") == ["love", "you"]


@settings(max_examples=60)
@given(st.text(alphabet="aB9' .❤你\u00e9\t", max_size=12))
def test_words_that_are_read_again_are_the_same(raw):
    found = words_of(raw)
    assert words_of(" ".join(found)) == found
    assert all(word.strip("' ") == word != "" for word in found)


def test_stop_words_go_and_nothing_else():
    rest = tokenization.without(SPLITS["words"], ["the", "don't"])
    assert rest(tf.constant("The theme: DON’T don them")).numpy().tolist() == [b"theme", b"don", b"them"]
    assert rest(tf.constant("the the")).shape == (0,)
    assert tokenization.without(SPLITS["words"], [])(tf.constant("the end")).numpy().tolist() == [b"the", b"end"]


def test_the_vocabulary_is_the_most_frequent_words_and_of_equal_ones_the_first_of_the_alphabet():
    texts = ["b a c", "a B ü", "a d", ""]
    assert tokenization.vocabulary(texts, SPLITS["words"], size=10) == ["a", "b", "c", "d", "ü"]
    assert tokenization.vocabulary(texts, SPLITS["words"], size=3) == ["a", "b", "c"]
    assert tokenization.vocabulary(texts, SPLITS["words"], size=10, least=2) == ["a", "b"]
    assert tokenization.vocabulary(texts, SPLITS["words"], size=10, least=4) == []


def test_ids_begin_at_two_and_what_is_not_known_is_one():
    words = [f"word{number}" for number in range(500)]
    ids = tokenization.lookup(words)(tf.constant(["word499", "word0", "nothing", "word7", ""]))
    assert ids.dtype == tf.int32
    assert ids.numpy().tolist() == [501, 2, 1, 9, 1]
    assert tokenization.lookup(words)(tf.constant([], tf.string)).shape == (0,)


def test_other_forms_of_a_word_have_its_id():
    lemmas = {"prizes": "prize", "free": "prize", "feet": "foot"}
    ids = tokenization.lookup(["free", "prize"], lemmas)(tf.constant(["prizes", "prize", "free", "feet", "foot"]))
    assert ids.numpy().tolist() == [3, 3, 2, 1, 1]  # a word of the vocabulary keeps its own


def test_without_a_vocabulary_every_word_is_unknown():
    assert tokenization.lookup([])(tf.constant(["a", "b"])).numpy().tolist() == [1, 1]


@pytest.mark.parametrize(("ids", "wanted"), [([], [0, 0, 0]), ([5, 6], [5, 6, 0]), ([5, 6, 7, 8], [5, 6, 7])])
def test_padding_stands_after_the_words(ids, wanted):
    padded = tokenization.padded(tf.constant(ids, tf.int32), 3)
    assert padded.dtype == tf.int32
    assert padded.numpy().tolist() == wanted


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ("Ab \n C😀xyz", [97, 98, 32, 99, 0x1F600, 120]),
        ("É", [0xE9, 0, 0, 0, 0, 0]),
        (b"\xffa\0b", [32, 97, 32, 98, 0, 0]),
    ],
)
def test_characters(raw, wanted):
    assert tokenization.characters(tf.constant(raw), 6).numpy().tolist() == wanted


def decode(style="signs", length=8):
    split = tokenization.without(tokenization.tokens(style), ["the"])
    look_up = tokenization.lookup(["free", "prize", "你", "don't", "£", "🍕"], {"prizes": "prize"})
    return lambda raw: tf.concat([tokenization.padded(look_up(split(raw)), length), tokenization.characters(raw, 5)], 0)


def test_the_same_ids_eagerly_in_the_pipeline_and_in_a_function_that_was_saved_and_loaded(tmp_path):
    raws = ["Free PRIZES, the £5", "don’t 你好 🍕", "", b"\xff the free", "שלום", "free " * 20]
    outside = np.stack([decode()(tf.constant(raw)).numpy() for raw in raws])
    assert outside[0, :5].tolist() == [2, 3, 1, 6, 1]
    assert outside[2].tolist() == [0] * 13

    batches = tf.data.Dataset.from_tensor_slices(raws).map(decode()).batch(6)
    np.testing.assert_array_equal(next(iter(batches)), outside)

    def of_batch(raw):
        return {"ids": tf.map_fn(decode(), raw, fn_output_signature=tf.int32)}

    signature = [tf.TensorSpec([None], tf.string, name="text")]
    tf.saved_model.save(tf.Module(), tmp_path, signatures=tf.function(of_batch, input_signature=signature))
    loaded = tf.saved_model.load(tmp_path).signatures["serving_default"]
    np.testing.assert_array_equal(loaded(tf.constant(raws))["ids"], outside)


@settings(max_examples=60)
@given(st.binary(max_size=30))
def test_any_bytes_become_ids(raw):
    ids = ANY(tf.constant(raw)).numpy()
    assert ids.shape == (13,)
    assert ids[:8].min() >= 0
    assert ids[:8].max() < 8


ANY = decode()
