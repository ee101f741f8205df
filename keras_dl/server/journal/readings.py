"""What a comparison of versions reads from the database: counted there as far as it can be.

Requests that named their version are left out: whoever chooses for himself is no fair comparison.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, case, func, select

from keras_dl.errors import UsageError
from keras_dl.server.journal import database
from keras_dl.server.journal.database import FEEDBACK, PREDICTIONS, VALIDATION


def counted(connection: Connection, model: str) -> dict[int, dict[str, int]]:
    """Return what each version of a model did, counted by the database.

    Raises:
        UsageError: if there is nothing of this model.
    """
    table = PREDICTIONS.c
    request = table.number == 0  # a request's first row stands for it
    asked = select(
        table.version,
        func.sum(case((request, 1), else_=0)).label("requests"),
        func.count(table.answer).label("predictions"),
        func.sum(case((request & (table.status >= 400), 1), else_=0)).label("errors"),
        func.count(table.client.distinct()).label("clients"),
    )
    rows = connection.execute(asked.where(table.model == model, table.drawn).group_by(table.version)).all()
    if not rows:
        others = sorted(connection.execute(select(table.model).distinct()).scalars())
        there = f"it knows {', '.join(others)}" if others else "it is empty"
        raise UsageError(f"the database has no request for the model '{model}'; {there}")
    return {row.version: {name: int(value) for name, value in row._asdict().items()} for row in rows}


def feedback(connection: Connection, model: str, versions: Sequence[int]) -> np.ndarray:
    """Return for each client with feedback, `[clients, versions, 2]`, how many answers were judged, how many right."""
    right = func.sum(case((PREDICTIONS.c.answer == FEEDBACK.c.label, 1), else_=0))
    return by_client(connection, model, versions, [func.count(), right])


def errors(connection: Connection, model: str, versions: Sequence[int]) -> np.ndarray:
    """Return for each client whose feedback has errors, `[clients, versions, 3]`: count, sum, sum of squares.

    A database that no server of this version has opened has none.
    """
    if not database.has(connection, FEEDBACK):
        return np.zeros((0, len(versions), 3))
    error = FEEDBACK.c.error
    sums = [func.count(), func.sum(error), func.sum(error * error)]
    return by_client(connection, model, versions, sums, error.is_not(None))


def by_client(
    connection: Connection,
    model: str,
    versions: Sequence[int],
    sums: Sequence[ColumnElement[Any]],
    *conditions: ColumnElement[bool],
) -> np.ndarray:
    """Return sums over the feedback of each client, in the order of their names: `[clients, versions, sums]`."""
    table = PREDICTIONS.c
    joined = PREDICTIONS.join(
        FEEDBACK, (FEEDBACK.c.request_id == table.request_id) & (FEEDBACK.c.number == table.number)
    )
    asked = select(table.client, table.version, *sums).select_from(joined)
    asked = asked.where(table.model == model, table.drawn, table.version.in_(versions), *conditions)
    rows = connection.execute(asked.group_by(table.client, table.version)).all()
    clients = {name: place for place, name in enumerate(sorted({row[0] for row in rows}))}
    found = np.zeros((len(clients), len(versions), len(sums)))
    for client, version, *values in rows:
        found[clients[client], versions.index(version)] = values
    return found


def latencies(connection: Connection, model: str, version: int) -> tuple[np.ndarray, np.ndarray]:
    """Return who asked, as numbers in the order of the clients' names, and the milliseconds of each request: `[count]`.

    Requests that ended in an error are left out: to fail is fast.
    """
    table = PREDICTIONS.c
    asked = select(table.client, table.milliseconds)
    asked = asked.where(
        table.model == model, table.drawn, table.version == version, table.number == 0, table.status < 400
    )
    names: dict[str, int] = {}
    clients, milliseconds = [], []
    for client, value in connection.execution_options(yield_per=20_000).execute(asked):
        clients.append(names.setdefault(client, len(names)))
        milliseconds.append(value)
    rank = np.argsort(np.argsort(list(names)))  # rows come in any order, names do not
    return rank[clients] if clients else np.empty(0, int), np.array(milliseconds)


def validation(connection: Connection, model: str, version: int) -> Mapping[str, Any] | None:
    """Return where a version's answers on validation lay, as `measures.stream` writes bins; None if nobody said so."""
    if not (database.has(connection, VALIDATION) and database.has(connection, PREDICTIONS)):
        return None
    table = VALIDATION.c
    asked = select(table.bins).where(table.model == model, table.version == version)
    found = connection.execute(asked).scalar()
    return None if found is None else json.loads(found)


def watched(connection: Connection, model: str, version: int) -> Iterator[dict[str, np.ndarray]]:
    """Give the numbers of a version's answers that are watched for drift, in the order of time, some at a time.

    An explanation is left out: its input was answered before.
    """
    table = PREDICTIONS.c
    asked = select(table.value, table.unusualness).order_by(table.time, table.request_id, table.number)
    asked = asked.where(table.model == model, table.drawn, table.version == version, table.route != "explain")
    asked = asked.where(table.value.is_not(None), table.unusualness.is_not(None))
    rows = connection.execution_options(yield_per=20_000).execute(asked)
    for some in rows.partitions():
        value, unusualness = np.array([tuple(row) for row in some]).T
        yield {"value": value, "unusualness": unusualness}
