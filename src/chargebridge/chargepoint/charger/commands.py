"""Commands to the charger, which are remembered until their outcome is known.

What is *desired* (an authorization, the end of a session, a report of sessions, availability, settings,
limits) is sent again whenever the charger can be reached, and a newer command replaces an older one. What is
*one-shot* (reboot, unlock, clearing its cache, overriding its schedule) is never repeated: a restart leaves
it to its deadline. Their outcomes are in `command_outcomes`.
"""

from math import inf
from typing import Final
from zlib import crc32

from msgspec import structs

from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.model.state import IssuedCommand, Purpose
from chargebridge.chargepoint.model.timers import Timer
from chargebridge.chargepoint.turn import CommandCharger, NoticeKind
from chargebridge.chargers.model import (
    Authorize,
    ChargerCommand,
    ClearCache,
    Configure,
    EndSession,
    KeepList,
    ListedToken,
    Outcome,
    OverrideSchedule,
    Plan,
    Reboot,
    ReportSessions,
    SetAvailable,
    SetLimit,
    StorePlan,
    Unlock,
    Withdraw,
)
from chargebridge.ocpp16.enums import Reason

RETRY_S: Final = 30.0
"""Between attempts at something the charger did not do, while it can be reached."""
SOON: Final = 4
"""Attempts that follow each other so soon; to a charger that goes on refusing they become rarer."""
LONGEST_RETRY_S: Final = 3600.0
SPREAD: Final = 1 / 3
"""The part by which the pauses of one charge point may be shorter than those of another."""
ONE_SHOT: Final = frozenset({Purpose.REBOOT, Purpose.UNLOCK, Purpose.CACHE, Purpose.OVERRIDE})
READ_ONLY: Final = "the driver is read-only (read_only = true)"
LASTING: Final = frozenset({Purpose.AVAILABILITY, Purpose.SETTINGS, Purpose.PLAN, Purpose.LIMIT})
"""Desired for good: sent again until it is done."""
_NOT_REACHED: Final = frozenset({Outcome.EXPIRED, Outcome.UNKNOWN})
_REFUSAL_SHOWN_MS: Final = 60_000
_ONE_SHOT_VALID_MS: Final = 60_000
_END_VALID_MS: Final = 600_000
_LIMIT_VALID_MS: Final = 600_000
LIST_VALID_S: Final = 600.0
_REPORT_VALID_MS: Final = 600_000
_LASTING_VALID_MS: Final = 30 * 86_400_000


# --- sending ----------------------------------------------------------------------------------------


def authorize(charge_point: ChargePoint, id_tag: str, valid_ms: int) -> None:
    """Let a token charge; valid for so long, since later it might surprise."""
    number, expires_ms = _stamp(charge_point, valid_ms)
    command = Authorize(number=number, expires_ms=expires_ms, id_tag=id_tag, accepted=True)
    _issue(charge_point, Purpose.AUTHORIZATION, command)


def show_refusal(charge_point: ChargePoint, id_tag: str) -> None:
    """Show the driver at the reader that the token may not charge; nothing depends on its outcome."""
    if not charge_point.settings.read_only:
        number, expires_ms = _stamp(charge_point, _REFUSAL_SHOWN_MS)
        command = Authorize(number=number, expires_ms=expires_ms, id_tag=id_tag, accepted=False)
        charge_point.emit(CommandCharger(command))
    charge_point.notice(NoticeKind.AUTHORIZATION_REFUSED, "")


def withdraw(charge_point: ChargePoint) -> None:
    """Have the charger forget an authorization that no session has come of; replaces it."""
    number, expires_ms = _stamp(charge_point, _END_VALID_MS)
    _issue(charge_point, Purpose.AUTHORIZATION, Withdraw(number=number, expires_ms=expires_ms))


def end_session(charge_point: ChargePoint) -> None:
    """Have the charger end the running session, and see to it that it does."""
    running, request = charge_point.running, charge_point.state.stop_request
    if running is not None:
        number, expires_ms = _stamp(charge_point, _END_VALID_MS)
        command = EndSession(
            number=number,
            expires_ms=expires_ms,
            session=running.session,
            # The cable waits for its owner's token (`TX-4`, E 3.5).
            keep_locked=request is not None and request.reason is Reason.DE_AUTHORIZED,
        )
        _issue(charge_point, Purpose.AUTHORIZATION, command)


def set_available(charge_point: ChargePoint, *, available: bool) -> None:
    """Let the charger be used or not; desired for good, so sent again until it is so."""
    number, expires_ms = _stamp(charge_point, _LASTING_VALID_MS)
    command = SetAvailable(number=number, expires_ms=expires_ms, available=available)
    _issue(charge_point, Purpose.AVAILABILITY, command)


