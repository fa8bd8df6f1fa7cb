"""The file of a simulated world, with one commit for each step.

The tables can be read by a person while the world runs: `charger` (with its register), `session`
(all ended sessions, for ever) and `kept_event` (the unacknowledged events). A local list can be long
and changes seldom, so it has a table of its own (`local_list`).
"""

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from chargebridge.chargers.model import SessionEnd, SessionEnded
from chargebridge.chargers.simulator.bay import BayRecord, Kept, KeptEvent
from chargebridge.chargers.simulator.hardware.tokens import LocalList

SCHEMA_VERSION: Final = 2

_SESSIONS_AND_LISTS: Final = """
CREATE TABLE session (
    serial TEXT NOT NULL, session INTEGER NOT NULL, id_tag TEXT,
    started_at_ms INTEGER NOT NULL, start_register_wh INTEGER NOT NULL,
    stopped_at_ms INTEGER NOT NULL, stop_register_wh INTEGER NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (serial, session)
) WITHOUT ROWID;
CREATE TABLE local_list (serial TEXT PRIMARY KEY, list TEXT NOT NULL) WITHOUT ROWID;
"""

_SCHEMA: Final = f"""
CREATE TABLE world (latest_ms INTEGER NOT NULL);
INSERT INTO world VALUES (0);
CREATE TABLE charger (
    serial TEXT PRIMARY KEY, register_wh INTEGER NOT NULL, record TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE kept_event (
    serial TEXT NOT NULL, number INTEGER NOT NULL, event TEXT NOT NULL,
    PRIMARY KEY (serial, number)
) WITHOUT ROWID;
{_SESSIONS_AND_LISTS}"""  # noqa: S608 - our own text

_FROM_VERSION_1: Final = f"""
ALTER TABLE session RENAME TO session_1;
{_SESSIONS_AND_LISTS}
INSERT INTO session SELECT * FROM session_1;
DROP TABLE session_1;
"""  # noqa: S608 - our own text
"""In version 1 every session had a token, and no charger a local list."""

_UPSERT_CHARGER: Final = """
INSERT INTO charger VALUES (?, ?, ?)
ON CONFLICT (serial) DO UPDATE SET register_wh = excluded.register_wh, record = excluded.record
"""

_encoder = msgspec.json.Encoder()
_record_decoder = msgspec.json.Decoder(BayRecord)
_event_decoder = msgspec.json.Decoder(KeptEvent)
_list_decoder = msgspec.json.Decoder(LocalList)


class FinishedSession(Struct, frozen=True, kw_only=True):
    """An ended session, as its charger recorded it."""

    serial: str
    session: int
    id_tag: str | None
    """None: it started without authorization."""
    started_at_ms: int
    start_register_wh: int
    stopped_at_ms: int
    stop_register_wh: int
    reason: SessionEnd


