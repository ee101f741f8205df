"""The database of requests and feedback: its tables, and how it is opened."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    DateTime,
    Double,
    Engine,
    ForeignKeyConstraint,
    Inspector,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
    false,
    inspect,
    select,
    text,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import CreateTable

from keras_dl.errors import KerasDLError, UsageError
from keras_dl.paths import at_home

WAIT = 5  # seconds that a connection or another process's writing may take
PATIENCE = 2.0  # seconds in which several servers that start at once make the tables one after the other

TABLES = MetaData()

PREDICTIONS = Table(
    "predictions",
    TABLES,
    Column("request_id", String(200), primary_key=True),
    Column("number", Integer, primary_key=True),  # place in the request, from 0
    Column("time", DateTime(timezone=True), nullable=False),  # UTC
    Column("model", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("client", Text, nullable=False),  # a hash
    Column("route", Text, nullable=False),
    Column("drawn", Boolean, nullable=False),  # by the weights; false where the client named the version
    Column("status", Integer, nullable=False),  # of HTTP
    Column("milliseconds", Double, nullable=False),  # of the whole request
    Column("answer", Text),  # the label; null where there is no prediction
    Column("value", Double),  # probability of the answer, or score
    Column("text", Text),  # the input, where inputs are kept: a text ...
    Column("image", LargeBinary),  # ... or an encoded image
    Column("unusualness", Double),  # of the input: above 1 it is marked; null where the model gives none
)

FEEDBACK = Table(
    "feedback",
    TABLES,
    Column("request_id", String(200), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("label", Text, nullable=False),  # the true one
    Column("time", DateTime(timezone=True), nullable=False),  # UTC
    Column("error", Double),  # how far the answer was from the label; null where an answer is right or wrong
    ForeignKeyConstraint(
        ["request_id", "number"], ["predictions.request_id", "predictions.number"], ondelete="CASCADE"
    ),
)

VALIDATION = Table(
    "validation",
    TABLES,
    Column("model", String(200), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("bins", Text, nullable=False),  # where the answers on validation lay, as JSON; see `measures.stream`
)

LATER = {FEEDBACK.c.error, PREDICTIONS.c.unusualness}  # columns that databases of earlier versions lack ...
LATER_TABLES = {VALIDATION}  # ... and tables


def connect(url: str, *, make: bool) -> Engine:
    """Open the database, and see that it answers and has our tables.

    Args:
        url: `sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST/NAME`.
        make: make the file, the tables and the columns that are missing; else nothing is written.

    Raises:
        UsageError: if the URL is none, or of another kind, or the file is not there and shall not be made.
        KerasDLError: if the database cannot be reached, or holds other tables of these names.
    """
    parsed = known(url)
    if parsed.drivername == "sqlite" and not make and not Path(str(parsed.database)).is_file():
        raise UsageError(f"there is no database {parsed.database}; keras-dl serve --database creates one")
    engine = opened(parsed)
    try:
        prepare(engine, make)
        check_columns(engine)
        if make:
            write_nothing(engine)
    except (SQLAlchemyError, KerasDLError) as error:
        engine.dispose()
        raise KerasDLError(f"the database {engine.url!r} cannot be used: {reason(error)}") from None
    return engine  # the URL's repr hides the password


def known(url: str) -> URL:
    """Return the parsed URL, PostgreSQL's with the driver that we take.

    Raises:
        UsageError: if it is none, or of a database that we do not write to.
    """
    allowed = "sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME"
    try:
        parsed = make_url(url)
    except (SQLAlchemyError, ValueError):  # never shown: a password may stand in it
        raise UsageError(f"the database's URL cannot be read; it must be {allowed}") from None
    if parsed.drivername in ("postgres", "postgresql"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in ("sqlite", "postgresql+psycopg"):
        raise UsageError(f"the database {parsed!r} is not of a supported kind; use {allowed}")
    if parsed.drivername == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise UsageError("a database in memory would be lost; use sqlite:///FILE")
    if parsed.drivername == "sqlite":
        parsed = parsed.set(database=str(at_home(str(parsed.database))))
    return parsed


def opened(url: URL) -> Engine:
    """Return the engine; nothing is connected yet."""
    if url.drivername == "sqlite":
        # Each batch opens the file anew, which takes a millisecond: a file that was deleted or moved is noticed.
        engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": WAIT})
        event.listen(engine, "connect", set_pragmas)
        return engine
    # A network that swallows packets must not hold a thread for the many minutes that are TCP's default.
    limits = {"connect_timeout": WAIT, "tcp_user_timeout": 1000 * WAIT}
    limits = {key: value for key, value in limits.items() if key not in url.query}
    try:
        return create_engine(url, pool_size=2, pool_pre_ping=True, connect_args=limits)
    except ImportError:
        raise KerasDLError("PostgreSQL needs a driver: pip install 'psycopg[binary]'") from None


def set_pragmas(connection: Any, _: Any) -> None:
    """Let readers and several writing processes share the file: a write-ahead log, and waiting instead of failing."""
    cursor = connection.cursor()
    for pragma in (f"busy_timeout={1000 * WAIT}", "journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def prepare(engine: Engine, make: bool, patience: float | None = None) -> None:
    """Make the tables where they are missing, or see that there is a connection; try for some seconds."""
    until = time.monotonic() + (PATIENCE if patience is None else patience)
    while True:
        try:
            with engine.begin() as connection:
                for table in TABLES.sorted_tables if make else ():
                    connection.execute(CreateTable(table, if_not_exists=True))
                if make:
                    add_columns(connection)
            return
        except SQLAlchemyError:  # another server that starts makes them at the same time
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def add_columns(connection: Connection) -> None:
    """Add the columns of LATER to tables of an earlier version; a table of another program is left alone.

    Of two servers that start at once, SQLite refuses the second one's column: `prepare` looks again then.
    """
    for column in LATER:
        table = column.table
        if missing(inspect(connection), table) == [column.name]:
            kind, again = column.type.compile(connection.dialect), connection.dialect.name == "postgresql"
            unless = "IF NOT EXISTS " if again else ""
            connection.execute(text(f"ALTER TABLE {table.name} ADD COLUMN {unless}{column.name} {kind}"))


def missing(seen: Inspector, table: Table) -> list[str]:
    """Return which columns of ours a table lacks: all where there is no such table."""
    there = {column["name"] for column in seen.get_columns(table.name)} if seen.has_table(table.name) else set()
    return [column.name for column in table.columns if column.name not in there]


def check_columns(engine: Engine) -> None:
    """Raise KerasDLError if the tables lack a column that every version wrote: they are another program's then."""
    seen = inspect(engine)
    for table in TABLES.sorted_tables:
        if table in LATER_TABLES and not seen.has_table(table.name):
            continue
        if absent := [name for name in missing(seen, table) if table.c[name] not in LATER]:
            raise KerasDLError(f"its table {table.name} has no {', '.join(absent)}; use another database")


def write_nothing(engine: Engine) -> None:
    """Write no row: the driver complains if the database cannot be written, which reading alone does not show."""
    nothing = select(PREDICTIONS).where(false())
    with engine.begin() as connection:
        connection.execute(PREDICTIONS.insert().from_select(PREDICTIONS.columns.keys(), nothing))


def know(engine: Engine, model: str, version: int, bins: Mapping[str, Any]) -> None:
    """Store where a version's answers on validation lay, in place of what was stored before."""
    key = {"model": model, "version": version}
    with suppress(IntegrityError), engine.begin() as connection:  # another worker stores the same
        connection.execute(VALIDATION.delete().filter_by(**key))
        connection.execute(VALIDATION.insert().values(**key, bins=json.dumps(bins)))


def has(connection: Connection, table: Table) -> bool:
    """Whether the database has a table with all its columns: those of earlier versions may not."""
    return not missing(inspect(connection), table)


def reason(error: Exception) -> str:
    """Return the first line of the driver's own reason: it holds no values, and no password."""
    lines = str(getattr(error, "orig", None) or error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