def configure(charge_point: ChargePoint, settings: Configure) -> None:
    """Have the charger go by these settings."""
    number, expires_ms = _stamp(charge_point, _LASTING_VALID_MS)
    wanted = structs.replace(settings, number=number, expires_ms=expires_ms)
    _issue(charge_point, Purpose.SETTINGS, wanted)


def store_plan(charge_point: ChargePoint, plan: Plan | None) -> None:
    """Have the charger keep this plan in its memory."""
    number, expires_ms = _stamp(charge_point, _LIMIT_VALID_MS)
    _issue(charge_point, Purpose.PLAN, StorePlan(number=number, expires_ms=expires_ms, plan=plan))


def set_limit(charge_point: ChargePoint, limit_ma: int | None, until_ms: int | None) -> None:
    """Have the charger offer at most so much for now, or follow its plan again (None)."""
    number, expires_ms = _stamp(charge_point, _LIMIT_VALID_MS)
    command = SetLimit(number=number, expires_ms=expires_ms, limit_ma=limit_ma, until_ms=until_ms)
    _issue(charge_point, Purpose.LIMIT, command)


def keep_list(charge_point: ChargePoint, version: int, tokens: tuple[ListedToken, ...]) -> int:
    """Have the charger keep this list; return the command's number.

    Not remembered among the issued commands, since it may be long: `list_copy` sees to it that it arrives.
    """
    number, expires_ms = _stamp(charge_point, round(LIST_VALID_S * 1000))
    command = KeepList(number=number, expires_ms=expires_ms, version=version, tokens=tokens)
    charge_point.emit(CommandCharger(command))
    return number


def clear_cache(charge_point: ChargePoint) -> None:
    """Have the charger forget the tokens it knows, once."""
    number, expires_ms = _stamp(charge_point, _ONE_SHOT_VALID_MS)
    _issue(charge_point, Purpose.CACHE, ClearCache(number=number, expires_ms=expires_ms))


def override_schedule(charge_point: ChargePoint) -> None:
    """Have the charger set its stored plan aside for the running session, once."""
    number, expires_ms = _stamp(charge_point, _ONE_SHOT_VALID_MS)
    _issue(charge_point, Purpose.OVERRIDE, OverrideSchedule(number=number, expires_ms=expires_ms))


def reboot(charge_point: ChargePoint) -> None:
    """Have the charger restart, once."""
    number, expires_ms = _stamp(charge_point, _ONE_SHOT_VALID_MS)
    _issue(charge_point, Purpose.REBOOT, Reboot(number=number, expires_ms=expires_ms))


def unlock(charge_point: ChargePoint) -> None:
    """Have the charger release the cable, once."""
    number, expires_ms = _stamp(charge_point, _ONE_SHOT_VALID_MS)
    _issue(charge_point, Purpose.UNLOCK, Unlock(number=number, expires_ms=expires_ms))


def report_sessions(charge_point: ChargePoint, first: int, from_ms: int, from_wh: int) -> None:
    """Have the driver report sessions once more, whether they were acknowledged or not.

    Args:
        charge_point: whose charger.
        first: the number of the first session that is wanted.
        from_ms: UTC; when it began or, if that is not known, when the one before ended.
        from_wh: the register there.
    """
    number, expires_ms = _stamp(charge_point, _REPORT_VALID_MS)
    command = ReportSessions(
        number=number, expires_ms=expires_ms, first=first, from_ms=from_ms, from_wh=from_wh
    )
    _issue(charge_point, Purpose.SESSIONS, command)


def check_in(charge_point: ChargePoint, seconds: float) -> None:
    """Look in so many seconds whether commands were carried out, or earlier if that is due already.

    A command that is sent every few seconds must not put off another one that waits.
    """
    due = charge_point.timers.get(Timer.COMMAND, inf)
    charge_point.set_timer(Timer.COMMAND, min(seconds, due - charge_point.now.mono))


def _stamp(charge_point: ChargePoint, valid_ms: int) -> tuple[int, int]:
    """Return the number of the next command, and the UTC time at which it expires.

    Numbers go with the time: a charger that has come from another charge point knows that one's, and
    would take a number that it has carried out for a repeat.
    """
    state, now_ms = charge_point.state, charge_point.now.utc_ms
    state.command_number = max(state.command_number + 1, now_ms)
    charge_point.mark_dirty()
    return state.command_number, now_ms + valid_ms


def pause_s(charge_point: ChargePoint, failures: int) -> float:
    """Return how long to wait before the next attempt at what has failed so often in a row.

    Each charge point has its own pauses, so that a fleet whose cloud was away does not come back in step.
    """
    longest_s = min(RETRY_S * 2.0 ** min(max(failures - SOON, 0), 10), LONGEST_RETRY_S)
    spread = crc32(charge_point.settings.identity.encode()) / 2**32
    return float(round(longest_s * (1 - SPREAD * spread)))


