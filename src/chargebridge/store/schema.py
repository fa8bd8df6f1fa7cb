"""The schema: tables, views for people, and the migration of older stores.

Times are milliseconds since 1970 in the tables (`..._ms`) and ISO text in the views
(`readable_...`). Both marks of a store are in the header of its file: `application_id` marks the file
as a store, `user_version` is the version of its schema.
"""

# SQL is put together from our own names only; values are always parameters.
# ruff: noqa: S608

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from chargebridge.store.errors import NotAStoreError, StoreTooNewError

APPLICATION_ID = 0x63686272
"""`chbr`: marks a store among SQLite files."""


def _iso(column: str) -> str:
    return f"strftime('%Y-%m-%dT%H:%M:%fZ', {column} / 1000.0, 'unixepoch')"


# A line for each attempt in a `history`, as in `readable_dead_letters`.
_ATTEMPTS = f"""(SELECT group_concat(
                json_extract(value, '$.attempt') || '. ' || {_iso("json_extract(value, '$.at_ms')")}
                || ' ' || json_extract(value, '$.reason'), char(10)) FROM json_each(history))"""

# The document is apart from `charge_points` so that the counters, which change with every message,
# stay on few pages.
_VERSION_1 = (
    """CREATE TABLE charge_points (
        id INTEGER PRIMARY KEY,
        identity TEXT NOT NULL,
        central_system TEXT NOT NULL,
        last_transaction INTEGER NOT NULL DEFAULT 0,
        UNIQUE (identity, central_system)
    )""",
    # A charge point is recognized by its identity and these when its central system has another name.
    """CREATE TABLE central_systems (
        name TEXT PRIMARY KEY,
        urls TEXT NOT NULL
    ) WITHOUT ROWID""",
    """CREATE TABLE states (
        charge_point INTEGER PRIMARY KEY REFERENCES charge_points (id),
        document TEXT NOT NULL
    )""",
    """CREATE TABLE configuration (
        charge_point INTEGER NOT NULL REFERENCES charge_points (id),
        key TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (charge_point, key)
    ) WITHOUT ROWID""",
    """CREATE TABLE transactions (
        charge_point INTEGER NOT NULL REFERENCES charge_points (id),
        number INTEGER NOT NULL,
        session INTEGER NOT NULL,
        charger TEXT NOT NULL,
        connector INTEGER NOT NULL,
        id_tag TEXT NOT NULL,
        started_ms INTEGER NOT NULL,
        meter_start_wh INTEGER NOT NULL,
        start TEXT NOT NULL CHECK (start IN ('none', 'queued', 'answered', 'dead')),
        transaction_id INTEGER,
        id_tag_status TEXT,
        parent_id_tag TEXT,
        sampled_ms INTEGER NOT NULL,
        register_wh INTEGER NOT NULL,
        register_ms INTEGER NOT NULL,
        stopped_ms INTEGER,
        meter_stop_wh INTEGER,
        stop_reason TEXT,
        stop_tag TEXT,
        stop TEXT NOT NULL CHECK (stop IN ('none', 'queued', 'answered', 'dead')),
        rebuilt INTEGER NOT NULL CHECK (rebuilt IN (0, 1)),
        assumed INTEGER NOT NULL DEFAULT 0 CHECK (assumed IN (0, 1)),
        PRIMARY KEY (charge_point, number)
    ) WITHOUT ROWID""",
    "CREATE INDEX transactions_by_charger ON transactions (charger, session)",
    "CREATE INDEX transactions_by_start ON transactions (started_ms)",
    """CREATE INDEX transactions_ended ON transactions (charge_point, started_ms)
        WHERE stopped_ms IS NOT NULL""",
    "CREATE INDEX transactions_open ON transactions (charge_point, number) WHERE stopped_ms IS NULL",
    """CREATE INDEX transactions_undelivered ON transactions (started_ms)
        WHERE start = 'queued' OR stop = 'queued'""",
    """CREATE INDEX transactions_delivered ON transactions (stopped_ms)
        WHERE start = 'answered' AND stop = 'answered'""",
    # In the order in which they are listed; few transactions are in either, so it costs the others nothing.
    "CREATE INDEX transactions_rebuilt ON transactions (started_ms) WHERE rebuilt = 1",
    "CREATE INDEX transactions_assumed ON transactions (started_ms) WHERE assumed = 1",
    """CREATE TABLE queue (
        charge_point INTEGER NOT NULL,
        sequence INTEGER NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('start', 'meter_values', 'stop')),
        transaction_number INTEGER NOT NULL,
        payload BLOB NOT NULL,
        attempts INTEGER NOT NULL,
        not_before_ms INTEGER,
        sampled_ms INTEGER NOT NULL,
        history TEXT,
        without_data INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (charge_point, sequence),
        FOREIGN KEY (charge_point, transaction_number) REFERENCES transactions (charge_point, number)
    ) WITHOUT ROWID""",
    # An id of a dead letter is never given again: an operator may still have the old one in hand.
    """CREATE TABLE dead_letters (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        charge_point INTEGER NOT NULL,
        sequence INTEGER NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('start', 'meter_values', 'stop')),
        transaction_number INTEGER NOT NULL,
        payload BLOB NOT NULL,
        attempts INTEGER NOT NULL,
        sampled_ms INTEGER NOT NULL,
        at_ms INTEGER NOT NULL,
        reason TEXT NOT NULL,
        history TEXT,
        settled_ms INTEGER,
        settled_by TEXT,
        settled_reason TEXT,
        FOREIGN KEY (charge_point, transaction_number) REFERENCES transactions (charge_point, number)
    )""",
    "CREATE INDEX dead_letters_by_transaction ON dead_letters (charge_point, transaction_number)",
    # Alerts count these; those that were settled are kept for audit, and may be many.
    "CREATE INDEX dead_letters_open ON dead_letters (id) WHERE settled_ms IS NULL",
    """CREATE TABLE transaction_samples (
        charge_point INTEGER NOT NULL,
        transaction_number INTEGER NOT NULL,
        document TEXT NOT NULL,
        PRIMARY KEY (charge_point, transaction_number),
        FOREIGN KEY (charge_point, transaction_number) REFERENCES transactions (charge_point, number)
            ON DELETE CASCADE
    ) WITHOUT ROWID""",
    """CREATE TABLE charging_profiles (
        charge_point INTEGER NOT NULL REFERENCES charge_points (id),
        profile_id INTEGER NOT NULL,
        connector INTEGER NOT NULL,
        purpose TEXT NOT NULL,
        stack_level INTEGER NOT NULL,
        transaction_number INTEGER,
        document TEXT NOT NULL,
        PRIMARY KEY (charge_point, profile_id)
    ) WITHOUT ROWID""",
    """CREATE TABLE profile_writes (
        charger TEXT NOT NULL,
        day INTEGER NOT NULL,
        writes INTEGER NOT NULL,
        PRIMARY KEY (charger, day)
    ) WITHOUT ROWID""",
    "CREATE INDEX profile_writes_by_day ON profile_writes (day)",
    """CREATE TABLE local_list (
        charge_point INTEGER NOT NULL REFERENCES charge_points (id),
        id_tag TEXT NOT NULL COLLATE NOCASE,
        status TEXT NOT NULL,
        expires_ms INTEGER,
        parent_id_tag TEXT,
        PRIMARY KEY (charge_point, id_tag)
    ) WITHOUT ROWID""",
    """CREATE TABLE token_cache (
        charge_point INTEGER NOT NULL REFERENCES charge_points (id),
        id_tag TEXT NOT NULL COLLATE NOCASE,
        status TEXT NOT NULL,
        expires_ms INTEGER,
        parent_id_tag TEXT,
        at_ms INTEGER NOT NULL,
        PRIMARY KEY (charge_point, id_tag)
    ) WITHOUT ROWID""",
    # In this order entries leave a cache that is full (CA-3).
    "CREATE INDEX token_cache_by_worth ON token_cache (charge_point, status = 'Accepted', at_ms, id_tag)",
    """CREATE TABLE set_aside (
        id INTEGER PRIMARY KEY,
        charge_point INTEGER NOT NULL REFERENCES charge_points (id),
        at_ms INTEGER NOT NULL,
        input TEXT NOT NULL,
        error TEXT NOT NULL,
        settled_ms INTEGER,
        settled_by TEXT,
        settled_reason TEXT
    )""",
    """CREATE VIEW readable_charge_points AS
        SELECT identity, central_system, last_transaction,
            (SELECT count(*) FROM queue WHERE queue.charge_point = charge_points.id) AS undelivered, document
        FROM charge_points LEFT JOIN states ON states.charge_point = charge_points.id""",
    """CREATE VIEW readable_configuration AS
        SELECT identity, central_system, key, value
        FROM configuration JOIN charge_points ON charge_points.id = charge_point""",
    f"""CREATE VIEW readable_transactions AS
        SELECT identity, central_system, number, session, charger, connector, id_tag,
            {_iso("started_ms")} AS started, meter_start_wh, start, transaction_id,
            id_tag_status, parent_id_tag,
            {_iso("nullif(sampled_ms, 0)")} AS sampled, register_wh, {_iso("stopped_ms")} AS stopped,
            meter_stop_wh, stop_reason, stop_tag, stop, rebuilt, assumed
        FROM transactions JOIN charge_points ON charge_points.id = charge_point""",
    f"""CREATE VIEW readable_queue AS
        SELECT identity, central_system, sequence, kind, transaction_number, CAST(payload AS TEXT) AS payload,
            attempts, {_iso("not_before_ms")} AS not_before, {_iso("nullif(sampled_ms, 0)")} AS sampled,
            {_ATTEMPTS} AS history, without_data
        FROM queue JOIN charge_points ON charge_points.id = charge_point""",
    f"""CREATE VIEW readable_dead_letters AS
        SELECT dead_letters.id, identity, central_system, kind, transaction_number,
            CAST(payload AS TEXT) AS payload, attempts, {_iso("at_ms")} AS at, reason, {_ATTEMPTS} AS history,
            {_iso("settled_ms")} AS settled, settled_by, settled_reason
        FROM dead_letters JOIN charge_points ON charge_points.id = charge_point""",
    """CREATE VIEW readable_transaction_samples AS
        SELECT identity, central_system, transaction_number, document
        FROM transaction_samples JOIN charge_points ON charge_points.id = charge_point""",
    """CREATE VIEW readable_charging_profiles AS
        SELECT identity, central_system, profile_id, connector, purpose, stack_level, transaction_number,
            document
        FROM charging_profiles JOIN charge_points ON charge_points.id = charge_point""",
    """CREATE VIEW readable_profile_writes AS
        SELECT charger, date(day * 86400, 'unixepoch') AS day, writes FROM profile_writes""",
    f"""CREATE VIEW readable_local_list AS
        SELECT identity, central_system, id_tag, status, {_iso("expires_ms")} AS expires, parent_id_tag
        FROM local_list JOIN charge_points ON charge_points.id = charge_point""",
    f"""CREATE VIEW readable_token_cache AS
        SELECT identity, central_system, id_tag, status, {_iso("expires_ms")} AS expires, parent_id_tag,
            {_iso("at_ms")} AS at
        FROM token_cache JOIN charge_points ON charge_points.id = charge_point""",
    f"""CREATE VIEW readable_set_aside AS
        SELECT set_aside.id, identity, central_system, {_iso("at_ms")} AS at, input, error,
            {_iso("settled_ms")} AS settled, settled_by, settled_reason
        FROM set_aside JOIN charge_points ON charge_points.id = charge_point""",
)

