"""The state of one charge point at the central system, over all of its connections."""

import asyncio
from dataclasses import dataclass, field

from chargebridge.emulators.central_system.conformance import CallDiscipline
from chargebridge.emulators.central_system.transcript import Transcript
from chargebridge.emulators.central_system.transport.server import Connection
from chargebridge.ocpp16.enums import ChargePointStatus
from chargebridge.ocpp16.messages import Response


@dataclass
class PendingCall:
    """A CALL of the central system without an answer yet."""

    action: str
    answer: asyncio.Future[Response]


@dataclass
class Session:
    """One charge point, over all of its connections."""

    identity: str
    transcript: Transcript
    call_timeout_s: float
    """The shortest CALL timeout of the charge point, in real seconds."""
    connection: Connection | None = None
    discipline: CallDiscipline = field(init=False)
    statuses: dict[int, ChargePointStatus] = field(default_factory=dict)
    """The last status by connector since the last connect or boot: earlier ones need not be sent (`ST-7`)."""
    triggered: set[str] = field(default_factory=set)
    """Actions requested by TriggerMessage since the last boot."""
    boot_not_before: float = 0.0
    """The earliest time of the next BootNotification, on the monotonic time of the clock."""
    lost_starts: bool = False
    """Whether a StartTransaction got no CALLRESULT, so that its transactionId may be -1 (`TX-6`)."""
    pending: dict[str, PendingCall] = field(default_factory=dict)
    timed_out: set[str] = field(default_factory=set)
    """Ids of CALLs that timed out on this connection: their answers are late, not unknown (`RPC-7`)."""
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a CALL of the central system is unanswered: one at a time (`RPC-5`)."""
    connected: asyncio.Event = field(default_factory=asyncio.Event)
    disconnected: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.discipline = CallDiscipline(self.call_timeout_s)
        self.disconnected.set()

    def require_connection(self) -> Connection:
        """Return the connection.

        Raises:
            ConnectionError: the charge point is not connected.
        """
        if self.connection is None:
            raise ConnectionError(f"{self.identity} is not connected")
        return self.connection

    def open(self, connection: Connection) -> None:
        """Start a connection."""
        self.connection = connection
        self.discipline = CallDiscipline(self.call_timeout_s)
        self.statuses.clear()
        self.timed_out.clear()
        self.boot_not_before = 0.0
        self.disconnected.clear()
        self.connected.set()

    def close(self) -> None:
        """End the connection; CALLs without an answer fail."""
        self.connection = None
        self.connected.clear()
        self.disconnected.set()
        for call in self.pending.values():
            if not call.answer.done():
                call.answer.set_exception(ConnectionResetError(f"{self.identity} disconnected"))
        self.pending.clear()
