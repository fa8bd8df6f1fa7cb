"""The virtual charge point: one input, one turn.

`VirtualChargePoint` leads each input to its concern and ends the turn, in its order. What a turn does is in
one module for each concern of OCPP, whose functions take the charge point as their first argument. Nothing in
this package knows a socket, a clock, a database or asyncio.
"""

from collections.abc import Callable, Mapping
from math import inf
from typing import Final

from chargebridge.chargepoint.authorization import authorization, local_list
from chargebridge.chargepoint.central_system import (
    boot_wait,
    calls,
    data_transfer,
    dead_letters,
    registration,
    requests,
    resets,
    unlocking,
)
from chargebridge.chargepoint.charger import charger_settings, limits, list_copy, restarts, stopping
from chargebridge.chargepoint.configuration import configuration
from chargebridge.chargepoint.connector import availability, status
from chargebridge.chargepoint.events import charger_events, command_outcomes, operator, restoration
from chargebridge.chargepoint.model import state
from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.model.state import Settings
from chargebridge.chargepoint.model.timers import Timer
from chargebridge.chargepoint.records import (
    DeadLettersFound,
    DeadLettersQuery,
    ListFound,
    QueuePage,
    QueueQuery,
    SaveState,
    SessionQuery,
    SessionsFound,
    TokenQuery,
    TokensFound,
)
from chargebridge.chargepoint.transactions import (
    awaited_ends,
    delivery,
    missed_sessions,
    queue,
    sampling,
    sessions,
    setting_aside,
)
from chargebridge.chargepoint.turn import (
    ChargerAssigned,
    ChargerDescribed,
    ChargerReleased,
    ChargerReported,
    CommandEnded,
    Effects,
    FrameReceived,
    Input,
    LinkClosed,
    LinkOpened,
    OperatorAsked,
    SetPing,
    StoreRead,
    TimerFired,
)
from chargebridge.clock import Instant

CLOCK_SET_MS: Final = 5_000
"""The host's clock was set if UTC and monotonic time differ by more than this between two turns."""


