"""What the central system and the operator can make a charge point do (`RS-*`, `UL-*`, `RE-*`)."""

from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import structs

from chargebridge.chargepoint import (
    authorization,
    boot,
    commands,
    configuration,
    dead_letters,
    heard,
    limits,
    sessions,
    smart_charging,
    transactions,
)
from chargebridge.chargepoint.records import MessageKind
from chargebridge.chargepoint.state import LastReset, Origin, Purpose
from chargebridge.chargepoint.timers import Timer
from chargebridge.chargepoint.turn import NoticeKind, Operation, OperatorAnswered, OperatorAsked, SendFrame
from chargebridge.chargers.model import Capability, Restarted
from chargebridge.ocpp16.enums import (
    Reason,
    RegistrationStatus,
    RemoteStartStopStatus,
    ResetStatus,
    ResetType,
    UnlockStatus,
)
from chargebridge.ocpp16.frames import encode_result
from chargebridge.ocpp16.messages import (
    RemoteStartTransaction,
    RemoteStartTransactionResponse,
    RemoteStopTransaction,
    RemoteStopTransactionResponse,
    Reset,
    ResetResponse,
    UnlockConnector,
    UnlockConnectorResponse,
)
from chargebridge.ocpp16.text import fit

if TYPE_CHECKING:
    from chargebridge.chargepoint.charge_point import ChargePoint

HELD_ANSWER_S: Final = 10.0
"""The central system waits no longer than this for an answer that the charger decides."""
RESET_WAIT_S: Final = 30.0
"""A reset waits this long for the session to end and its Stop to be answered."""
RESTART_EXPECTED_S: Final = 600.0
"""After a reset the charger's next restart is ours for so long."""
_REASONS: Final = {ResetType.SOFT: Reason.SOFT_RESET, ResetType.HARD: Reason.HARD_RESET}
RESETS: Final = frozenset(_REASONS.values())
_CLOCKS_APART_MS: Final = 60_000
"""The charger's clock, which tells when a session ended, may be so far from the host's."""


class HeldUnlock(NamedTuple):
    """An UnlockConnector that the charger is still busy with, and who waits for it.

    Either a message id of the central system, or an operator's ask.
    """

    call_id: str
    ask: int
    waits_for_session: bool


# --- remote start and stop --------------------------------------------------------------------------


def remote_start(
    charge_point: "ChargePoint",
    request: RemoteStartTransaction,
) -> RemoteStartTransactionResponse:
    """Answer RemoteStartTransaction: Accepted only if it will be tried (`RS-1`)."""
    possible = (
        request.connector_id in {None, 1}
        and fit(request.id_tag, authorization.ID_TAG_LIMIT) == request.id_tag  # else its Start names another
        and charge_point.accepted  # BOOT-8
        and authorization.may_start(charge_point)
    )
    if not possible:
        return RemoteStartTransactionResponse(status=RemoteStartStopStatus.REJECTED)
    try:
        profile = smart_charging.comes_with_start(charge_point, request.charging_profile)
    except ValueError:
        return RemoteStartTransactionResponse(status=RemoteStartStopStatus.REJECTED)
    if configuration.boolean(charge_point, "AuthorizeRemoteTxRequests"):
        authorization.authorize_remote(charge_point, request.id_tag, profile)
    else:
        authorization.begin_intent(charge_point, request.id_tag, Origin.REMOTE, None, profile)
    return RemoteStartTransactionResponse(status=RemoteStartStopStatus.ACCEPTED)


def remote_stop(
    charge_point: "ChargePoint",
    request: RemoteStopTransaction,
) -> RemoteStopTransactionResponse:
    """Answer RemoteStopTransaction for the running transaction, by the id of its Start (`RS-7`)."""
    running = charge_point.running
    possible = (
        running is not None
        and running.transaction_id == request.transaction_id
        and charge_point.registration is not RegistrationStatus.PENDING
        and charge_point.reachable
    )
    if not possible:
        return RemoteStopTransactionResponse(status=RemoteStartStopStatus.REJECTED)
    transactions.request_stop(charge_point, Reason.REMOTE)
    return RemoteStopTransactionResponse(status=RemoteStartStopStatus.ACCEPTED)


# --- unlock -----------------------------------------------------------------------------------------


def unlock_connector(
    charge_point: "ChargePoint",
    request: UnlockConnector,
    call_id: str,
) -> UnlockConnectorResponse | None:
    """Answer UnlockConnector, or hold the answer until the charger has tried (`UL-1`, `UL-2`)."""
    if request.connector_id != 1 or Capability.UNLOCK not in charge_point.settings.capabilities:
        return UnlockConnectorResponse(status=UnlockStatus.NOT_SUPPORTED)
    if charge_point.settings.behaviour.unlock_sets_unlock_on_ev_side_disconnect:
        configuration.write(charge_point, "UnlockConnectorOnEVSideDisconnect", "true")
    if not _begin_unlock(charge_point, call_id, 0):
        return UnlockConnectorResponse(status=UnlockStatus.UNLOCK_FAILED)
    return None


