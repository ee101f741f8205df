import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import kept_runs
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from click.testing import CliRunner
from few_draws import few_draws
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

import keras_dl
from keras_dl import show
from keras_dl.api import Run
from keras_dl.cli import main
from keras_dl.errors import KerasDLError, UsageError
from keras_dl.figures import tsne
from keras_dl.outputs.binary import Binary
from keras_dl.outputs.classes import Classes
from keras_dl.outputs.score import Score
from keras_dl.runs import embeddings, sources
from keras_dl.runs.embeddings import Embeddings
from keras_dl.task import Data, Split
from keras_dl.verbs import embed
from keras_dl.verbs.predict import predict

FILES = ["knn.json", "thumbnails.zip", "tsne-2d.png", "tsne-3d.html", "tsne.csv", "vectors.npz"]


@pytest.fixture(scope="module")
def copied(tiny_run, tmp_path_factory):
    """Give a function that copies the tiny run, to be changed."""
    return lambda: shutil.copytree(tiny_run("pneumonia").path, tmp_path_factory.mktemp("embed") / "run")


@pytest.fixture(scope="module")
def embedded(copied):
    """Embed a copy of the tiny run by the command line; give the run and what was printed."""
    path = copied()
    with pytest.MonkeyPatch.context() as patch:
        few_draws(patch, 50)
        result = CliRunner().invoke(main, ["embed", str(path), "--json"])
    assert result.exit_code == 0, result.output
    return keras_dl.open_run(path), json.loads(result.stdout)


def test_everything_is_written_for_every_image(embedded):
    run, printed = embedded
    assert printed["embeddings"] == str(run.path / "embeddings")
    assert sorted(path.name for path in (run.path / "embeddings").iterdir()) == FILES
    assert run.read("embeddings/knn.json") == {name: printed[name] for name in printed if name != "embeddings"}
    found = embeddings.read(run)
    splits = pd.read_csv(run.path / "splits.csv", dtype={"id": str, "group": str})
    pd.testing.assert_frame_equal(found.table, splits, check_dtype=False)
    training = splits["id"][splits["split"] == "train"]
    assert len(embeddings.read_thumbnails(run, training)) == len(training)
    mapped = pd.read_csv(run.path / "embeddings" / "tsne.csv")
    assert set(mapped["id"]) == set(splits["id"][splits["split"] != "validation"])


def test_the_network_scores_as_in_the_evaluation(embedded):
    run, printed = embedded
    for name, cell in run.metrics["test"]["network"].items():
        assert printed["network"][name]["value"] == pytest.approx(cell["value"], abs=1e-4), name
    assert printed["thresholds"]["network"] == run.assets["threshold"]
    assert printed["per_class"] == run.metrics["test"]["per_class"]


def test_the_classifier_is_that_of_scikit_learn(embedded):
    run, printed = embedded
    train, test = map(embeddings.read(run).part, ("train", "test"))
    scaler = StandardScaler().fit(train.vectors)
    classifier = KNeighborsClassifier(run.task.neighbours).fit(scaler.transform(train.vectors), train.truth)
    shares = classifier.predict_proba(scaler.transform(test.vectors))[:, 1]
    assert printed["knn"]["auroc"]["value"] == pytest.approx(roc_auc_score(test.truth, shares), abs=1e-5)
    assert printed["neighbours"] == run.task.neighbours == 7
    for name, cell in printed["difference"].items():
        wanted = printed["network"][name]["value"] - printed["knn"][name]["value"]
        assert cell["value"] == pytest.approx(wanted, abs=2e-6), name


def test_the_table_for_people_names_what_was_written(embedded):
    text = show.embedded(embedded[1], embedded[0].task)
    assert "network - knn" in text
    assert all(name in text for name in FILES)


# Texts


def text_split(run, name, count):
    """Make a split of texts, every second spam."""
    texts = [f"you won a prize of {row}" if row % 2 else f"see you at <b> lunch at {row}" for row in range(count)]
    decode = run.task.input.decode(run.config, run.assets)
    examples = tf.data.Dataset.from_tensor_slices((texts, [[float(row % 2)] for row in range(count)]))
    examples = examples.map(lambda raw, label: (decode(raw), label))
    ids = [f"{name}.csv:{row}" for row in range(count)]
    labels = [row % 2 for row in range(count)]
    return Split(examples, ids, ids, labels, raw=lambda row: texts[row].encode(), texts=texts)


def test_texts_have_vectors_maps_and_neighbours_without_pictures(tmp_path, monkeypatch):
    run = kept_runs.make(tmp_path / "run", "text")
    counts = {"train": 40, "validation": 20, "test": 20}
    data = Data(**{name: text_split(run, name, count) for name, count in counts.items()})
    monkeypatch.setattr(sources, "load", lambda run: data)
    few_draws(monkeypatch, 5)
    monkeypatch.setattr(tsne, "layout", lambda vectors, dimensions, seed: np.ones((len(vectors), dimensions)))
    result = run.embed(neighbours=3)
    assert result["knn"]["auroc"]["value"] == 1
    names = sorted(name.replace("thumbnails.zip", "texts.json") for name in FILES)
    assert sorted(path.name for path in (run.path / "embeddings").iterdir()) == names
    assert "texts.json" in show.embedded(result, run.task)
    page = (run.path / "embeddings" / "tsne-3d.html").read_text(encoding="utf-8")
    assert "train.csv:1: you won a prize of 1" in page
    assert "<b>" not in page.rsplit("<script>", 1)[1]
    (row,) = predict(run, ["prize prize"], neighbours=2, out=tmp_path / "out")
    assert [one["text"].split()[:4] for one in row["neighbours"]] == [["you", "won", "a", "prize"]] * 2
    assert "picture" not in row
    assert not (tmp_path / "out").exists()
    assert "you won a prize of" in show.predictions([row], run.task.output.answer)


