"""Versions and labels: what is written can be taken back, and a client stays where it was."""

import json
import os
import threading

import pytest

from keras_dl.errors import KerasDLError, UsageError
from keras_dl.runs import versions
from keras_dl.runs.versions import Serving, choose, promote
from keras_dl.show import serving as show_serving


@pytest.fixture
def folder(tmp_path):
    for number in (1, 2, 3, 10):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "saved_model.pb").touch()
    return tmp_path


def test_numbered_folders_with_a_model_are_versions(folder):
    for name in ("4", ".5.unfinished", "06", "0", "new", "٧"):
        (folder / name).mkdir()
        (folder / name / "saved_model.pb").touch()
    (folder / "4" / "saved_model.pb").unlink()
    assert versions.numbers(folder) == [1, 2, 3, 10]
    assert versions.numbers(folder / "nothing") == []


def test_promote_writes_label_and_share(folder):
    promote(folder, 1)
    serving = promote(folder, 2, label="canary", share=0.1)
    assert serving.labels == {"stable": 1, "canary": 2}
    assert serving.weights == {"stable": 0.9, "canary": 0.1}
    assert versions.read(folder) == serving
    assert json.loads((folder / "serving.json").read_text())["labels"] == {"stable": 1, "canary": 2}
    assert promote(folder, label="canary", share=0.25).weights == {"stable": 0.75, "canary": 0.25}
    assert [path.name for path in folder.glob("*.json")] == ["serving.json"], "nothing is left beside it"


def test_back_goes_back_step_by_step(folder, monkeypatch):
    for number in (1, 2, 3):
        promote(folder, number)
        promote(folder, number, label="canary")
    assert promote(folder, 3).history == versions.read(folder).history, "no change is no step"
    found = [promote(folder, back=True).labels.get("stable") for _ in range(3)]
    assert found == [2, 1, None]
    assert versions.read(folder).labels == {"canary": 3}, "the other label stays"
    with pytest.raises(
        UsageError, match=r"'stable' of .* had no other version before; the folder has versions 1, 2, 3, 10"
    ):
        promote(folder, back=True)


def test_a_canary_taken_back_leaves_its_share_to_stable(folder):
    promote(folder, 1)
    promote(folder, 2, label="canary", share=0.1)
    promote(folder, 3, label="other", share=0.2)
    serving = promote(folder, label="canary", back=True)
    assert serving.labels == {"stable": 1, "other": 3}
    assert serving.weights == {"stable": 0.8, "other": 0.2}
    assert promote(folder, label="other", back=True).weights == {}


def test_only_the_last_changes_are_kept(folder):
    for turn in range(30):
        promote(folder, (1, 2)[turn % 2])
    assert len(versions.read(folder).history) == versions.KEPT


def test_back_to_a_version_that_is_gone(folder):
    promote(folder, 1)
    promote(folder, 2)
    (folder / "1" / "saved_model.pb").unlink()
    before = (folder / "serving.json").read_bytes()
    with pytest.raises(
        UsageError, match=r"was version 1 before, but .* no longer has it; the folder has versions 2, 3, 10"
    ):
        promote(folder, back=True)
    assert (folder / "serving.json").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"version": 4}, "has no version 4; it has versions 1, 2, 3, 10"),
        ({}, "give the version for 'stable'"),
        ({"version": 1, "back": True}, "leave out VERSION and --share"),
        ({"share": 0.1, "back": True, "label": "canary"}, "leave out VERSION and --share"),
        ({"version": 1, "share": 0.5}, "stable takes no share, because it gets the rest"),
        ({"version": 2, "label": "canary", "share": 1.5}, "the share 1.5 must be between 0 and 1"),
        ({"version": 2, "label": "canary", "share": float("nan")}, "the share nan must be between 0 and 1"),
        ({"version": 2, "label": "a/b"}, "the label 'a/b' must have"),
        ({"version": 2, "label": "canary", "share": 0.8}, "0.8 of 'canary' is too large with other 0.3"),
        ({"label": "new", "share": 0.1}, "no version of .* is 'new' yet"),
    ],
)
def test_what_cannot_be_meant(folder, arguments, message):
    promote(folder, 1)
    promote(folder, 3, label="other", share=0.3)
    before = (folder / "serving.json").read_bytes()
    with pytest.raises(UsageError, match=message):
        promote(folder, **arguments)
    assert (folder / "serving.json").read_bytes() == before


