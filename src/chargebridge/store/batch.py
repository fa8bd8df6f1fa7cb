"""A batch writes the records of many turns with few SQL statements.

Within a batch the order between tables does not matter, and within a table the last record of a kind wins, as
it would one by one. Where that is not enough, as with the local list and the cache, records keep their order;
and a record that moves or settles messages separates those before it from those behind it.
"""

# SQL is put together from our own names only; values are always parameters.
# ruff: noqa: S608

import sqlite3
from collections.abc import Iterable, Sequence

import msgspec

from chargebridge.chargepoint.records import (
    Attempted,
    ChangeLocalList,
    ClearTokenCache,
    DeadLetter,
    DeadLetterAll,
    Dequeue,
    DropProfile,
    Enqueue,
    PutCached,
    PutProfile,
    PutProfileWrites,
    PutSamples,
    PutTransaction,
    Record,
    Redeliver,
    Requeue,
    SaveState,
    SetConfiguration,
    Settle,
    StoredProfile,
    Transaction,
)
from chargebridge.store.bounds import drop_dead_meter_values, drop_set_aside
from chargebridge.store.bulk import Bulk, Value, deletion
from chargebridge.store.rows import SetAside
from chargebridge.store.tokens import TokenRecord, change_tokens

Turn = tuple[int, "Sequence[Record | SetAside]", object]
"""A charge point, the records of its turn, and the token by which the turn is reported."""

TRANSACTION_COLUMNS = Transaction.__struct_fields__
"""The table's columns carry the names of the record's fields, in their order."""


_SAVE_STATE = Bulk(
    "INSERT INTO states (charge_point, document) VALUES {rows}"
    " ON CONFLICT (charge_point) DO UPDATE SET document = excluded.document",
    "(?, CAST(? AS TEXT))",
)
_SET_CONFIGURATION = Bulk(
    "INSERT INTO configuration (charge_point, key, value) VALUES {rows}"
    " ON CONFLICT (charge_point, key) DO UPDATE SET value = excluded.value",
    "(?, ?, ?)",
)
_RESET_CONFIGURATION = deletion("configuration", "charge_point", "key")
_PUT_TRANSACTION = Bulk(
    f"INSERT INTO transactions (charge_point, {', '.join(TRANSACTION_COLUMNS)}) VALUES {{rows}}"
    " ON CONFLICT (charge_point, number) DO UPDATE SET "
    + ", ".join(f"{column} = excluded.{column}" for column in TRANSACTION_COLUMNS if column != "number"),
    "(" + ", ".join("?" * (1 + len(TRANSACTION_COLUMNS))) + ")",
)
_UPDATE_SAMPLE = Bulk(
    "UPDATE transactions SET sampled_ms = column1, register_wh = column2, register_ms = column3"
    " FROM (VALUES {rows}) WHERE charge_point = column4 AND number = column5",
    "(?, ?, ?, ?, ?)",
)
_LAST_TRANSACTION = Bulk(
    "UPDATE charge_points SET last_transaction = max(last_transaction, column2) FROM (VALUES {rows})"
    " WHERE id = column1",
    "(?, ?)",
)
_ENQUEUE = Bulk(
    "INSERT INTO queue (charge_point, sequence, kind, transaction_number, payload, attempts, not_before_ms,"
    " sampled_ms) VALUES {rows}",
    "(?, ?, ?, ?, ?, ?, ?, ?)",
)
_ATTEMPTED = Bulk(
    "UPDATE queue SET attempts = column3, not_before_ms = column4, history = column5, without_data = column6"
    " FROM (VALUES {rows})"
    " WHERE charge_point = column1 AND sequence = column2",
    "(?, ?, ?, ?, CAST(? AS TEXT), ?)",
)
_DEAD_LETTER = Bulk(
    "INSERT INTO dead_letters (charge_point, sequence, kind, transaction_number, payload, attempts,"
    " sampled_ms, at_ms, reason, history)"
    " SELECT charge_point, sequence, kind, transaction_number, payload, attempts, sampled_ms, column3,"
    " column4, history FROM (VALUES {rows}) JOIN queue ON charge_point = column1 AND sequence = column2"
    " ORDER BY charge_point, sequence",
    "(?, ?, ?, ?)",
)
# Samples in the order in which they were taken, whenever each became a dead letter.
_REDELIVER = """
    INSERT INTO queue
        (charge_point, sequence, kind, transaction_number, payload, attempts, sampled_ms, history)
    SELECT charge_point,
        ? - 1 + row_number() OVER (ORDER BY kind = 'stop', kind = 'meter_values', sampled_ms, id),
        kind, transaction_number, payload, 0, sampled_ms, history
    FROM dead_letters WHERE charge_point = ? AND transaction_number = ? AND id <= ? AND settled_ms IS NULL"""
