import dataclasses
import tracemalloc

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_dl.errors import KerasDLError
from keras_dl.inputs import pixels
from keras_dl.recipes import augment
from keras_dl.task import Config, Data, Split
from keras_dl.training import pipeline

CONFIG = Config(batch_size=4, steps_per_execution=2)


def split_of(labels):
    """Images whose pixels are their own row number, so that a batch tells which rows it holds."""
    x = np.repeat(np.arange(len(labels), dtype="uint8"), 12).reshape(-1, 2, 2, 3)
    examples = tf.data.Dataset.from_tensor_slices((x, np.asarray(labels, "float32")[:, None]))
    names = [str(row) for row in range(len(labels))]
    return Split(examples, names, names, labels, raw=lambda row: b"")


def made(labels, tmp_path, config=CONFIG, **options):
    split = split_of(labels)
    return pipeline.decoded(split, config, tmp_path / "spill"), Data(split, split, split, **options)


def rows_of(batches, count):
    return [x.numpy()[:, 0, 0, 0].tolist() for x, _ in batches.take(count)]


def test_evaluation_gives_each_example_once_in_order(tmp_path):
    examples, _ = made([0, 1] * 5 + [1], tmp_path)
    batches = list(pipeline.evaluation(examples, 4))
    assert [len(x) for x, _ in batches] == [4, 4, 3]
    assert np.concatenate([x[:, 0, 0, 0] for x, _ in batches]).tolist() == list(range(11))
    assert np.concatenate([y[:, 0] for _, y in batches]).tolist() == [0, 1] * 5 + [1]


def test_an_epoch_draws_no_example_twice_and_the_next_another_order(tmp_path):
    examples, data = made([0, 1] * 6, tmp_path)
    rows = rows_of(pipeline.training(examples, data, CONFIG), 6)
    first, second = np.concatenate(rows[:3]).tolist(), np.concatenate(rows[3:]).tolist()
    assert sorted(first) == sorted(second) == list(range(12))
    assert first != second


@pytest.mark.parametrize("balance", ["none", "classes"])
def test_a_training_that_starts_later_goes_on_exactly_there(tmp_path, balance):
    move = augment.chain(augment.affine(rotation=20, flip=True), augment.exposure(gamma=0.5, noise=0.1))
    examples, data = made([0] * 9 + [1] * 3, tmp_path, augment=move, balance=balance)
    whole = [x.numpy() for x, _ in pipeline.training(examples, data, CONFIG).take(9)]
    later = [x.numpy() for x, _ in pipeline.training(examples, data, CONFIG, start_epoch=2).take(3)]
    np.testing.assert_array_equal(whole[6:], later)


def test_another_seed_is_another_order(tmp_path):
    examples, data = made([0, 1] * 6, tmp_path)
    other = dataclasses.replace(CONFIG, seed=1)
    assert rows_of(pipeline.training(examples, data, CONFIG), 3) != rows_of(pipeline.training(examples, data, other), 3)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 2), min_size=4, max_size=40).filter(lambda labels: len(set(labels)) > 1))
def test_balanced_classes_fill_equal_shares(labels):
    order = pipeline.draw_order(len(labels), np.array(labels), "classes", tf.constant([3, 5], tf.int64)).numpy()
    assert len(order) == len(labels)
    counts = np.bincount(np.array(labels)[order], minlength=3)[np.unique(labels)]
    assert counts.max() - counts.min() <= len(set(labels))


def test_a_large_class_is_not_repeated_while_a_small_one_is():
    order = pipeline.draw_order(10, np.array([0] * 8 + [1] * 2), "classes", tf.constant([0, 0], tf.int64)).numpy()
    large, small = order[order < 8], order[order >= 8]
    assert len(set(large)) == len(large)
    assert np.bincount(small - 8).max() - np.bincount(small - 8).min() <= 1


def test_what_does_not_fit_in_memory_comes_from_a_file_and_is_the_same(tmp_path):
    small = dataclasses.replace(CONFIG, cache_gb=0.0)
    in_memory, data = made([0, 1] * 6, tmp_path)
    mapped, _ = made([0, 1] * 6, tmp_path, small)
    assert isinstance(mapped.x, np.memmap)
    assert rows_of(pipeline.training(in_memory, data, CONFIG), 6) == rows_of(pipeline.training(mapped, data, small), 6)
    for one, other in zip(pipeline.evaluation(in_memory, 5), pipeline.evaluation(mapped, 5), strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])


def test_decoding_takes_no_more_memory_than_its_result(tmp_path):
    count, size = 200, 100_000
    rows = tf.data.Dataset.range(count).map(lambda row: (tf.fill((size,), row), tf.zeros(1)))
    names = [str(row) for row in range(count)]
    split = Split(rows, names, names, [0] * count, raw=lambda row: b"")
    tracemalloc.start()
    examples = pipeline.decoded(split, Config(), tmp_path / "spill")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1.3 * count * size * 8  # NumPy tells what it allocates; batches in between are TensorFlow's
    np.testing.assert_array_equal(examples.x[:, 0], np.arange(count))