class Ledger:
    """A world's file.

    Args:
        path: the path of the file; None: everything in memory.

    Raises:
        ValueError: the file was written by a newer version of chargebridge.
        sqlite3.Error: it cannot be opened or is not such a file.
    """

    def __init__(self, path: Path | None) -> None:
        self._database = sqlite3.connect(path or ":memory:", timeout=0.1, isolation_level=None)
        try:
            self._prepare(path)
        except Exception:
            self._database.close()
            raise

    def _prepare(self, path: Path | None) -> None:
        execute = self._database.execute
        execute("PRAGMA journal_mode = WAL")
        # A kill of the process loses nothing; only a power cut of the host could lose the last steps.
        execute("PRAGMA synchronous = NORMAL")
        # The same few pages change in every step: the longer the log, the fewer of them are copied back.
        execute("PRAGMA wal_autocheckpoint = 8000")
        (version,) = execute("PRAGMA user_version").fetchone()
        steps = {0: _SCHEMA, 1: _FROM_VERSION_1}.get(version)
        if steps is not None:
            self._database.executescript(f"BEGIN; {steps} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
        elif version != SCHEMA_VERSION:
            raise ValueError(f"{path}: has schema version {version}, expected {SCHEMA_VERSION}")

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    # --- reading ---------------------------------------------------------------------------------

    def latest_ms(self) -> int:
        """Return the latest time of the world, 0 for a new one."""
        (latest_ms,) = self._database.execute("SELECT latest_ms FROM world").fetchone()
        return int(latest_ms)

    def records(self) -> Iterator[tuple[BayRecord, dict[int, KeptEvent], LocalList | None]]:
        """Yield every bay with its unacknowledged events, oldest first, and its charger's local list."""
        kept: dict[str, dict[int, KeptEvent]] = {}
        query = "SELECT serial, number, event FROM kept_event ORDER BY serial, number"
        for serial, number, event in self._database.execute(query):
            kept.setdefault(serial, {})[number] = _event_decoder.decode(event)
        query = "SELECT record, list FROM charger LEFT JOIN local_list USING (serial) ORDER BY serial"
        for text, listed in self._database.execute(query):
            record = _record_decoder.decode(text)
            local_list = None if listed is None else _list_decoder.decode(listed)
            yield record, kept.get(record.settings.serial, {}), local_list

    def finished(self) -> list[FinishedSession]:
        """Return all ended sessions, by serial and session."""
        columns = ", ".join(FinishedSession.__struct_fields__)
        query = f"SELECT {columns} FROM session ORDER BY serial, session"  # noqa: S608 - our own names
        rows = self._database.execute(query)
        return [
            msgspec.convert(dict(zip(FinishedSession.__struct_fields__, row, strict=True)), FinishedSession)
            for row in rows
        ]

    def newest(self, serial: str, count: int) -> list[SessionEnded]:
        """Return the records of the newest `count` ended sessions of a charger, oldest first."""
        query = (
            "SELECT stopped_at_ms, session, id_tag, started_at_ms, start_register_wh, stop_register_wh,"
            " reason FROM session WHERE serial = ? ORDER BY session DESC LIMIT ?"
        )
        rows = self._database.execute(query, (serial, count)).fetchall()
        return [
            SessionEnded(
                at_ms=stopped_at_ms,
                session=session,
                id_tag=id_tag,
                started_at_ms=started_at_ms,
                start_register_wh=start_register_wh,
                register_wh=register_wh,
                reason=SessionEnd(reason),
            )
            for stopped_at_ms, session, id_tag, started_at_ms, start_register_wh, register_wh, reason in (
                reversed(rows)
            )
        ]

    # --- writing ---------------------------------------------------------------------------------

    def write(
        self,
        *,
        latest_ms: int,
        bays: Iterable[BayRecord],
        ended: Iterable[tuple[str, SessionEnded]],
        kept: Iterable[tuple[str, Kept]],
        forgotten: Iterable[tuple[str, int]],
        lists: Iterable[tuple[str, LocalList]],
    ) -> None:
        """Save one step, all of it or nothing.

        Raises:
            sqlite3.Error: nothing was written.
        """
        execute, executemany = self._database.execute, self._database.executemany
        execute("BEGIN IMMEDIATE")
        try:
            executemany(_UPSERT_CHARGER, map(_charger_row, bays))
            executemany(
                "INSERT INTO session VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (_session_row(serial, event) for serial, event in ended),
            )
            executemany(
                # An event that is reported again before it is acknowledged keeps its number, and its row.
                "INSERT INTO kept_event VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                ((serial, item.number, _encode(item.event)) for serial, item in kept),
            )
            executemany("DELETE FROM kept_event WHERE serial = ? AND number = ?", forgotten)
            executemany(
                "INSERT OR REPLACE INTO local_list VALUES (?, ?)",
                ((serial, _encode(local_list)) for serial, local_list in lists),
            )
            execute("UPDATE world SET latest_ms = ?", (latest_ms,))
            execute("COMMIT")
        except sqlite3.Error:
            if self._database.in_transaction:
                execute("ROLLBACK")
            raise


def _encode(value: object) -> str:
    return _encoder.encode(value).decode()


def _charger_row(bay: BayRecord) -> tuple[str, int, str]:
    return bay.settings.serial, bay.charger.outlet.register_wh, _encode(bay)


def _session_row(serial: str, ended: SessionEnded) -> tuple[str | int | None, ...]:
    return (
        serial,
        ended.session,
        ended.id_tag,
        ended.started_at_ms,
        ended.start_register_wh,
        ended.at_ms,
        ended.register_wh,
        ended.reason,
    )
