"""The ledger: stores what charge points have sent, in memory for speed and in SQLite for restarts.

Every change is pending until `commit`. The central system commits the messages of a few milliseconds at
once, and answers them only then. The file survives a kill of the process at any moment. It is not synced to
the disk on every commit, so a power cut may lose the last seconds: an fsync in the event loop of a test peer
would slow down the charge points under test.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable
from enum import Enum, auto
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import astuple, replace

SCHEMA_VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE charge_points (
    identity TEXT PRIMARY KEY, registration TEXT, boots INTEGER NOT NULL, vendor TEXT NOT NULL,
    model TEXT NOT NULL, serial_number TEXT, firmware_version TEXT, booted_at_ms INTEGER
) WITHOUT ROWID;
CREATE TABLE connectors (
    identity TEXT, connector_id INTEGER, status TEXT NOT NULL, error_code TEXT NOT NULL, info TEXT,
    at_ms INTEGER NOT NULL, PRIMARY KEY (identity, connector_id)
) WITHOUT ROWID;
CREATE TABLE transactions (
    id INTEGER PRIMARY KEY, identity TEXT NOT NULL, connector_id INTEGER NOT NULL, id_tag TEXT NOT NULL,
    meter_start_wh INTEGER NOT NULL, started_at_ms INTEGER NOT NULL, meter_stop_wh INTEGER,
    stopped_at_ms INTEGER, reason TEXT, stop_id_tag TEXT, start_repeats INTEGER NOT NULL,
    stop_repeats INTEGER NOT NULL, meter_values INTEGER NOT NULL, register_wh REAL, register_at_ms INTEGER
);
CREATE TABLE events (
    identity TEXT, action TEXT, count INTEGER NOT NULL, PRIMARY KEY (identity, action)
) WITHOUT ROWID;
"""


class ChargePoint(msgspec.Struct, frozen=True):
    """A charge point and its last boot."""

    identity: str
    registration: str | None = None
    """The answer to its last BootNotification; None if it has never booted."""
    boots: int = 0
    vendor: str = ""
    model: str = ""
    serial_number: str | None = None
    firmware_version: str | None = None
    booted_at_ms: int | None = None


class Connector(msgspec.Struct, frozen=True):
    """The last StatusNotification of a connector."""

    identity: str
    connector_id: int
    status: str
    error_code: str
    info: str | None
    at_ms: int


class Transaction(msgspec.Struct, frozen=True):
    """A transaction, from its StartTransaction, MeterValues and StopTransaction."""

    id: int
    identity: str
    connector_id: int
    id_tag: str
    meter_start_wh: int
    started_at_ms: int
    meter_stop_wh: int | None = None
    stopped_at_ms: int | None = None
    reason: str | None = None
    """As sent: None means `Local` (`TX-9`)."""
    stop_id_tag: str | None = None
    start_repeats: int = 0
    """How often the StartTransaction was repeated."""
    stop_repeats: int = 0
    """How often the StopTransaction was repeated."""
    meter_values: int = 0
    """Number of MeterValues messages."""
    register_wh: float | None = None
    """The energy register of the latest reading."""
    register_at_ms: int | None = None
    """The time of that reading."""

    @property
    def is_open(self) -> bool:
        """Whether it has no StopTransaction yet."""
        return self.stopped_at_ms is None

    @property
    def energy_wh(self) -> int | None:
        """The delivered energy; None while the transaction is open."""
        return None if self.meter_stop_wh is None else self.meter_stop_wh - self.meter_start_wh


class StopOutcome(Enum):
    """The result of recording a StopTransaction."""

    RECORDED = auto()
    REPEATED = auto()
    CONTRADICTED = auto()
    """The transaction was stopped with other values before; the first ones stay."""


class LedgerError(Exception):
    """A file cannot be used as a ledger; the text says why."""


