"""When an input is called unusual: the false alarms that were asked for, by group, and what a run keeps of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from keras_dl.answering import answers, novelty, reference
from keras_dl.answering.novelty import Novelty
from keras_dl.errors import KerasDLError
from keras_dl.task.blocks import Gauge, Prose
from keras_dl.verbs import explain


def stages(rng: np.random.Generator, groups: int, each: int, spread: float = 1.0) -> tuple[list[np.ndarray], list[str]]:
    """Return the vectors of two stages; examples of a group are alike."""
    names = [f"p{number}" for number in range(groups) for _ in range(each)]
    found = []
    for width in (8, 20):
        centre = np.repeat(rng.normal(size=(groups, width)), each, axis=0)
        found.append(spread * (centre + 0.3 * rng.normal(size=(groups * each, width))))
    return found, names


@pytest.mark.parametrize("each", [1, 5])
def test_new_groups_give_the_false_alarms_that_were_asked_for(each: int) -> None:
    """With several examples in a group too, whose distances are alike."""
    rng, shares = np.random.default_rng(0), []
    for _ in range(12):
        train, _ = stages(rng, 300, each)
        validation, names = stages(rng, 150, each)
        fitted = Novelty.fit(train, validation, names, 0.05)
        new, _ = stages(rng, 400, each)
        shares.append(float((fitted.unusualness(new).numpy() > 1).mean()))
    assert 0.02 < np.mean(shares) < 0.07


def test_one_stage_that_is_far_off_is_enough() -> None:
    """The largest distance counts: what one layer takes for usual another does not."""
    rng = np.random.default_rng(0)
    train, names = stages(rng, 400, 1)
    fitted = Novelty.fit(train, train, names, 0.01)
    new, _ = stages(rng, 50, 1)
    assert (fitted.unusualness(new).numpy() <= 1).mean() > 0.8
    new[1] = new[1] + 10
    assert (fitted.unusualness(new).numpy() > 1).all()


def test_too_few_groups_are_extrapolated() -> None:
    """Fifteen sentences cannot show the highest percent; the limit is above all of them, and finite."""
    scores = np.exp(np.random.default_rng(0).normal(size=15))
    found = novelty.limit(scores, range(15), 0.01)
    assert scores.max() <= found < 100
    assert novelty.limit(scores, range(15), 0.2) <= scores.max()


def test_what_may_reach_further_is_called_unusual_later() -> None:
    """The sick are off the healthy by design, and no unusual input for that."""
    rng = np.random.default_rng(0)
    train, names = stages(rng, 300, 1)
    near, far = (Novelty.fit(train, train, names, 0.01, reach) for reach in (1.0, 2.0))
    np.testing.assert_allclose(near.unusualness(train), 2 * far.unusualness(train).numpy(), rtol=1e-5)


def test_variables_answer_as_the_arrays_do() -> None:
    """An export holds variables: so each number is in it once."""
    rng = np.random.default_rng(0)
    train, names = stages(rng, 100, 1)
    fitted = Novelty.fit(train, train, names, 0.05)
    held, holder = fitted.tracked()
    tensors = [tf.constant(stage, tf.float32) for stage in train]
    np.testing.assert_allclose(held.unusualness(tensors), fitted.unusualness(tensors), rtol=1e-5)
    assert len(holder.variables) == 10


def test_a_file_that_is_damaged_is_named(tmp_path: Path) -> None:
    """And no file is no verdict: the run is of an earlier version."""
    assert novelty.read(tmp_path) is None
    (tmp_path / "assets").mkdir()
    (tmp_path / novelty.FILE).write_bytes(b"PK\x03\x04 no zip")
    with pytest.raises(KerasDLError, match=r"novelty\.npz is damaged .* train again"):
        novelty.read(tmp_path)


@pytest.mark.parametrize("task", ["pneumonia-simple-cnn", "emoji", "cells-unet"])
def test_what_a_run_keeps_agrees_with_what_it_answers(tiny_run: Callable[[str], Any], task: str) -> None:
    """On validation the limit is exceeded by no more than was asked for, by group; the file has one row for each."""
    run = tiny_run(task)
    kept = reference.read(run)
    assert kept is not None
    assert len({len(getattr(kept, name)) for name in kept.__dataclass_fields__}) == 1
    assert len(kept.truth) == run.card["splits"]["validation"]["examples"]
    assert (kept.unusualness > 1).mean() <= run.config.false_alarms + 1 / len(kept.truth)
    assert {"unusual", "unusualness"} <= set(run.card["outputs"])
    assert 0 <= run.metrics["test"]["unusual"]["value"] <= 1


def test_the_verdict_comes_first_and_the_answer_stays(tiny_run: Callable[[str], Any]) -> None:
    """What casts doubt on an answer is read before it."""
    run = tiny_run("emoji")
    (row,) = run.predict("I love you")
    assert row["unusual"] is (row["unusualness"] > 1)
    plain = answers.view(run, row | {"unusual": False})
    doubted = answers.view(run, row | {"unusual": True, "unusualness": 3.21})
    assert [type(block) for block in doubted[1:]] == [type(block) for block in plain]
    assert doubted[1] == plain[0]
    assert doubted[0].warning
    assert "3.2 times" in doubted[0].text
    assert [answers.times(one) for one in (1.02, 12.3, 512.3)] == ["1.02 times", "12 times", "over 100 times"]


def test_no_promise_stands_beside_an_unusual_input(tiny_run: Callable[[str], Any]) -> None:
    """Of 100 cases given 80 %, about 80 are PNEUMONIA: that is true of radiographs, not of a photo of a chart."""
    run = tiny_run("pneumonia-simple-cnn")
    (row,) = run.predict(run.path / "examples" / "NORMAL-0.jpeg")
    gauges = [
        next(block for block in answers.view(run, row | {"unusual": unusual}) if isinstance(block, Gauge))
        for unusual in (False, True)
    ]
    assert [bool(gauge.note) for gauge in gauges] == [True, False]


def test_an_explanation_says_it_too(tiny_run: Callable[[str], Any], tmp_path: Path) -> None:
    """On its page, before the answer."""
    run = tiny_run("emoji")
    (row,) = run.predict("I love you")
    doubted = row | {"unusual": True, "unusualness": 3.21}
    item = explain.one_input(run, "I love you")
    text = explain.write(run, item, doubted, Prose("the words"), tmp_path).read_text(encoding="utf-8")
    assert text.index("Unusual input") < text.index(row["label"])
    assert "Unusual input" not in explain.write(run, item, row, Prose("the words"), tmp_path).read_text(
        encoding="utf-8"
    )
