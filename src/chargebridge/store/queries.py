"""Queries of charge points, answered; and rows made into records again."""

# SQL is put together from our own names only; values are always parameters.
# ruff: noqa: S608

import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec

from chargebridge.chargepoint.records import (
    Attempt,
    DeadLettersFound,
    DeadLettersQuery,
    DeadTransaction,
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

MESSAGE = "sequence, kind, transaction_number, payload, attempts, not_before_ms, history, without_data"
"""The columns that `message_of` takes."""
TRANSACTION = ", ".join(f"t.{column}" for column in TRANSACTION_COLUMNS)
"""The columns that `transaction_of` takes; `t` is the table."""

_read_history = msgspec.json.Decoder(tuple[Attempt, ...]).decode


def answer(connection: sqlite3.Connection, charge_point: int, query: Query) -> Found:
    """Answer a query of a charge point."""
    match query:
        case QueueQuery():
            return read_page(connection, charge_point, query)
        case TokenQuery():
            return find_tokens(connection, charge_point, query.id_tags)
        case ListQuery():
            return read_list(connection, charge_point)
        case SessionQuery():
            return _read_sessions(connection, charge_point, query)
        case DeadLettersQuery():
            return _read_dead_letters(connection, charge_point, query)


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


def _read_dead_letters(
    connection: sqlite3.Connection, charge_point: int, query: DeadLettersQuery
) -> DeadLettersFound:
    # By one condition on the number or the other: given both, SQLite walks through all behind `after`.
    wanted, numbers = "d.transaction_number > ?", [query.after]
    if query.transactions is not None:
        numbers = [number for number in query.transactions if number > query.after]
        wanted = f"d.transaction_number IN ({', '.join('?' * len(numbers))})"
    rows = connection.execute(
        "SELECT count(*), max(d.id), max(kind = 'start'), max(kind = 'stop'),"
        " (SELECT CAST(document AS BLOB) FROM transaction_samples AS s"
        "  WHERE s.charge_point = d.charge_point AND s.transaction_number = d.transaction_number),"
        f" {TRANSACTION} FROM dead_letters AS d"
        " CROSS JOIN transactions AS t"
        "  ON t.charge_point = d.charge_point AND t.number = d.transaction_number"
        f" WHERE d.charge_point = ? AND {wanted} AND d.settled_ms IS NULL"
        " GROUP BY d.transaction_number ORDER BY d.transaction_number LIMIT ?",
        (charge_point, *numbers, query.limit + 1),
    ).fetchall()
    found = [
        DeadTransaction(transaction_of(row), messages, through, bool(start), bool(stop), stop_data)
        for messages, through, start, stop, stop_data, *row in rows[: query.limit]
    ]
    return DeadLettersFound(tuple(found), more=len(rows) > query.limit)


def message_of(row: Sequence[Any]) -> QueuedMessage:
    """Make a message of a row of `MESSAGE`."""
    sequence, kind, number, payload, attempts, not_before_ms, history, without_data = row
    return QueuedMessage(
        sequence,
        MessageKind(kind),
        number,
        payload,
        attempts,
        not_before_ms,
        () if history is None else _read_history(history),
        bool(without_data),
    )


def transaction_of(row: Sequence[Any]) -> Transaction:
    """Make a transaction of a row of `TRANSACTION`."""
    values = dict(zip(TRANSACTION_COLUMNS, row, strict=True))
    values["start"], values["stop"] = SendState(values["start"]), SendState(values["stop"])
    values["rebuilt"], values["assumed"] = bool(values["rebuilt"]), bool(values["assumed"])
    return Transaction(**values)
