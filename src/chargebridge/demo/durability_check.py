"""Checks durability: what charge points have accepted must be in the gateway's store after a kill."""

import json
import shutil
import sqlite3
import tempfile
from collections.abc import Mapping
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import Final

from msgspec import Struct

CONFIGURATION_KEY: Final = "MeterValueSampleInterval"
PROFILE_ID: Final = 1


class Subject(StrEnum):
    """A value that a charge point has to store once it has accepted it."""

    CONFIGURATION = CONFIGURATION_KEY
    AVAILABILITY = "availability of connector 1"
    PROFILE = "limit of the charging profile"
    LOCAL_LIST = "version of the local list"


StoredValues = Mapping[tuple[str, Subject], str]
"""The values in a store, by identity and subject."""


class _Expected(Struct):
    accepted: str | None = None
    """The value accepted last; None if there is none yet."""
    unanswered: list[str] = []
    """Values requested since then without an answer: any of them may be stored."""


class DurabilityCheck:
    """The values that each charge point has accepted, and those it may have accepted."""

    def __init__(self) -> None:
        self._expected: dict[tuple[str, Subject], _Expected] = {}
        self.checks = 0
        """How often an accepted value was looked up in a store."""

    def record_request(self, identity: str, subject: Subject, value: str) -> None:
        """Record a request: from now on the value may be stored."""
        self._expected.setdefault((identity, subject), _Expected()).unanswered.append(value)

    def record_acceptance(self, identity: str, subject: Subject, value: str) -> None:
        """Record that a request was accepted: from now on its value is stored, and no earlier one."""
        expected = self._expected[identity, subject]
        expected.accepted = value
        del expected.unanswered[: expected.unanswered.index(value) + 1]

    def record_refusal(self, identity: str, subject: Subject, value: str) -> None:
        """Record that a request was refused."""
        self._expected[identity, subject].unanswered.remove(value)

    def find_lost(self, stored: StoredValues) -> list[str]:
        """Return a line for each accepted value that is not stored, and expect the stored ones from now on.

        Args:
            stored: the values in the store of a gateway that is not running, and whose answers have all been
                recorded.
        """
        lines: list[str] = []
        for (identity, subject), expected in self._expected.items():
            found = stored.get((identity, subject))
            if expected.accepted is not None:
                self.checks += 1
                if found not in (expected.accepted, *expected.unanswered):
                    lines.append(
                        f"{identity}: {subject} was accepted as {expected.accepted},"
                        f" and is {found} after a kill"
                        + (f" (unanswered: {', '.join(expected.unanswered)})" if expected.unanswered else "")
                    )
            elif found in expected.unanswered:
                expected.accepted = found
            expected.unanswered.clear()
            if expected.accepted is not None:
                expected.accepted = found
        return lines


def read_stored_values(store: Path) -> dict[tuple[str, Subject], str]:
    """Read the values from the store of a gateway that is not running.

    It reads a copy of the files: to open the store itself would repair it, and the next start of the gateway
    has to be able to do that.

    Args:
        store: the store's file; a missing one has no values.
    """
    stored: dict[tuple[str, Subject], str] = {}
    with tempfile.TemporaryDirectory(prefix="chargebridge-") as folder:
        copy = copy_files(store, Path(folder))
        if copy is None:
            return stored
        with closing(sqlite3.connect(copy)) as database:
            if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'states'").fetchone():
                return stored
            for identity, value in database.execute(
                "SELECT identity, value FROM readable_configuration WHERE key = ?", (CONFIGURATION_KEY,)
            ):
                stored[identity, Subject.CONFIGURATION] = value
            for identity, document in database.execute(
                "SELECT identity, document FROM readable_charging_profiles WHERE profile_id = ?",
                (PROFILE_ID,),
            ):
                periods = json.loads(document)["chargingSchedule"]["chargingSchedulePeriod"]
                stored[identity, Subject.PROFILE] = f"{periods[0]['limit']:g}"
            for identity, document in database.execute(
                "SELECT identity, document FROM readable_charge_points WHERE document IS NOT NULL"
            ):
                state = json.loads(document)
                # A change that waits for the end of a transaction was accepted, too (AV-1).
                waiting = dict(state.get("scheduled", ()))
                operative = waiting.get(1, state.get("connector_operative", True))
                stored[identity, Subject.AVAILABILITY] = "Operative" if operative else "Inoperative"
                stored[identity, Subject.LOCAL_LIST] = str(state.get("list_version", 0))
    return stored


def copy_files(store: Path, folder: Path) -> Path | None:
    """Copy a store's file and its write-ahead log into a folder; return None if there is no such file."""
    if not store.exists():
        return None
    for suffix in ("", "-wal"):
        source = store.with_name(store.name + suffix)
        if source.exists():
            shutil.copyfile(source, folder / source.name)
    return folder / store.name