_DROP_REDELIVERED = (
    "DELETE FROM dead_letters WHERE charge_point = ? AND transaction_number = ? AND id <= ?"
    " AND settled_ms IS NULL"
)
_SETTLE = (
    "UPDATE dead_letters SET settled_ms = ?, settled_by = ?, settled_reason = ?"
    " WHERE charge_point = ? AND transaction_number = ? AND id <= ? AND settled_ms IS NULL"
)
_REQUEUE = """
    UPDATE queue SET sequence = ?, attempts = 0, not_before_ms = NULL, without_data = 0
    WHERE charge_point = ? AND sequence = ?"""
_DEAD_LETTER_ALL = (
    # The reason is the last entry of the history, too, which stays when the message is redelivered.
    """INSERT INTO dead_letters
        (charge_point, sequence, kind, transaction_number, payload, attempts, sampled_ms, at_ms, reason,
        history)
    SELECT charge_point, sequence, kind, transaction_number, payload, attempts, sampled_ms, :at_ms, :reason,
        json_insert(coalesce(history, '[]'), '$[#]',
            json_object('attempt', attempts, 'at_ms', :at_ms, 'reason', :reason))
    FROM queue WHERE charge_point = :charge_point ORDER BY sequence""",
    *(
        f"UPDATE transactions SET {kind} = 'dead' WHERE charge_point = :charge_point AND number IN"
        f" (SELECT transaction_number FROM queue WHERE charge_point = :charge_point AND kind = '{kind}')"
        for kind in ("start", "stop")
    ),
    "DELETE FROM queue WHERE charge_point = :charge_point",
)
_DEQUEUE = deletion("queue", "charge_point", "sequence")
_PUT_SAMPLES = Bulk(
    "INSERT OR REPLACE INTO transaction_samples (charge_point, transaction_number, document) VALUES {rows}",
    "(?, ?, CAST(? AS TEXT))",
)
_DROP_SAMPLES = deletion("transaction_samples", "charge_point", "transaction_number")
_PUT_PROFILE = Bulk(
    "INSERT OR REPLACE INTO charging_profiles"
    " (charge_point, profile_id, connector, purpose, stack_level, transaction_number, document)"
    " VALUES {rows}",
    "(?, ?, ?, ?, ?, ?, CAST(? AS TEXT))",
)
_DROP_PROFILE = deletion("charging_profiles", "charge_point", "profile_id")
_PUT_PROFILE_WRITES = Bulk(
    "INSERT OR REPLACE INTO profile_writes (charger, day, writes) VALUES {rows}", "(?, ?, ?)"
)
_SET_ASIDE = Bulk("INSERT INTO set_aside (charge_point, at_ms, input, error) VALUES {rows}", "(?, ?, ?, ?)")


_write_history = msgspec.json.Encoder().encode


_Move = DeadLetterAll | Redeliver | Requeue | Settle
"""Records that move or settle messages."""


def dead_letter_all(connection: sqlite3.Connection, charge_point: int, record: DeadLetterAll) -> int:
    """Move the whole queue of a charge point to the dead letters, and return how many messages that are."""
    values = {"charge_point": charge_point, "at_ms": record.at_ms, "reason": record.reason}
    return [connection.execute(statement, values).rowcount for statement in _DEAD_LETTER_ALL][-1]


class Batch:
    """The records of some turns, sorted by table.

    Raises:
        TypeError, AttributeError: something among the records is not a record.
    """

    def __init__(self, turns: Iterable[Turn]) -> None:
        self._before: list[tuple[_Part, int, _Move]] = []
        """The parts before the last move of a message, or its settling, each with what follows it."""
        self._part = _Part()
        # Nearly all records are Enqueue and Dequeue; they are recognized first and here.
        part = self._part
        for charge_point, records, _ in turns:
            for record in records:
                if type(record) is Enqueue:
                    part.enqueue(charge_point, record)
                elif type(record) is Dequeue:
                    part.dequeued += (charge_point, record.sequence)
                elif isinstance(record, _Move):
                    self._before.append((part, charge_point, record))
                    part = self._part = _Part()
                else:
                    part.sort(charge_point, record)

    def apply(self, connection: sqlite3.Connection) -> None:
        """Write everything, inside the transaction that the caller has begun."""
        for part, charge_point, move in self._before:
            part.apply(connection)
            if isinstance(move, Requeue):
                connection.execute(_REQUEUE, (move.new_sequence, charge_point, move.sequence))
            elif isinstance(move, DeadLetterAll):
                dead_letter_all(connection, charge_point, move)
            elif isinstance(move, Settle):
                settled = (move.at_ms, move.settlement.by, move.settlement.reason)
                connection.execute(_SETTLE, (*settled, charge_point, move.transaction, move.through))
            else:
                dead = (charge_point, move.transaction, move.through)
                connection.execute(_REDELIVER, (move.first_sequence, *dead))
                connection.execute(_DROP_REDELIVERED, dead)
        self._part.apply(connection)


