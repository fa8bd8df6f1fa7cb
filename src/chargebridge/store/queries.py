"""The questions that a charge point asks the store, answered; and rows made into records again."""

# SQL is put together from our own names only; values are always parameters.
# ruff: noqa: S608

import sqlite3
from collections.abc import Sequence
from typing import Any

from chargebridge.chargepoint.records import (
    Found,
    ListQuery,
    MessageKind,
    Query,
    QueuedMessage,
    QueuePage,
    QueueQuery,
    SendState,
    SessionQuery,
    SessionsFound,
    TokenQuery,
    Transaction,
)
from chargebridge.store.batch import TRANSACTION_COLUMNS
from chargebridge.store.tokens import find_tokens, read_list

MESSAGE = "sequence, kind, transaction_number, payload, attempts, not_before_ms"
"""The columns that `message_of` takes."""
TRANSACTION = ", ".join(f"t.{column}" for column in TRANSACTION_COLUMNS)
"""The columns that `transaction_of` takes; `t` is the table."""


def answer(connection: sqlite3.Connection, charge_point: int, query: Query) -> Found:
    """Return what the store says to a question of a charge point."""
    match query:
        case QueueQuery():
            return read_page(connection, charge_point, query)
        case TokenQuery():
            return find_tokens(connection, charge_point, query.id_tags)
        case ListQuery():
            return read_list(connection, charge_point)
        case SessionQuery():
            return _read_sessions(connection, charge_point, query)


def read_page(connection: sqlite3.Connection, charge_point: int, query: QueueQuery) -> QueuePage:
    """Return a page of a queue."""
    rows = connection.execute(
        f"SELECT {MESSAGE} FROM queue WHERE charge_point = ? AND sequence > ? ORDER BY sequence LIMIT ?",
        (charge_point, query.after, query.limit + 1),
    ).fetchall()
    if not rows:
        return QueuePage()
    messages = tuple(map(message_of, rows[: query.limit]))
    numbers = {message.transaction for message in messages}
    transactions = connection.execute(
        f"SELECT {TRANSACTION} FROM transactions AS t"
        f" WHERE charge_point = ? AND number IN ({', '.join('?' * len(numbers))}) ORDER BY number",
        (charge_point, *numbers),
    ).fetchall()
    return QueuePage(messages, tuple(map(transaction_of, transactions)), more=len(rows) > query.limit)


def _read_sessions(connection: sqlite3.Connection, charge_point: int, query: SessionQuery) -> SessionsFound:
    rows = connection.execute(
        f"SELECT {TRANSACTION} FROM transactions AS t WHERE charge_point = ? AND stopped_ms IS NOT NULL"
        " AND started_ms >= ? AND started_ms < ? ORDER BY started_ms, number LIMIT ?",
        (charge_point, query.from_ms, query.until_ms, query.limit + 1),
    ).fetchall()
    return SessionsFound(tuple(map(transaction_of, rows[: query.limit])), more=len(rows) > query.limit)


def message_of(row: Sequence[Any]) -> QueuedMessage:
    """Make a message of a row of `MESSAGE`."""
    sequence, kind, number, payload, attempts, not_before_ms = row
    return QueuedMessage(sequence, MessageKind(kind), number, payload, attempts, not_before_ms)


def transaction_of(row: Sequence[Any]) -> Transaction:
    """Make a transaction of a row of `TRANSACTION`."""
    values = dict(zip(TRANSACTION_COLUMNS, row, strict=True))
    values["start"], values["stop"] = SendState(values["start"]), SendState(values["stop"])
    return Transaction(**values)
