"""history.csv: numbers of epochs over all phases and in each; old files are read too."""

import pandas as pd
import pytest

from keras_dl.runs import history

FITTED = {"epoch": None, "phase": "count", "phase_epoch": None, "seconds": 3.0}


def row(epoch, phase, own, loss=1.0):
    return {"epoch": epoch, "phase": phase, "phase_epoch": own, "loss": loss, "val_loss": loss, "seconds": 1.0}


def test_a_phase_fitted_at_once_takes_no_number(tmp_path):
    history.write(tmp_path, [FITTED, row(1, "head", 1), row(2, "head", 2), row(3, "all", 1)])
    lines = (tmp_path / "history.csv").read_text().splitlines()
    assert lines[0] == "epoch,phase,phase_epoch,seconds,loss,val_loss"
    assert [line.split(",")[:3] for line in lines[1:]] == [
        ["", "count", ""],
        ["1", "head", "1"],
        ["2", "head", "2"],
        ["3", "all", "1"],
    ]
    found = history.read(tmp_path)
    assert found[["epoch", "phase_epoch"]].to_numpy().tolist() == [[1, 1], [2, 2], [3, 1]]
    assert found["phase"].tolist() == ["head", "head", "all"]


def test_a_run_without_epochs_has_none(tmp_path):
    history.write(tmp_path, [FITTED])
    found = history.read(tmp_path)
    assert len(found) == 0
    assert {"epoch", "phase", "phase_epoch"} <= set(found)


def test_old_files_are_counted_by_their_phases(tmp_path):
    """The fitted phase has the number 1 there, and no column says the epoch of a phase."""
    old = {"epoch": [1, 2, 3, 4], "phase": ["count", "head", "head", "all"], "loss": [None, 3, 2, 1]}
    pd.DataFrame(old).to_csv(tmp_path / "history.csv", index=False)
    found = history.read(tmp_path)
    assert found["epoch"].tolist() == [2, 3, 4]
    assert found["phase_epoch"].tolist() == [1, 2, 1]
    assert history.said(found, 3) == "epoch 2 of 'head'"


def test_a_resumed_old_run_has_both(tmp_path):
    history.write(tmp_path, [{"epoch": 1, "phase": "train", "loss": 2.0}, row(2, "train", 2)])
    assert history.read(tmp_path)["phase_epoch"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("phases", "epoch", "found"),
    [
        (["train", "train"], 2, "epoch 2"),
        (["head", "all"], 2, "epoch 1 of 'all'"),
        (["head", "all"], 0, None),
        (["head", "all"], None, None),
    ],
)
def test_an_epoch_in_words(phases, epoch, found):
    own = [phases[: row + 1].count(phase) for row, phase in enumerate(phases)]
    table = pd.DataFrame({"epoch": [1, 2], "phase": phases, "phase_epoch": own})
    assert history.said(table, epoch) == found