def _begin_unlock(charge_point: "ChargePoint", call_id: str, ask: int) -> bool:
    if charge_point.held is not None or not charge_point.reachable:
        return False
    sessions.wait_no_longer(charge_point)  # whoever charges now is to end
    running = charge_point.running is not None
    charge_point.held = HeldUnlock(call_id, ask, waits_for_session=running)
    charge_point.set_timer(Timer.HELD_ANSWER, HELD_ANSWER_S)
    if running:
        transactions.request_stop(charge_point, Reason.UNLOCK_COMMAND)
    else:
        commands.unlock(charge_point)
    return True


def session_over(charge_point: "ChargePoint") -> None:
    """The session that an unlock had to wait for has ended."""
    held = charge_point.held
    if held is not None and held.waits_for_session:
        charge_point.held = held._replace(waits_for_session=False)
        commands.unlock(charge_point)


def unlock_ended(charge_point: "ChargePoint", *, unlocked: bool) -> None:
    """The charger has tried to unlock."""
    if unlocked and charge_point.state.locked is not None:
        charge_point.state.locked = None
        charge_point.changed()
    held = charge_point.held
    if held is None or held.waits_for_session:
        return  # the outcome of one whose link is gone
    _answer_held(charge_point, held, unlocked=unlocked)


def _answer_held(charge_point: "ChargePoint", held: HeldUnlock, *, unlocked: bool) -> None:
    charge_point.held = None
    charge_point.cancel_timer(Timer.HELD_ANSWER)
    if held.ask:
        detail = "unlocked" if unlocked else "the charger did not unlock"
        charge_point.let_out(OperatorAnswered(held.ask, unlocked, detail))
    elif not boot.silent(charge_point):
        status = UnlockStatus.UNLOCKED if unlocked else UnlockStatus.UNLOCK_FAILED
        answer = encode_result(held.call_id, UnlockConnectorResponse(status=status))
        charge_point.let_out(SendFrame(charge_point.epoch, answer))


def held_answer_overdue(charge_point: "ChargePoint") -> None:
    """The charger has not said in time; what it does later is not repeated."""
    commands.forget(charge_point, Purpose.UNLOCK)
    if charge_point.held is not None:
        _answer_held(charge_point, charge_point.held, unlocked=False)


def link_lost(charge_point: "ChargePoint") -> None:
    """A held answer dies with its link."""
    if charge_point.held is not None and not charge_point.held.ask:
        charge_point.held = None
        charge_point.cancel_timer(Timer.HELD_ANSWER)


# --- reset ------------------------------------------------------------------------------------------


def reset(charge_point: "ChargePoint", request: Reset) -> ResetResponse:
    """Answer Reset: the charger and the virtual charge point restart, either kind (`RE-1`, `RE-2`)."""
    accepted = _begin_reset(charge_point, request.type)
    return ResetResponse(status=ResetStatus.ACCEPTED if accepted else ResetStatus.REJECTED)


def _begin_reset(charge_point: "ChargePoint", kind: ResetType) -> bool:
    state = charge_point.state
    if not charge_point.reachable or Capability.REBOOT not in charge_point.settings.capabilities:
        return False
    if state.reset is None:
        state.reset = kind
        state.reset_until_ms = charge_point.now.utc_ms + round(RESET_WAIT_S * 1000)
        charge_point.set_timer(Timer.RESET, RESET_WAIT_S)
        charge_point.changed()
        if state.intent is not None:
            authorization.give_up_intent(charge_point)
        sessions.wait_no_longer(charge_point)  # whoever charges now is to end
        if charge_point.running is not None:
            transactions.request_stop(charge_point, _REASONS[kind])
    return True


def proceed_with_reset(charge_point: "ChargePoint") -> None:
    """Restart as soon as the session has ended and what was said is answered, or the wait is over."""
    stop_waits = charge_point.online and any(
        message.kind is MessageKind.STOP for message in charge_point.queue
    )
    # Closed while it answers a call of ours, a central system may miss the answer to its Reset.
    talks = charge_point.call is not None
    over = Timer.RESET not in charge_point.timers
    if not over and (charge_point.running is not None or stop_waits or talks):
        return
    state, now_ms = charge_point.state, charge_point.now.utc_ms
    assert state.reset is not None
    state.last_reset = LastReset(state.reset, now_ms)
    state.reset = None
    state.reset_failed = False
    state.reset_retries = 0
    state.restart_expected_ms = now_ms + round(RESTART_EXPECTED_S * 1000)
    charge_point.set_timer(Timer.RESTART, RESTART_EXPECTED_S)
    charge_point.cancel_timer(Timer.RESET)
    commands.reboot(charge_point)
    boot.restart(charge_point)
    charge_point.drop_link("reset")


