"""The driver's state over restarts: the twin of each charger, and the account's tokens.

After a restart the driver therefore reads nothing again, and signs in only if its tokens have expired.
"""

import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec
import structlog

from chargebridge.chargers.easee.twin.records import TwinRecord

SCHEMA_VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE charger (serial TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE kept (name TEXT PRIMARY KEY, document TEXT NOT NULL) WITHOUT ROWID;
"""


_log = structlog.get_logger(__name__)


class Memory:
    """A small SQLite file; its methods may be called from any thread.

    Args:
        path: the file, created if it is missing, readable by its owner only; None: in memory only.

    Raises:
        ValueError: it was written by another version, or is not such a file.
        OSError: it cannot be created.
    """

    def __init__(self, path: Path | None) -> None:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            path.chmod(0o600)
        self._lock = threading.Lock()
        self._database = sqlite3.connect(
            path or ":memory:", timeout=5.0, isolation_level=None, check_same_thread=False
        )
        try:
            self._prepare(path)
        except sqlite3.DatabaseError as error:
            self._database.close()
            remedy = "move it away, and the driver starts without saved states"
            raise ValueError(f"{path} cannot be used: {error}; {remedy}") from error
        except ValueError:
            self._database.close()
            raise

    def _prepare(self, path: Path | None) -> None:
        execute = self._database.execute
        execute("PRAGMA journal_mode = WAL")
        # What is saved here is acknowledged to the broker, so it has to survive a power cut.
        execute("PRAGMA synchronous = FULL")
        (version,) = execute("PRAGMA user_version").fetchone()
        if version == 0:
            self._database.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
        elif version != SCHEMA_VERSION:
            raise ValueError(f"{path}: has schema version {version}, expected {SCHEMA_VERSION}")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def records(self) -> dict[str, TwinRecord]:
        """Return the saved records of the twins; an unreadable one is skipped and logged."""
        records: dict[str, TwinRecord] = {}
        with self._lock:
            rows = self._database.execute("SELECT serial, record FROM charger").fetchall()
        for serial, text in rows:
            try:
                records[serial] = msgspec.json.decode(text, type=TwinRecord)
            except msgspec.MsgspecError as error:
                _log.error(
                    "saved charger state unreadable, starting without it",
                    charger=serial,
                    error=str(error),
                )
        return records

    def write(self, records: Iterable[tuple[str, bytes]]) -> None:
        """Save the records of twins, as JSON; all of them or none.

        Raises:
            sqlite3.Error: nothing was written.
        """
        with self._lock:
            execute = self._database.execute
            execute("BEGIN IMMEDIATE")
            try:
                self._database.executemany(
                    "INSERT OR REPLACE INTO charger VALUES (?, ?)",
                    ((serial, text.decode()) for serial, text in records),
                )
                execute("COMMIT")
            except sqlite3.Error:
                if self._database.in_transaction:
                    execute("ROLLBACK")
                raise

    def document(self, name: str) -> bytes | None:
        """Return the document that was saved under a name; None if there is none."""
        with self._lock:
            row = self._database.execute("SELECT document FROM kept WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0]).encode()

    def save_document(self, name: str, document: bytes) -> None:
        """Save a document under a name, in place of the one before.

        Raises:
            sqlite3.Error: it was not written.
        """
        with self._lock:
            self._database.execute("INSERT OR REPLACE INTO kept VALUES (?, ?)", (name, document.decode()))
