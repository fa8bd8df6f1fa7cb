"""Outcomes of charger commands, and sending them again."""

from typing import Final

from msgspec import structs

from chargebridge.chargepoint.authorization import authorization
from chargebridge.chargepoint.central_system import resets, unlocking
from chargebridge.chargepoint.charger import charger_settings, commands, limits, list_copy
from chargebridge.chargepoint.charger.commands import LASTING, ONE_SHOT, RETRY_S
from chargebridge.chargepoint.events import restoration
from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.model.state import IssuedCommand, Purpose
from chargebridge.chargepoint.transactions import awaited_ends, sessions
from chargebridge.chargepoint.turn import NoticeKind
from chargebridge.chargers.model import (
    Authorize,
    ChargerCommand,
    ClearCache,
    CommandOutcome,
    Configure,
    EndSession,
    Outcome,
    OverrideSchedule,
    ReportSessions,
    SetAvailable,
    SetLimit,
    StorePlan,
)

_CERTAINLY_NOT_DONE: Final = frozenset({Outcome.REFUSED, Outcome.EXPIRED, Outcome.IMPOSSIBLE})


def reconcile(charge_point: ChargePoint) -> None:
    """Send again, under the same number, the commands that are desired and not yet done."""
    state, now_ms = charge_point.state, charge_point.now.utc_ms
    for issued in state.issued_commands:
        command, expired = issued.command, issued.command.expires_ms <= now_ms
        if issued.purpose is Purpose.LIMIT:
            continue  # sent again below: the charger may have forgotten one that it has carried out
        if issued.purpose is Purpose.OVERRIDE:
            limits.override_unknown(charge_point)
        if issued.purpose in LASTING and (expired or issued.outcome is not None):
            _send_new(charge_point, issued)  # a charger repeats how a number has ended
        elif expired:
            commands.forget(charge_point, issued.purpose)
        elif issued.purpose not in ONE_SHOT:
            commands.send(charge_point, command)
    # The end of the session was promised, so it is due even after the command has expired.
    ending = state.stop_request is not None and charge_point.running is not None
    if ending and commands.outstanding(charge_point, Purpose.AUTHORIZATION) is None:
        commands.end_session(charge_point)
    if state.foreign_cache and commands.outstanding(charge_point, Purpose.CACHE) is None:
        commands.clear_cache(charge_point)
    restoration.ask_for_missed_sessions(charge_point)
    charger_settings.refresh(charge_point)
    list_copy.restart(charge_point)
    limits.resend(charge_point)


def resume(charge_point: ChargePoint) -> None:
    """Look after what is desired where a charge point was rebuilt while its charger can be reached.

    Nothing else would reconcile it: the driver says nothing anew.
    """
    state = charge_point.state
    if charge_point.reachable and (state.issued_commands or state.stop_request is not None):
        commands.check_in(charge_point, RETRY_S)


def _send_new(charge_point: ChargePoint, issued: IssuedCommand) -> None:
    """Send a new command for what a lasting one was to achieve, as it is desired now."""
    if issued.purpose is Purpose.LIMIT:
        limits.resend(charge_point)
        return
    commands.forget(charge_point, issued.purpose)
    command = issued.command
    if isinstance(command, SetAvailable):
        commands.set_available(charge_point, available=command.available)
    elif isinstance(command, Configure):
        charger_settings.refresh(charge_point)
    elif isinstance(command, StorePlan):
        if issued.outcome not in _CERTAINLY_NOT_DONE:
            limits.plan_unknown(charge_point)
        limits.refresh(charge_point)


