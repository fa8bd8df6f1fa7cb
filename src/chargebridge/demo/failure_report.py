"""Reports all records of the charge points that failed a comparison, for the search for the cause."""

import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from chargebridge.demo.durability_check import copy_files
from chargebridge.demo.testbed import DemoTestbed, identity_of

SHOWN: Final = 3
"""The most charge points in a report."""
_SESSIONS: Final = 5
_TABLES: Final = ("readable_transactions", "readable_queue", "readable_dead_letters", "readable_set_aside")


def failure_report(testbed: DemoTestbed, complaints: Iterable[str]) -> Iterator[str]:
    """Yield the messages of each charge point in the complaints, and the records of all sides.

    Args:
        testbed: the testbed after the run; it is stopped.
        complaints: lines that begin with the identity of a charge point; other lines are ignored.
    """
    named = {line.partition(":")[0]: None for line in complaints}
    identities = [identity for identity in named if identity in testbed.identities][:SHOWN]
    with tempfile.TemporaryDirectory(prefix="chargebridge-") as folder:
        store = copy_files(testbed.gateway.store, Path(folder))
        for identity in identities:
            yield f"--- {identity}: the last {len(testbed.central_system.exchanges(identity))} messages"
            yield from map(str, testbed.central_system.exchanges(identity))
            yield f"--- {identity}: the charger's last sessions"
            sessions = [
                one for one in testbed.world.finished_sessions() if identity_of(one.serial) == identity
            ]
            yield from map(str, sessions[-_SESSIONS:])
            yield f"--- {identity}: the central system's last transactions"
            transactions = [one for one in testbed.ledger.transactions() if one.identity == identity]
            yield from map(str, transactions[-_SESSIONS:])
            if store is not None:
                yield from _records(store, identity)


def _records(store: Path, identity: str) -> Iterator[str]:
    """Yield the newest rows of a charge point in the readable tables of the store."""
    with closing(sqlite3.connect(store)) as database:
        for table in _TABLES:
            yield f"--- {identity}: {table}"
            # The table's name is one of the constants above.
            rows = database.execute(f"SELECT * FROM {table} WHERE identity = ?", (identity,))  # noqa: S608
            yield from map(str, rows.fetchall()[-_SESSIONS:])
