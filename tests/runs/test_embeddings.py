import keras
import numpy as np
import pandas as pd
import pytest
from keras import layers

from keras_dl.errors import KerasDLError, UsageError
from keras_dl.inputs import pixels
from keras_dl.outputs.binary import Binary
from keras_dl.runs import embeddings
from keras_dl.runs.embeddings import Embeddings
from keras_dl.runs.run import Run

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 1), dtype="uint8")


@pytest.fixture
def run(tmp_path):
    (tmp_path / "config.json").write_text('{"task": "pneumonia", "config": {}}')
    return Run(tmp_path)


def some(count=12, width=4, seed=0):
    random = np.random.default_rng(seed)
    split = ["train", "validation", "test"]
    table = pd.DataFrame(
        {
            "id": [f"a folder/ö{row}.png" for row in range(count)],
            "split": [split[row % 3] for row in range(count)],
            "group": [f"p{row // 2}" for row in range(count)],
            "label": np.arange(count) // 3 % 2,
        }
    )
    return Embeddings(table, random.random((count, width), "float32"), random.random((count, 1), "float32"))


# The layer before the head


def test_the_embedding_is_what_the_last_layer_with_weights_sees_and_the_output_comes_with_it():
    image = keras.Input((8, 8, 1), dtype="uint8")
    seen = layers.Dropout(0.5)(layers.Dense(6, activation="relu", name="hidden")(layers.Flatten()(image)))
    model = keras.Model(image, layers.Activation("sigmoid")(layers.Dense(1)(seen)))
    both = embeddings.embedder(model, Binary()).predict_on_batch(IMAGES)
    hidden = keras.Model(image, model.get_layer("hidden").output)(IMAGES).numpy()
    np.testing.assert_allclose(both[:, :6], hidden, rtol=1e-5)
    np.testing.assert_allclose(both[:, 6:], model(IMAGES).numpy(), rtol=1e-5)


def test_of_a_map_it_is_the_average_and_a_nested_head_is_one_layer():
    inner = keras.Input((8, 8, 3))
    head = keras.Model(inner, layers.Dense(2)(layers.Flatten()(layers.Conv2D(4, 3)(inner))), name="head")
    image = keras.Input((8, 8, 1), dtype="uint8")
    model = keras.Model(image, head(layers.Conv2D(3, 3, padding="same", name="maps")(layers.Rescaling(1 / 255)(image))))
    both = embeddings.embedder(model, Binary()).predict_on_batch(IMAGES)
    maps = keras.Model(image, model.get_layer("maps").output)(IMAGES).numpy()
    np.testing.assert_allclose(both[:, :3], maps.mean(axis=(1, 2)), rtol=1e-4)
    assert both.shape == (5, 3 + 2)


def test_a_layer_that_weighs_two_answers_is_not_the_head():
    numbers = keras.Input((6,), dtype="int32")
    seen = layers.GlobalAveragePooling1D(name="seen")(layers.Embedding(9, 4)(numbers))
    both = layers.Dense(1, name="blend")(layers.Dense(1, name="deep")(seen))
    model = keras.Model(numbers, layers.Activation("sigmoid")(both))
    ids = np.arange(12).reshape(2, 6) % 9
    found = embeddings.embedder(model, Binary()).predict_on_batch(ids)
    np.testing.assert_allclose(found[:, :4], keras.Model(numbers, seen)(ids), rtol=1e-5)
    counts = keras.ops.sum(layers.Embedding(9, 1)(numbers), axis=1)
    with pytest.raises(UsageError, match="has no vectors before its last layer"):
        embeddings.embedder(keras.Model(numbers, counts), Binary())


def test_operations_of_the_model_may_have_any_names():
    keras.utils.clear_session()
    image = keras.Input((8, 8, 1), dtype="uint8")
    maps = layers.Conv2D(3, 3, padding="same")(keras.ops.cast(image, "float32"))
    pooled = keras.ops.mean(keras.ops.reshape(keras.ops.concatenate([maps, maps], axis=1), (-1, 16, 8, 3)), axis=(1, 2))
    model = keras.Model(image, layers.Dense(1)(pooled))
    keras.utils.clear_session()  # as a loaded model meets a process that counts names from the start
    np.testing.assert_allclose(embeddings.embedder(model, Binary())(IMAGES)[:, 3:], model(IMAGES), rtol=1e-5)


# Files


def test_what_is_written_is_read_again(run):
    written = some()
    written.write(run)
    read = embeddings.read(run)
    pd.testing.assert_frame_equal(read.table, written.table)
    np.testing.assert_array_equal(read.vectors, written.vectors)
    np.testing.assert_array_equal(read.outputs, written.outputs)
    part = read.part("test")
    assert list(part.table["id"]) == list(written.table["id"][2::3])
    np.testing.assert_array_equal(part.vectors, written.vectors[2::3])


