"""The journal: what is recorded is in the database, and a database in trouble stops nobody."""

import contextlib
import json
import sqlite3
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import select

from keras_dl.errors import KerasDLError, UsageError
from keras_dl.server.journal import database, journal
from keras_dl.server.journal.database import FEEDBACK, PREDICTIONS
from keras_dl.server.journal.journal import Journal

PNG = b"\x89PNG\r\n\x1a\n rest"


def row(request_id="r", number=0, **changed):
    return {
        **{"request_id": request_id, "number": number, "time": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)},
        **{"model": "emoji", "version": 1, "client": "c", "route": "predict", "status": 200, "milliseconds": 1.5},
        **{"answer": "heart", "value": 0.75, "unusualness": 0.5, "input": "I love you"},
        **changed,
    }


@pytest.fixture
def opened(tmp_path):
    with contextlib.ExitStack() as stack:

        def opened(url=f"sqlite:///{tmp_path}/requests.db", **options):
            return stack.enter_context(contextlib.closing(Journal(url, **options)))

        yield opened


def stored(kept, table=PREDICTIONS):
    with kept._engine.connect() as connection:
        return [one._asdict() for one in connection.execute(select(table).order_by(*table.primary_key))]


def test_a_database_that_cannot_be_written_is_refused_at_the_start(tmp_path):
    Journal(f"sqlite:///{tmp_path}/requests.db").close()
    with pytest.raises(KerasDLError, match="cannot be used: attempt to write a readonly database"):
        Journal(f"sqlite:///file:{tmp_path}/requests.db?mode=ro&uri=true")


def test_what_is_recorded_is_stored(opened):
    kept = opened()
    kept.record([row(), row(number=1, answer=None, value=None, status=400)])
    kept.close()
    first, second = stored(kept)
    assert (first["request_id"], first["number"], first["model"], first["version"]) == ("r", 0, "emoji", 1)
    assert (first["client"], first["route"], first["status"], first["milliseconds"]) == ("c", "predict", 200, 1.5)
    assert (first["answer"], first["value"]) == ("heart", 0.75)
    assert (first["text"], first["image"]) == (None, None), "inputs are stored only when asked for"
    assert (second["number"], second["answer"], second["value"], second["status"]) == (1, None, None, 400)


def test_a_row_is_written_within_half_a_second_and_a_bit(opened):
    kept = opened()
    kept.record([row()])
    began = time.monotonic()
    while not stored(kept):
        assert time.monotonic() - began < 5
        time.sleep(0.02)


def test_inputs_are_stored_when_asked_for(opened):
    kept = opened(keep_inputs=True)
    inputs = ["a \0 text \ud83d", "héllo".encode(), PNG, None]
    kept.record([row(number=number, input=one) for number, one in enumerate(inputs)])
    kept.close()
    found = [(one["text"], one["image"]) for one in stored(kept)]
    assert found == [("a \ufffd text ?", None), ("héllo", None), (None, PNG), (None, None)]


def test_times_are_stored_as_utc(opened):
    kept = opened()
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=5)))
    kept.record([row(time=moment), row(number=1, time=moment.replace(tzinfo=None))])
    kept.close()
    assert [one["time"].hour for one in stored(kept)] == [22, 3]


def test_the_first_of_two_rows_with_one_id_counts(opened):
    kept = opened()
    kept.record([row(answer="mine")])
    kept.record([row(answer="theirs")])
    kept.close()
    assert [one["answer"] for one in stored(kept)] == ["mine"]
    assert kept.dropped == 0


def test_feedback_finds_what_was_just_recorded(opened):
    kept = opened()
    kept.record([row("a"), row("a", 1, answer=None, status=400)])
    assert kept.version_of("a", 0) == ("emoji", 1)
    assert kept.feedback("a", 0, "spam")
    assert kept.feedback("a", 0, "ham"), "the same feedback again replaces"
    assert [(one["request_id"], one["number"], one["label"]) for one in stored(kept, FEEDBACK)] == [("a", 0, "ham")]


@pytest.mark.parametrize(("request_id", "number"), [("a", 1), ("a", 2), ("a", -1), ("a", 2**80), ("b", 0), ("a\0", 0)])
def test_feedback_for_what_was_not_predicted(opened, request_id, number):
    kept = opened()
    kept.record([row("a"), row("a", 1, answer=None, status=400)])
    assert kept.feedback(request_id, number, "spam") is False
    assert kept.version_of(request_id, number) is None
    assert stored(kept, FEEDBACK) == []


def test_a_row_that_is_none_costs_only_itself(opened, caplog):
    kept = opened()
    bad = [{"number": 1}, row("b", version="newest"), row("c", version=2**70), row("d", time="now")]
    kept.record([row("a"), *bad, row("e", value=float("nan"))])
    kept.close()
    assert [(one["request_id"], one["value"]) for one in stored(kept)] == [("a", 0.75), ("e", None)]
    assert kept.dropped == 4
    assert "KeyError: 'time'" in caplog.text
    assert "the journal has dropped 4 rows so far" in caplog.text


def test_a_full_queue_drops_and_says_so(opened, monkeypatch, caplog):
    monkeypatch.setattr(journal, "WAITING_ROWS", 10)
    kept = opened()
    with sqlite3.connect(kept._engine.url.database) as other:
        other.execute("BEGIN IMMEDIATE")  # nobody else can write
        began = time.monotonic()
        for number in range(30):
            kept.record([row(str(number))])
        assert time.monotonic() - began < 0.5, "recording never waits for the database"
        other.rollback()
    other.close()
    kept.close()
    assert kept.dropped == 20
    assert len(stored(kept)) == 10
    assert "has dropped 20 rows" in caplog.text


