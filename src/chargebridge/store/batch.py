"""The records of many turns as few SQL statements.

One statement for many rows, instead of `executemany`: the sqlite3 module gives up the interpreter
lock at every step of a statement, and beside a busy event loop each one costs up to a whole
switch interval (5 ms) to get back. Measured with a busy loop, that is 20 times the throughput.

Within a batch the order between tables is of no consequence, and where the order within a table
is, the last record of a kind wins, as it would one by one.
"""

# SQL is put together from our own names only; values are always parameters.
# ruff: noqa: S608

import sqlite3
from collections.abc import Iterable, Sequence
from functools import cache

from chargebridge.chargepoint.records import (
    Attempted,
    Bury,
    Dequeue,
    Enqueue,
    PutTransaction,
    Record,
    SaveState,
    SetConfiguration,
    Transaction,
)
from chargebridge.store.rows import SetAside

Value = int | str | bytes | None
Turn = tuple[int, "Sequence[Record | SetAside]", object]
"""A charge point, the records of its turn, and the token by which the turn is reported."""

_LARGEST = 512

TRANSACTION_COLUMNS = Transaction.__struct_fields__
"""The table's columns carry the names of the record's fields, in their order."""


class _Bulk:
    """A statement over a list of rows of `width` values; `{rows}` stands where they go."""

    def __init__(self, template: str, row: str) -> None:
        self._template = template
        self._row = row
        self._width = row.count("?")
        self._sql = cache(self._of_size)

    def _of_size(self, rows: int) -> str:
        return self._template.format(rows=",".join([self._row] * rows))

    def execute(self, connection: sqlite3.Connection, values: list[Value]) -> None:
        """Run over `values`, which holds the rows one after the other."""
        # Sizes are powers of two, so that few statements of each kind are ever prepared.
        start, size = 0, _LARGEST * self._width
        while start < len(values):
            while size > len(values) - start:
                size //= 2
            connection.execute(self._sql(size // self._width), values[start : start + size])
            start += size


_SAVE_STATE = _Bulk(
    "INSERT INTO states (charge_point, document) VALUES {rows}"
    " ON CONFLICT (charge_point) DO UPDATE SET document = excluded.document",
    "(?, CAST(? AS TEXT))",
)
_SET_CONFIGURATION = _Bulk(
    "INSERT INTO configuration (charge_point, key, value) VALUES {rows}"
    " ON CONFLICT (charge_point, key) DO UPDATE SET value = excluded.value",
    "(?, ?, ?)",
)
_RESET_CONFIGURATION = _Bulk(
    "DELETE FROM configuration WHERE (charge_point, key) IN (VALUES {rows})", "(?, ?)"
)
_PUT_TRANSACTION = _Bulk(
    f"INSERT INTO transactions (charge_point, {', '.join(TRANSACTION_COLUMNS)}) VALUES {{rows}}"
    " ON CONFLICT (charge_point, number) DO UPDATE SET "
    + ", ".join(f"{column} = excluded.{column}" for column in TRANSACTION_COLUMNS if column != "number"),
    "(" + ", ".join("?" * (1 + len(TRANSACTION_COLUMNS))) + ")",
)
_NOTE_SAMPLE = _Bulk(
    "UPDATE transactions SET sampled_ms = column1, register_wh = column2 FROM (VALUES {rows})"
    " WHERE charge_point = column3 AND number = column4",
    "(?, ?, ?, ?)",
)
_LAST_TRANSACTION = _Bulk(
    "UPDATE charge_points SET last_transaction = max(last_transaction, column2) FROM (VALUES {rows})"
    " WHERE id = column1",
    "(?, ?)",
)
_ENQUEUE = _Bulk(
    "INSERT INTO queue (charge_point, sequence, kind, transaction_number, payload, attempts, not_before_ms,"
    " sampled_ms) VALUES {rows}",
    "(?, ?, ?, ?, ?, ?, ?, ?)",
)
_ATTEMPTED = _Bulk(
    "UPDATE queue SET attempts = column3, not_before_ms = column4 FROM (VALUES {rows})"
    " WHERE charge_point = column1 AND sequence = column2",
    "(?, ?, ?, ?)",
)
_BURY = _Bulk(
    "INSERT INTO dead_letters"
    " (charge_point, sequence, kind, transaction_number, payload, attempts, at_ms, reason)"
    " SELECT charge_point, sequence, kind, transaction_number, payload, attempts, column3, column4"
    " FROM (VALUES {rows}) JOIN queue ON charge_point = column1 AND sequence = column2",
    "(?, ?, ?, ?)",
)
_DEQUEUE = _Bulk("DELETE FROM queue WHERE (charge_point, sequence) IN (VALUES {rows})", "(?, ?)")
_SET_ASIDE = _Bulk("INSERT INTO set_aside (charge_point, at_ms, input, error) VALUES {rows}", "(?, ?, ?, ?)")


class Batch:
    """The records of some turns, sorted by what happens to which table.

    Raises:
        TypeError, AttributeError: something among the records is not a record.
    """

    def __init__(self, turns: Iterable[Turn]) -> None:
        self._states: dict[int, bytes] = {}
        self._configuration: dict[tuple[int, str], str | None] = {}
        self._transactions: list[Value] = []
        self._samples: dict[tuple[int, int], tuple[int, int]] = {}
        self._last_transactions: dict[int, int] = {}
        self._enqueued: list[Value] = []
        self._attempted: dict[tuple[int, int], tuple[int, int]] = {}
        self._buried: dict[tuple[int, int], tuple[int, str]] = {}
        self._dequeued: list[Value] = []
        self._set_aside: list[Value] = []
        # Enqueue and Dequeue are nearly all there is; they are told apart first and here.
        for charge_point, records, _ in turns:
            for record in records:
                if type(record) is Enqueue:
                    self._enqueue(charge_point, record)
                elif type(record) is Dequeue:
                    self._dequeued += (charge_point, record.sequence)
                else:
                    self._sort(charge_point, record)

    def _enqueue(self, charge_point: int, record: Enqueue) -> None:
        message = record.message
        sequence, number, sampled_ms = message.sequence, message.transaction, record.sampled_ms
        self._enqueued += (
            charge_point,
            sequence,
            message.kind.value,
            number,
            message.payload,
            message.attempts,
            message.not_before_ms,
            sampled_ms,
        )
        if sampled_ms:
            self._samples[charge_point, number] = (sampled_ms, record.register_wh)

    def _sort(self, charge_point: int, record: Record | SetAside) -> None:
        match record:
            case SaveState():
                self._states[charge_point] = record.document
            case SetConfiguration():
                self._configuration[charge_point, record.key] = record.value
            case PutTransaction():
                self._put(charge_point, record.transaction)
            case Attempted():
                self._attempted[charge_point, record.sequence] = (record.attempts, record.not_before_ms)
            case Bury():
                self._buried.setdefault((charge_point, record.sequence), (record.at_ms, record.reason))
                self._dequeued += (charge_point, record.sequence)
            case SetAside():
                self._set_aside += (charge_point, record.at_ms, record.input, record.error)
            case _:
                raise TypeError(f"not a record: {record!r}")

    def _put(self, charge_point: int, transaction: Transaction) -> None:
        # It replaces the whole row, samples noted before it included.
        self._samples.pop((charge_point, transaction.number), None)
        self._transactions.append(charge_point)
        self._transactions += transaction_values(transaction)
        if transaction.number > self._last_transactions.get(charge_point, 0):
            self._last_transactions[charge_point] = transaction.number

    def apply(self, connection: sqlite3.Connection) -> None:
        """Write everything, inside the transaction that the caller has begun."""
        _SAVE_STATE.execute(connection, _flat(self._states.items()))
        changed, removed = _split(self._configuration)
        _SET_CONFIGURATION.execute(connection, changed)
        _RESET_CONFIGURATION.execute(connection, removed)
        _PUT_TRANSACTION.execute(connection, self._transactions)
        _NOTE_SAMPLE.execute(connection, _flat(sample + key for key, sample in self._samples.items()))
        _LAST_TRANSACTION.execute(connection, _flat(self._last_transactions.items()))
        _ENQUEUE.execute(connection, self._enqueued)
        _ATTEMPTED.execute(connection, _flat(key + attempt for key, attempt in self._attempted.items()))
        _BURY.execute(connection, _flat(key + grave for key, grave in self._buried.items()))
        _DEQUEUE.execute(connection, self._dequeued)
        _SET_ASIDE.execute(connection, self._set_aside)


def transaction_values(transaction: Transaction) -> tuple[Value, ...]:
    """Return the values of `TRANSACTION_COLUMNS`."""
    return (
        transaction.number,
        transaction.session,
        transaction.connector,
        transaction.id_tag,
        transaction.started_ms,
        transaction.meter_start_wh,
        transaction.charger,
        transaction.start.value,
        transaction.transaction_id,
        transaction.id_tag_status,
        transaction.parent_id_tag,
        transaction.sampled_ms,
        transaction.register_wh,
        transaction.stopped_ms,
        transaction.meter_stop_wh,
        transaction.stop_reason,
        transaction.stop_tag,
        transaction.stop.value,
    )


def _flat(rows: Iterable[tuple[Value, ...]]) -> list[Value]:
    return [value for row in rows for value in row]


def _split(configuration: dict[tuple[int, str], str | None]) -> tuple[list[Value], list[Value]]:
    changed: list[Value] = []
    removed: list[Value] = []
    for key, value in configuration.items():
        if value is None:
            removed += key
        else:
            changed += (*key, value)
    return changed, removed
