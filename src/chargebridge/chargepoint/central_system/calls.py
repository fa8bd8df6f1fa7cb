"""Our CALLs to the central system: one at a time, timed, and what to say next (`RPC-5`, `RPC-6`)."""

from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Raw

from chargebridge.chargepoint.authorization import authorization, local_list
from chargebridge.chargepoint.central_system import boot_wait, data_transfer, registration, unlocking
from chargebridge.chargepoint.connector import status
from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.model.open_call import CallKind, Failure, OpenCall
from chargebridge.chargepoint.model.timers import Timer
from chargebridge.chargepoint.transactions import delivery, meter_values, queue
from chargebridge.chargepoint.turn import CloseLink, LinkClosed, NoticeKind, SendFrame
from chargebridge.ocpp16.enums import DiagnosticsStatus, FirmwareStatus, MessageTrigger, RegistrationStatus
from chargebridge.ocpp16.fields import Request
from chargebridge.ocpp16.frames import CallError, CallResult, encode_call, encode_call_raw
from chargebridge.ocpp16.messages import DiagnosticsStatusNotification, FirmwareStatusNotification, Heartbeat
from chargebridge.ocpp16.text import fit

# --- the link ---------------------------------------------------------------------------------------


def link_opened(charge_point: ChargePoint, epoch: int) -> None:
    """Begin on a new connection: boot if that is due, else send the present statuses (`WS-8`, `Q-8`)."""
    if charge_point.epoch:
        link_lost(charge_point)
    charge_point.epoch = epoch
    charge_point.answered_here = False
    charge_point.call_number = 0
    boot_wait.first_contact(charge_point)
    # Unique over restarts too, for central systems that remember ids for longer than a connection.
    charge_point.call_prefix = f"{charge_point.now.utc_ms:x}-{epoch:x}-"
    if charge_point.accepted:
        # A central system that is away ends the connection at a Heartbeat, too.
        charge_point.probe_due = not status.connected(charge_point)
        registration.schedule_heartbeat(charge_point)
    elif charge_point.registration is None or Timer.BOOT not in charge_point.timers:
        # Not sent yet, or its answer was lost with the last connection.
        registration.interval_over(charge_point)


def link_closed(charge_point: ChargePoint, closed: LinkClosed) -> None:
    """Take the end of a connection, which the central system may have ended at a message (`Q-12`)."""
    if closed.code is not None:
        if _head_is_under_way(charge_point):
            delivery.hung_up(charge_point, closed.reason, closed.code)
        elif charge_point.answered_here:
            queue.forget_hang_ups(charge_point)  # it ends at other things, too
        if _is_under_way(charge_point, CallKind.STATUS):
            status.hung_up(charge_point)
        elif not charge_point.answered_here:
            status.forget_hang_ups(charge_point)
    link_lost(charge_point)


def _head_is_under_way(charge_point: ChargePoint) -> bool:
    """Whether the head of the queue is unanswered, and other messages were answered on this connection.

    Where nothing is answered the central system is away, and the message at hand has no part in it.
    """
    return _is_under_way(charge_point, CallKind.QUEUE) and charge_point.answered_here


def _is_under_way(charge_point: ChargePoint, kind: CallKind) -> bool:
    calls = charge_point.call, charge_point.late_call
    return any(call is not None and call.kind is kind for call in calls)


def link_lost(charge_point: ChargePoint) -> None:
    """Forget what was under way; a message of the queue keeps its place, and this was no attempt (`Q-3`)."""
    charge_point.epoch = 0
    charge_point.call = charge_point.late_call = None
    queue.forget_attempts(charge_point)
    silence(charge_point)
    charge_point.cancel_timer(Timer.CALL)
    authorization.link_lost(charge_point)
    data_transfer.link_lost(charge_point)
    local_list.link_lost(charge_point)
    unlocking.link_lost(charge_point)


def silence(charge_point: ChargePoint) -> None:
    """Drop everything that was to be sent, except what is in the queue of transaction-related messages."""
    charge_point.probe_due = charge_point.heartbeat_due = False
    charge_point.statuses = []
    charge_point.triggered = []
    charge_point.telemetry = None


def drop_link(charge_point: ChargePoint, reason: str, pause_s: float = 0.0) -> None:
    """Close the connection once what was said before is written, and forget what was under way.

    Args:
        charge_point: whose connection.
        reason: for the central system.
        pause_s: seconds before the link connects again, unless a `ReopenLink` comes earlier.
    """
    if charge_point.epoch:
        charge_point.emit(CloseLink(charge_point.epoch, reason, pause_s))
        link_lost(charge_point)


