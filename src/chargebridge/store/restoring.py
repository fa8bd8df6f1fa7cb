"""Restoring a backup: the store is made ready apart, then everything is put in place.

At no moment is there a state directory that starts wrongly. The file of the generation says that a restore
has begun before the first file is moved, and until the last one is in place, so that a gateway refuses to
start and the restore can be run again. What was there is moved aside, never deleted.
"""

# SQL is put together from our own names only; values are always parameters.
# ruff: noqa: S608

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Final

from msgspec import Struct

from chargebridge.chargepoint.records import Restored
from chargebridge.clock import format_utc
from chargebridge.store.backup import single_file
from chargebridge.store.bounds import drop_dead_meter_values
from chargebridge.store.connection import open_reader
from chargebridge.store.errors import StoreError
from chargebridge.store.generation import (
    Generation,
    sync_directory,
    write_generation,
)
from chargebridge.store.journal import STORE_FILE
from chargebridge.store.marks import Mark, drop_mark, put_marks
from chargebridge.store.schema import migrate

LOGS: Final = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a database while it is in use."""
_IDS_LEFT_OUT: Final = 1_000_000
_NUMBERS_LEFT_OUT: Final = 1_000


class RestoredChargePoint(Struct, frozen=True, kw_only=True):
    """What is certain of a charge point after a restore, and what is not."""

    identity: str
    central_system: str
    open_transactions: int
    """Open at the backup, with an id: they go on, or end with the charger's own record."""
    held_back: int
    """Messages that waited at the backup and may have been sent since: dead letters now."""
    sent_again: int
    """Messages that waited at the backup and are sent, perhaps once more, with the same content."""
    can_ask: bool
    """It had a transaction by the backup, so it knows from where on to ask its driver for missed sessions."""
    dead_letters: int
    """That were there at the backup: they may have been redelivered or settled since."""


