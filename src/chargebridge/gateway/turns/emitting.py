"""Emitting the outputs of turns, once the turns are durable."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from chargebridge.chargepoint.model.open_call import CallKind
from chargebridge.chargepoint.turn import (
    CloseLink,
    CommandCharger,
    Notice,
    NoticeKind,
    Output,
    ReadStore,
    ReopenLink,
    SendFrame,
    SetPing,
)
from chargebridge.chargers.model import ChargerCommand
from chargebridge.clock import Clock
from chargebridge.gateway.turns.binding import Binding, Receipt
from chargebridge.gateway.turns.outage_log import OutageLog, Topic
from chargebridge.gateway.turns.ports import Journal
from chargebridge.gateway.turns.traces import Direction, Frame, Traces
from chargebridge.log_bounds import BoundedLog, Later

_LOGGED: Final = frozenset(
    {
        NoticeKind.HANG_UP,
        NoticeKind.DEAD_LETTER,
        NoticeKind.TRANSACTION_DATA_LEFT_OUT,
        NoticeKind.REDELIVERED,
        NoticeKind.SETTLED,
        NoticeKind.END_ASSUMED,
        NoticeKind.ENERGY_WITHOUT_SESSION,
        NoticeKind.TRANSACTION_REBUILT,
        NoticeKind.WRITE_BUDGET_EXCEEDED,
        NoticeKind.LOCAL_LIST_CONFLICT,
        NoticeKind.QUEUE_NEAR_LIMIT,
    }
)
_BOOTS: Final = frozenset(kind for kind in NoticeKind if kind.value.startswith("boot"))
"""Answers to a BootNotification that are of no use: logged once for each charge point until they change."""
_BOOT_FAILED: Final = f"{CallKind.BOOT.name.lower()}: "
"""The beginning of a `CALL_FAILED` that is about a BootNotification, which was answered with an error."""
# Needed for each frame; reaching a member through its class takes longer.
_SENT: Final = Direction.SENT

_log = structlog.get_logger()


class Emitter:
    """Hands the outputs of durable turns to links, drivers, the store, the log and operators.

    Args:
        clock: the time.
        journal: answers questions of charge points.
        traces: keeps the newest frames.
        outage_log: logs registrations that fail.
        later: calls a function after so many real seconds.
    """

    def __init__(
        self, clock: Clock, journal: Journal, traces: Traces, outage_log: OutageLog, later: Later
    ) -> None:
        self._clock = clock
        self._journal = journal
        self._traces = traces
        self._outage_log = outage_log
        self._bounded_log = BoundedLog(_log, later)
        self._operators: dict[int, Callable[[bool, str], None]] = {}
        self._next_operator = 1
        self._advised: set[str] = set()
        """Central systems about which a compatibility was advised."""
        self.notices: Counter[NoticeKind] = Counter()
        """How often there was a notice of each kind."""

    def emit(self, binding: Binding, outputs: Sequence[Output], receipt: Receipt | None) -> None:
        """Emit the outputs of a turn in their order, and acknowledge its event."""
        if binding.boot_refused and binding.charge_point.accepted:
            binding.boot_refused = False
            self._outage_log.recovered(Topic.REGISTRATIONS, binding.central_system, binding.identity)
        for output in outputs:
            if isinstance(output, SendFrame):
                self.send_frame(binding, output.epoch, output.data)
            elif isinstance(output, Notice):
                self._notice(binding, output)
            elif isinstance(output, CommandCharger):
                self._command(binding, output.command)
            elif isinstance(output, ReadStore):
                self._journal.read(binding.key, output.query, binding)
            elif isinstance(output, CloseLink):
                # A pause is one of charge points and chargers, whose clock may run faster than the link's.
                binding.link.close(output.epoch, output.reason, output.pause_s / self._clock.speed)
            elif isinstance(output, ReopenLink):
                binding.link.reopen()
            elif isinstance(output, SetPing):
                binding.link.set_ping_interval(output.interval_s)
            else:
                answered = self._operators.pop(output.ask, None)
                if answered is not None:
                    answered(output.accepted, output.detail)
        if receipt is not None:
            self._acknowledge(receipt)

    def send_frame(self, binding: Binding, epoch: int, data: bytes) -> None:
        """Send a frame on this connection, if it is still open."""
        if binding.link.send(epoch, data):
            self._traces.add(Frame(binding.key, self._clock.now().utc_ms, _SENT, data))

    def _notice(self, binding: Binding, notice: Notice) -> None:
        self.notices[notice.kind] += notice.times
        if notice.kind in _BOOTS or (
            notice.kind is NoticeKind.CALL_FAILED and notice.detail.startswith(_BOOT_FAILED)
        ):
            binding.boot_refused = True
            reason = f"{notice.kind.value}: {notice.detail}"
            self._outage_log.failed(Topic.REGISTRATIONS, binding.central_system, binding.identity, reason)
        elif notice.kind is NoticeKind.DEAF_LINK:
            binding.link_deaf(notice.detail)
        elif notice.kind is NoticeKind.COMMAND_FAILED:
            # Thousands of chargers may refuse the same for one reason.
            self._bounded_log.warning(notice.kind.value, reason=notice.detail, charge_point=binding.identity)
            return
        log = _log.warning if notice.kind in _LOGGED or self._is_first_advice(binding, notice) else _log.debug
        log(notice.kind.value, charge_point=binding.identity, detail=notice.detail)

    def _is_first_advice(self, binding: Binding, notice: Notice) -> bool:
        """Whether this is the first advice about a central system, whose charge points all get the same."""
        if notice.kind is not NoticeKind.COMPATIBILITY_ADVISED or binding.central_system in self._advised:
            return False
        self._advised.add(binding.central_system)
        return True

    # Drivers come from outside: one that raises must not harm other outputs.

    @staticmethod
    def _command(binding: Binding, command: ChargerCommand) -> None:
        if binding.driver is None:
            return
        try:
            binding.driver.command(binding.serial, command)
        except Exception:  # noqa: BLE001 - the outcome stays unknown, which the charge point can deal with
            _log.exception("driver failed at a command", charger=binding.serial)

    @staticmethod
    def _acknowledge(receipt: Receipt) -> None:
        if receipt.token is None:
            return
        try:
            receipt.driver.acknowledge(receipt.token)
        except Exception:  # noqa: BLE001 - the event comes again, and is recognized as a repeat
            _log.exception("driver failed at an acknowledgement")

    # --- operators --------------------------------------------------------------------------------

    def await_outcome(self, answered: Callable[[bool, str], None]) -> int:
        """Return a number for an `OperatorAsked`; its outcome goes to this function."""
        number, self._next_operator = self._next_operator, self._next_operator + 1
        self._operators[number] = answered
        return number

    def forget_outcome(self, number: int) -> None:
        """Await this outcome no longer."""
        self._operators.pop(number, None)

    def is_awaited(self, number: int) -> bool:
        """Tell whether an operator still awaits this outcome."""
        return number in self._operators
