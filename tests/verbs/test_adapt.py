import hashlib
import json
import shutil

import numpy as np
import pytest
from PIL import Image

import keras_dl
from keras_dl.adapting import labelled, normalisation
from keras_dl.answering import reference
from keras_dl.errors import KerasDLError, UsageError
from keras_dl.runs import names, sources
from keras_dl.verbs import adapt, evaluate


def digests(folder):
    return {
        path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def elsewhere(tiny_run, tmp_path_factory):
    """A flat folder of images without labels: the embedded ones, of another exposure."""
    folder = tmp_path_factory.mktemp("elsewhere")
    for number, path in enumerate(sorted(sources.folder(tiny_run("pneumonia")).rglob("*.jpeg"))):
        pixels = np.asarray(Image.open(path).convert("L"))
        Image.fromarray((255 * (pixels / 255) ** 1.3).astype("uint8")).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def adapted(tiny_run, elsewhere, tmp_path_factory):
    """The run adapted to it, and the digests of the old run's files before."""
    run = tiny_run("pneumonia")
    before = digests(run.path)
    return run.adapt(elsewhere, name="there", out=tmp_path_factory.mktemp("runs") / "new"), before


def test_the_old_run_is_untouched(adapted, tiny_run):
    assert digests(tiny_run("pneumonia").path) == adapted[1]


def test_the_new_run_is_whole_and_says_what_was_done(adapted, tiny_run, elsewhere):
    new, old = adapted[0], tiny_run("pneumonia")
    assert new.complete
    assert new.name == "there"
    assert not list(new.path.parent.glob(".*")), "nothing is left beside it"
    assert {path.name for path in old.path.iterdir()} - {path.name for path in new.path.iterdir()} <= {
        "checkpoints",
        "logs",
        "embeddings",
    }
    facts = new.card["adapted"]
    assert facts["run"] == old.name
    assert facts["data"] == str(elsewhere)
    assert facts["examples"] == len(list(elsewhere.iterdir()))
    assert facts["normalisation"]["layers"] == len(normalisation.layers_of(new.model))
    assert "Batch normalisation" in " ".join(facts["said"])
    for text in ((new.path / "report.html").read_text(), repr(new), new._repr_html_()):
        assert "adapted" in text


def test_in_service_the_new_set_is_what_answers_are_compared_with(adapted, tiny_run, elsewhere):
    new, old = (run.assets["drift"] for run in (adapted[0], tiny_run("pneumonia")))
    for name, one in new.items():
        assert sum(one["counts"]) == len(list(elsewhere.iterdir()))
        assert one != old[name]


def test_what_is_usual_and_expected_for_the_new_run_is_the_new_set(adapted, tiny_run, elsewhere):
    new, old = adapted[0], tiny_run("pneumonia")
    kept = reference.read(new)
    assert len(kept.values) == len(list(elsewhere.iterdir()))
    assert np.isnan(kept.truth).all(), "nobody knows it"
    assert (kept.unusualness > 1).mean() <= 0.05
    assert new.assets["drift"] != old.assets["drift"], "a server compares what it answers with the new set"


def test_the_network_was_moved_and_nothing_was_trained(adapted, tiny_run):
    old, new = tiny_run("pneumonia").model, adapted[0].model
    moving = {id(layer.moving_mean) for layer in normalisation.layers_of(new)}
    moving |= {id(layer.moving_variance) for layer in normalisation.layers_of(new)}
    for before, after in zip(old.weights, new.weights, strict=True):
        same = np.array_equal(before.numpy(), after.numpy())
        assert same == (id(after) not in moving), after.path


def test_the_new_run_reopens_evaluates_predicts_and_exports(adapted, elsewhere, tmp_path):
    new = keras_dl.open_run(adapted[0].path)
    again = new.evaluate()
    for name, cell in new.metrics["test"]["network"].items():
        assert again["network"][name]["value"] == pytest.approx(cell["value"], abs=1e-5), name
    (row,) = new.predict(min(elsewhere.iterdir()))
    assert 0 <= row["probability"] <= 1
    assert (new.export(tmp_path / "model") / "saved_model.pb").exists()
    assert new.report().exists()


def test_labels_are_ignored(tiny_run, tmp_path, monkeypatch):
    """With class folders, wrong ones too, the same comes out as without."""
    run, found = tiny_run("pneumonia"), []
    monkeypatch.setattr(adapt, "decided", lambda run, model, home, decoded, **_: found.append(decoded) or 1 / 0)
    right = sources.folder(run)
    wrong = tmp_path / "wrong"
    shutil.copytree(right, wrong)
    (normal,) = [path for path in wrong.rglob("NORMAL") if path.parent.name == "train"]
    normal.rename(normal.with_name("x"))
    normal.with_name("PNEUMONIA").rename(normal)
    normal.with_name("x").rename(normal.with_name("PNEUMONIA"))
    for folder in (right, wrong):
        with pytest.raises(ZeroDivisionError):
            run.adapt(folder, out=tmp_path / "never")
    assert not (tmp_path / "never").exists()
    assert sum(len(one["new"]) for one in found) == 2 * len(found[0]["new"])
    assert found[0]["new"].x.numpy().sum() == found[1]["new"].x.numpy().sum()


def test_labelled_examples_are_used_and_the_others_only_measure(tiny_run, tmp_path):
    run = tiny_run("pneumonia")
    new = run.adapt(sources.folder(run), labels=30, out=tmp_path / "new")
    facts = new.card["adapted"]
    assert facts["labels"] == 30
    assert 30 <= facts["labelled"] < 40, "whole patients"
    assert facts["labelled"] + facts["others"]["examples"] == facts["examples"]
    assert new.assets["calibration"] != run.assets["calibration"]
    assert set(facts["others"]["difference"]) == set(run.metrics["test"]["network"])
    assert "were in training or validation of this run" in facts["said"][-1]
    report = (new.path / "report.html").read_text()
    assert "--labels 30" in report


def test_labels_are_fitted_to_whole_groups_and_nothing_else(tiny_run):
    groups = np.repeat(np.arange(40), 3).astype(str)
    chosen = labelled.drawn(groups, 20, seed=0)
    assert 20 <= chosen.sum() <= 22
    assert not set(groups[chosen]) & set(groups[~chosen])
    with pytest.raises(UsageError, match="--labels 61 must be from 10 to 60, half of the 120 examples"):
        labelled.drawn(groups, 61, seed=0)
    run = tiny_run("pneumonia")
    with pytest.raises(KerasDLError, match="all 12 labelled examples are NORMAL; label more"):
        labelled.refitted(run.task.output, np.zeros(12), np.full(12, 0.5), run.assets, [0.5, 0.5])


def test_labels_that_are_not_there_are_missed(tiny_run, elsewhere, tmp_path):
    with pytest.raises(KerasDLError, match="--labels needs labels, in the layout that training reads"):
        tiny_run("pneumonia").adapt(elsewhere, labels=30, out=tmp_path / "new")


def test_a_task_does_not_mean_its_adapted_run(adapted, tiny_run):
    runs = [names.opened(run.path) for run in (adapted[0], tiny_run("pneumonia"))]
    for run in runs:
        run.asked["tiny"] = False
    assert names.answering("pneumonia", runs).path == tiny_run("pneumonia").path


def test_an_adapted_run_is_not_adapted_again(adapted, elsewhere, tmp_path):
    from click.testing import CliRunner

    from keras_dl.cli import main

    done = CliRunner().invoke(
        main, ["adapt", str(adapted[0].path), "--data", str(elsewhere), "--out", str(tmp_path / "n")]
    )
    assert done.exit_code == 2
    assert "was adapted already" in done.output


def test_too_few_inputs_are_refused(tiny_run, elsewhere, tmp_path):
    few = tmp_path / "few"
    few.mkdir()
    for path in sorted(elsewhere.iterdir())[: adapt.FEWEST - 1]:
        shutil.copy(path, few)
    with pytest.raises(KerasDLError, match=r"49 inputs are too few to adapt to; give 50 or more"):
        tiny_run("pneumonia").adapt(few, out=tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_inputs_of_another_kind_are_refused(tiny_run, tmp_path):
    generator, folder = np.random.default_rng(0), tmp_path / "noise"
    folder.mkdir()
    for number in range(60):
        Image.fromarray(generator.integers(0, 256, (64, 64), dtype="uint8")).save(folder / f"{number}.png")
    with pytest.raises(KerasDLError, match="% of the inputs are unusual for this network"):
        tiny_run("pneumonia").adapt(folder, out=tmp_path / "new")
    assert list(tmp_path.iterdir()) == [folder]


def test_without_normalisation_and_without_shares_there_is_nothing_to_adapt(tiny_run, tmp_path, monkeypatch, elsewhere):
    monkeypatch.setattr(normalisation, "layers_of", lambda model: [])
    with pytest.raises(KerasDLError, match=r"there is nothing to adapt\. The network has no batch normalisation"):
        tiny_run("pneumonia").adapt(elsewhere, out=tmp_path / "new")


def test_a_place_that_is_taken_is_refused(tiny_run, elsewhere):
    run = tiny_run("pneumonia")
    with pytest.raises(UsageError, match="is not empty"):
        run.adapt(elsewhere, out=run.path)


def quickly(run, model, home, decoded, *, labels=False):
    """Decide nothing."""
    return adapt.Adapted(dict(run.assets), None)


@pytest.mark.parametrize("error", [KeyboardInterrupt, KerasDLError("the disk is full")])
def test_what_is_interrupted_leaves_no_half_run(tiny_run, elsewhere, tmp_path, monkeypatch, error):
    def fail(*_):
        assert list(tmp_path.iterdir()) == [tmp_path / ".new.unfinished"]
        raise error

    monkeypatch.setattr(adapt, "decided", quickly)
    monkeypatch.setattr(evaluate, "write", fail)
    with pytest.raises((KeyboardInterrupt, KerasDLError)) as raised:
        tiny_run("pneumonia").adapt(elsewhere, out=tmp_path / "new")
    assert raised.type in (error, type(error))
    assert not list(tmp_path.iterdir())


def test_what_a_killed_process_leaves_is_no_run(adapted, tmp_path):
    hidden = tmp_path / ".new.unfinished" / "new"
    shutil.copytree(adapted[0].path, hidden)
    assert names.kept(tmp_path) == []
    assert json.loads((hidden / "config.json").read_text())["adapted"]
