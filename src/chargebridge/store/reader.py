"""Reading the store, for rebuilding charge points and for operators."""

# SQL is put together from our own names only; values are always parameters.
# ruff: noqa: S608

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chargebridge.chargepoint.records import ReportedSession, ReportedSpan, StoredChargePoint
from chargebridge.store.connection import open_reader
from chargebridge.store.errors import environment_error
from chargebridge.store.queries import MESSAGE, TRANSACTION, message_of, transaction_of
from chargebridge.store.rows import (
    ChargePointRow,
    Counts,
    Cursor,
    DeadLetterRow,
    QueueCursor,
    QueuedRow,
    SetAside,
    SetAsideRow,
    Settled,
    TransactionRow,
)
from chargebridge.store.stored_charge_points import read_charge_point, read_charge_points

_OWNED = "FROM {table} AS t JOIN charge_points AS c ON c.id = t.charge_point"
_PAGE = (
    "WHERE (:before IS NULL OR t.id < :before) AND (:identity IS NULL OR identity = :identity)"
    " AND settled_ms IS {} ORDER BY t.id DESC LIMIT :limit"
)
_ONLY = " AND q.charge_point IN (SELECT id FROM charge_points WHERE identity = :identity)"
_SINCE = (
    "CASE kind WHEN 'start' THEN started_ms WHEN 'stop' THEN stopped_ms"
    " ELSE coalesce(nullif({queue}.sampled_ms, 0), started_ms) END"
)
"""When what a queued message says happened; the table of transactions is joined."""
_DEAD_LETTERS = (
    f"SELECT at_ms, reason, settled_ms, settled_by, settled_reason,"
    f" t.id, t.charge_point, identity, central_system, {MESSAGE}"
    f" {_OWNED.format(table='(SELECT *, NULL AS not_before_ms, 0 AS without_data FROM dead_letters)')}"
)
_SET_ASIDE = (
    "SELECT t.id, identity, central_system, at_ms, input, error, settled_ms, settled_by, settled_reason"
    f" {_OWNED.format(table='set_aside')}"
)


