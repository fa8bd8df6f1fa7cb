"""Answers that wait for their commit: durable before visible, one commit for all of a slot."""

import asyncio
import sqlite3
from collections.abc import Callable
from typing import Final, NamedTuple

from chargebridge.emulators.central_system.ledger import Ledger
from chargebridge.emulators.central_system.session import Session
from chargebridge.emulators.central_system.transcript import Kind
from chargebridge.emulators.central_system.transport.server import Connection

SLOT_S: Final = 0.005
"""Real seconds in which frames are collected for one commit of a durable ledger."""


class Outgoing(NamedTuple):
    """An answer and where it goes."""

    session: Session
    connection: Connection
    kind: Kind
    action: str
    message_id: str
    frame: bytes


class Outbox:
    """Holds answers back until what they answer has been committed.

    Args:
        ledger: what is committed.
        sent: hears of each answer that leaves.
    """

    def __init__(self, ledger: Ledger, sent: Callable[[Outgoing], None]) -> None:
        self._ledger = ledger
        self._sent = sent
        self._slot_s = 0.0 if ledger.path is None else SLOT_S
        self._outgoing: list[Outgoing] = []
        self._timer: asyncio.TimerHandle | None = None

    def open_slot(self) -> None:
        """Let a commit come soon, whether or not there is anything to send after it."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._slot_s, self.flush)

    def post(self, outgoing: Outgoing) -> None:
        """Send an answer after the next commit."""
        self._outgoing.append(outgoing)
        self.open_slot()

    def drop(self) -> None:
        """Forget the answers that have not left."""
        self._outgoing.clear()

    def flush(self) -> None:
        """Commit and send everything that waits.

        Raises:
            sqlite3.Error: the ledger cannot be written. The answers are dropped and their
                connections cut, so that the charge points ask again; the ledger keeps what it was told.
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