def test_no_data_set_is_tuned_while_it_runs(tmp_path):
    """The tuning holds the end of an iteration up, which an evaluation after each epoch has."""
    examples, data = made([0, 1] * 8, tmp_path)
    for dataset in (pipeline.training(examples, data, CONFIG), pipeline.evaluation(examples, 32)):
        assert dataset.options().autotune.enabled is False


@pytest.mark.parametrize("shape", [(226, 165), (300, 1500), (64, 64), (40, 900), (1, 1)])
def test_grey_images_are_resized_as_tensorflow_does(shape):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 1), dtype=np.uint8)
    theirs = tf.image.resize(image, (64, 64), antialias=True)
    decoded = pixels.grey_image(64)(tf.io.encode_png(image))
    assert decoded.dtype == tf.uint8
    assert np.abs(decoded.numpy() - theirs.numpy()).max() <= 0.51


@pytest.mark.parametrize("shape", [(1000, 1300), (300, 2000), (255, 900), (256, 256)])
def test_a_jpeg_that_is_decoded_smaller_is_nearly_the_same(shape):
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    image = (127 + 60 * np.sin(x / 40) + 60 * np.cos(y / 55)).astype("uint8")[..., None]
    jpeg = tf.io.encode_jpeg(image, "grayscale", quality=95)
    whole = tf.image.resize(tf.io.decode_jpeg(jpeg), (64, 64), antialias=True).numpy()
    decoded = pixels.grey_image(64)(jpeg).numpy()
    assert decoded.shape == (64, 64, 1)
    assert np.abs(decoded - whole).mean() < 1.5


