"""The journal in a real PostgreSQL, started for the test where its programs are installed."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import inspect, text
from test_journal import PNG, row, stored

from keras_dl.errors import KerasDLError
from keras_dl.server.journal import database, journal
from keras_dl.server.journal.database import FEEDBACK
from keras_dl.server.journal.journal import Journal


@pytest.fixture
def postgres():
    """Give a function that starts and stops a PostgreSQL of our own, and its URL; it listens on a socket file alone."""
    programs = {
        name: shutil.which(name, path=f"{os.environ['PATH']}:{newest_postgres()}") for name in ("initdb", "pg_ctl")
    }
    if not all(programs.values()):
        pytest.skip("PostgreSQL's initdb and pg_ctl are not installed")
    user = "nobody" if os.geteuid() == 0 else None  # it refuses to run as root
    folder = Path(tempfile.mkdtemp(prefix="pg"))  # short: a socket's path has at most 107 characters
    if user:
        shutil.chown(folder, user)

    def run(name, *arguments):
        command = [programs[name], "-D", folder / "data", *arguments]
        subprocess.run(command, user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL, timeout=60)

    def turn(on):
        options = ["-l", folder / "log", "-o", f"-F -k {folder} -c listen_addresses=''", "start"]
        run("pg_ctl", "-w", *(options if on else ["-m", "immediate", "stop"]))

    try:
        run("initdb", "-A", "trust", "-U", "tester", "-E", "UTF8", "--no-locale", "--no-sync")
        turn(True)
        yield turn, f"postgresql://tester@/postgres?host={folder}"
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):  # it may be off
            turn(False)
        shutil.rmtree(folder)


def newest_postgres():
    """Return Debian's folder of PostgreSQL's programs, which is not on the PATH."""
    return max(Path("/usr/lib/postgresql").glob("*/bin"), default="")


def test_postgresql(postgres, monkeypatch):
    turn, url = postgres
    kept = Journal(url, keep_inputs=True)
    kept.record([row("a", input="a \0 text \ud83d"), row("a", 1, input=PNG), row("a", 2, version=2**70)])
    kept.record([row("a", answer="again")])
    assert kept.version_of("a", 0) == ("emoji", 1)
    assert kept.feedback("a", 0, "spam")
    assert kept.feedback("a", 0, "ham")
    assert not kept.feedback("a", 2, "ham")
    assert kept.dropped == 1, "the version that is no number of the database's"
    first, second = stored(kept)
    assert (first["text"], second["image"], first["answer"]) == ("a \ufffd text ?", PNG, "heart")
    assert first["time"] == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert [one["label"] for one in stored(kept, FEEDBACK)] == ["ham"]
    turn(False)
    kept.record([row("b")])
    monkeypatch.setattr(journal, "FLUSH", 0.2)
    with pytest.raises(KerasDLError, match="try again later"):
        kept.feedback("a", 0, "spam")
    turn(True)
    kept.close()
    assert [one["request_id"] for one in stored(kept)] == ["a", "a", "b"]
    with kept._engine.begin() as connection:
        connection.execute(text("DELETE FROM predictions"))
    assert stored(kept, FEEDBACK) == [], "feedback goes with its prediction"
    kept._engine.dispose()


def test_an_old_postgresql_gets_its_column_from_whichever_server_comes_first(postgres):
    _, url = postgres
    engine = database.connect(url, make=True)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE feedback DROP COLUMN error"))
    database.connect(url, make=False).dispose()
    with engine.connect() as connection:
        assert database.missing(inspect(connection), FEEDBACK) == ["error"], "reading adds nothing"
    with ThreadPoolExecutor(6) as pool:
        for other in pool.map(lambda _: database.connect(url, make=True), range(6)):
            other.dispose()
    kept = Journal(url)
    kept.record([row("a", answer="12")])
    assert kept.feedback("a", 0, "10", lambda answer: abs(float(answer) - 10))
    assert [one["error"] for one in stored(kept, FEEDBACK)] == [2.0]
    kept.close()
    engine.dispose()