def ended(charge_point: ChargePoint, outcome: CommandOutcome) -> None:
    """Take the outcome of a command; one of a command that was replaced means nothing."""
    for issued in charge_point.state.issued_commands:
        if issued.command.number == outcome.number:
            break
    else:
        list_copy.ended(charge_point, outcome)
        return
    done = outcome.outcome is Outcome.DONE
    if not done and issued.outcome is not None:
        return  # a slow cloud answers each time that it was sent; it has failed once
    if not done:
        late = outcome.outcome is Outcome.EXPIRED and issued.purpose in LASTING
        charge_point.notice(
            NoticeKind.COMMAND_LATE if late else NoticeKind.COMMAND_FAILED,
            f"{type(issued.command).__name__}: {outcome.outcome} {outcome.detail}".rstrip(),
        )
        if outcome.outcome is Outcome.IMPOSSIBLE and isinstance(issued.command, StorePlan):
            commands.forget(charge_point, issued.purpose)
            limits.plan_impossible(charge_point, issued.command.plan)
            return
        if issued.purpose in LASTING:
            failed = structs.replace(issued, outcome=outcome.outcome, failures=issued.failures + 1)
            commands.replace(charge_point, failed)
            commands.check_in(charge_point, commands.pause_s(charge_point, failed.failures))
            return
    commands.forget(charge_point, issued.purpose)
    if done:
        _done(charge_point, issued.command)
        commands.charger_works(charge_point)
    if issued.purpose is Purpose.AUTHORIZATION:
        if isinstance(issued.command, EndSession):
            if charge_point.running is not None:
                commands.check_in(charge_point, RETRY_S)
        elif isinstance(issued.command, Authorize) and not done:
            authorization.authorize_failed(charge_point)
            if outcome.outcome is Outcome.UNKNOWN:
                commands.withdraw(charge_point)  # else the next car might charge by it
    elif isinstance(issued.command, ReportSessions):
        restoration.sessions_reported(charge_point, issued.command.first, outcome.outcome)
        sessions.all_reported(charge_point)
    elif issued.purpose is Purpose.UNLOCK:
        unlocking.ended(charge_point, unlocked=done)
    elif issued.purpose is Purpose.OVERRIDE and outcome.outcome is Outcome.UNKNOWN:
        limits.override_unknown(charge_point)
    elif issued.purpose is Purpose.REBOOT and outcome.outcome in _CERTAINLY_NOT_DONE:
        resets.reboot_failed(charge_point)


def _done(charge_point: ChargePoint, command: ChargerCommand) -> None:
    """Note what has changed at the charger."""
    if isinstance(command, Configure):
        charger_settings.carried_out(charge_point, command)
    elif isinstance(command, StorePlan):
        limits.plan_written(charge_point, command.plan)
    elif isinstance(command, SetLimit):
        charge_point.state.limit = None if command.limit_ma is None else command
    elif isinstance(command, OverrideSchedule):
        limits.overridden(charge_point)
    elif isinstance(command, ClearCache):
        charge_point.state.foreign_cache = False
    elif isinstance(command, EndSession):
        awaited_ends.end_carried_out(charge_point)
    else:
        return
    charge_point.mark_dirty()


def try_again(charge_point: ChargePoint) -> None:
    """Send again what was not done yet: the end of the session, and lasting commands."""
    if not charge_point.reachable:
        return  # reconciled as soon as it can be reached
    if charge_point.state.stop_request is not None and charge_point.running is not None:
        commands.end_session(charge_point)
    restoration.ask_for_missed_sessions(charge_point)
    for issued in charge_point.state.issued_commands:
        if issued.purpose in LASTING:
            early_s = commands.pause_s(charge_point, issued.failures) - commands.age_s(charge_point, issued)
            if early_s > 0:
                commands.check_in(charge_point, early_s)
            elif issued.outcome is None and issued.command.expires_ms > charge_point.now.utc_ms:
                # Under the same number: what a slow cloud says of it counts, and nothing is done twice.
                commands.send(charge_point, issued.command)
            else:
                _send_new(charge_point, issued)  # the one before may have expired
                for renewed in charge_point.state.issued_commands:
                    if renewed.purpose is issued.purpose:
                        commands.replace(charge_point, structs.replace(renewed, failures=issued.failures))
