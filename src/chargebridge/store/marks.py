"""The marks of a store: how old it is, whether it is a backup, and whether it was restored from one."""

import sqlite3
from enum import StrEnum

from chargebridge.chargepoint.records import Restored


class Mark(StrEnum):
    """The names of the marks; their values are integers."""

    GENERATION = "generation"
    """Rises while a gateway runs, in the store and in a file beside it."""
    MARKED_MS = "marked_ms"
    """UTC; when it last rose."""
    BACKUP_MS = "backup_ms"
    """UTC; when this copy of a store was taken. A store in use has no such mark."""
    RESTORED_TAKEN_MS = "restored_taken_ms"
    RESTORED_UNTIL_MS = "restored_until_ms"
    """Both of `Restored`."""


def read_marks(connection: sqlite3.Connection) -> dict[str, int]:
    """Return the marks of a store by name; none of an empty file."""
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return dict(connection.execute("SELECT name, value FROM marks")) if ("marks",) in tables else {}


def put_marks(connection: sqlite3.Connection, marks: dict[Mark, int]) -> None:
    """Set these marks; the others stay."""
    connection.executemany(
        "INSERT OR REPLACE INTO marks (name, value) VALUES (?, ?)",
        [(mark.value, value) for mark, value in marks.items()],
    )


def drop_mark(connection: sqlite3.Connection, mark: Mark) -> None:
    """Remove a mark, if it is there."""
    connection.execute("DELETE FROM marks WHERE name = ?", (mark.value,))


def rise(connection: sqlite3.Connection, now_ms: int) -> int:
    """Raise the generation by one, and return it."""
    generation = read_marks(connection).get(Mark.GENERATION, 0) + 1
    put_marks(connection, {Mark.GENERATION: generation, Mark.MARKED_MS: now_ms})
    return generation


def restored_of(connection: sqlite3.Connection) -> Restored | None:
    """Return the last restore of a store; None: there was none."""
    marks = read_marks(connection)
    taken_ms, until_ms = marks.get(Mark.RESTORED_TAKEN_MS), marks.get(Mark.RESTORED_UNTIL_MS)
    return None if taken_ms is None or until_ms is None else Restored(taken_ms, until_ms)
