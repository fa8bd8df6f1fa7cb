"""Errors of the store, each with its remedy in the message."""

import sqlite3
from pathlib import Path


class StoreError(Exception):
    """The store could not do what was requested; nothing of it happened."""


class StoreFullError(StoreError):
    """There is no room: the disk is full or the size limit is reached."""


class StoreUnavailableError(StoreError):
    """The file cannot be read or written now (I/O error, lock, permissions)."""


class StoreDamagedError(StoreError):
    """The contents of the file are damaged."""


class StoreTooNewError(StoreError):
    """The store was written by a newer version of chargebridge."""


class StoreOutdatedError(StoreError):
    """The store is older than what has run in its state directory, or is not whole."""


class NotABackupError(StoreError):
    """The file is no backup of chargebridge, or cannot be restored here."""


class NotAStoreError(StoreError):
    """The file is something else than a store of chargebridge."""


class RecordRefusedError(StoreError):
    """A record contradicts what is stored or cannot be stored at all, or a query is invalid."""


class EarlierTurnFailedError(StoreError):
    """The turn was computed on top of one that failed."""


class StoreClosedError(StoreError):
    """The store is closed or closing."""


class StateDirectoryInUseError(StoreError):
    """Another process holds the state directory."""


RESTORE = "chargebridge restore FILE --config CONFIGURATION"
"""The command, for remedies."""

REFUSALS = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    OverflowError,
    ValueError,
    TypeError,
    AttributeError,
)
"""Errors that a record causes by its content; every other `sqlite3.Error` comes from the environment."""


def refusal(error: Exception) -> RecordRefusedError:
    """Return the error for a record that can never be stored, or a query that can never be answered."""
    return RecordRefusedError(f"a record or a query was refused: {type(error).__name__}: {error}")


def environment_error(error: sqlite3.Error, path: Path) -> StoreError:
    """Translate an error that SQLite met outside of itself, naming the file and the remedy."""
    # Extended codes carry the primary code in their low byte.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return StoreFullError(f"no room to write {path} ({error}); free disk space or raise its size limit")
    if code == sqlite3.SQLITE_NOTADB:
        return NotAStoreError(
            f"{path} is not a chargebridge store ({error}); move it away or name another directory"
        )
    if code == sqlite3.SQLITE_CORRUPT:
        return StoreDamagedError(f"{path} is damaged ({error}); restore a backup: {RESTORE}")
    return StoreUnavailableError(
        f"{path} cannot be used ({error}); check the disk, its permissions, and that nothing else has it open"
    )
