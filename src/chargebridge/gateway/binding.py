"""A charge point at work: bound to its charger, its link and its place in the store."""

from collections.abc import Callable
from typing import NamedTuple

from msgspec import Struct

from chargebridge.chargepoint.charge_point import ChargePoint
from chargebridge.chargepoint.turn import FrameReceived, Input, LinkClosed, LinkOpened, Output
from chargebridge.chargers.model import Driver
from chargebridge.gateway.wheel import NEVER
from chargebridge.link.link import Link


class Receipt(Struct, frozen=True):
    """What a driver wants acknowledged once the event is durable."""

    driver: Driver
    token: object


class Again(NamedTuple):
    """An input whose turn failed and that is taken again."""

    an_input: Input
    receipt: Receipt | None
    has_failed: bool
    """By its own fault: its turn raised, or had a record that can never be stored."""


class Backlog(NamedTuple):
    """What a charge point takes when it is rebuilt: first `undone`, then `arrived`."""

    undone: list[Again]
    """Whose turn did not become durable; they came before the others."""
    arrived: list[Again]


class PendingTurn(Struct, frozen=True):
    """A turn on its way to the disk: what it lets go when it is there."""

    binding: "Binding"
    outputs: list[Output]
    an_input: Input
    receipt: Receipt | None
    has_failed: bool = False
    """The input is taken for the second time."""
    sets_aside: bool = False
    """The input itself is on its way, set aside; there was no turn."""


class Binding:
    """One charge point with all that it is bound to. The owner of its link.

    Args:
        key: of the charge point in the store.
        charge_point: the state machine.
        serial: of the charger; empty for one that only delivers what is left.
        driver: the way to the charger, None likewise.
        turn: what runs a turn.
    """

    __slots__ = (
        "_turn",
        "again",
        "central_system",
        "charge_point",
        "driver",
        "key",
        "link",
        "serial",
        "slot",
        "uncommitted",
    )

    link: Link

    def __init__(
        self,
        key: int,
        central_system: str,
        charge_point: ChargePoint,
        serial: str,
        driver: Driver | None,
        turn: Callable[["Binding", Input], None],
    ) -> None:
        self.key = key
        self.central_system = central_system
        self.charge_point = charge_point
        self.serial = serial
        self.driver = driver
        self.uncommitted = 0
        """Turns on their way to the disk."""
        self.again: Backlog | None = None
        """Not None from a turn that failed until the charge point is rebuilt: what it takes then."""
        self.slot = NEVER
        self._turn = turn

    def link_opened(self, epoch: int) -> None:
        """Tell the charge point that its link is open."""
        self._turn(self, LinkOpened(epoch))

    def frame_received(self, epoch: int, data: bytes) -> None:
        """Give the charge point a message of its central system."""
        self._turn(self, FrameReceived(epoch, data))

    def link_closed(self, epoch: int, reason: str) -> None:  # noqa: ARG002 - the link keeps the reason
        """Tell the charge point that its link is gone."""
        self._turn(self, LinkClosed(epoch))
