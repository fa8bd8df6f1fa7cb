"""What the central system was told is so, against what is in the gateway's store after a kill."""

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
    """What a charge point can be asked for that it has to remember."""

    CONFIGURATION = CONFIGURATION_KEY
    AVAILABILITY = "availability of connector 1"
    PROFILE = "limit of the charging profile"
    LOCAL_LIST = "version of the local list"


Memory = Mapping[tuple[str, Subject], str]
"""What charge points remember, by identity and subject."""


class _Word(Struct):
    told: str | None = None
    """What it was accepted to be; None: nothing yet."""
    maybe: list[str] = []
    """What was asked for since, with no answer: it may be so or not."""


class Promises:
    """What each charge point has accepted, and what it may have."""

    def __init__(self) -> None:
        self._words: dict[tuple[str, Subject], _Word] = {}
        self.checked = 0
        """How often something accepted was looked for in a store."""

    def asked(self, identity: str, subject: Subject, value: str) -> None:
        """Note that a charge point is asked for something: from now on it may be so."""
        self._words.setdefault((identity, subject), _Word()).maybe.append(value)

    def accepted(self, identity: str, subject: Subject, value: str) -> None:
        """Note that it was accepted: from now on it is so, whatever was asked before."""
        word = self._words[identity, subject]
        word.told = value
        del word.maybe[: word.maybe.index(value) + 1]

    def refused(self, identity: str, subject: Subject, value: str) -> None:
        """Note that it was refused."""
        self._words[identity, subject].maybe.remove(value)

    def broken(self, memory: Memory) -> list[str]:
        """Return what is not as it was accepted, one line each, and go on from what is.

        Args:
            memory: what the store of a gateway holds that is not running, and all of whose answers
                have been taken.
        """
        lines: list[str] = []
        for (identity, subject), word in self._words.items():
            found = memory.get((identity, subject))
            if word.told is not None:
                self.checked += 1
                if found not in (word.told, *word.maybe):
                    lines.append(
                        f"{identity}: {subject} was accepted as {word.told}, and is {found} after a kill"
                        + (f" (unanswered: {', '.join(word.maybe)})" if word.maybe else "")
                    )
            elif found in word.maybe:
                word.told = found
            word.maybe.clear()
            if word.told is not None:
                word.told = found
        return lines


def read_memory(store: Path) -> dict[tuple[str, Subject], str]:
    """Read what the charge points of a gateway that is not running remember.

    The files are copied first: whoever opens them in their place would tidy up what the next start
    has to be able to tidy up.

    Args:
        store: the store's file; one that is not there yet holds nothing.
    """
    memory: dict[tuple[str, Subject], str] = {}
    with tempfile.TemporaryDirectory(prefix="chargebridge-") as folder:
        copy = copy_files(store, Path(folder))
        if copy is None:
            return memory
        with closing(sqlite3.connect(copy)) as database:
            if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'states'").fetchone():
                return memory
            for identity, value in database.execute(
                "SELECT identity, value FROM readable_configuration WHERE key = ?", (CONFIGURATION_KEY,)
            ):
                memory[identity, Subject.CONFIGURATION] = value
            for identity, document in database.execute(
                "SELECT identity, document FROM readable_charging_profiles WHERE profile_id = ?",
                (PROFILE_ID,),
            ):
                periods = json.loads(document)["chargingSchedule"]["chargingSchedulePeriod"]
                memory[identity, Subject.PROFILE] = f"{periods[0]['limit']:g}"
            for identity, document in database.execute(
                "SELECT identity, document FROM readable_charge_points WHERE document IS NOT NULL"
            ):
                state = json.loads(document)
                # What waits for the end of a transaction was accepted, too (AV-1).
                waiting = dict(state.get("scheduled", ()))
                operative = waiting.get(1, state.get("connector_operative", True))
                memory[identity, Subject.AVAILABILITY] = "Operative" if operative else "Inoperative"
                memory[identity, Subject.LOCAL_LIST] = str(state.get("list_version", 0))
    return memory


def copy_files(store: Path, folder: Path) -> Path | None:
    """Copy a store's file and its log into a folder; None if there is no such file."""
    if not store.exists():
        return None
    for suffix in ("", "-wal"):
        source = store.with_name(store.name + suffix)
        if source.exists():
            shutil.copyfile(source, folder / source.name)
    return folder / store.name