# The votes, for each kind of task


def labelled(labels, vectors):
    count = len(labels)
    table = pd.DataFrame({"id": map(str, range(count)), "split": "train", "group": "", "label": labels})
    return Embeddings(table, np.array(vectors, "float32")[:, None], np.zeros((count, 1), "float32"))


def test_votes_are_shares_with_one_vote_more_for_each_class():
    train = labelled([0, 1, 1, 2, 2, 2], [0, 1, 2, 10, 11, 12])
    query = labelled([0, 0], [1, 11]).vectors
    several = Classes().votes(embeddings.knn(train, 3, Classes()), query)
    np.testing.assert_allclose(several, [[2 / 6, 3 / 6, 1 / 6], [1 / 6, 1 / 6, 4 / 6]], rtol=1e-6)
    two = labelled([0, 1, 1, 1, 1, 1], [0, 1, 2, 10, 11, 12])
    binary = Binary().votes(embeddings.knn(two, 3, Binary()), query)
    np.testing.assert_allclose(binary, [[3 / 5], [4 / 5]], rtol=1e-6)


def test_where_only_healthy_images_are_trained_on_the_distance_is_the_score():
    healthy = labelled([0, 0, 0, 0], [-1, 1, -1, 1])
    output = Score(heatmap=None)
    scores = output.votes(embeddings.knn(healthy, 2, output), labelled([0, 1], [1, 4]).vectors)
    np.testing.assert_allclose(scores, [[0], [3]], atol=1e-6)


def test_of_many_training_images_some_are_drawn_and_the_seed_decides(monkeypatch):
    monkeypatch.setattr(embed, "MAPPED", 5)
    split = np.repeat(["train", "validation", "test"], [20, 3, 4])
    found = SimpleNamespace(table=pd.DataFrame({"split": split}))
    rows = embed.mapped(found, seed=1)
    assert len(set(rows)) == 9
    assert (split[rows] == ["train"] * 5 + ["test"] * 4).all()
    np.testing.assert_array_equal(rows, embed.mapped(found, seed=1))
    assert list(rows) != list(embed.mapped(found, seed=2))


# What cannot be


@pytest.mark.parametrize("count", [0, -3, 100_000])
def test_a_number_of_neighbours_that_cannot_be_is_refused_at_once(tiny_run, count):
    with pytest.raises(UsageError, match=rf"neighbours={count} must be between 1 and \d+, the number of"):
        tiny_run("pneumonia").embed(neighbours=count)


def test_a_run_that_is_not_complete_is_refused(copied):
    path = copied()
    (path / "metrics.json").unlink()
    result = CliRunner().invoke(main, ["embed", str(path)])
    assert result.exit_code == 2
    assert "is not complete; finish it: keras-dl train pneumonia --resume" in result.stderr


def test_data_that_moved_is_named(copied):
    path = copied()
    asked = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(asked | {"data": "/moved/away"}))
    with pytest.raises(UsageError, match="there is nothing at '/moved/away'"):
        Run(path).embed()


def test_a_network_that_gives_no_numbers_is_refused(copied):
    run = Run(copied())
    run.model.set_weights([np.full_like(weight, np.nan) for weight in run.model.get_weights()])
    with pytest.raises(KerasDLError, match="not finite; train again"):
        run.embed()
    assert not (run.path / "embeddings").exists()


def test_several_classes_are_measured_too(embedded, monkeypatch):
    few_draws(monkeypatch, 10)
    run, _ = embedded
    found = embeddings.read(run)
    kinds = ["NORMAL", "BACTERIAL", "VIRAL"]
    labels = np.where(found.truth == 0, 0, 1 + np.arange(len(found.truth)) % 2)
    outputs = np.eye(3, dtype="float32")[labels] * 0.7 + 0.1
    three = Embeddings(found.table.assign(label=labels), found.vectors, outputs)
    task = replace(run.task, output=Classes())
    fitted = task.output.fit(labels, outputs, run.config, found.table["group"].tolist())
    other = SimpleNamespace(task=task, config=run.config, assets={"classes": kinds, **fitted})
    measured = embed.measure(other, three, embeddings.knn(three.part("train"), 5, task.output))
    assert measured["network"]["accuracy"]["value"] == 1
    assert measured["thresholds"] == {"network": None, "knn": None}
    assert [*measured["per_class"]] == kinds
    assert 0.2 < measured["knn"]["accuracy"]["value"] < 1
