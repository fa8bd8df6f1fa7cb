"""A binding: a charge point at work with its charger, its link and its place in the store."""

from collections.abc import Callable
from typing import NamedTuple

from msgspec import Struct

from chargebridge.chargepoint.charge_point import VirtualChargePoint
from chargebridge.chargepoint.turn import (
    ChargerDescribed,
    CommandEnded,
    FrameReceived,
    Input,
    LinkClosed,
    LinkOpened,
    Output,
)
from chargebridge.chargers.model import Driver, Reachable
from chargebridge.gateway.turns.outage_log import OutageLog, Topic
from chargebridge.gateway.turns.wheel import NEVER
from chargebridge.link.link import Link


class Receipt(Struct, frozen=True):
    """The receipt of an event from a driver, which can be deferred: the driver delivers it again."""

    driver: Driver
    token: object
    """The driver wants this acknowledged once the event is durable; None: nothing."""


class RetriedInput(NamedTuple):
    """An input that is taken when its charge point is rebuilt: its turn failed, or it arrived meanwhile."""

    an_input: Input
    receipt: Receipt | None
    has_failed: bool
    """Through its own fault: its turn raised, or had a record that can never be stored."""


class RebuildBacklog:
    """The inputs that a charge point takes when it is rebuilt: first the undone, then those that arrived.

    Outcomes of commands and descriptions of chargers are kept once, however often they are repeated.
    """

    __slots__ = ("_arrived", "_undone")

    def __init__(self) -> None:
        self._undone: list[RetriedInput] = []
        self._arrived: list[RetriedInput] = []

    def __len__(self) -> int:
        """Return the number of inputs."""
        return len(self._undone) + len(self._arrived)

    @property
    def inputs(self) -> list[RetriedInput]:
        """All inputs, in the order in which they are to be taken."""
        return [*self._undone, *self._arrived]

    def undo(self, retried: RetriedInput) -> None:
        """Keep an input whose turn did not become durable; these came before the others."""
        self._keep(retried, self._undone)

    def arrive(self, retried: RetriedInput) -> None:
        """Keep an input that had no turn yet."""
        self._keep(retried, self._arrived)

    def drop(self, unwanted: Callable[[Input], bool]) -> None:
        """Forget inputs that are no longer wanted."""
        for kept in (self._undone, self._arrived):
            kept[:] = [retried for retried in kept if not unwanted(retried.an_input)]

    def _keep(self, retried: RetriedInput, kept: list[RetriedInput]) -> None:
        if isinstance(retried.an_input, ChargerDescribed):
            self.drop(lambda an_input: isinstance(an_input, ChargerDescribed))
        elif isinstance(retried.an_input, CommandEnded) and self._has(retried.an_input):
            return
        kept.append(retried)

    def _has(self, an_input: Input) -> bool:
        return any(retried.an_input == an_input for retried in self.inputs)


class SkippedEvents(Struct):
    """The one deferred event of a charger that is kept: the driver delivers the others again."""

    reachable: Reachable | None = None
    """The newest of its kind: a driver whose cloud is away by now cannot repeat it."""


class PendingTurn(Struct, frozen=True):
    """A turn on its way to the disk: its outputs are emitted when it is there."""

    binding: "Binding"
    outputs: list[Output]
    an_input: Input
    receipt: Receipt | None
    has_failed: bool = False
    """Its input has failed before, and is taken for the second time."""
    opens: str = ""
    """The id of the CALL that it opens, if it does."""
    submitted_at: float = 0.0
    """Monotonic, in seconds of the clock."""
    sets_aside: bool = False
    """The input itself is on its way to the disk, set aside; there was no turn."""