def _issue(charge_point: ChargePoint, purpose: Purpose, command: ChargerCommand) -> None:
    """Issue a command, and remember it until its outcome is known; it replaces that of the same purpose.

    None is issued to a charger that is only read: it would be refused for ever.
    """
    forget(charge_point, purpose)
    if charge_point.settings.read_only and purpose is not Purpose.SESSIONS:
        return
    charge_point.state.issued_commands = (
        *charge_point.state.issued_commands,
        IssuedCommand(purpose, command),
    )
    if purpose in ONE_SHOT:
        charge_point.emit(CommandCharger(command))
    elif charge_point.reachable:
        # What is desired of a charger that is away is sent when it is back.
        send(charge_point, command)


def send(charge_point: ChargePoint, command: ChargerCommand) -> None:
    """Send a command that is desired, and check in a while what has become of it.

    Settings may have to wait for hours where a cloud takes few of them: they are looked after less and less
    often, so that thousands that wait cost nothing.
    """
    charge_point.emit(CommandCharger(command))
    waited_s = 0.0
    if isinstance(command, Configure):
        waited_s = (charge_point.now.utc_ms - command.expires_ms + _LASTING_VALID_MS) / 1000
    check_in(charge_point, max(RETRY_S * 2, min(waited_s, LONGEST_RETRY_S)))


def refused_as_read_only(charge_point: ChargePoint, action: str) -> bool:
    """Return whether a request cannot be passed on since the charger is only read; the log says so."""
    if charge_point.settings.read_only:
        charge_point.notice(NoticeKind.COMMAND_FAILED, f"{action}: {READ_ONLY}")
    return charge_point.settings.read_only


def forget_unsendable(charge_point: ChargePoint) -> None:
    """Forget every command that is not sent to a charger that is only read."""
    for issued in charge_point.state.issued_commands:
        if issued.purpose is not Purpose.SESSIONS:
            forget(charge_point, issued.purpose)


# --- outstanding commands ---------------------------------------------------------------------------


def outstanding(charge_point: ChargePoint, purpose: Purpose) -> ChargerCommand | None:
    """Return the command of this purpose whose outcome is not known, if any."""
    for issued in charge_point.state.issued_commands:
        if issued.purpose is purpose:
            return issued.command
    return None


def forget(charge_point: ChargePoint, purpose: Purpose) -> None:
    """Forget the command of a purpose, with its outcome."""
    state = charge_point.state
    kept = tuple(issued for issued in state.issued_commands if issued.purpose is not purpose)
    if len(kept) < len(state.issued_commands):
        state.issued_commands = kept
        charge_point.mark_dirty()


def replace(charge_point: ChargePoint, known: IssuedCommand) -> None:
    """Remember this instead of what was issued for its purpose."""
    state = charge_point.state
    state.issued_commands = tuple(
        known if issued.purpose is known.purpose else issued for issued in state.issued_commands
    )
    charge_point.mark_dirty()


def charger_works(charge_point: ChargePoint) -> None:
    """Try again soon what waits for long, since the charger did something else that it was sent.

    Only what did not reach it: what it has refused, it may refuse again.
    """
    for issued in charge_point.state.issued_commands:
        if issued.purpose in LASTING and issued.outcome in _NOT_REACHED and issued.failures > SOON:
            replace(charge_point, structs.replace(issued, failures=SOON))
            check_in(charge_point, max(RETRY_S - age_s(charge_point, issued), 0.0))


def session_began(charge_point: ChargePoint) -> None:
    """Forget an authorization whose session has begun: sent again, it would let the next car charge."""
    if isinstance(outstanding(charge_point, Purpose.AUTHORIZATION), Authorize | Withdraw):
        forget(charge_point, Purpose.AUTHORIZATION)


def session_over(charge_point: ChargePoint) -> None:
    """Forget to end a session that has ended: sent again, the command would end the next one."""
    if isinstance(outstanding(charge_point, Purpose.AUTHORIZATION), EndSession):
        forget(charge_point, Purpose.AUTHORIZATION)
    forget(charge_point, Purpose.OVERRIDE)
    if not any(issued.purpose in LASTING for issued in charge_point.state.issued_commands):
        charge_point.cancel_timer(Timer.COMMAND)


def age_s(charge_point: ChargePoint, issued: IssuedCommand) -> float:
    """Return the age of a lasting command; infinite, if the host's clock was set back since."""
    valid_ms = _LIMIT_VALID_MS if issued.purpose in {Purpose.PLAN, Purpose.LIMIT} else _LASTING_VALID_MS
    age_ms = charge_point.now.utc_ms - issued.command.expires_ms + valid_ms
    return inf if age_ms < 0 else age_ms / 1000