def _drop_deaf_link(charge_point: ChargePoint, reason: str) -> None:
    charge_point.notice(NoticeKind.DEAF_LINK, reason)
    if _head_is_under_way(charge_point):
        delivery.deaf(charge_point, reason)
    drop_link(charge_point, reason)


# --- the next CALL ----------------------------------------------------------------------------------


def advance(charge_point: ChargePoint) -> None:
    """Send the next CALL, if there is something to say and nothing of ours is unanswered."""
    if charge_point.probe_due:
        charge_point.probe_due = False
        send(charge_point, CallKind.PROBE, Heartbeat())
    elif not charge_point.accepted:
        _advance_unregistered(charge_point)
    elif charge_point.statuses:
        report, *charge_point.statuses = charge_point.statuses
        send(charge_point, CallKind.STATUS, status.notification(charge_point, report))
    elif authorization.awaits_central_system(charge_point):
        send(charge_point, CallKind.AUTHORIZE, authorization.request(charge_point))
    elif charge_point.triggered:
        _send_triggered(charge_point)
    elif queue.ready(charge_point):
        action, payload = queue.head(charge_point)
        queue.attempt_sent(charge_point, send_raw(charge_point, CallKind.QUEUE, action, payload))
    elif charge_point.heartbeat_due:
        charge_point.heartbeat_due = False
        send(charge_point, CallKind.HEARTBEAT, Heartbeat())
    elif charge_point.telemetry is not None:
        body, charge_point.telemetry = charge_point.telemetry, None
        send_raw(charge_point, CallKind.TELEMETRY, "MeterValues", queue.spelt(charge_point, body))


def _advance_unregistered(charge_point: ChargePoint) -> None:
    if charge_point.boot_due and not boot_wait.waits(charge_point):
        send(charge_point, CallKind.BOOT, registration.take_due(charge_point))
    elif charge_point.registration is RegistrationStatus.PENDING and charge_point.triggered:
        _send_triggered(charge_point)


def _send_triggered(charge_point: ChargePoint) -> None:
    (message, connector), *charge_point.triggered = charge_point.triggered
    if message is MessageTrigger.BOOT_NOTIFICATION:
        send(charge_point, CallKind.BOOT, registration.request(charge_point))
    elif message is MessageTrigger.HEARTBEAT:
        send(charge_point, CallKind.HEARTBEAT, Heartbeat())
    elif message is MessageTrigger.FIRMWARE_STATUS_NOTIFICATION:
        send(charge_point, CallKind.IDLE, FirmwareStatusNotification(status=FirmwareStatus.IDLE))
    elif message is MessageTrigger.DIAGNOSTICS_STATUS_NOTIFICATION:
        send(charge_point, CallKind.IDLE, DiagnosticsStatusNotification(status=DiagnosticsStatus.IDLE))
    elif message is MessageTrigger.STATUS_NOTIFICATION:
        report = status.current(charge_point, connector)
        send(charge_point, CallKind.STATUS, status.notification(charge_point, report))
    else:
        body = queue.spelt(charge_point, meter_values.triggered(charge_point, connector))
        send_raw(charge_point, CallKind.TELEMETRY, "MeterValues", body)


def send(charge_point: ChargePoint, kind: CallKind, request: Request) -> None:
    """Send a CALL and wait for its answer."""
    id = _next_id(charge_point)
    _open(charge_point, id, kind, encode_call(id, request))


def send_raw(charge_point: ChargePoint, kind: CallKind, action: str, payload: bytes) -> str:
    """Send a CALL whose payload is encoded already; return its id."""
    id = _next_id(charge_point)
    _open(charge_point, id, kind, encode_call_raw(id, action, payload))
    return id


def _next_id(charge_point: ChargePoint) -> str:
    charge_point.call_number += 1
    return f"{charge_point.call_prefix}{charge_point.call_number:x}"


def _open(charge_point: ChargePoint, id: str, kind: CallKind, frame: bytes) -> None:
    charge_point.call = OpenCall(id, kind)
    charge_point.emit(SendFrame(charge_point.epoch, frame))
    charge_point.set_timer(Timer.CALL, charge_point.settings.call_timeout_s)


def restart_timeout(charge_point: ChargePoint) -> None:
    """Let the time-out of the open CALL begin anew: its frame leaves only now, or has not left yet."""
    if Timer.CALL in charge_point.timers:
        charge_point.set_timer(Timer.CALL, charge_point.settings.call_timeout_s)


# --- answers and time-outs --------------------------------------------------------------------------


def disown_authorize(charge_point: ChargePoint) -> None:
    """Ignore the answer to an Authorize under way: its charger is gone."""
    charge_point.call = _replaced(charge_point.call, CallKind.AUTHORIZE, CallKind.IDLE)
    charge_point.late_call = _replaced(charge_point.late_call, CallKind.AUTHORIZE, CallKind.IDLE)