def mark_restored(connection: sqlite3.Connection, restored: Restored, generation: int, now_ms: int) -> None:
    """Make the store of a backup one that can be used, in one transaction.

    What waits of transactions whose StartTransaction is not answered may have been sent since: its messages
    become dead letters. Where it is answered, what waits is sent, since it says the very same again.

    Args:
        connection: of the store, current, in autocommit.
        restored: the time in question; nothing is, if that is not after the backup.
        generation: from now on.
        now_ms: UTC.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        drop_mark(connection, Mark.BACKUP_MS)
        put_marks(connection, {Mark.GENERATION: generation, Mark.MARKED_MS: now_ms})
        if restored.until_ms > restored.taken_ms:
            taken = {Mark.RESTORED_TAKEN_MS: restored.taken_ms, Mark.RESTORED_UNTIL_MS: restored.until_ms}
            put_marks(connection, taken)
            _hold_back(connection, restored, now_ms)
            _leave_numbers_out(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _hold_back(connection: sqlite3.Connection, restored: Restored, now_ms: int) -> None:
    reason = (
        "may have been sent already: the store was restored from the backup of"
        f" {format_utc(restored.taken_ms)}, at which this message waited"
    )
    connection.execute(
        "INSERT INTO dead_letters (charge_point, sequence, kind, transaction_number, payload, attempts,"
        " sampled_ms, at_ms, reason, history)"
        " SELECT q.charge_point, sequence, kind, transaction_number, payload, attempts, q.sampled_ms, ?, ?,"
        f" history {_UNCERTAIN} ORDER BY q.charge_point, sequence",
        (now_ms, reason),
    )
    connection.execute("UPDATE transactions SET stop = 'dead' WHERE start <> 'answered' AND stop = 'queued'")
    connection.execute(
        f"DELETE FROM queue WHERE (charge_point, sequence) IN (SELECT q.charge_point, sequence {_UNCERTAIN})"
    )
    connection.execute("UPDATE transactions SET start = 'dead' WHERE start = 'queued'")
    charge_points = connection.execute("SELECT id FROM charge_points").fetchall()
    drop_dead_meter_values(connection, [charge_point for (charge_point,) in charge_points])


def hold_back_assumed_ends(connection: sqlite3.Connection, replaced: sqlite3.Connection) -> None:
    """Mark transactions that were open at the backup, and of which another end was made up since.

    Args:
        connection: of the restored store.
        replaced: of the store that it replaces, which knows what was sent since.
    """
    for charge_point, number, *session in connection.execute(_OPEN).fetchall():
        if replaced.execute(_MADE_UP, session).fetchone() is not None:
            connection.execute(
                "UPDATE transactions SET assumed = 1 WHERE charge_point = ? AND number = ?",
                (charge_point, number),
            )


_OPEN: Final = (
    "SELECT charge_point, number, identity, central_system, charger, session, started_ms FROM transactions"
    " JOIN charge_points ON charge_points.id = charge_point WHERE stopped_ms IS NULL"
)
# Of a dead letter the same may have been so in a store that was replaced before.
_MADE_UP: Final = (
    "SELECT 1 FROM transactions JOIN charge_points ON charge_points.id = charge_point"
    " WHERE identity = ? AND central_system = ? AND charger = ? AND session = ? AND started_ms = ?"
    " AND (assumed = 1 OR rebuilt = 1 OR stop = 'dead')"
)


def _leave_numbers_out(connection: sqlite3.Connection) -> None:
    """Give no id of a dead letter, and no number of a transaction, that was given since the backup."""
    known = connection.execute("SELECT 1 FROM sqlite_sequence WHERE name = 'dead_letters'").fetchone()
    if known is None:
        connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('dead_letters', 0)")
    connection.execute(
        "UPDATE sqlite_sequence SET seq = seq + ? WHERE name = 'dead_letters'", (_IDS_LEFT_OUT,)
    )
    connection.execute(
        "UPDATE charge_points SET last_transaction = last_transaction + ?", (_NUMBERS_LEFT_OUT,)
    )


_UNCERTAIN: Final = (
    "FROM queue AS q JOIN transactions AS t ON t.charge_point = q.charge_point"
    " AND t.number = q.transaction_number WHERE t.start <> 'answered'"
)


def prepare(
    store: Path, restored: Restored, generation: int, now_ms: int, replaced: Path
) -> list[RestoredChargePoint]:
    """Make an unpacked store one that can be used, and return what is certain of its charge points.

    Args:
        store: unpacked.
        restored: see `mark_restored`, as for the next two.
        generation: from now on.
        now_ms: UTC.
        replaced: the store that it replaces; it may be lost or damaged.

    Raises:
        sqlite3.Error: it was not changed.
    """
    with single_file(store) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        migrate(connection, store)
        letters = dict(
            connection.execute(
                "SELECT charge_point, count(*) FROM dead_letters WHERE settled_ms IS NULL"
                " GROUP BY charge_point"
            )
        )
        held_back = dict(
            connection.execute(f"SELECT q.charge_point, count(*) {_UNCERTAIN} GROUP BY q.charge_point")
        )
        in_doubt = restored.until_ms > restored.taken_ms
        had_none = {
            id for (id,) in connection.execute("SELECT id FROM charge_points WHERE last_transaction = 0")
        }
        mark_restored(connection, restored, generation, now_ms)
        if in_doubt:
            with contextlib.suppress(StoreError, sqlite3.Error), closing(open_reader(replaced)) as present:
                hold_back_assumed_ends(connection, present)
        rows = connection.execute(_CHARGE_POINTS).fetchall()
    return [
        RestoredChargePoint(
            identity=identity,
            central_system=central_system,
            open_transactions=open_transactions,
            held_back=held_back.get(id, 0) if in_doubt else 0,
            sent_again=queued,
            can_ask=id not in had_none,
            dead_letters=letters.get(id, 0),
        )
        for id, identity, central_system, open_transactions, queued in rows
    ]


_CHARGE_POINTS: Final = """
    SELECT id, identity, central_system,
        (SELECT count(*) FROM transactions AS t
            WHERE t.charge_point = id AND stopped_ms IS NULL AND start = 'answered'),
        (SELECT count(*) FROM queue AS q WHERE q.charge_point = id)
    FROM charge_points ORDER BY identity, central_system"""


def begin(directory: Path, generation: int, until_ms: int) -> None:
    """Say in the state directory that a restore has begun: until its end no gateway starts there.

    Args:
        directory: the state directory.
        generation: of what has run there.
        until_ms: UTC; until when that ran, for the case that the restore has to be run again.

    Raises:
        OSError: nothing was changed.
    """
    write_generation(directory, Generation(generation=generation, until_ms=until_ms, restoring=True))


def put_in_place(
    directory: Path, folder: Path, names: Iterable[str], replaced: Iterable[str], to: Path
) -> None:
    """Move what is there aside, and the files of a backup into its place.

    Args:
        directory: the state directory; a restore has begun there.
        folder: with the new files, on the same disk.
        names: of the new files.
        replaced: names of files that are moved aside, if they are there; with SQLite's logs.
        to: where to; made if anything is.

    Raises:
        OSError: not everything is in place: the restore has to be run again.
    """
    for database in replaced:
        for name in (database, *(database + log for log in LOGS)):
            if (directory / name).exists():
                to.mkdir(mode=0o700, exist_ok=True)
                (directory / name).rename(to / name)
    if to.exists():
        sync_directory(to)
    for name in names:
        (folder / name).replace(directory / name)
    sync_directory(directory)


def end(directory: Path, generation: int, now_ms: int) -> None:
    """Say that the restore has ended: a gateway may start.

    Raises:
        OSError: the restore has to be run again.
    """
    write_generation(directory, Generation(generation=generation, until_ms=now_ms, stopped=True))


def make_private(path: Path) -> None:
    """Make a restored file readable by its owner only, and durable."""
    path.chmod(0o600)
    file = os.open(path, os.O_RDWR)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def remove_leftovers(folder: Path) -> None:
    """Remove what an interrupted restore has unpacked."""
    shutil.rmtree(folder, ignore_errors=True)


def newest_session_ms(connection: sqlite3.Connection) -> int:
    """Return when the newest session of a store began or ended, UTC by its charger; 0: it has none."""
    newest = "SELECT max(max(started_ms, ifnull(stopped_ms, 0))) FROM transactions"
    newest_ms: int | None = connection.execute(newest).fetchone()[0]
    return newest_ms or 0


def newest_change_ms(directory: Path) -> int | None:
    """Return when a store was last written, by the host's clock; None: there is none."""
    written = [
        (directory / name).stat().st_mtime
        for name in (STORE_FILE, *(STORE_FILE + log for log in LOGS))
        if (directory / name).exists()
    ]
    return round(max(written) * 1000) if written else None