@given(st.integers(1, 2000), st.integers(1, 16))
def test_steps_are_whole_calls_and_waste_little(examples, wanted):
    config = Config(batch_size=8, steps_per_execution=wanted)
    steps, per_call = pipeline.steps(range(examples), config)
    batches = max(1, examples // 8)
    assert steps % per_call == 0
    assert 1 <= per_call <= wanted
    assert steps > 0.75 * batches


def test_a_split_that_gives_less_than_it_promises_is_an_error(tmp_path):
    split = split_of([0, 1, 1])
    short = dataclasses.replace(split, ids=[*split.ids, "one more"])
    with pytest.raises(RuntimeError, match="should have 4 examples but gave 3"):
        pipeline.decoded(short, CONFIG, tmp_path / "x")


TEXTS = Config(batch_size=4, steps_per_execution=1)


def texts(count, tmp_path, config=TEXTS, **options):
    """Ids after a row's own number, as many as a draw says and then zeros; lengths are of all kinds."""
    lengths = np.random.default_rng(0).integers(1, 30, count)
    ids = np.where(np.arange(30) < lengths[:, None], 1, 0) * (np.arange(count) + 1)[:, None]
    examples = tf.data.Dataset.from_tensor_slices((ids.astype("int32"), np.zeros((count, 1), "float32")))
    split = Split(
        examples, [str(row) for row in range(count)], [""] * count, [0, 1] * (count // 2), raw=lambda row: b""
    )
    data = Data(split, split, split, **{"bucket": True, **options})
    return pipeline.decoded(split, config, tmp_path / "spill"), data, lengths


def drawn(examples, data, batches, **options):
    found = pipeline.training(examples, data, TEXTS, **options).take(batches)
    return np.stack([x.numpy()[:, 0] - 1 for x, _ in found])


def test_batches_are_of_texts_of_similar_length_and_each_text_is_in_one(tmp_path):
    examples, data, lengths = texts(80, tmp_path)
    first, second = np.split(drawn(examples, data, 40), 2)
    assert sorted(first.ravel()) == sorted(second.ravel()) == list(range(80))
    assert first.tolist() != second.tolist()
    spread = np.ptp(lengths[first], axis=1)
    assert (
        spread.max() <= 5 < np.ptp(lengths[drawn(examples, dataclasses.replace(data, bucket=False), 20)], axis=1).mean()
    )
    longest = lengths[first].max(axis=1)
    assert longest.tolist() != sorted(longest), "the batches themselves are in no order"


@pytest.mark.parametrize("balance", ["none", "classes"])
def test_a_training_on_similar_lengths_that_starts_later_goes_on_exactly_there(tmp_path, balance):
    examples, data, _ = texts(40, tmp_path, balance=balance)
    np.testing.assert_array_equal(drawn(examples, data, 30)[20:], drawn(examples, data, 10, start_epoch=2))


def test_similar_lengths_of_a_file_are_those_of_memory(tmp_path):
    small = dataclasses.replace(TEXTS, cache_gb=0.0)
    in_memory, data, _ = texts(40, tmp_path)
    mapped, _, _ = texts(40, tmp_path, small)
    assert isinstance(mapped.x, np.memmap)
    np.testing.assert_array_equal(drawn(in_memory, data, 10), drawn(mapped, data, 10))


def test_lengths_are_sorted_within_a_window_of_batches_so_that_epochs_differ(monkeypatch):
    monkeypatch.setattr(pipeline, "WINDOW", 2)
    lengths = np.array([5, 1, 4, 2, 9, 7, 8, 6])
    rows = tf.reshape(tf.range(8, dtype=tf.int64), (4, 2))
    batches = pipeline.of_similar_length(rows, lengths, tf.constant([0, 0], tf.int64)).numpy()
    assert sorted(lengths[batches].tolist()) == [[1, 2], [4, 5], [6, 7], [8, 9]]
    swapped = tf.gather(rows, [0, 2, 1, 3])
    batches = pipeline.of_similar_length(swapped, lengths, tf.constant([0, 0], tf.int64)).numpy()
    assert sorted(lengths[batches].tolist()) == [[1, 5], [2, 4], [6, 8], [7, 9]]


# Shares of a batch


@pytest.mark.parametrize("bucket", [False, True])
def test_the_shares_of_all_replicas_make_up_the_batch(tmp_path, bucket):
    config = dataclasses.replace(CONFIG, batch_size=8, steps_per_execution=1)
    examples, data = made([0, 1] * 12, tmp_path)
    if bucket:
        flat = tf.reshape(examples.x, (24, -1))
        examples, data = dataclasses.replace(examples, x=flat), dataclasses.replace(data, bucket=True)

    def first(x):
        return x.numpy().reshape(len(x), -1)[:, 0].tolist()

    whole = [first(x) for x, _ in pipeline.training(examples, data, config).take(6)]
    shares = [pipeline.Share(0, 1, 4), pipeline.Share(1, 1, 4), pipeline.Share(2, 2, 4)]
    for step in range(6):
        parts = []
        for share in shares:
            pieces = list(pipeline.training(examples, data, config, share=share).take((step + 1) * share.count))
            parts += [first(x) for x, _ in pieces[-share.count :]]
        assert [len(part) for part in parts] == [2] * 4
        assert sorted(row for part in parts for row in part) == sorted(whole[step])


def test_no_two_pieces_are_augmented_alike(tmp_path):
    config = dataclasses.replace(CONFIG, batch_size=8, steps_per_execution=1)

    def seed_for_image(x, y, seed):
        return tf.repeat(seed[None], len(x), axis=0), y

    examples, data = made([0, 1] * 12, tmp_path, augment=seed_for_image)
    seeds = set()
    for first in range(4):
        for x, _ in pipeline.training(examples, data, config, share=pipeline.Share(first, 1, 4)).take(6):
            seeds.add(tuple(x.numpy()[0].tolist()))
    assert len(seeds) == 24


@given(count=st.integers(1, 60), batch_size=st.integers(1, 40), replicas=st.integers(1, 8))
@settings(max_examples=25)
def test_all_replicas_together_evaluate_each_example_once(count, batch_size, replicas):
    x = tf.range(count, dtype=tf.int64)[:, None]
    examples = pipeline.Examples(x, x, np.zeros(count, np.int64))
    if replicas > count:
        with pytest.raises(KerasDLError, match=f"{count} validation examples are too few for {replicas} replicas"):
            pipeline.evaluation(examples, batch_size, pipeline.Share(0, 1, replicas))
        return
    batches = [
        [
            x.numpy()[:, 0].tolist()
            for x, _ in pipeline.evaluation(examples, batch_size, pipeline.Share(one, 1, replicas))
        ]
        for one in range(replicas)
    ]
    assert sorted(row for own in batches for batch in own for row in batch) == list(range(count))
    assert len({len(own) for own in batches}) == 1
    sizes = [len(batch) for own in batches for batch in own]
    assert min(sizes) > 0
    if replicas > 1:
        assert max(sizes) - min(sizes) <= 1


def test_a_small_training_part_is_one_batch_that_can_be_shared(tmp_path):
    examples, _ = made([0, 1] * 5, tmp_path)
    config = dataclasses.replace(CONFIG, batch_size=32)
    assert pipeline.shareable(config, examples, 1).batch_size == 10
    assert pipeline.shareable(config, examples, 4).batch_size == 8
    assert pipeline.shareable(CONFIG, examples, 4) is CONFIG
    with pytest.raises(KerasDLError, match="10 training examples are too few for 16 pieces"):
        pipeline.shareable(config, examples, 16)
