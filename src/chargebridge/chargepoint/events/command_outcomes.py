"""What becomes of what the charger was asked: its outcomes, and asking again."""

from typing import Final

from msgspec import structs

from chargebridge.chargepoint.authorization import authorization
from chargebridge.chargepoint.central_system import resets, unlocking
from chargebridge.chargepoint.charger import charger_settings, commands, limits, list_copy
from chargebridge.chargepoint.charger.commands import LASTING, ONE_SHOT, RETRY_S
from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.model.state import Asked, Purpose
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
    SetAvailable,
    SetLimit,
    StorePlan,
)

_CERTAINLY_NOT_DONE: Final = frozenset({Outcome.REFUSED, Outcome.EXPIRED, Outcome.IMPOSSIBLE})


def reconcile(charge_point: ChargePoint) -> None:
    """Ask again, under the same number, what is desired and not yet done."""
    state, now_ms = charge_point.state, charge_point.now.utc_ms
    for asked in state.asked:
        command, expired = asked.command, asked.command.expires_ms <= now_ms
        if asked.purpose is Purpose.LIMIT:
            continue  # given anew below: of a number that was carried out, the charger may have forgotten it
        if asked.purpose is Purpose.OVERRIDE:
            limits.override_unknown(charge_point)
        if asked.purpose in LASTING and (expired or asked.outcome is not None):
            _send_new(charge_point, asked)  # a charger repeats how a number has ended
        elif expired:
            commands.forget(charge_point, asked.purpose)
        elif asked.purpose not in ONE_SHOT:
            commands.send(charge_point, command)
    # Whoever was told that the session ends is owed its end, even after the command has expired.
    ending = state.stop_request is not None and charge_point.running is not None
    if ending and commands.outstanding(charge_point, Purpose.AUTHORIZATION) is None:
        commands.end_session(charge_point)
    if state.foreign_cache and commands.outstanding(charge_point, Purpose.CACHE) is None:
        commands.clear_cache(charge_point)
    charger_settings.refresh(charge_point)
    list_copy.restart(charge_point)
    limits.resend(charge_point)


def _send_new(charge_point: ChargePoint, asked: Asked) -> None:
    """Ask once more for what is desired for good, as it is desired now."""
    if asked.purpose is Purpose.LIMIT:
        limits.resend(charge_point)
        return
    commands.forget(charge_point, asked.purpose)
    command = asked.command
    if isinstance(command, SetAvailable):
        commands.set_available(charge_point, available=command.available)
    elif isinstance(command, Configure):
        charger_settings.refresh(charge_point)
    elif isinstance(command, StorePlan):
        if asked.outcome not in _CERTAINLY_NOT_DONE:
            limits.plan_unknown(charge_point)
        limits.refresh(charge_point)


def ended(charge_point: ChargePoint, outcome: CommandOutcome) -> None:
    """Take the outcome of a command; one of a command that was replaced means nothing."""
    for asked in charge_point.state.asked:
        if asked.command.number == outcome.number:
            break
    else:
        list_copy.ended(charge_point, outcome)
        return
    done = outcome.outcome is Outcome.DONE
    if not done:
        charge_point.notice(
            NoticeKind.COMMAND_FAILED,
            f"{type(asked.command).__name__}: {outcome.outcome} {outcome.detail}".rstrip(),
        )
        if outcome.outcome is Outcome.IMPOSSIBLE and isinstance(asked.command, StorePlan):
            commands.forget(charge_point, asked.purpose)
            limits.plan_impossible(charge_point, asked.command.plan)
            return
        if asked.purpose in LASTING:
            failed = structs.replace(asked, outcome=outcome.outcome, failures=asked.failures + 1)
            commands.replace(charge_point, failed)
            commands.check_in(charge_point, commands.pause_s(failed.failures))
            return
    commands.forget(charge_point, asked.purpose)
    if done:
        _done(charge_point, asked.command)
    if asked.purpose is Purpose.AUTHORIZATION:
        if isinstance(asked.command, EndSession):
            if charge_point.running is not None:
                commands.check_in(charge_point, RETRY_S)
        elif isinstance(asked.command, Authorize) and not done:
            authorization.not_carried_out(charge_point)
            if outcome.outcome is Outcome.UNKNOWN:
                commands.withdraw(charge_point)  # else the next car might charge by it
    elif asked.purpose is Purpose.UNLOCK:
        unlocking.ended(charge_point, unlocked=done)
    elif asked.purpose is Purpose.OVERRIDE and outcome.outcome is Outcome.UNKNOWN:
        limits.override_unknown(charge_point)
    elif asked.purpose is Purpose.REBOOT and outcome.outcome in _CERTAINLY_NOT_DONE:
        resets.reboot_failed(charge_point)


def _done(charge_point: ChargePoint, command: ChargerCommand) -> None:
    """Note what the charger is like now."""
    if isinstance(command, Configure):
        charge_point.state.configured = command
    elif isinstance(command, StorePlan):
        limits.plan_written(charge_point, command.plan)
    elif isinstance(command, SetLimit):
        charge_point.state.limit = None if command.limit_ma is None else command
    elif isinstance(command, OverrideSchedule):
        limits.overridden(charge_point)
    elif isinstance(command, ClearCache):
        charge_point.state.foreign_cache = False
    else:
        return
    charge_point.mark_dirty()


def try_again(charge_point: ChargePoint) -> None:
    """Ask again for what has not come true: the end of the session, and what is desired for good."""
    if not charge_point.reachable:
        return  # reconciled as soon as it can be reached
    if charge_point.state.stop_request is not None and charge_point.running is not None:
        commands.end_session(charge_point)
    for asked in charge_point.state.asked:
        if asked.purpose in LASTING:
            early_s = commands.pause_s(asked.failures) - commands.age_s(charge_point, asked)
            if early_s > 0:
                commands.check_in(charge_point, early_s)
            elif asked.outcome is None and asked.command.expires_ms > charge_point.now.utc_ms:
                # Under the same number: what a slow cloud says of it counts, and nothing is done twice.
                commands.send(charge_point, asked.command)
            else:
                _send_new(charge_point, asked)  # the one before may have expired
                for anew in charge_point.state.asked:
                    if anew.purpose is asked.purpose:
                        commands.replace(charge_point, structs.replace(anew, failures=asked.failures))
