"""The examples in the report: the surest errors, a group once, with what both models said."""

import kept_runs
import pytest

from keras_dl.explaining import heatmap
from keras_dl.pages.html import html
from keras_dl.runs import predictions
from keras_dl.task.blocks import Picture, Spans
from keras_dl.verbs import gallery


def shown(run):
    """Return the examples of a run's report, by title, and the whole gallery."""
    tested = predictions.read(run)
    found = gallery.examples(run, tested.found(run.assets), tested.table["id"].tolist())
    return dict(found.kinds), found


@pytest.mark.parametrize(
    ("kind", "text"),
    [("binary", "0.00"), ("classes", "VIRAL 0.95"), ("score", "1.01")],
)
def test_what_was_said(tmp_path, kind, text):
    kinds, _ = shown(kept_runs.make(tmp_path / "run", kind))
    (entry,) = (one for rows in kinds.values() for one in rows if one.id == kept_runs.EVIL)
    assert (entry.row, entry.said["network"]) == (1, text)
    assert entry.said.keys() == {"network", "baseline"}


@pytest.mark.parametrize(
    ("kind", "title", "text"),
    [
        ("text", "spam, recognised", 'see you at <mark class="against" style="--w: 1.00" title="−1.500">lunch,</mark>'),
        ("texts", "ball, recognised", 'you won a <mark class="against" style="--w: 1.00" title="'),
        ("texts", "heart, recognised", 'see you at <mark class="for" style="--w: 1.00" title="'),
    ],
)
def test_texts_are_coloured_for_the_class_that_is_explained(tmp_path, kind, title, text):
    run = kept_runs.make(tmp_path / "run", kind)
    assert {path.suffix for path in (run.path / "shown").iterdir()} == {".txt"}
    kinds, found = shown(run)
    assert found.note == ""
    assert found.method.title == "leaving a word out"
    (rows,) = (rows for name, rows in kinds.items() if name.endswith(title))  # an emoji may stand before it
    assert any(text in html(entry.block) for entry in rows)
    blocks = [entry.block for rows in kinds.values() for entry in rows]
    assert all(isinstance(block, Spans) and len(html(block)) < 2500 for block in blocks)
    assert any(block.text.startswith("<script>alert") and block.text.endswith(" …") for block in blocks)
    assert not any("<script" in html(block) for block in blocks)


def test_a_heatmap_explains_the_answer_of_several_classes(tmp_path, monkeypatch):
    asked = []

    def grad_cam(model, images, outputs):
        asked.extend(outputs.tolist())
        return images[..., 0] / 255

    monkeypatch.setattr(heatmap, "grad_cam", grad_cam)
    run = kept_runs.make(tmp_path / "run", "classes")
    said = kept_runs.scored("classes").outputs["network"].argmax(axis=1)
    kinds, found = shown(run)
    entries = [entry for rows in kinds.values() for entry in rows]
    assert found.note == ""
    assert asked == [said[entry.row] for entry in entries]
    assert all(isinstance(entry.block, Picture) and entry.block.heat is not None for entry in entries)
    assert all(
        entry.block.heat_title.startswith(f"evidence for {kept_runs.SEVERAL[of]} ")
        for entry, of in zip(entries, asked, strict=True)
    )


def test_without_the_inputs_the_examples_are_named(tmp_path):
    run = kept_runs.make(tmp_path / "run")
    before, _ = shown(run)
    for path in (run.path / "shown").iterdir():
        path.unlink()
    kinds, found = shown(run)
    assert found.note.startswith(
        "The pictures could not be read: there is nothing at '/moved away/set'; download the real set with: "
    )
    assert found.method is None
    assert {title: [one.id for one in rows] for title, rows in kinds.items()} == {
        title: [one.id for one in rows] for title, rows in before.items()
    }
    assert all(one.block is None for rows in kinds.values() for one in rows)
