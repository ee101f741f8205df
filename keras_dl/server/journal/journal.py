"""The journal of what was asked and answered, and of the true labels that came back: in a database, beside serving."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError, ProgrammingError, SQLAlchemyError

from keras_dl.errors import KerasDLError
from keras_dl.server.journal import database
from keras_dl.server.journal.database import FEEDBACK, PREDICTIONS
from keras_dl.server.journal.written import as_error, as_written, clean

LATE = 0.5  # seconds after which a row is written at the latest
BATCH = 1000  # rows written at once
WAITING_ROWS = 20_000  # rows that wait for the database ...
WAITING_BYTES = 64 * 2**20  # ... and bytes of their inputs: a slow database must not fill the memory
PAUSES = (0.1, 0.3, 1.0, 3.0, 10.0)  # seconds between tries to write, the last again and again
FLUSH = 3.0  # seconds that feedback waits for the rows before it
CLOSE = 10.0  # seconds in which the last rows must be written

AWAY = (OperationalError, InterfaceError, InternalError, ProgrammingError)  # the database's fault, not a row's

INSERTS = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}  # those that can say what a conflict means

log = logging.getLogger(__name__)


class Journal:
    """Writes rows from a thread of its own; any number of threads may give it some."""

    def __init__(self, url: str, *, keep_inputs: bool = False) -> None:
        """Open the database and make its tables where they are missing.

        Args:
            url: `sqlite:///requests.db` or `postgresql://USER:PASSWORD@HOST/NAME`.
            keep_inputs: store the texts and images that were asked about, too.

        Raises:
            KerasDLError: if the URL is none or the database cannot be reached.
        """
        self.keep_inputs = keep_inputs
        self.dropped = 0  # rows that were not written and never will be
        self._engine = database.connect(url, make=True)
        self._insert: Callable[..., Any] = INSERTS[self._engine.dialect.name]
        self._rows: deque[tuple[float, int, Mapping[str, Any]]] = deque()  # when it came, bytes of its input, the row
        self._bytes = 0
        self._accepted = self._settled = 0  # rows that came; rows that were written or given up
        self._wanted = 0  # write at once until so many are settled
        self._said = 0  # dropped rows that the log knows of
        self._closing: float | None = None  # when there is no more time
        self._change = threading.Condition()
        self._thread = threading.Thread(target=self._write, name="journal", daemon=True)
        self._thread.start()

    def record(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take the rows of a request and return at once; all or none of them.

        A row: request_id, number (place in the request, from 0), time (UTC), model, version, client (a hash),
        route ("predict", "answer", ...), drawn (False if the client named the version), status (of HTTP),
        milliseconds (of the request), answer (the label, or None), value (probability of the answer, score, or
        None), unusualness (of the input, or None), input (text or bytes, or None). Of two rows with the same
        request_id and number the first counts: a client may send any request id, also one of somebody else.
        """
        if not self.keep_inputs:
            rows = [{**row, "input": None} for row in rows]  # an image that nobody stores is let go now
        sizes = [len(row.get("input") or "") for row in rows]
        now = time.monotonic()
        with self._change:
            full = len(self._rows) + len(rows) > WAITING_ROWS or self._bytes + sum(sizes) > WAITING_BYTES
            if full or self._closing is not None:
                self.dropped += len(rows)
                return
            self._rows.extend(zip([now] * len(rows), sizes, rows, strict=True))
            self._bytes += sum(sizes)
            self._accepted += len(rows)
            if len(self._rows) == len(rows) or len(self._rows) >= BATCH:  # the thread sleeps
                self._change.notify_all()

    def know(self, model: str, version: int, bins: Mapping[str, Any]) -> None:
        """Store where a version's answers on validation lay; a model is served also where that fails."""
        try:
            database.know(self._engine, clean(model), version, bins)
        except SQLAlchemyError as error:
            log.warning("the validation part of %s %d cannot be stored: %s", model, version, database.reason(error))

    def feedback(
        self, request_id: str, index: int, label: str, error_of: Callable[[str], float | None] = lambda answer: None
    ) -> bool:
        """Store the true label of a prediction, in place of one that was stored before.

        Args:
            request_id: of the request that was answered.
            index: place of the prediction in the request, from 0.
            label: the true answer.
            error_of: says how far a stored answer is from the label; None where answers are right or wrong.

        Returns:
            False if there is no such prediction.

        Raises:
            KerasDLError: if the database does not answer now.
        """
        self._flush()
        key = {"request_id": clean(request_id), "number": index}
        try:
            with self._engine.begin() as connection:
                answer = connection.execute(select(PREDICTIONS.c.answer).where(*one(request_id, index))).scalar()
                if answer is None:
                    return False
                new = {"label": clean(label), "time": datetime.now(UTC), "error": as_error(error_of, answer)}
                statement = self._insert(FEEDBACK).values(**key, **new)
                statement = statement.on_conflict_do_update(index_elements=list(FEEDBACK.primary_key), set_=new)
                connection.execute(statement)
                return True
        except SQLAlchemyError as error:
            raise KerasDLError(f"feedback cannot be stored now ({database.reason(error)}); try again later") from None

    def version_of(self, request_id: str, index: int) -> tuple[str, int] | None:
        """Return the model and version that made a prediction, or None if there is no such prediction.

        Raises:
            KerasDLError: if the database does not answer now.
        """
        self._flush()
        try:
            with self._engine.connect() as connection:
                found = select(PREDICTIONS.c.model, PREDICTIONS.c.version).where(*one(request_id, index))
                row = connection.execute(found).first()
        except SQLAlchemyError as error:
            raise KerasDLError(f"the journal cannot be read now ({database.reason(error)}); try again later") from None
        return (row.model, row.version) if row else None

    def close(self) -> None:
        """Write what waits, for at most 10 seconds; what is lost then is said in the log."""
        with self._change:
            if self._closing is None:
                self._closing = time.monotonic() + CLOSE
            self._change.notify_all()
            left = self._closing - time.monotonic()
        self._thread.join(left + 1)
        if self._thread.is_alive():
            log.error("the journal was closed without its last %d rows", self._accepted - self._settled)
        self._engine.dispose()

    def _flush(self) -> None:
        """Wait until the rows that came before are written."""
        with self._change:
            self._wanted = target = self._accepted
            self._change.notify_all()
            if not self._change.wait_for(lambda: self._settled >= target, FLUSH):
                raise KerasDLError("the journal cannot be written now; try again later")

    # What follows runs in the journal's thread.

    def _write(self) -> None:
        while batch := self._next_batch():
            rows = [one for one in map(self._as_written, batch) if one is not None]
            lost = len(batch) - len(rows) + self._store_patiently(rows)
            with self._change:
                self.dropped += lost
                self._settled += len(batch)
                self._change.notify_all()
            self._say_dropped()
        self._say_dropped()

    def _next_batch(self) -> list[Mapping[str, Any]]:
        """Wait for rows that are due and take them; none, when closing, is the end."""
        with self._change:
            while self._closing is None:
                if self._rows and (len(self._rows) >= BATCH or self._wanted > self._settled):
                    break
                left = self._rows[0][0] + LATE - time.monotonic() if self._rows else None
                if left is not None and left <= 0:
                    break
                self._change.wait(left)
            taken = [self._rows.popleft() for _ in range(min(BATCH, len(self._rows)))]
            self._bytes -= sum(size for _, size, _ in taken)
            return [row for _, _, row in taken]

    def _as_written(self, row: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the table's row; None, and a line in the log, for one that is none."""
        try:
            return as_written(row, self.keep_inputs)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            log.error("a row of the journal cannot be used: %s: %s", type(error).__name__, error)
            return None

    def _store_patiently(self, rows: list[dict[str, Any]]) -> int:
        """Write rows, again and again while the database is away; return how many are given up."""
        attempt = 0
        while rows:
            try:
                return self._store(rows)
            except AWAY as error:
                pause = PAUSES[min(attempt, len(PAUSES) - 1)]
                attempt += 1
                with self._change:
                    if self._closing is not None and time.monotonic() + pause > self._closing:
                        log.error("the journal lost %d rows: %s", len(rows), database.reason(error))
                        return len(rows)
                    log.warning(
                        "the journal cannot be written (%s); next try in %g s, %d rows are waiting",
                        *(database.reason(error), pause, len(rows) + len(self._rows)),
                    )
                    self._pause(pause)
                self._say_dropped()
                self._make_tables()
        return 0

    def _pause(self, seconds: float) -> None:
        """Wait, but not beyond the moment when the journal is told to close."""
        before = self._closing
        self._change.wait_for(lambda: self._closing is not before, seconds)

    def _store(self, rows: list[dict[str, Any]]) -> int:
        """Write rows in one transaction; where the database refuses one, all others. Return how many it refuses."""
        try:
            with self._engine.begin() as connection:
                connection.execute(self._insert(PREDICTIONS).on_conflict_do_nothing(), rows)
            return 0
        except AWAY:
            raise
        except Exception as error:  # a value out of range, say: no reason to stop
            if len(rows) == 1:
                log.error("the database refuses a row of the journal: %s", database.reason(error))
                return 1
            middle = len(rows) // 2
            return self._store(rows[:middle]) + self._store(rows[middle:])

    def _make_tables(self) -> None:
        """Make the tables again, in case that the database came back empty."""
        with contextlib.suppress(SQLAlchemyError):  # the next try to write says why
            database.prepare(self._engine, make=True, patience=0)

    def _say_dropped(self) -> None:
        if self.dropped > self._said:
            log.warning("the journal has dropped %d rows so far", self.dropped)
            self._said = self.dropped


def one(request_id: str, index: int) -> list[ColumnElement[bool]]:
    """Return the conditions that find a prediction; a request that failed made none."""
    place = index if 0 <= index < 2**31 else -1  # a number that the database knows
    table = PREDICTIONS.c
    return [table.request_id == clean(request_id), table.number == place, table.answer.is_not(None)]