class StoreReader:
    """Reads the last commit, from any thread, on connections of its own.

    Args:
        path: the SQLite file, which exists and is current.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._idle: list[sqlite3.Connection] = []

    def load(self, charge_point: int) -> StoredChargePoint:
        """Return the records from which a charge point is rebuilt.

        Raises:
            KeyError: it was never registered.
            StoreError: the store cannot be read.
        """
        with self._snapshot() as connection:
            return read_charge_point(connection, charge_point)

    def load_all(self) -> dict[int, StoredChargePoint]:
        """Return the records from which every charge point is rebuilt, by its number.

        Raises:
            StoreError: the store cannot be read.
        """
        with self._snapshot() as connection:
            return read_charge_points(connection)

    def charge_points(self) -> list[ChargePointRow]:
        """Return every charge point ever registered, in the order of registration."""
        with self._snapshot() as connection:
            rows = connection.execute(
                "SELECT id, identity, central_system, coalesce(undelivered, 0) FROM charge_points LEFT JOIN"
                " (SELECT charge_point, count(*) AS undelivered FROM queue GROUP BY charge_point)"
                " ON charge_point = id ORDER BY id"
            ).fetchall()
        return [ChargePointRow(*row) for row in rows]

    def central_systems(self) -> dict[str, frozenset[str]]:
        """Return the URLs of every central system that was ever configured, by name."""
        with self._snapshot() as connection:
            rows = connection.execute("SELECT name, urls FROM central_systems").fetchall()
        return {name: frozenset(urls.split()) for name, urls in rows}

    def is_registered(self, identity: str) -> bool:
        """Tell whether a charge point of this identity was ever registered, at whichever central system."""
        with self._snapshot() as connection:
            row = connection.execute(
                "SELECT EXISTS (SELECT 1 FROM charge_points WHERE identity = ?)", (identity,)
            ).fetchone()
        return bool(row[0])

    def reported_sessions(self, charger: str, limit: int) -> list[ReportedSpan]:
        """Return the newest sessions of a charger that transactions report, at whichever charge points.

        Args:
            charger: as in `Transaction.charger`.
            limit: at most so many.

        Returns:
            By session, rising.
        """
        with self._snapshot() as connection:
            rows = connection.execute(
                "SELECT min(meter_start_wh), session, max(coalesce(stopped_ms, register_ms)),"
                " max(register_wh) FROM transactions WHERE charger = ?"
                " GROUP BY session ORDER BY session DESC LIMIT ?",
                (charger, limit),
            ).fetchall()
        return [ReportedSpan(start_wh, ReportedSession(*reported)) for start_wh, *reported in reversed(rows)]

    def profile_writes(self, charger: str, since_day: int) -> tuple[tuple[int, int], ...]:
        """Return how often profiles were written to a charger's memory, by day.

        Args:
            charger: as in `Transaction.charger`.
            since_day: the first day that counts, since 1970-01-01 (UTC).

        Returns:
            Days and writes, the earliest day first; days without any are left out.
        """
        with self._snapshot() as connection:
            rows: list[tuple[int, int]] = connection.execute(
                "SELECT day, writes FROM profile_writes WHERE charger = ? AND day >= ? ORDER BY day",
                (charger, since_day),
            ).fetchall()
        return tuple(rows)

    def transactions(
        self,
        *,
        limit: int,
        identity: str | None = None,
        undelivered: bool = False,
        rebuilt: bool = False,
        assumed: bool = False,
        since_ms: int | None = None,
        before: Cursor | None = None,
    ) -> list[TransactionRow]:
        """Return transactions, the latest start first.

        Args:
            limit: at most so many; the last one's cursor continues behind it.
            identity: only of the charge point of this identity, at whichever central system.
            undelivered: only those whose Start or Stop waits for its answer.
            rebuilt: only those that were rebuilt.
            assumed: only those whose end was assumed.
            since_ms: only those started at or after this time (UTC).
            before: where the previous page ended.
        """
        conditions = ["TRUE"]
        values: list[str | int] = []
        if identity is not None:
            conditions.append("t.charge_point IN (SELECT id FROM charge_points WHERE identity = ?)")
            values.append(identity)
        if undelivered:
            conditions.append("(t.start = 'queued' OR t.stop = 'queued')")
        if rebuilt:
            conditions.append("t.rebuilt = 1")
        if assumed:
            conditions.append("t.assumed = 1")
        if since_ms is not None:
            conditions.append("t.started_ms >= ?")
            values.append(since_ms)
        if before is not None:
            conditions.append("(t.started_ms, t.charge_point, t.number) < (?, ?, ?)")
            values += (before.started_ms, before.charge_point, before.number)
        with self._snapshot() as connection:
            rows = connection.execute(
                f"SELECT c.identity, c.central_system, c.id, {TRANSACTION}"
                f" {_OWNED.format(table='transactions')} WHERE {' AND '.join(conditions)}"
                " ORDER BY t.started_ms DESC, t.charge_point DESC, t.number DESC LIMIT ?",
                (*values, limit),
            ).fetchall()
        found = []
        for name, central_system, charge_point, *row in rows:
            transaction = transaction_of(row)
            cursor = Cursor(transaction.started_ms, charge_point, transaction.number)
            found.append(TransactionRow(name, central_system, transaction, cursor))
        return found

    def queued(
        self, *, limit: int, after: QueueCursor | None = None, identity: str | None = None
    ) -> list[QueuedRow]:
        """Return queued messages, by charge point and in the order of delivery.

        Args:
            limit: at most so many.
            after: where the previous page ended.
            identity: only of the charge point of this identity, at whichever central system.
        """
        after = after or QueueCursor(0, 0)
        only = "" if identity is None else _ONLY
        with self._snapshot() as connection:
            rows = connection.execute(
                f"SELECT c.id, c.identity, c.central_system, {_SINCE.format(queue='q')}, {MESSAGE}"
                " FROM queue AS q JOIN charge_points AS c ON c.id = q.charge_point"
                " JOIN transactions AS t ON t.charge_point = c.id AND t.number = q.transaction_number"
                f" WHERE (q.charge_point, q.sequence) > (:charge_point, :sequence){only}"
                " ORDER BY q.charge_point, q.sequence LIMIT :limit",
                {
                    "charge_point": after.charge_point,
                    "sequence": after.sequence,
                    "identity": identity,
                    "limit": limit,
                },
            ).fetchall()
        return [
            QueuedRow(charge_point, name, central_system, message_of(message), since_ms)
            for charge_point, name, central_system, since_ms, *message in rows
        ]

    def dead_letters(
        self, *, limit: int, before: int | None = None, identity: str | None = None, settled: bool = False
    ) -> list[DeadLetterRow]:
        """Return dead letters, the latest first.

        Args:
            limit: at most so many.
            before: the `id` to continue behind.
            identity: only of the charge point of this identity, at whichever central system.
            settled: those that were settled, instead of the others.
        """
        values = {"before": before, "limit": limit, "identity": identity}
        page = _PAGE.format("NOT NULL" if settled else "NULL")
        with self._snapshot() as connection:
            rows = connection.execute(f"{_DEAD_LETTERS} {page}", values).fetchall()
        return [_dead_letter_of(row) for row in rows]

    def dead_letter(self, id: int) -> DeadLetterRow | None:
        """Return the dead letter of this `id`, if there is one."""
        with self._snapshot() as connection:
            row = connection.execute(f"{_DEAD_LETTERS} WHERE t.id = ?", (id,)).fetchone()
        return None if row is None else _dead_letter_of(row)

    def set_aside(
        self, *, limit: int, before: int | None = None, identity: str | None = None, settled: bool = False
    ) -> list[SetAsideRow]:
        """Return inputs that were set aside, the latest first; the arguments are those of `dead_letters`."""
        values = {"before": before, "limit": limit, "identity": identity}
        page = _PAGE.format("NOT NULL" if settled else "NULL")
        with self._snapshot() as connection:
            rows = connection.execute(f"{_SET_ASIDE} {page}", values).fetchall()
        return [_set_aside_of(row) for row in rows]

    def set_aside_input(self, id: int) -> SetAsideRow | None:
        """Return the input that was set aside under this `id`, if there is one."""
        with self._snapshot() as connection:
            row = connection.execute(f"{_SET_ASIDE} WHERE t.id = ?", (id,)).fetchone()
        return None if row is None else _set_aside_of(row)

    def counts(self) -> Counts:
        """Count the records in the store."""
        with self._snapshot() as connection:
            row = connection.execute(
                "SELECT (SELECT count(*) FROM charge_points), (SELECT count(*) FROM transactions),"
                " (SELECT count(*) FROM transactions WHERE stopped_ms IS NULL),"
                " (SELECT count(*) FROM queue), (SELECT count(*) FROM dead_letters WHERE settled_ms IS NULL),"
                " (SELECT count(*) FROM set_aside WHERE settled_ms IS NULL)"
            ).fetchone()
        return Counts(*row)

    def oldest_queued_ms(self) -> int | None:
        """Return the time of the oldest queued message (UTC ms); None if no message is queued.

        A queue is in order of time, so only the heads are looked at, however long an outage lasts.
        """
        with self._snapshot() as connection:
            row = connection.execute(
                f"SELECT min({_SINCE.format(queue='q')})"
                " FROM charge_points AS c"
                " JOIN queue AS q ON q.charge_point = c.id AND q.sequence ="
                "  (SELECT sequence FROM queue WHERE charge_point = c.id ORDER BY sequence LIMIT 1)"
                " JOIN transactions AS t ON t.charge_point = c.id AND t.number = q.transaction_number"
            ).fetchone()
        oldest: int | None = row[0]
        return oldest

    def close(self) -> None:
        """Close the connections that reads have left open. Repeats are harmless."""
        while self._idle:
            self._idle.pop().close()

    @contextmanager
    def _snapshot(self) -> Iterator[sqlite3.Connection]:
        # Opening costs more than most reads, so connections are kept; a read never waits for
        # another's, so a long listing does not hold up the rebuild of a charge point.
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = open_reader(self.path)
        try:
            connection.execute("BEGIN")
            yield connection
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            connection.close()
            raise environment_error(error, self.path) from error
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)


def _dead_letter_of(row: Sequence[Any]) -> DeadLetterRow:
    at_ms, reason, settled_ms, by, why, id, charge_point, identity, central_system, *message = row
    settled = None if settled_ms is None else Settled(settled_ms, by, why)
    return DeadLetterRow(
        id, charge_point, identity, central_system, message_of(message), at_ms, reason, settled
    )


def _set_aside_of(row: Sequence[Any]) -> SetAsideRow:
    id, identity, central_system, at_ms, an_input, error, settled_ms, by, why = row
    settled = None if settled_ms is None else Settled(settled_ms, by, why)
    return SetAsideRow(id, identity, central_system, SetAside(at_ms, an_input, error), settled)