Step = Sequence[str]
"""Statements that lead from one version to the next; they are committed together."""

STEPS: tuple[Step, ...] = (_VERSION_1,)
"""Step n leads to version n + 1. Steps are only ever appended: stores of each version are in use."""


def migrate(connection: sqlite3.Connection, path: Path, steps: Sequence[Step] = STEPS) -> None:
    """Migrate a store, or an empty file, to the version that `steps` lead to.

    Each step is done whole or not at all: an interrupted migration goes on at the next start.

    Args:
        connection: open, in autocommit.
        path: the file, for messages.
        steps: step n leads to version n + 1.

    Raises:
        NotAStoreError, StoreTooNewError: see `version_of`.
    """
    version = version_of(connection, path, steps)
    for reached, step in enumerate(steps[version:], start=version + 1):
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in step:
                connection.execute(statement)
            # A PRAGMA takes no parameters; both numbers are our own.
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {reached}")
            connection.execute("COMMIT")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def version_of(connection: sqlite3.Connection, path: Path, steps: Sequence[Step] = STEPS) -> int:
    """Return the version of a store, 0 for an empty file; changes nothing.

    Args:
        connection: open.
        path: the file, for messages.
        steps: as for `migrate`.

    Raises:
        NotAStoreError: the file is an SQLite database of something else.
        StoreTooNewError: the store is of a later version than `steps` lead to.
    """
    application_id, version = _marks(connection)
    if application_id != APPLICATION_ID:
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if application_id or version or tables:
            raise NotAStoreError(
                f"{path} is a database of another program; move it away or name another state directory"
            )
    if version > len(steps):
        raise StoreTooNewError(
            f"{path} has schema version {version}, this chargebridge knows up to {len(steps)}; "
            f"run a newer chargebridge, or restore a backup made before the upgrade"
        )
    return version


def _marks(connection: sqlite3.Connection) -> tuple[int, int]:
    application_id: int = connection.execute("PRAGMA application_id").fetchone()[0]
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return application_id, version
