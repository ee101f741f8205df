import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from few_draws import few_draws
from PIL import Image

import keras_dl
from keras_dl import show
from keras_dl.cli import main
from keras_dl.errors import KerasDLError, UsageError
from keras_dl.runs import embeddings, sources
from keras_dl.verbs import embed, neighbours
from keras_dl.verbs.predict import predict


@pytest.fixture(scope="module")
def run(tiny_run, tmp_path_factory):
    """A copy of the tiny run with its embeddings; without the maps, which take longest."""
    path = shutil.copytree(tiny_run("pneumonia").path, tmp_path_factory.mktemp("neighbours") / "run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embed, "draw", lambda *arguments: None)
        few_draws(patch, 10)
        found = keras_dl.open_run(path)
        found.embed()
    return found


@pytest.fixture(scope="module")
def training_files(run, tmp_path_factory):
    """The first three training images as files, by id."""
    folder, train = tmp_path_factory.mktemp("training"), sources.load(run).train
    files = {train.ids[row]: folder / f"known {row}.jpeg" for row in range(3)}
    for row, path in enumerate(files.values()):
        path.write_bytes(train.raw(row))
    return files


def test_a_training_image_is_its_own_nearest_neighbour(run, training_files, tmp_path):
    rows = predict(run, training_files.values(), neighbours=3, out=tmp_path)
    for row, name in zip(rows, training_files, strict=True):
        first, second, third = row["neighbours"]
        assert first["id"] == name
        assert first["distance"] == pytest.approx(0, abs=1e-3)
        assert 0 < second["distance"] <= third["distance"]
        known = embeddings.read(run).table.set_index("id").loc[name]
        assert first["label"] == run.assets["classes"][known["label"]]
        assert first["group"] == known["group"]


def test_the_rest_of_the_answer_is_the_same(run, training_files, tmp_path):
    with_neighbours = predict(run, training_files.values(), neighbours=2, out=tmp_path)
    for plain, row in zip(predict(run, training_files.values()), with_neighbours, strict=True):
        assert set(row) - set(plain) == {"neighbours", "picture"}
        assert all(row[name] == value for name, value in plain.items())


def test_an_unusual_input_has_neighbours_without_being_asked(run, training_files, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64)).astype("uint8")
    Image.fromarray(noise).save(tmp_path / "noise.png")
    known, strange = predict(run, [next(iter(training_files.values())), tmp_path / "noise.png"])
    assert strange["unusual"]
    assert len(strange["neighbours"]) == 3
    assert "picture" not in strange
    assert ("neighbours" in known) is known["unusual"]
    assert "UNUSUAL INPUT" in show.predictions([strange], run.task.output.answer)


def test_the_command_shows_as_many_as_the_task_asks_and_writes_a_picture(run, training_files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = next(iter(training_files.values()))
    result = CliRunner().invoke(main, ["predict", str(run.path), str(source), "--neighbours"])
    assert result.exit_code == 0, result.output
    answer, *lines, picture = result.stdout.splitlines()
    assert "probability of PNEUMONIA" in answer
    assert len(lines) == run.task.neighbours
    assert picture == "  picture known 0-neighbours.png"
    with Image.open("known 0-neighbours.png") as opened:
        assert min(opened.size) > 400


def test_files_of_one_name_have_a_picture_each_and_a_bad_one_has_none(run, training_files, tmp_path):
    first, second, _ = training_files.values()
    for folder, source in (("a", first), ("b", second)):
        (tmp_path / folder).mkdir()
        shutil.copy(source, tmp_path / folder / "x.jpeg")
    (tmp_path / "a" / "notes.jpeg").write_text("no image")
    bad, one, other = predict(run, [tmp_path / "a", tmp_path / "b"], neighbours=1, out=tmp_path / "out")
    assert set(bad) == {"input", "error"}
    ids = list(training_files)
    assert [row["neighbours"][0]["id"] for row in (one, other)] == ids[:2]
    assert [row["picture"] for row in (one, other)] == [
        str(tmp_path / "out" / name) for name in ("x-neighbours.png", "x-neighbours-2.png")
    ]
    assert len(list((tmp_path / "out").iterdir())) == 2


@pytest.mark.parametrize("count", [1, 3, 8])
def test_the_picture_has_room_for_every_neighbour(count):
    found = [{"label": "B", "group": "a group of $1 with a very long name", "distance": 1.234}] * count
    thumbnails = [np.zeros((96, 96), "uint8")] * count
    figure = neighbours.picture(np.zeros((64, 64, 1), "uint8"), "title", thumbnails, found, ["blue"] * count)
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == ["the image\n", *["B\na group of $1 wit…, 1.23"] * count]


def test_without_embeddings_it_says_how_to_make_them(tiny_run, training_files):
    run = tiny_run("pneumonia")
    with pytest.raises(UsageError, match=f"no embeddings yet; write them: keras-dl embed {run.path}"):
        predict(run, training_files.values(), neighbours=3)


def test_what_cannot_be_is_refused(run, training_files, tmp_path):
    files = training_files.values()
    for count in (-1, 100_000):
        with pytest.raises(UsageError, match=f"neighbours={count} must be between 1 and"):
            predict(run, files, neighbours=count)
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="give --out a folder"):
        predict(run, files, neighbours=1, out=tmp_path / "file")


def test_vectors_of_another_model_are_refused(run, training_files, tmp_path):
    path = shutil.copytree(run.path, tmp_path / "run")
    found = embeddings.read(run)
    embeddings.Embeddings(found.table, found.vectors[:, 1:], found.outputs).write(keras_dl.open_run(path))
    with pytest.raises(KerasDLError, match=r"another model\); write it again: keras-dl embed"):
        predict(keras_dl.open_run(path), training_files.values(), neighbours=1)
