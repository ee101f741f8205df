"""What is said while a model trains: each phase counts its own epochs, and the time left is this phase's."""

import dataclasses
import itertools
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from keras_dl import api, registry
from keras_dl.progress import TOGETHER, say
from keras_dl.runs import history
from keras_dl.task import Phase
from keras_dl.training import progress
from keras_dl.training.progress import EpochLines

SMALL = "pneumonia-simple-cnn"  # is traced in less than half the time of the default network


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand."""
    now = SimpleNamespace(value=0.0)
    monkeypatch.setattr(progress.time, "monotonic", lambda: now.value)
    return now


def lines(capsys, clock, durations, *, stop_at=None, **options):
    """Run a phase with epochs of these durations; return what is printed."""
    shown = EpochLines("head", **{"epochs": 10, **options}, steps=5, batch_size=12)
    shown.set_model(SimpleNamespace(stop_training=False))
    for number, seconds in enumerate(durations, 1):
        shown.on_epoch_begin(0)
        clock.value += seconds
        shown.on_train_batch_end(4, {"loss": 0.5})
        shown.model.stop_training = number == stop_at
        shown.on_epoch_end(0, {"loss": 0.5, "val_loss": 0.25})
    shown.on_train_end()
    return capsys.readouterr().err.splitlines()


def test_a_line_names_the_phase_its_epoch_and_what_is_left(capsys, clock):
    first, *_ = lines(capsys, clock, [5.0])
    assert first == "head 1/10   loss 0.500  val_loss 0.250  12/s  at most 45 s left"


def test_the_last_epochs_tell_the_time(capsys, clock):
    """The first one builds graphs and fills caches: it says nothing of the later ones."""
    found = lines(capsys, clock, [100.0, 5.0, 5.0, 5.0])
    assert found[0].endswith("at most 15 min left")
    assert found[-1].startswith("head 4/10 ")
    assert found[-1].endswith("at most 30 s left")


@pytest.mark.parametrize(("later", "words"), [(1, "1 more phase"), (2, "2 more phases")])
def test_later_phases_are_counted_and_not_guessed(capsys, clock, later, words):
    found = lines(capsys, clock, [5.0] * 10, later=later)
    assert found[0].endswith(f"at most 45 s left (this phase), and {words}")
    assert found[-1].endswith(f"12/s  {words}")


def test_a_terminal_gets_lines_that_fit_and_keeps_names_with_their_numbers(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "40")
    parts = ["head 1/10  ", "loss 0.500", "val_loss 0.250", "12/s"]
    say("  ".join([*(part.replace(" ", TOGETHER) for part in parts), "at most 45 s left (this phase)"]))
    assert capsys.readouterr().err.splitlines() == [
        "head 1/10    loss 0.500  val_loss 0.250",
        "    12/s  at most 45 s left (this phase)",
    ]


def test_a_phase_that_stops_early_has_no_time_left(capsys, clock):
    found = lines(capsys, clock, [5.0, 5.0], stop_at=2)
    assert found[-1] == "head 2/10   loss 0.500  val_loss 0.250  12/s"


def test_a_resumed_phase_goes_on_with_its_own_count(capsys, clock):
    (found,) = lines(capsys, clock, [5.0], done=8, later=1)
    assert found.startswith("head 9/10 ")
    assert "at most 5 s left" in found


def fitted(head, features, labels):
    assert len(features) == len(labels)
    head.get_layer("logits").set_weights([features.mean(axis=0)[:, None] / 100, np.zeros(1)])


class StopAfter:
    """Callbacks that stop a phase early, or break it off."""

    def __init__(self, phases=None, interrupt=None):
        self.phases, self.interrupt = phases or {}, interrupt

    def of(self, phase):
        import keras

        outer = self

        class Stop(keras.callbacks.Callback):
            def on_epoch_begin(self, epoch, logs=None):
                if outer.interrupt == (phase, epoch):
                    raise KeyboardInterrupt

            def on_epoch_end(self, epoch, logs=None):
                self.model.stop_training = epoch + 1 == outer.phases.get(phase)

        return lambda config: Stop()


def three_phases(monkeypatch, stop):
    """A task with a phase that is fitted at once, one that stops after an epoch of three, and one of two epochs."""
    import keras

    def compiled(model):
        model.compile(keras.optimizers.Adam(1e-3), "binary_crossentropy")

    phases = [
        Phase("mean", 1, lambda model: None, frozen="dense2", fit=lambda *given: (calls.append(1), fitted(*given))),
        Phase("head", 3, compiled, [stop.of("head")], frozen="dense2"),
        Phase("all", 2, compiled, [stop.of("all")]),
    ]
    calls = []
    task = dataclasses.replace(registry.find(SMALL), phases=lambda config, data: phases)
    monkeypatch.setattr(registry, "find", lambda name: task)
    return calls


@pytest.mark.report
def test_a_training_of_three_phases_says_where_it_is_also_after_a_resume(tmp_path, monkeypatch, capsys):
    stop = StopAfter({"head": 1})
    calls = three_phases(monkeypatch, stop)
    whole = api.train(SMALL, tiny=True, out=tmp_path / "whole")
    printed = capsys.readouterr().err.splitlines()
    begins = [line for line in printed if line.split(" ")[0] in ("mean:", "head", "all")]
    examples = whole.card["splits"]["train"]["examples"]
    assert begins[0].startswith(f"mean: fitted on {examples} examples in ")
    assert [line.split("  ")[0] for line in begins[1:]] == ["head 1/3", "all 1/2", "all 2/2"]
    assert begins[1].endswith("/s  1 more phase"), "it stopped early: no time is left"
    assert begins[2].endswith(" left")
    table = pd.read_csv(whole.path / "history.csv")
    assert table["phase"].tolist() == ["mean", "head", "all", "all"]
    assert table["epoch"].fillna(0).tolist() == [0, 1, 2, 3]
    assert table["phase_epoch"].fillna(0).tolist() == [0, 1, 1, 2]
    kept = history.said(history.read(whole.path), whole.card["training"]["best_epoch"])
    assert f"The weights of {kept} were kept" in (whole.path / "report.html").read_text().replace("&#39;", "'")

    stop.interrupt = ("all", 2)  # in the second epoch of the last phase
    with pytest.raises(KeyboardInterrupt):
        api.train(SMALL, tiny=True, out=tmp_path / "stopped")
    stop.interrupt = None
    capsys.readouterr()
    stopped = api.train(SMALL, resume=True, out=tmp_path / "stopped")
    printed = capsys.readouterr().err
    assert "resumed after epoch 1 of 'all'" in printed
    assert [line.split("  ")[0] for line in printed.splitlines() if line.startswith("all ")] == ["all 2/2"]
    tables = [pd.read_csv(run.path / "history.csv").drop(columns="seconds") for run in (whole, stopped)]
    pd.testing.assert_frame_equal(*tables, rtol=1e-4)
    assert len(calls) == 2, "a resumed run does not fit again what was fitted at once"


def test_a_run_stopped_before_its_first_epoch_keeps_what_was_fitted(tmp_path, monkeypatch, capsys):
    stop = StopAfter({"head": 1}, interrupt=("head", 0))
    calls = three_phases(monkeypatch, stop)
    with pytest.raises(KeyboardInterrupt):
        api.train(SMALL, tiny=True, out=tmp_path / "run")
    stop.interrupt = None
    run = api.train(SMALL, resume=True, out=tmp_path / "run")
    assert len(calls) == 1
    phases = [phase for phase, _ in itertools.groupby(pd.read_csv(run.path / "history.csv")["phase"])]
    assert phases == ["mean", "head", "all"]