def _replaced(call: OpenCall | None, kind: CallKind, by: CallKind) -> OpenCall | None:
    return call if call is None or call.kind is not kind else call._replace(kind=by)


def answered(charge_point: ChargePoint, answer: CallResult | CallError) -> None:
    """Take the central system's answer to our CALL; one to an unknown id is ignored (`RPC-7`)."""
    call = charge_point.call
    if call is not None and answer.id == call.id:
        charge_point.call = None
        charge_point.cancel_timer(Timer.CALL)
    elif charge_point.late_call is not None and answer.id == charge_point.late_call.id:
        # Late, but the very answer: taken, and the time-out forgotten.
        call, charge_point.late_call = charge_point.late_call, None
    elif answer.id in charge_point.attempts:
        _attempt_answered(charge_point, answer)
        return
    else:
        return
    charge_point.answered_mono = charge_point.now.mono
    charge_point.answered_here = True
    if call.kind is CallKind.STATUS:
        status.answered(charge_point)
    if call.kind is CallKind.PROBE:
        _not_deaf(charge_point)
    elif isinstance(answer, CallResult):
        _ANSWERED[call.kind](charge_point, answer.payload)
    else:
        # It goes into logs and dead letters, where it must not break the line.
        reason = fit(f"{answer.code}: {answer.description}", 200)
        fail(charge_point, call, Failure(reason, fit(answer.code, 50)))


def _attempt_answered(charge_point: ChargePoint, answer: CallResult | CallError) -> None:
    """Take the answer to an earlier attempt of the head: it settles that, and what was sent since repeats it.

    A CALLERROR changes nothing: the attempt was counted when its time was over.
    """
    charge_point.answered_mono = charge_point.now.mono
    if isinstance(answer, CallResult) and delivery.answered_late(charge_point, answer.payload):
        # The CALL that is open stays so: there may be no other beside it (RPC-5).
        charge_point.call = _replaced(charge_point.call, CallKind.QUEUE, CallKind.REPEAT)
        charge_point.late_call = _replaced(charge_point.late_call, CallKind.QUEUE, CallKind.REPEAT)


def timed_out(charge_point: ChargePoint) -> None:
    """Find out by a Heartbeat whether the message has failed or the link is deaf: no answer came in time."""
    call = charge_point.call
    assert call is not None
    charge_point.notice(NoticeKind.CALL_TIMED_OUT, call.kind.name.lower())
    if call.kind is CallKind.PROBE:
        _drop_deaf_link(charge_point, "the central system answers nothing")
    elif call.kind is CallKind.BOOT:
        charge_point.call, charge_point.late_call = None, call
        if registration.timed_out(charge_point):
            _drop_deaf_link(charge_point, "the central system does not answer BootNotification")
    elif charge_point.accepted:
        charge_point.call, charge_point.late_call = None, call
        charge_point.probe_due = True
    else:
        # The charge point has restarted since: boot first; what was under way has not failed.
        charge_point.call = None
        authorization.unanswered(charge_point)


def _not_deaf(charge_point: ChargePoint) -> None:
    status.heartbeat_answered(charge_point)
    late, charge_point.late_call = charge_point.late_call, None
    if late is not None:
        fail(charge_point, late, Failure("no answer in time", unanswered=True))


def fail(charge_point: ChargePoint, call: OpenCall, failure: Failure) -> None:
    """Take note that the central system failed to process a CALL of ours (`RPC-8`)."""
    charge_point.notice(NoticeKind.CALL_FAILED, f"{call.kind.name.lower()}: {failure.reason}")
    if call.kind is CallKind.QUEUE:
        delivery.failed(charge_point, failure)
    elif call.kind is CallKind.AUTHORIZE:
        authorization.unanswered(charge_point)
    elif call.kind is CallKind.BOOT:
        registration.unanswered(charge_point)
    elif call.kind is CallKind.STATUS:
        status.not_delivered(charge_point)
    elif call.kind is CallKind.TELEMETRY and delivery.measures_temperature(charge_point):
        delivery.advise_spelling(charge_point, failure)


def _nothing_to_do(charge_point: ChargePoint, payload: Raw) -> None:
    """Do nothing: the answer was all that was wanted."""


_ANSWERED: Final[Mapping[CallKind, Callable[[ChargePoint, Raw], None]]] = {
    CallKind.BOOT: registration.answered,
    CallKind.AUTHORIZE: authorization.answered,
    CallKind.QUEUE: delivery.answered,
    CallKind.REPEAT: _nothing_to_do,
    CallKind.STATUS: _nothing_to_do,
    CallKind.HEARTBEAT: _nothing_to_do,
    CallKind.IDLE: _nothing_to_do,
    CallKind.TELEMETRY: _nothing_to_do,
}
