"""Asking things of the charger, and keeping at it until the outcome is known.

What is *desired* (an authorization, the end of a session, availability) is asked again whenever
the charger can be reached and a newer desire replaces an older one. What is *one-shot* (reboot,
unlock) is never repeated: a restart leaves it to its deadline.
"""

from typing import TYPE_CHECKING, Final, TypeVar

from chargebridge.chargepoint import authorization, remote_control
from chargebridge.chargepoint.state import Asked, Purpose
from chargebridge.chargepoint.timers import Timer
from chargebridge.chargepoint.turn import CommandCharger, NoticeKind
from chargebridge.chargers.model import (
    Authorize,
    ChargerCommand,
    CommandOutcome,
    EndSession,
    Outcome,
    Reboot,
    SetAvailable,
    Unlock,
)

if TYPE_CHECKING:
    from chargebridge.chargepoint.charge_point import ChargePoint

RETRY_S: Final = 30.0
"""Between attempts at something the charger did not do, while it can be reached."""
_ONE_SHOT: Final = frozenset({Purpose.REBOOT, Purpose.UNLOCK})
_REFUSAL_SHOWN_MS: Final = 60_000

_Command = TypeVar("_Command", Authorize, EndSession, SetAvailable, Reboot, Unlock)


def ask(
    charge_point: "ChargePoint",
    purpose: Purpose,
    command: type[_Command],
    valid_ms: int,
    **arguments: object,
) -> None:
    """Ask something of the charger; replaces what was asked before for the same purpose.

    Args:
        charge_point: whose charger.
        purpose: at most one command of each purpose is outstanding.
        command: what is asked.
        valid_ms: from now; later it must not be carried out any more.
        arguments: those of the command.
    """
    given = _number(charge_point, command, valid_ms, arguments)
    others: tuple[Asked, ...] = tuple(
        asked for asked in charge_point.state.asked if asked.purpose is not purpose
    )
    charge_point.state.asked = (*others, Asked(purpose, given))
    charge_point.let_out(CommandCharger(given))


def show_refusal(charge_point: "ChargePoint", id_tag: str) -> None:
    """Show the driver at the reader that the token may not charge; nothing depends on its outcome."""
    arguments: dict[str, object] = {"id_tag": id_tag, "accepted": False}
    given = _number(charge_point, Authorize, _REFUSAL_SHOWN_MS, arguments)
    charge_point.let_out(CommandCharger(given))
    charge_point.notice(NoticeKind.AUTHORIZATION_REFUSED, "")


def _number(
    charge_point: "ChargePoint",
    command: type[_Command],
    valid_ms: int,
    arguments: dict[str, object],
) -> _Command:
    state = charge_point.state
    state.command_number += 1
    charge_point.changed()
    return command(
        number=state.command_number,
        expires_ms=charge_point.now.utc_ms + valid_ms,
        **arguments,  # type: ignore[arg-type]  # each command checks its own
    )


def outstanding(charge_point: "ChargePoint", purpose: Purpose) -> ChargerCommand | None:
    """Return the command of this purpose whose outcome is not known, if any."""
    for asked in charge_point.state.asked:
        if asked.purpose is purpose:
            return asked.command
    return None


def forget(charge_point: "ChargePoint", purpose: Purpose) -> None:
    """Do not wait for this any more."""
    charge_point.state.asked = tuple(
        asked for asked in charge_point.state.asked if asked.purpose is not purpose
    )
    charge_point.changed()


def resume(charge_point: "ChargePoint") -> None:
    """After a restart: ask again what is desired; leave one-shots to their deadline."""
    if charge_point.state.reachable:
        reconcile(charge_point)


def reconcile(charge_point: "ChargePoint") -> None:
    """Ask again, under the same number, what is desired and not yet done."""
    now_ms = charge_point.now.utc_ms
    for asked in charge_point.state.asked:
        if asked.purpose in _ONE_SHOT:
            continue
        if asked.command.expires_ms > now_ms:
            charge_point.let_out(CommandCharger(asked.command))
        else:
            ended(charge_point, CommandOutcome(asked.command.number, Outcome.EXPIRED))
    # Whoever was told that the session ends is owed its end, even after the command has expired.
    if charge_point.state.stop_request is not None and charge_point.running is not None:
        try_again(charge_point)


def ended(charge_point: "ChargePoint", outcome: CommandOutcome) -> None:
    """Take the outcome of a command; one of a command that was replaced means nothing."""
    for asked in charge_point.state.asked:
        if asked.command.number == outcome.number:
            break
    else:
        return
    done = outcome.outcome is Outcome.DONE
    if not done:
        charge_point.notice(
            NoticeKind.COMMAND_FAILED,
            f"{type(asked.command).__name__}: {outcome.outcome} {outcome.detail}".rstrip(),
        )
    if asked.purpose is Purpose.AVAILABILITY and not done:
        # Desired for good: stays, and is asked again.
        charge_point.set_timer(Timer.COMMAND, RETRY_S)
        return
    forget(charge_point, asked.purpose)
    if asked.purpose is Purpose.AUTHORIZATION:
        if isinstance(asked.command, EndSession):
            if charge_point.running is not None:
                charge_point.set_timer(Timer.COMMAND, RETRY_S)
        elif not done:
            authorization.not_carried_out(charge_point)
    elif asked.purpose is Purpose.UNLOCK:
        remote_control.unlock_ended(charge_point, unlocked=done)
    elif asked.purpose is Purpose.REBOOT and not done:
        remote_control.reboot_failed(charge_point)


def try_again(charge_point: "ChargePoint") -> None:
    """Ask again for what has not come true: the end of the session, availability."""
    if not charge_point.state.reachable:
        return  # reconciled as soon as it can be reached
    if charge_point.state.stop_request is not None and charge_point.running is not None:
        end_session(charge_point)
    availability = outstanding(charge_point, Purpose.AVAILABILITY)
    if availability is not None:
        charge_point.let_out(CommandCharger(availability))


def end_session(charge_point: "ChargePoint") -> None:
    """Ask the charger to end its session, and see to it that it does."""
    ask(charge_point, Purpose.AUTHORIZATION, EndSession, valid_ms=600_000)
    charge_point.set_timer(Timer.COMMAND, RETRY_S * 2)