def test_a_share_wants_a_stable_version(folder):
    with pytest.raises(UsageError, match=r"no version of .* is 'stable' yet.* --label stable"):
        promote(folder, 2, label="canary", share=0.1)


def test_a_folder_without_versions(tmp_path):
    with pytest.raises(UsageError, match="contains no version"):
        promote(tmp_path / "nothing", 1)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "\udcff",
        '{"labels": {"stable": "1"}}',
        '{"labels": {"stable": true}}',
        '{"weights": {"stable": -1}}',
        '{"weights": {"stable": NaN}}',
        '{"history": [["now", "stable", 1]]}',
        "[" * 100_000,
    ],
)
def test_a_damaged_file_is_named(folder, text):
    (folder / "serving.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(KerasDLError, match=r"serving\.json is damaged \(.*\); delete it"):
        versions.read(folder)


def test_without_a_file_the_highest_version_answers(folder):
    assert choose(versions.read(folder), [1, 3, 2], "anyone", "model") == 3


def test_the_stable_version_answers_where_there_are_no_shares():
    serving = Serving({"stable": 1, "canary": 2})
    assert choose(serving, [1, 2, 3], "anyone", "model") == 1
    assert choose(serving, [2, 3], "anyone", "model") == 3, "the stable one is not there"


def test_shares_are_kept_and_clients_stay():
    serving = Serving({"stable": 1, "canary": 2}, {"stable": 0.9, "canary": 0.1})
    clients = [f"client {number}" for number in range(4000)]
    first = [choose(serving, [1, 2], client, "emoji") for client in clients]
    assert first.count(2) == pytest.approx(400, abs=80)  # four standard errors
    assert first == [choose(serving, [1, 2], client, "emoji") for client in clients]
    more = Serving(serving.labels, {"stable": 0.7, "canary": 0.3})
    second = [choose(more, [1, 2], client, "emoji") for client in clients]
    assert second.count(2) == pytest.approx(1200, abs=120)
    assert not any(before == 2 and after == 1 for before, after in zip(first, second, strict=True)), "nobody goes back"
    other = [choose(serving, [1, 2], client, "spam") for client in clients]
    both = sum(one == 2 and two == 2 for one, two in zip(first, other, strict=True))
    assert both < 80, "models draw independently: about a hundredth of the clients are canaries of both"


def test_labels_without_their_version_are_passed_over():
    serving = Serving({"stable": 1, "canary": 2}, {"stable": 0.5, "canary": 0.5})
    assert {choose(serving, [1, 3], str(client), "") for client in range(50)} == {1}
    assert {choose(serving, [3, 4], str(client), "") for client in range(50)} == {4}
    none = Serving({"stable": 1, "canary": 2}, {"stable": 1.0, "canary": 0.0})
    assert {choose(none, [1, 2], str(client), "") for client in range(50)} == {1}


def test_two_at_once_lose_nothing(folder):
    promote(folder, 1)
    labels = [f"label{number}" for number in range(16)]
    threads = [threading.Thread(target=promote, args=(folder, 2), kwargs={"label": label}) for label in labels]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(versions.read(folder).labels) == {"stable", *labels}


def test_a_failed_write_leaves_the_file_as_it_was(folder, monkeypatch):
    promote(folder, 1)
    before = (folder / "serving.json").read_bytes()

    def full(handle):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="disk full"):
        promote(folder, 2)
    assert (folder / "serving.json").read_bytes() == before


def test_what_is_said_of_it(folder):
    promote(folder, 1)
    serving = promote(folder, 2, label="canary", share=0.1)
    text = show_serving.promoted(folder, serving)
    assert "versions 1, 2, 3, 10" in text
    assert "stable  1        0.9" in text
    assert "canary  2        0.1" in text
    assert f"keras-dl promote {folder} --label canary --back" in text
    promote(folder, label="canary", back=True)
    alone = show_serving.promoted(folder, promote(folder, back=True))
    assert "a request without a version gets version 10" in alone