class _Part:
    """Records between two moves of messages, in any order."""

    def __init__(self) -> None:
        self._states: dict[int, bytes] = {}
        self._configuration: dict[tuple[int, str], tuple[Value, ...] | None] = {}
        self._transactions: list[Value] = []
        self._samples: dict[tuple[int, int], tuple[int, int, int]] = {}
        self._last_transactions: dict[int, int] = {}
        self._enqueued: list[Value] = []
        self._attempted: dict[tuple[int, int], tuple[Value, ...]] = {}
        self._dead: dict[tuple[int, int], tuple[int, str]] = {}
        self.dequeued: list[Value] = []
        self._stop_samples: dict[tuple[int, int], tuple[Value, ...] | None] = {}
        self._profiles: dict[tuple[int, int], tuple[Value, ...] | None] = {}
        self._profile_writes: dict[tuple[str, int], int] = {}
        self._tokens: list[tuple[int, TokenRecord]] = []
        self._set_aside: list[Value] = []

    def enqueue(self, charge_point: int, record: Enqueue) -> None:
        """Take the most frequent record."""
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
            self._samples[charge_point, number] = (sampled_ms, record.register_wh, record.register_ms)

    def sort(self, charge_point: int, record: Record | SetAside) -> None:
        """Take any other record that moves no message."""
        match record:
            case SaveState():
                self._states[charge_point] = record.document
            case SetConfiguration():
                value = record.value
                self._configuration[charge_point, record.key] = None if value is None else (value,)
            case PutTransaction():
                self._put(charge_point, record.transaction)
            case Attempted():
                self._attempted[charge_point, record.sequence] = (
                    record.attempts,
                    record.not_before_ms,
                    _write_history(record.history),
                    record.without_data,
                )
            case DeadLetter():
                self._dead.setdefault((charge_point, record.sequence), (record.at_ms, record.reason))
                self.dequeued += (charge_point, record.sequence)
            case PutSamples():
                document = record.document
                samples = None if document is None else (document,)
                self._stop_samples[charge_point, record.transaction] = samples
            case PutProfile():
                profile = record.profile
                self._profiles[charge_point, profile.profile_id] = _profile_values(profile)
            case DropProfile():
                self._profiles[charge_point, record.profile_id] = None
            case PutProfileWrites():
                self._profile_writes[record.charger, record.day] = record.writes
            case ChangeLocalList() | PutCached() | ClearTokenCache():
                self._tokens.append((charge_point, record))
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
        """Write these records."""
        _SAVE_STATE.execute(connection, _flat(self._states.items()))
        changed, removed = _split(self._configuration.items())
        _SET_CONFIGURATION.execute(connection, changed)
        _RESET_CONFIGURATION.execute(connection, removed)
        _PUT_TRANSACTION.execute(connection, self._transactions)
        _UPDATE_SAMPLE.execute(connection, _flat(sample + key for key, sample in self._samples.items()))
        _LAST_TRANSACTION.execute(connection, _flat(self._last_transactions.items()))
        _ENQUEUE.execute(connection, self._enqueued)
        _ATTEMPTED.execute(connection, _flat(key + attempt for key, attempt in self._attempted.items()))
        _DEAD_LETTER.execute(connection, _flat(key + reason for key, reason in self._dead.items()))
        _DEQUEUE.execute(connection, self.dequeued)
        changed, removed = _split(self._stop_samples.items())
        _PUT_SAMPLES.execute(connection, changed)
        _DROP_SAMPLES.execute(connection, removed)
        changed, removed = _split(self._profiles.items())
        _PUT_PROFILE.execute(connection, changed)
        _DROP_PROFILE.execute(connection, removed)
        writes = _flat((*day, count) for day, count in self._profile_writes.items())
        _PUT_PROFILE_WRITES.execute(connection, writes)
        for charge_point, record in self._tokens:
            change_tokens(connection, charge_point, record)
        _SET_ASIDE.execute(connection, self._set_aside)
        if self._dead:
            drop_dead_meter_values(connection, {charge_point for charge_point, _ in self._dead})
        if self._set_aside:
            drop_set_aside(connection)


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
        transaction.register_ms,
        transaction.stopped_ms,
        transaction.meter_stop_wh,
        transaction.stop_reason,
        transaction.stop_tag,
        transaction.stop.value,
        transaction.rebuilt,
        transaction.assumed,
    )


def _profile_values(profile: StoredProfile) -> tuple[Value, ...]:
    return (
        profile.connector,
        profile.purpose,
        profile.stack_level,
        profile.transaction,
        profile.document,
    )


def _flat(rows: Iterable[tuple[Value, ...]]) -> list[Value]:
    return [value for row in rows for value in row]


def _split(
    latest: Iterable[tuple[tuple[Value, ...], tuple[Value, ...] | None]],
) -> tuple[list[Value], list[Value]]:
    """Return whole rows of what changed, and the keys of what was removed."""
    changed: list[Value] = []
    removed: list[Value] = []
    for key, values in latest:
        if values is None:
            removed += key
        else:
            changed += key + values
    return changed, removed
