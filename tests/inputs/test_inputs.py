"""The contract of every kind of input: all that the registry's tasks have, each instance of its own."""

import io
import re

import battery
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_dl import inputs, registry
from keras_dl.errors import BadInput
from keras_dl.inputs.given import expand

INPUTS = {registry.find(name).input: name for name in reversed(registry.TASKS)}  # instance -> first task with it


def file(size, mode="RGB", kind="PNG"):
    """Return an image file."""
    data = io.BytesIO()
    Image.new(mode, size).save(data, kind)
    return data.getvalue()


BAD = {  # by Input.key: what is refused, and a word of the reason. A new kind gets an entry here
    "image": {
        b"": "empty",
        b"hello": "not an image",
        file((64, 64))[:-20]: "truncated PNG",
        file((64, 64), "RGB", "JPEG")[:-2]: "truncated JPEG",
        file((8, 8)): "too small",
        file((64, 64), "RGB", "GIF"): "a GIF file; convert it",
    },
    "text": {
        b"": "empty",
        b" \n": "empty",
        b"\xff\xfe": "not UTF-8 at byte 0",
        b"a" * 1_000_001: "at most 1,000,000",
    },
}
UPLOADS = {  # by Input.key: what is no zip -> the inputs in it, or the reason why there are none
    "image": {file((64, 64)): "as a zip file"},
    "text": {
        b"text\nyou won\nsee you\n": ["you won", "see you"],
        b"caf\xe9;1\n": "read with semicolons between them, and none is called",
        b"review;id\ncaf\xe9;1\n": ["café"],
        b"\0\1": "not a text file",
        b"": "empty",
        b"text\nI loved it, not\n": "line 2 of the CSV file has more cells .* that contains commas in double quotes",
        b"good film\nbad, really bad\n": "has up to 2 columns, read with commas .*, and none is called 'text'",
    },
}
pytestmark = pytest.mark.parametrize("kind", INPUTS, ids=[f"{one.key}-{name}" for one, name in INPUTS.items()])


@pytest.fixture
def one(kind):
    """The first task with this input, its settings and data."""
    return battery.prepared(INPUTS[kind])


def raws(one, count=8):
    return [one.data.test.raw(row) for row in range(min(count, len(one.data.test)))]


def test_bad_input_is_refused_with_a_reason(kind, one):
    for raw, reason in BAD[kind.key].items():
        with pytest.raises(BadInput, match=reason) as refused:
            kind.check(raw, one.data.assets)
        assert "\n" not in str(refused.value)
    for raw in raws(one):
        kind.check(raw, one.data.assets)


def test_decoding_in_a_graph_is_decoding_alone(kind, one):
    decode = kind.decode(one.config, one.data.assets)
    graph = tf.function(decode, input_signature=[tf.TensorSpec([], tf.string)])
    wanted = one.model.inputs[0]
    for raw in raws(one):
        alone = decode(tf.constant(raw)).numpy()
        np.testing.assert_array_equal(graph(tf.constant(raw)), alone)
        assert alone.dtype == wanted.dtype
        assert tf.TensorShape(wanted.shape[1:]).is_compatible_with(alone.shape)
    several = [raw for raw in raws(one) if decode(tf.constant(raw)).shape == alone.shape]
    spec = tf.TensorSpec(alone.shape, alone.dtype)
    batch = tf.function(lambda batch: tf.map_fn(decode, batch, fn_output_signature=spec))(tf.constant(several))
    np.testing.assert_array_equal(batch, np.stack([decode(tf.constant(raw)) for raw in several]))


def test_what_a_person_names_is_expanded(kind, one, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (raw, *_) = raws(one)
    path = tmp_path / f"kept{kind.suffix(one.data.test.ids[0])}"
    path.write_bytes(raw)
    assert path.suffix
    assert [found.raw() for found in expand(one.task, [path.name])] == [raw]
    assert kind.given("no/such.file") is None
    for found in kind.given("a few words") or []:
        kind.check(found.raw())
    named = kind.hint.format(name=one.task.name)
    assert named.startswith("; ")


def test_an_upload_is_read_or_refused_with_a_reason(kind):
    for data, wanted in UPLOADS[kind.key].items():
        if isinstance(wanted, str):
            with pytest.raises(BadInput, match=wanted):
                kind.many(data, 100)
            continue
        found = kind.many(data, 100)
        names, raw = zip(*found.items, strict=True)
        assert found.count == len(wanted)
        assert list(names) == wanted == [one.decode() for one in raw]


def test_remarks_are_sentences_and_those_of_kinds_that_have_some(kind, one):
    decode = kind.decode(one.config, one.data.assets)
    said = [kind.remark(one.config, decode(tf.constant(raw)).numpy()) for raw in raws(one)]
    empty = np.zeros([side or 32 for side in one.model.inputs[0].shape[1:]], "uint8")
    said.append(kind.remark(one.config, empty))
    assert all(isinstance(text, str) and not text.endswith(".") for text in said)
    assert bool(said[-1]) == kind.remarks, "an input that says nothing is remarked on"


def test_a_baseline_gets_as_many_inputs_as_there_are(kind, one):
    split = one.data.test
    fitted = kind.fitted_to(split, lambda: np.asarray(one.examples["test"].x))
    assert len(fitted) == len(split)
    small = kind.miniatures(split, np.asarray(one.examples["test"].x))
    assert len(small) == len(split)
    assert isinstance(small[0], str) or small.dtype == np.uint8


def test_copies_of_training_examples_are_counted(kind, one):
    split, train = one.data.test, one.data.train
    assert kind.seen(train, set(train.ids), set(train.groups)) == len(train)
    assert kind.seen(split, set(train.ids), set(train.groups)) == 0


def test_a_server_finds_it_by_its_key_and_its_signature(kind):
    assert type(inputs.find(kind.key)) is type(kind)
    assert type(inputs.of_signature([kind.raw_name])) is type(kind)
    assert kind.quick(10**9) is False
    assert re.fullmatch(r"[a-z]+", kind.plural)
    assert kind.wanted
