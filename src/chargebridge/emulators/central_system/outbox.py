"""Holds back answers until the ledger is committed, with one commit for the frames of a slot."""

import asyncio
import sqlite3
from collections.abc import Callable
from typing import Final, NamedTuple

from chargebridge.emulators.central_system.ledger import Ledger
from chargebridge.emulators.central_system.session import Session
from chargebridge.emulators.central_system.transcript import Kind
from chargebridge.emulators.central_system.transport.server import Connection

SLOT_S: Final = 0.005
"""Real seconds between a frame and the commit, if the ledger has a file."""


class Outgoing(NamedTuple):
    """An answer and its connection."""

    session: Session
    connection: Connection
    kind: Kind
    action: str
    message_id: str
    frame: bytes


class Outbox:
    """Sends answers after the ledger has committed the messages that they answer.

    Args:
        ledger: the ledger to commit.
        sent: called with each answer that was sent.
    """

    def __init__(self, ledger: Ledger, sent: Callable[[Outgoing], None]) -> None:
        self._ledger = ledger
        self._sent = sent
        self._slot_s = 0.0 if ledger.path is None else SLOT_S
        self._outgoing: list[Outgoing] = []
        self._timer: asyncio.TimerHandle | None = None

    def open_slot(self) -> None:
        """Schedule a commit, even without an answer to send after it."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._slot_s, self.flush)

    def post(self, outgoing: Outgoing) -> None:
        """Send an answer after the next commit."""
        self._outgoing.append(outgoing)
        self.open_slot()

    def drop(self) -> None:
        """Drop the unsent answers."""
        self._outgoing.clear()

    def flush(self) -> None:
        """Commit the ledger, and send all waiting answers.

        Raises:
            sqlite3.Error: the ledger cannot be written. Its changes stay pending; the answers are dropped and
                their connections cut, so that the charge points repeat their CALLs.
        """
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        outgoing, self._outgoing = self._outgoing, []
        try:
            self._ledger.commit()
        except sqlite3.Error:
            for dropped in outgoing:
                dropped.connection.abort()
            raise
        for answer in outgoing:
            if answer.connection.is_open:
                answer.connection.send(answer.frame)
                self._sent(answer)