def reset_overdue(charge_point: "ChargePoint") -> None:
    """The reset waits no longer; it goes on at the end of this turn."""


def reboot_failed(charge_point: "ChargePoint") -> None:
    """The charger did not restart: ask again, at last say that the reset has failed (`RE-4`).

    The virtual charge point has restarted all the same.
    """
    state = charge_point.state
    if state.reset_retries < configuration.integer(charge_point, "ResetRetries"):
        state.reset_retries += 1
        state.reboot_again_ms = charge_point.now.utc_ms + round(commands.RETRY_S * 1000)
        charge_point.set_timer(Timer.REBOOT, commands.RETRY_S)
    else:
        restart_overdue(charge_point)
        state.reset_failed = True
    charge_point.changed()


def restart_overdue(charge_point: "ChargePoint") -> None:
    """A restart of the charger is not the one that was asked for any more."""
    charge_point.state.restart_expected_ms = 0
    charge_point.cancel_timer(Timer.RESTART)
    charge_point.changed()


def reset_at(charge_point: "ChargePoint", at_ms: int) -> Reason | None:
    """Return the reason of a session that ended with a restart at this moment, if that was our reset's."""
    reset = charge_point.state.last_reset
    if reset is None:
        return None
    until_ms = reset.restarted_ms
    if until_ms is None:
        until_ms = reset.asked_ms + round(RESTART_EXPECTED_S * 1000)
    return _REASONS[reset.kind] if reset.asked_ms - _CLOCKS_APART_MS <= at_ms <= until_ms else None


def reboot_again(charge_point: "ChargePoint") -> None:
    """The charger refused to restart a moment ago; perhaps it does now."""
    charge_point.state.reboot_again_ms = None
    commands.reboot(charge_point)


def charger_restarted(charge_point: "ChargePoint", event: Restarted) -> None:
    """The charger has booted: so does the charge point, unless its own reset was the cause."""
    state, now_ms = charge_point.state, charge_point.now.utc_ms
    if state.restarts.repeats(event.at_ms) or state.restarts.is_later_than(event.at_ms, now_ms):
        charge_point.notice(NoticeKind.EVENT_IGNORED, "restart: a repeat")
        return
    state.restarts = state.restarts.with_event(event.at_ms, now_ms)
    heard.note(charge_point, event.at_ms)
    state.firmware = event.firmware or state.firmware
    state.reset_failed = False
    state.reboot_again_ms = None
    charge_point.cancel_timer(Timer.REBOOT)
    limits.lost(charge_point)
    expected = Timer.RESTART in charge_point.timers
    restart_overdue(charge_point)
    if not expected:
        boot.restart(charge_point)
    elif state.last_reset is not None:
        state.last_reset = structs.replace(state.last_reset, restarted_ms=event.at_ms)


def resume(charge_point: "ChargePoint") -> None:
    """After a restart of the process: a reset that was accepted goes on."""
    if charge_point.state.reset is not None:
        charge_point.set_timer_until(Timer.RESET, charge_point.state.reset_until_ms, RESET_WAIT_S)
    if charge_point.state.reboot_again_ms is not None:
        charge_point.set_timer_until(Timer.REBOOT, charge_point.state.reboot_again_ms, commands.RETRY_S)
    if charge_point.state.restart_expected_ms:
        until_ms = charge_point.state.restart_expected_ms
        charge_point.set_timer_until(Timer.RESTART, until_ms, RESTART_EXPECTED_S)


# --- the operator -----------------------------------------------------------------------------------


def operator_asked(charge_point: "ChargePoint", asked: OperatorAsked) -> None:
    """Do what an operator asks by way of the API, with the same care as for the central system."""
    accepted, detail = True, "asked of the charger"
    if asked.operation is Operation.SEND_AGAIN:
        dead_letters.operator_asked(charge_point, asked)
        return  # answered when the store has told of them
    if not charge_point.reachable:
        accepted, detail = False, "the charger cannot be reached"
    elif asked.operation is Operation.STOP_TRANSACTION:
        if charge_point.running is None:
            accepted, detail = False, "no transaction is running"
        else:
            transactions.request_stop(charge_point, Reason.REMOTE)
    elif asked.operation is Operation.RESET:
        if not _begin_reset(charge_point, ResetType.SOFT):
            accepted, detail = False, "the charger cannot be restarted"
    elif Capability.UNLOCK not in charge_point.settings.capabilities:
        accepted, detail = False, "the charger has nothing to unlock"
    elif _begin_unlock(charge_point, "", asked.ask):
        return  # answered when the charger has tried
    else:
        accepted, detail = False, "an unlock is under way"
    charge_point.let_out(OperatorAnswered(asked.ask, accepted, detail))