def test_a_run_without_embeddings_says_how_to_make_them(run):
    with pytest.raises(UsageError, match=f"no embeddings yet; write them: keras-dl embed {run.path}"):
        embeddings.read(run)


def cut(path):
    path.write_bytes(path.read_bytes()[:-200])


def mixed(path):
    with np.load(path) as file:
        arrays = dict(file)
    np.savez(path, **arrays | {"vectors": arrays["vectors"][:5]})


def foreign(path):
    np.savez(path, vectors=np.zeros(3))


def pickled(path):
    with np.load(path) as file:
        arrays = dict(file)
    np.savez(path, **arrays | {"vectors": np.array([print] * 12, dtype=object)})


@pytest.mark.parametrize("damage", [cut, mixed, foreign, pickled, lambda path: path.write_text("hello")])
def test_damaged_vectors_are_one_line_and_the_way_out(run, damage):
    some().write(run)
    damage(run.path / "embeddings" / "vectors.npz")
    with pytest.raises(KerasDLError, match=r"vectors.npz is damaged \(.+\); write it again: keras-dl embed") as caught:
        embeddings.read(run)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("channels", [1, 3])
def test_thumbnails_look_like_the_images(run, channels):
    images = np.zeros((3, 128, 128, channels), "uint8")
    images[0, :64], images[1, :, :64] = 250, 120
    small = pixels.thumbnails(images)
    assert small.shape == (3, pixels.SIDE, pixels.SIDE, channels)
    names = ["a/1.png", "a/2.png", "b/1.png"]
    embeddings.write_miniatures(run, names, small)
    first, last = embeddings.read_thumbnails(run, [names[1], names[2]])
    assert first[:, :40].mean() == pytest.approx(120, abs=4)
    assert first[:, 56:].mean() == pytest.approx(0, abs=4)
    assert last.max() < 8


def test_damaged_thumbnails_are_one_line_and_the_way_out(run):
    embeddings.write_miniatures(run, ["a"], np.zeros((1, 96, 96, 1), "uint8"))
    with pytest.raises(KerasDLError, match="write it again: keras-dl embed"):
        embeddings.read_thumbnails(run, ["b"])
    cut(run.path / "embeddings" / "thumbnails.zip")
    with pytest.raises(KerasDLError, match="write it again: keras-dl embed"):
        embeddings.read_thumbnails(run, ["a"])


def test_texts_are_kept_by_their_beginning(run):
    texts = ["short\n one ", "long " * 1000]
    embeddings.write_miniatures(run, ["sms.csv:1", "sms.csv:2"], texts)
    kept = embeddings.read_texts(run)
    assert kept["sms.csv:1"] == "short one"
    assert len(kept["sms.csv:2"]) == embeddings.BEGINNING
    assert kept["sms.csv:2"].endswith("…")
    assert len(kept) == 2
    with pytest.raises(ValueError, match="longer"):
        embeddings.write_miniatures(run, ["sms.csv:1"], texts)


@pytest.mark.parametrize("content", ["", "[1]"])
def test_damaged_texts_are_one_line_and_the_way_out(run, content):
    embeddings.write_miniatures(run, ["sms.csv:1"], ["one"])
    (run.path / "embeddings" / "texts.json").write_text(content)
    with pytest.raises(KerasDLError, match=r"texts.json is damaged \(.+\); write it again: keras-dl embed"):
        embeddings.read_texts(run)


# Neighbours


def test_no_number_of_the_vector_outweighs_the_others():
    train = some(30).part("train")
    large = Embeddings(train.table, train.vectors * np.array([1000, 1, 1, 1], "float32"), train.outputs)
    query = np.random.default_rng(1).random((4, 4), "float32")
    distances, rows = embeddings.nearest(embeddings.knn(train, 3, Binary()), query)
    scaled = embeddings.nearest(embeddings.knn(large, 3, Binary()), query * np.array([1000, 1, 1, 1], "float32"))
    np.testing.assert_array_equal(rows, scaled[1])
    np.testing.assert_allclose(distances, scaled[0], rtol=1e-3)
    assert (np.diff(distances) >= 0).all()


@pytest.mark.parametrize("count", [0, -1, 11])
def test_a_number_of_neighbours_that_cannot_be_is_refused(count):
    with pytest.raises(UsageError, match=f"neighbours={count} must be between 1 and 10"):
        embeddings.knn(some(30).part("train"), count, Binary())
