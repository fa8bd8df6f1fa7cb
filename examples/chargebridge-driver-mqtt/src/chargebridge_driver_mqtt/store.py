"""What must survive a restart: each charger's record, and its events that are not acknowledged.

A small SQLite file, written in the event loop: a home has a handful of chargers, and a write takes
milliseconds. An event is delivered only after it and the record that belongs to it are on the disk.
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
from chargebridge.drivers import ChargerEvent, Measured, TokenPresented

from chargebridge_driver_mqtt.device import Record

SCHEMA_VERSION: Final = 1
MOST_KEPT: Final = 5_000
"""Events of one charger; beyond that the oldest measurements make room, then tokens, then sessions."""

LOCK_S: Final = 0.1
"""For so long another program may lock the file, a backup say: the whole gateway waits meanwhile."""

_SCHEMA: Final = """
CREATE TABLE charger (serial TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE event (
    number INTEGER PRIMARY KEY AUTOINCREMENT, serial TEXT NOT NULL, spare INTEGER NOT NULL,
    event TEXT NOT NULL
);
CREATE INDEX event_of ON event (serial, spare, number);
"""


def spare(event: ChargerEvent) -> int:
    """Return how easily an event can be spared: sessions least, since money hangs on them."""
    return 2 if isinstance(event, Measured) else 1 if isinstance(event, TokenPresented) else 0


class Store:
    """The driver's file.

    Args:
        path: the file, made if it is missing, readable by its owner only; None: nothing outlives this object.
        most_kept: events of one charger that are kept.

    Raises:
        ValueError: it is no such file, or was written by another version.
        OSError: it cannot be made.
    """

    def __init__(self, path: Path | None, most_kept: int = MOST_KEPT) -> None:
        self._most_kept = most_kept
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
        try:
            self._database = sqlite3.connect(path or ":memory:", timeout=LOCK_S, isolation_level=None)
        except sqlite3.Error as error:
            raise ValueError(
                f"{path} cannot be opened: {error}; expected a file that can be written"
            ) from error
        try:
            self._prepare(path)
        except sqlite3.OperationalError as error:
            self._database.close()
            raise ValueError(f"{path} cannot be used: {error}") from error
        except sqlite3.DatabaseError as error:
            self._database.close()
            raise ValueError(f"{path} cannot be used: {error}; move it away to begin anew") from error
        except ValueError:
            self._database.close()
            raise

    def _prepare(self, path: Path | None) -> None:
        execute = self._database.execute
        execute("PRAGMA journal_mode = WAL")
        execute("PRAGMA synchronous = FULL")
        (version,) = execute("PRAGMA user_version").fetchone()
        if version == 0:
            self._database.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
        elif version != SCHEMA_VERSION:
            raise ValueError(f"{path}: has schema version {version}, expected {SCHEMA_VERSION}")

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def record(self, serial: str) -> Record | None:
        """Return what is known of a charger; None: nothing.

        Raises:
            ValueError: it cannot be read.
        """
        row = self._database.execute("SELECT record FROM charger WHERE serial = ?", (serial,)).fetchone()
        if row is None:
            return None
        try:
            return msgspec.json.decode(row[0], type=Record)
        except msgspec.MsgspecError as error:
            raise ValueError(f"what is stored of charger {serial!r} cannot be read: {error}") from error

    def write(self, serial: str, record: Record, events: Sequence[ChargerEvent]) -> list[int]:
        """Write a charger and its new events down, all or nothing.

        Returns:
            The numbers of the events, by which `forget` knows them.

        Raises:
            sqlite3.Error: nothing was written.
        """
        execute = self._database.execute
        numbers: list[int] = []
        execute("BEGIN IMMEDIATE")
        try:
            text = msgspec.json.encode(record).decode()
            execute("INSERT OR REPLACE INTO charger VALUES (?, ?)", (serial, text))
            for event in events:
                row = (serial, spare(event), msgspec.json.encode(event).decode())
                cursor = execute("INSERT INTO event (serial, spare, event) VALUES (?, ?, ?)", row)
                assert cursor.lastrowid is not None
                numbers.append(cursor.lastrowid)
            if events:
                self._make_room(serial)
            execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                execute("ROLLBACK")
            raise
        return numbers

    def _make_room(self, serial: str) -> None:
        (count,) = self._database.execute("SELECT count(*) FROM event WHERE serial = ?", (serial,)).fetchone()
        if count > self._most_kept:
            self._database.execute(
                "DELETE FROM event WHERE number IN"
                " (SELECT number FROM event WHERE serial = ? ORDER BY spare DESC, number LIMIT ?)",
                (serial, count - self._most_kept),
            )

    def kept(self, serial: str) -> list[tuple[int, ChargerEvent]]:
        """Return the events of a charger that are not acknowledged, in order."""
        rows = self._database.execute(
            "SELECT number, event FROM event WHERE serial = ? ORDER BY number", (serial,)
        )
        return [(number, msgspec.json.decode(text, type=ChargerEvent)) for number, text in rows]

    def forget(self, number: int) -> None:
        """Forget an event; harmless if it is forgotten already."""
        self._database.execute("DELETE FROM event WHERE number = ?", (number,))

    def forget_all(self, serial: str) -> None:
        """Forget every event of a charger."""
        self._database.execute("DELETE FROM event WHERE serial = ?", (serial,))