class VirtualChargePoint(ChargePoint):
    """One virtual charge point.

    Args:
        settings: what the configuration says of it.
        stored: what the store knows of it; None for one that has never run.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return (
            f"<ChargePoint {self.settings.identity} {self.registration or 'unregistered'}"
            f" {status.connector(self).status} queue={len(self.queue)}>"
        )

    def adopt(self, settings: Settings) -> None:
        """Go by these settings from now on; also between two turns.

        Args:
            settings: as configured; the driver's description of the charger fills in what they leave open.
        """
        charger_events.adopt(self, settings)

    def call_delayed(self, now: Instant) -> None:
        """Let the time-out of the open CALL begin now; to be called between two turns.

        The frame of a CALL leaves when its turn is durable, which may take long.

        Args:
            now: its frame leaves at this time, or has not left yet.
        """
        self.now = now
        calls.restart_timeout(self)
        self.wake_at = min(self.timers.values(), default=inf)

    # --- a turn -----------------------------------------------------------------------------------

    def resume(self, now: Instant) -> Effects:
        """Take up the loaded state: send again what is due to the charger, and set its deadlines.

        Called once, before any input.
        """
        self._begin(now)
        charger_events.check_identity(self)
        if self.is_new:
            configuration.write_initial(self)
            self.mark_dirty()
        if self.restored_anew:
            restoration.resume(self)
        if "WebSocketPingInterval" in self.configuration:
            _set_ping(self)
        authorization.resume(self)
        resets.resume(self)
        queue.resume(self)
        sampling.schedule(self)
        awaited_ends.resume(self)
        command_outcomes.resume(self)
        limits.refresh(self)
        return self._finish()

    def handle(self, an_input: Input, now: Instant) -> Effects:
        """Take one input and return what it leads to.

        Args:
            an_input: what happened.
            now: when; `mono` must not run backwards.
        """
        set_by_ms = now.utc_ms - self.now.utc_ms - (now.mono - self.now.mono) * 1000
        self._begin(now)
        if self.wake_at <= now.mono:
            self._fire()
        if abs(set_by_ms) > CLOCK_SET_MS:
            limits.refresh(self)
        match an_input:
            case FrameReceived():
                if an_input.epoch == self.epoch:
                    requests.frame_received(self, an_input.data)
            case ChargerReported():
                charger_events.received(self, an_input.event)
            case TimerFired():
                pass  # what is overdue has been done above, as before any other input
            case StoreRead():
                self._store_read(an_input)
            case CommandEnded():
                command_outcomes.ended(self, an_input.outcome)
            case LinkOpened():
                calls.link_opened(self, an_input.epoch)
            case LinkClosed():
                if an_input.epoch == self.epoch:
                    calls.link_closed(self, an_input)
            case ChargerDescribed():
                charger_events.described(self, an_input.info)
            case ChargerReleased():
                charger_events.released(self)
            case ChargerAssigned():
                charger_events.assigned(self, an_input)
            case OperatorAsked():
                operator.operator_asked(self, an_input)
        return self._finish()

    def _store_read(self, read: StoreRead) -> None:
        if isinstance(read.query, QueueQuery) and isinstance(read.found, QueuePage):
            if not setting_aside.message_read(self, read.query, read.found):
                queue.page_read(self, read.found)
        elif isinstance(read.query, SessionQuery) and isinstance(read.found, SessionsFound):
            data_transfer.sessions_read(self, read.query, read.found)
        elif isinstance(read.query, TokenQuery) and isinstance(read.found, TokensFound):
            authorization.tokens_read(self, read.query, read.found)
            local_list.tokens_read(self, read.query, read.found)
        elif isinstance(read.query, DeadLettersQuery) and isinstance(read.found, DeadLettersFound):
            queued = dead_letters.read(self, read.query, read.found)
            if queued is not None:
                data_transfer.redelivered(self, queued)
        elif isinstance(read.found, ListFound):
            list_copy.list_read(self, read.found)

    def _begin(self, now: Instant) -> None:
        self.now = now
        self._records = []
        self._outputs = []

    def _finish(self) -> Effects:
        # Facts of this turn, which concerns above those that found them out act on.
        if self.transaction_over:
            self.transaction_over = False
            unlocking.session_over(self)
        while self.written:
            name, *rest = self.written
            self.written = tuple(rest)
            _EFFECTS.get(name, charger_settings.refresh)(self)
        # What waits for a condition.
        if self.state.aside is not None:
            setting_aside.proceed(self)
        if self.state.reset is not None:
            resets.proceed(self)
        # What follows from the state.
        if self._dirty:
            if self.state.scheduled:
                availability.apply_scheduled(self)
            status.refresh(self)
            charger_settings.refresh(self)
            limits.refresh(self)
        # What is sent next.
        if self.call is None and self.epoch:
            calls.advance(self)
        if self._dirty:
            self._dirty = False
            self._records.append(SaveState(state.dump(self.state)))
        self.wake_at = min(self.timers.values(), default=inf)
        return Effects(self._records, self._outputs)

    def _fire(self) -> None:
        mono = self.now.mono
        for timer in [timer for timer, deadline in self.timers.items() if deadline <= mono]:
            # One that fired may have cancelled or renewed another.
            if self.timers.get(timer, inf) <= mono:
                del self.timers[timer]
                _TIMERS[timer](self)


_TIMERS: Final[Mapping[Timer, Callable[[ChargePoint], None]]] = {
    Timer.CALL: calls.timed_out,
    Timer.BOOT: registration.interval_over,
    Timer.CHARGER: boot_wait.over,
    Timer.HEARTBEAT: registration.heartbeat_interval_over,
    Timer.RETRY: delivery.retry_interval_over,
    Timer.CONNECTION: authorization.connection_timed_out,
    Timer.HELD_ANSWER: unlocking.held_answer_overdue,
    Timer.SETTLE: availability.settled,
    Timer.REASON: status.reason_settled,
    Timer.RESET: resets.reset_overdue,
    Timer.RESET_CLOSE: resets.answer_sent,
    Timer.REBOOT: resets.reboot_again,
    Timer.COMMAND: command_outcomes.try_again,
    Timer.LIMIT: limits.refresh,
    Timer.SAMPLE: sampling.interval_over,
    Timer.CLOCK: sampling.clock_due,
    Timer.LIST: list_copy.retry,
    Timer.SESSION_END: sessions.assume_running_ended,
    Timer.SESSION_REPORT: awaited_ends.ask_for_record,
    Timer.MISSED_SESSIONS: missed_sessions.ask,
    Timer.RESTART: restarts.restart_overdue,
}


def _set_ping(charge_point: ChargePoint) -> None:
    charge_point.emit(SetPing(configuration.integer(charge_point, "WebSocketPingInterval")))


_EFFECTS: Final[Mapping[str, Callable[[ChargePoint], None]]] = {
    "HeartbeatInterval": registration.schedule_heartbeat,
    "WebSocketPingInterval": _set_ping,
    "ConnectionTimeOut": authorization.connection_timeout_changed,
    "LocalAuthListEnabled": local_list.switched,
    "MeterValueSampleInterval": sampling.schedule,
    "ClockAlignedDataInterval": sampling.schedule,
    "StopTransactionOnInvalidId": stopping.apply_stop_on_invalid_id,
}
"""The effects of writing a key (`CF-5`) at the end of the turn; other keys may be settings of the charger."""
