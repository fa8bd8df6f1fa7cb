"""Reset: the charger and the virtual charge point restart (`RE-*`, OCPP 1.6 §5.14)."""

from typing import Final

from msgspec import structs

from chargebridge.chargepoint.authorization import authorization
from chargebridge.chargepoint.central_system import boot_wait, calls, registration
from chargebridge.chargepoint.charger import clock, commands, limits, restarts, stopping
from chargebridge.chargepoint.charger.commands import RETRY_S
from chargebridge.chargepoint.charger.restarts import REASONS, RESTART_EXPECTED_S
from chargebridge.chargepoint.configuration import configuration
from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.model.state import LastReset
from chargebridge.chargepoint.model.timers import Timer
from chargebridge.chargepoint.records import MessageKind
from chargebridge.chargepoint.transactions import sessions
from chargebridge.chargepoint.turn import NoticeKind
from chargebridge.chargers.model import Capability, Restarted
from chargebridge.ocpp16.enums import ResetStatus, ResetType
from chargebridge.ocpp16.messages import Reset, ResetResponse

RESET_WAIT_S: Final = 30.0
"""A reset waits this long for the session to end and its Stop to be answered."""
CLOSE_AFTER_S: Final = 1.0
"""The link stays open for so long after the answer to a Reset: libraries of central systems that see it
close at once take that for a broken connection, and the reset for one that failed."""


def reset(charge_point: ChargePoint, request: Reset) -> ResetResponse:
    """Answer Reset: the charger and the virtual charge point restart, either kind (`RE-1`, `RE-2`)."""
    accepted = begin(charge_point, request.type)
    if Timer.RESET in charge_point.timers:
        charge_point.set_timer(Timer.RESET_CLOSE, CLOSE_AFTER_S)
    return ResetResponse(status=ResetStatus.ACCEPTED if accepted else ResetStatus.REJECTED)


def begin(charge_point: ChargePoint, kind: ResetType) -> bool:
    """Begin a reset of either kind; return False if the charger cannot be restarted."""
    state = charge_point.state
    if not charge_point.reachable or Capability.REBOOT not in charge_point.settings.capabilities:
        return False
    if state.reset is None:
        state.reset = kind
        state.reset_until_ms = charge_point.now.utc_ms + round(RESET_WAIT_S * 1000)
        charge_point.set_timer(Timer.RESET, RESET_WAIT_S)
        charge_point.mark_dirty()
        if state.intent is not None:
            authorization.withdraw_intent(charge_point)
        sessions.make_way(charge_point)  # the session that charges now is meant
        if charge_point.running is not None:
            stopping.request_stop(charge_point, REASONS[kind])
    return True


def proceed(charge_point: ChargePoint) -> None:
    """Restart as soon as the session has ended and what was said is answered, or the wait is over.

    Not within a moment after the answer to the Reset: meanwhile all goes on as before, in both directions.
    """
    if Timer.RESET_CLOSE in charge_point.timers:
        return
    stop_waits = charge_point.online and any(
        message.kind is MessageKind.STOP for message in charge_point.queue
    )
    # Closed while it answers a call of ours, a central system may miss the answer to its Reset.
    talks = charge_point.call is not None
    over = Timer.RESET not in charge_point.timers
    # Or not heard of yet since the gateway has started; its first report would pass for its return.
    away = not charge_point.reachable
    if not over and (charge_point.running is not None or stop_waits or talks or away):
        return
    state, now_ms = charge_point.state, charge_point.now.utc_ms
    assert state.reset is not None
    state.last_reset = LastReset(state.reset, now_ms)
    state.reset = None
    state.reset_failed = False
    state.reset_retries = 0
    restarts.expect(charge_point)
    charge_point.cancel_timer(Timer.RESET)
    commands.reboot(charge_point)
    _restart(charge_point)
    boot_wait.for_return(charge_point)
    calls.drop_link(charge_point, "reset", boot_wait.RETURN_WAIT_S)


def answer_sent(charge_point: ChargePoint) -> None:
    """The answer to a Reset was sent a moment ago; the reset goes on at the end of this turn."""


def reset_overdue(charge_point: ChargePoint) -> None:
    """The reset waits no longer; it goes on at the end of this turn."""


def reboot_failed(charge_point: ChargePoint) -> None:
    """Command the restart again, at last report that the reset has failed (`RE-4`).

    The virtual charge point has restarted all the same, and boots now.
    """
    state = charge_point.state
    boot_wait.over(charge_point)
    if state.reset_retries < configuration.integer(charge_point, "ResetRetries"):
        state.reset_retries += 1
        state.reboot_again_ms = charge_point.now.utc_ms + round(RETRY_S * 1000)
        charge_point.set_timer(Timer.REBOOT, RETRY_S)
    else:
        restarts.restart_overdue(charge_point)
        state.reset_failed = True
    charge_point.mark_dirty()


def reboot_again(charge_point: ChargePoint) -> None:
    """Send a reboot again that the charger has refused."""
    charge_point.state.reboot_again_ms = None
    commands.reboot(charge_point)


def charger_restarted(charge_point: ChargePoint, event: Restarted) -> None:
    """The charger has booted: so does the charge point, unless its own reset was the cause."""
    state, now_ms = charge_point.state, charge_point.now.utc_ms
    if state.restarts.repeats(event.at_ms) or state.restarts.is_later_than(event.at_ms, now_ms):
        charge_point.notice(NoticeKind.EVENT_IGNORED, "restart: a repeat")
        return
    state.restarts = state.restarts.with_event(event.at_ms, now_ms)
    clock.advance(charge_point, event.at_ms)
    state.firmware = event.firmware or state.firmware
    state.reset_failed = False
    state.reboot_again_ms = None
    charge_point.cancel_timer(Timer.REBOOT)
    limits.volatile_limit_lost(charge_point)
    expected = Timer.RESTART in charge_point.timers
    restarts.restart_overdue(charge_point)
    if not expected:
        _restart(charge_point)
    elif state.last_reset is not None:
        state.last_reset = structs.replace(state.last_reset, restarted_ms=event.at_ms)
        boot_wait.returned(charge_point)


def _restart(charge_point: ChargePoint) -> None:
    """Start again with a BootNotification: nothing is sent before it is answered."""
    calls.silence(charge_point)
    registration.restart(charge_point)


def resume(charge_point: ChargePoint) -> None:
    """After a restart of the process: a reset that was accepted goes on."""
    if charge_point.state.reset is not None:
        charge_point.set_timer_until(Timer.RESET, charge_point.state.reset_until_ms, RESET_WAIT_S)
    if charge_point.state.reboot_again_ms is not None:
        charge_point.set_timer_until(Timer.REBOOT, charge_point.state.reboot_again_ms, RETRY_S)
    boot_wait.resume(charge_point)
    if charge_point.state.restart_expected_ms:
        until_ms = charge_point.state.restart_expected_ms
        charge_point.set_timer_until(Timer.RESTART, until_ms, RESTART_EXPECTED_S)