def test_waiting_inputs_do_not_fill_the_memory(opened, monkeypatch):
    monkeypatch.setattr(journal, "WAITING_BYTES", 100)
    kept = opened(keep_inputs=True)
    kept.record([row("a", input=b"\xff" * 60)])
    kept.record([row("b", input=b"\xff" * 60)])
    assert kept.dropped == 1
    kept.version_of("a", 0)  # written: there is room again
    kept.record([row("c", input=b"\xff" * 60)])
    kept.close()
    assert [one["request_id"] for one in stored(kept)] == ["a", "c"]


def test_a_database_that_goes_comes_back(opened, monkeypatch, caplog):
    kept = opened()
    path = Path(kept._engine.url.database)
    kept.record([row("a")])
    kept.version_of("a", 0)
    path.unlink()
    path.mkdir()  # nothing can be written there
    kept.record([row("b")])
    monkeypatch.setattr(journal, "FLUSH", 0.2)
    with pytest.raises(KerasDLError, match="the journal cannot be written now; try again later"):
        kept.feedback("b", 0, "spam")
    with monkeypatch.context() as patch:
        patch.setattr(kept, "_flush", lambda: None)
        with pytest.raises(KerasDLError, match=r"unable to open database file.*; try again later"):
            kept.feedback("a", 0, "spam")
    path.rmdir()
    kept.close()
    assert [one["request_id"] for one in stored(kept)] == ["b"], "in new tables"
    assert "the journal cannot be written (unable to open database file); next try in 0.1 s" in caplog.text


def test_closing_does_not_wait_for_ever(opened, monkeypatch, caplog):
    monkeypatch.setattr(journal, "CLOSE", 0.3)
    kept = opened()
    path = Path(kept._engine.url.database)
    path.unlink(missing_ok=True)
    path.mkdir()
    kept.record([row("a"), row("b")])
    began = time.monotonic()
    kept.close()
    assert time.monotonic() - began < 3
    assert kept.dropped == 2
    assert "the journal lost 2 rows: unable to open database file" in caplog.text
    kept.record([row("c")])
    assert kept.dropped == 3, "after closing nothing is taken"
    kept.close()


def test_many_threads_lose_nothing(opened):
    kept = opened()

    def serve(name):
        for number in range(200):
            kept.record([row(f"{name}-{number}")])

    threads = [threading.Thread(target=serve, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept.close()
    assert len(stored(kept)) == 1600
    assert kept.dropped == 0


PROCESS = """
import datetime, json, sys
from keras_dl.server.journal.journal import Journal
url, name, row = sys.argv[1:]
kept = Journal(url)
for number in range(300):
    request = f"{name}-{number}"
    kept.record([json.loads(row) | {"request_id": request, "time": datetime.datetime.now(datetime.UTC)}])
    assert number % 100 or kept.feedback(request, 0, "spam")
kept.close()
assert kept.dropped == 0
"""


def test_processes_share_one_file(opened, tmp_path):
    url, one = f"sqlite:///{tmp_path}/requests.db", json.dumps(row(time=None))
    command = [sys.executable, "-W", "error", "-c", PROCESS, url]
    started = [subprocess.Popen([*command, name, one], stderr=subprocess.PIPE) for name in ("a", "b")]
    assert [process.communicate(timeout=60)[1] for process in started] == [b"", b""]
    kept = opened(url)  # a restart finds what is there
    assert (len(stored(kept)), len(stored(kept, FEEDBACK))) == (600, 6)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("requests.db", "URL cannot be read; it must be sqlite:///FILE"),
        ("", "URL cannot be read"),
        ("mysql://u:secret@host/name", r"mysql://u:\*\*\*@host/name is not of a supported kind"),
        ("sqlite://", "a database in memory would be lost"),
        ("sqlite:////nowhere/at/all.db", "cannot be used: unable to open database file"),
        ("postgresql://u:secret@127.0.0.1:1/name", r"postgresql\+psycopg://u:\*\*\*@127.* cannot be used: connection"),
    ],
    ids=["no URL", "empty", "another kind", "memory", "no folder", "nobody listens"],
)
def test_a_database_that_cannot_be(url, message, monkeypatch):
    monkeypatch.setattr(database, "PATIENCE", 0)
    with pytest.raises(KerasDLError, match=message) as caught:
        Journal(url)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_of_another_kind(tmp_path, monkeypatch):
    monkeypatch.setattr(database, "PATIENCE", 0)
    (tmp_path / "notes.db").write_text("notes, and no database " * 100)
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE predictions (request_id TEXT)")
    other.close()
    with pytest.raises(KerasDLError, match=r"notes.db cannot be used: file is not a database"):
        Journal(f"sqlite:///{tmp_path}/notes.db")
    with pytest.raises(KerasDLError, match="its table predictions has no number, time, model"):
        Journal(f"sqlite:///{tmp_path}/other.db")


def test_reading_makes_no_file(tmp_path):
    with pytest.raises(UsageError, match=r"there is no database .*missing\.db; keras-dl serve --database creates one"):
        database.connect(f"sqlite:///{tmp_path}/missing.db", make=False)
    assert list(tmp_path.iterdir()) == []
