"""Sessions as a vendor's cloud records them, which is what a gateway can know of them.

At Easee the record of a session begins with the tap, a moment before the session that it leads to.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
from msgspec import structs

from chargebridge.chargers.simulator.ledger import FinishedSession
from chargebridge.emulators.easee_cloud import Beginning


class RecordedSessions:
    """When the records of sessions began, also in an earlier run with the same file.

    Args:
        path: the file that keeps it between two runs.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._started_ms: dict[tuple[str, int], int] = {}
        if path.exists():
            self.learn(msgspec.json.decode(path.read_bytes(), type=list[Beginning]))

    def learn(self, beginnings: Iterable[Beginning]) -> None:
        """Take note of beginnings; what is known already stays."""
        for one in beginnings:
            self._started_ms.setdefault((one.serial, one.session), one.started_ms)

    def save(self) -> None:
        """Write all of them to the file."""
        self._path.write_bytes(msgspec.json.encode([(*key, at) for key, at in self._started_ms.items()]))

    def recorded(self, sessions: Iterable[FinishedSession]) -> Iterator[FinishedSession]:
        """Yield sessions with the start of their record; without one before them they are as they are."""
        for session in sessions:
            known = self._started_ms.get((session.serial, session.session), session.started_at_ms)
            yield structs.replace(session, started_at_ms=known)