class Ledger:
    """The record of everything that a central system has received.

    Args:
        path: the SQLite file, created if absent; None keeps everything in memory.

    Raises:
        LedgerError: the file is not a ledger, or of a newer version.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._charge_points: dict[str, ChargePoint] = {}
        self._connectors: dict[tuple[str, int], Connector] = {}
        self._transactions: dict[int, Transaction] = {}
        self._events: Counter[tuple[str, str]] = Counter()
        self._starts: dict[tuple[str, int, str, int, int], int] = {}
        self._latest: dict[tuple[str, int], int] = {}
        self._changed_charge_points: set[str] = set()
        self._changed_connectors: set[tuple[str, int]] = set()
        self._changed_transactions: set[int] = set()
        self._changed_events: set[tuple[str, str]] = set()
        self._database: sqlite3.Connection | None = None
        if path is not None:
            self._database = _open(path)
            self._load(self._database)

    def charge_points(self) -> list[ChargePoint]:
        """Return every charge point that has booted."""
        return list(self._charge_points.values())

    def charge_point(self, identity: str) -> ChargePoint:
        """Return one charge point; one that has never booted has no registration."""
        return self._charge_points.get(identity) or ChargePoint(identity)

    def connector(self, identity: str, connector_id: int) -> Connector | None:
        """Return the last status of a connector; None if there was none."""
        return self._connectors.get((identity, connector_id))

    def connectors(self) -> dict[str, list[Connector]]:
        """Return the last status of every connector, by charge point and number."""
        found: dict[str, list[Connector]] = {}
        for _, connector in sorted(self._connectors.items()):
            found.setdefault(connector.identity, []).append(connector)
        return found

    def transactions(self) -> list[Transaction]:
        """Return every transaction, by id."""
        return list(self._transactions.values())

    def transaction(self, transaction_id: int) -> Transaction | None:
        """Return one transaction; None if the id is unknown."""
        return self._transactions.get(transaction_id)

    def latest_transaction(self, identity: str, connector_id: int) -> Transaction | None:
        """Return the transaction of a connector that started last, open or not; None if there is none."""
        transaction_id = self._latest.get((identity, connector_id))
        return None if transaction_id is None else self._transactions[transaction_id]

    def event_counts(self, identity: str) -> dict[str, int]:
        """Return the number of CALLs of a charge point, by action."""
        return {action: count for (of, action), count in self._events.items() if of == identity}

    def record_event(self, identity: str, action: str) -> None:
        """Count one CALL."""
        self._events[identity, action] += 1
        self._changed_events.add((identity, action))

    def record_boot(self, charge_point: ChargePoint) -> None:
        """Record a BootNotification with its answer, and count the boot."""
        boots = self.charge_point(charge_point.identity).boots + 1
        self._charge_points[charge_point.identity] = replace(charge_point, boots=boots)
        self._changed_charge_points.add(charge_point.identity)

    def record_status(self, connector: Connector) -> None:
        """Record a StatusNotification."""
        key = (connector.identity, connector.connector_id)
        self._connectors[key] = connector
        self._changed_connectors.add(key)

    def record_start(
        self, identity: str, connector_id: int, id_tag: str, meter_start_wh: int, started_at_ms: int
    ) -> Transaction:
        """Record a StartTransaction and return its transaction.

        The same connector, idTag, register and time are the same transaction (`Q-6`), with one more repeat.
        """
        key = (identity, connector_id, id_tag, meter_start_wh, started_at_ms)
        known = self._starts.get(key)
        if known is not None:
            transaction = self._transactions[known]
            transaction = replace(transaction, start_repeats=transaction.start_repeats + 1)
        else:
            transaction = Transaction(next(reversed(self._transactions), 0) + 1, *key)
        self._keep(transaction)
        self._changed_transactions.add(transaction.id)
        return transaction

    def record_register(self, transaction_id: int, register_wh: float, at_ms: int) -> Transaction:
        """Record a reading of the energy register in Wh, and return its transaction."""
        return self._change(transaction_id, register_wh=register_wh, register_at_ms=at_ms)

    def record_meter_values(self, transaction_id: int) -> None:
        """Count one MeterValues message of a transaction."""
        self._change(transaction_id, meter_values=self._transactions[transaction_id].meter_values + 1)

    def record_stop(
        self,
        transaction_id: int,
        meter_stop_wh: int,
        stopped_at_ms: int,
        reason: str | None,
        stop_id_tag: str | None,
    ) -> StopOutcome:
        """Record a StopTransaction of a known transaction; return whether it is the first one."""
        transaction = self._transactions[transaction_id]
        if transaction.is_open:
            self._change(
                transaction_id,
                meter_stop_wh=meter_stop_wh,
                stopped_at_ms=stopped_at_ms,
                reason=reason,
                stop_id_tag=stop_id_tag,
            )
            return StopOutcome.RECORDED
        self._change(transaction_id, stop_repeats=transaction.stop_repeats + 1)
        stop = (meter_stop_wh, stopped_at_ms, reason, stop_id_tag)
        if stop == (
            transaction.meter_stop_wh,
            transaction.stopped_at_ms,
            transaction.reason,
            transaction.stop_id_tag,
        ):
            return StopOutcome.REPEATED
        return StopOutcome.CONTRADICTED

    def commit(self) -> None:
        """Write all pending changes to the file, in one SQLite commit.

        Raises:
            sqlite3.Error: the file could not be written; the changes stay pending.
        """
        if self._database is not None:
            self._write(self._database)
        self._changed_charge_points.clear()
        self._changed_connectors.clear()
        self._changed_transactions.clear()
        self._changed_events.clear()

    def close(self) -> None:
        """Close the file. Pending changes are lost."""
        if self._database is not None:
            self._database.close()

    def _change(self, transaction_id: int, **changes: float | str | None) -> Transaction:
        transaction = replace(self._transactions[transaction_id], **changes)
        self._transactions[transaction_id] = transaction
        self._changed_transactions.add(transaction_id)
        return transaction

    def _keep(self, transaction: Transaction) -> None:
        t = transaction
        self._transactions[t.id] = t
        self._starts[t.identity, t.connector_id, t.id_tag, t.meter_start_wh, t.started_at_ms] = t.id
        self._latest[t.identity, t.connector_id] = max(
            t.id, self._latest.get((t.identity, t.connector_id), 0)
        )

    def _load(self, database: sqlite3.Connection) -> None:
        for row in database.execute("SELECT * FROM charge_points"):
            self._charge_points[row[0]] = ChargePoint(*row)
        for row in database.execute("SELECT * FROM connectors"):
            self._connectors[row[0], row[1]] = Connector(*row)
        for row in database.execute("SELECT * FROM transactions ORDER BY id"):
            self._keep(Transaction(*row))
        for identity, action, count in database.execute("SELECT * FROM events"):
            self._events[identity, action] = count

    def _write(self, database: sqlite3.Connection) -> None:
        with database:
            database.execute("BEGIN IMMEDIATE")
            _replace_rows(
                database,
                "charge_points",
                8,
                (self._charge_points[key] for key in self._changed_charge_points),
            )
            _replace_rows(
                database, "connectors", 6, (self._connectors[key] for key in self._changed_connectors)
            )
            _replace_rows(
                database, "transactions", 15, (self._transactions[key] for key in self._changed_transactions)
            )
            database.executemany(
                "REPLACE INTO events VALUES (?, ?, ?)",
                [(*key, self._events[key]) for key in self._changed_events],
            )


def _replace_rows(
    database: sqlite3.Connection, table: str, columns: int, records: Iterable[msgspec.Struct]
) -> None:
    places = ", ".join("?" * columns)
    # The table's name is one of the literals above.
    database.executemany(f"REPLACE INTO {table} VALUES ({places})", map(astuple, records))  # noqa: S608


def _open(path: Path) -> sqlite3.Connection:
    try:
        database = sqlite3.connect(path, isolation_level=None)
    except sqlite3.OperationalError as error:
        raise LedgerError(f"{path}: {error}") from error
    try:
        _prepare(database)
    except (sqlite3.DatabaseError, LedgerError) as error:
        database.close()
        raise LedgerError(f"{path}: {error}") from error
    return database


def _prepare(database: sqlite3.Connection) -> None:
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=NORMAL")
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version == 0:
        database.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;")
    elif version != SCHEMA_VERSION:
        raise LedgerError(
            f"the ledger has version {version}, this program supports {SCHEMA_VERSION}; "
            "use another chargebridge or another file"
        )