class Binding:
    """One charge point with all that it is bound to. The owner of its link.

    Args:
        key: of the charge point in the store.
        charge_point: the state machine.
        serial: of the charger; empty for a charge point that only delivers what is left.
        driver: of the charger; None likewise.
        turn: runs a turn.
        outage_log: logs failures of the link.
    """

    __slots__ = (
        "_is_deaf",
        "_outage_log",
        "_turn",
        "backlog",
        "boot_refused",
        "central_system",
        "charge_point",
        "driver",
        "key",
        "link",
        "newest_call",
        "serial",
        "skipped",
        "slot",
        "uncommitted",
        "unsent_call",
    )

    link: Link

    def __init__(
        self,
        key: int,
        central_system: str,
        charge_point: VirtualChargePoint,
        serial: str,
        driver: Driver | None,
        turn: Callable[["Binding", Input], None],
        outage_log: OutageLog,
    ) -> None:
        self.key = key
        self.central_system = central_system
        self.charge_point = charge_point
        self.serial = serial
        self.driver = driver
        self.uncommitted = 0
        """Turns on their way to the disk."""
        self.newest_call = ""
        """The id of the CALL that was opened last."""
        self.unsent_call = ""
        """The id of the open CALL while its frame waits for the disk."""
        self.backlog: RebuildBacklog | None = None
        """From a failed turn until the rebuild: inputs that the charge point takes then; otherwise None."""
        self.skipped: SkippedEvents | None = None
        """From a deferred event until the charger is watched again, otherwise None. All events in between are
        deferred as well: a later one must not come before an earlier one."""
        self.boot_refused = False
        """The last answer to a BootNotification was of no use; the log has it."""
        self.slot = NEVER
        self._turn = turn
        self._outage_log = outage_log
        self._is_deaf = False
        """The central system has not answered: only a message shows that the link works again."""

    @property
    def identity(self) -> str:
        """Of the charge point."""
        return self.charge_point.settings.identity

    def link_opened(self, epoch: int) -> None:
        """Report to the charge point that its link is open."""
        if not self._is_deaf:
            self._outage_log.recovered(Topic.LINKS, self.central_system, self.identity)
        self._turn(self, LinkOpened(epoch))

    def frame_received(self, epoch: int, data: bytes) -> None:
        """Give the charge point a message of its central system."""
        if self._is_deaf:
            self._is_deaf = False
            self._outage_log.recovered(Topic.LINKS, self.central_system, self.identity)
        self._turn(self, FrameReceived(epoch, data))
        if self.charge_point.answered_here:
            self.link.record.answered = True

    def link_closed(self, epoch: int, reason: str, code: int | None) -> None:
        """Report to the charge point that its link is gone."""
        self._turn(self, LinkClosed(epoch, reason, code))

    def link_failed(self, reason: str) -> None:
        """Log that the central system cannot be reached, or has ended the connection."""
        self._outage_log.failed(Topic.LINKS, self.central_system, self.identity, self._with_url(reason))

    def link_unstable(self, reason: str) -> None:
        """Log that the link opens and soon breaks, again and again."""
        self._outage_log.forget(Topic.LINKS, self.central_system, self.identity)
        self._outage_log.failed(
            Topic.UNSTABLE_LINKS, self.central_system, self.identity, self._with_url(reason)
        )

    def link_stable(self) -> None:
        """Log that it does so no longer."""
        self._outage_log.recovered(Topic.UNSTABLE_LINKS, self.central_system, self.identity)

    def _with_url(self, reason: str) -> str:
        several = len(self.link.endpoints) > 1
        return f"{self.link.endpoint.url}: {reason}" if several else reason

    def link_deaf(self, reason: str) -> None:
        """Log that the central system has not answered on an open connection."""
        self._is_deaf = True
        self._outage_log.failed(Topic.LINKS, self.central_system, self.identity, reason)

    def forget_link(self) -> None:
        """Log no failure of this link any more: it is not to be open."""
        self._is_deaf = False
        self._outage_log.forget(Topic.LINKS, self.central_system, self.identity)
        self._outage_log.forget(Topic.UNSTABLE_LINKS, self.central_system, self.identity)

    def forget(self) -> None:
        """Log nothing about this charge point any more."""
        self.forget_link()
        self._outage_log.forget(Topic.REGISTRATIONS, self.central_system, self.identity)
