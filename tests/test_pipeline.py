import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_dl import augment, pipeline
from keras_dl.task import Config, Data, Split

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
    order = pipeline.draw_order(np.array(labels), "classes", tf.constant([3, 5], tf.int64)).numpy()
    assert len(order) == len(labels)
    counts = np.bincount(np.array(labels)[order], minlength=3)[np.unique(labels)]
    assert counts.max() - counts.min() <= len(set(labels))


def test_a_large_class_is_not_repeated_while_a_small_one_is():
    order = pipeline.draw_order(np.array([0] * 8 + [1] * 2), "classes", tf.constant([0, 0], tf.int64)).numpy()
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
    with pytest.raises(RuntimeError, match="promises 4 examples and gave 3"):
        pipeline.decoded(short, CONFIG, tmp_path / "x")
