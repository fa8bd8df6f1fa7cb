"""A charge point at work: bound to its charger, its link and its place in the store."""

from collections.abc import Callable
from typing import NamedTuple

from msgspec import Struct

from chargebridge.chargepoint.charge_point import ChargePoint
from chargebridge.chargepoint.turn import (
    CommandEnded,
    Described,
    FrameReceived,
    Input,
    LinkClosed,
    LinkOpened,
    Output,
)
from chargebridge.chargers.model import Driver, Reachable
from chargebridge.gateway.turns.wheel import NEVER
from chargebridge.link.link import Link


class Receipt(Struct, frozen=True):
    """Comes with what a driver tells, which it can be asked to tell anew."""

    driver: Driver
    token: object
    """What it wants acknowledged once the event is durable; None: nothing."""


class Again(NamedTuple):
    """An input whose turn failed and that is taken again."""

    an_input: Input
    receipt: Receipt | None
    has_failed: bool
    """By its own fault: its turn raised, or had a record that can never be stored."""


class Backlog:
    """What a charge point takes when it is rebuilt: first what was undone, then what has arrived since.

    What comes again and again however long that takes is kept once: how a command ended, what a charger is.
    """

    __slots__ = ("_arrived", "_undone")

    def __init__(self) -> None:
        self._undone: list[Again] = []
        self._arrived: list[Again] = []

    def __len__(self) -> int:
        """Return how many inputs wait."""
        return len(self._undone) + len(self._arrived)

    @property
    def inputs(self) -> list[Again]:
        """All of them, in the order in which they are to be taken."""
        return [*self._undone, *self._arrived]

    def undo(self, again: Again) -> None:
        """Keep an input whose turn did not become durable; they came before the others."""
        self._keep(again, self._undone)

    def arrive(self, again: Again) -> None:
        """Keep an input that has not had its turn."""
        self._keep(again, self._arrived)

    def drop(self, unwanted: Callable[[Input], bool]) -> None:
        """Forget inputs that nobody wants to be taken any more."""
        for kept in (self._undone, self._arrived):
            kept[:] = [again for again in kept if not unwanted(again.an_input)]

    def _keep(self, again: Again, kept: list[Again]) -> None:
        if isinstance(again.an_input, Described):
            self.drop(lambda an_input: isinstance(an_input, Described))
        elif isinstance(again.an_input, CommandEnded) and self._has(again.an_input):
            return
        kept.append(again)

    def _has(self, an_input: Input) -> bool:
        return any(again.an_input == an_input for again in self.inputs)


class Missed(Struct):
    """What a charge point knows of the events of its charger that it has not taken."""

    reachable: Reachable | None = None
    """The newest of its kind: a driver whose cloud is away by now has nothing to tell anew."""


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
        "missed",
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
        self.missed: Missed | None = None
        """Not None from an event that was not taken until the driver is asked to tell anew. In between none
        is taken: a later one must not come before an earlier one."""
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
