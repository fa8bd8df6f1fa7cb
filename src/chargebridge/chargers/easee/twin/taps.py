"""Tokens at the reader: one tap is reported by a start record (223) and by observation 128, in any order."""

from typing import Final

from msgspec.structs import replace

from chargebridge.chargers.easee.twin.records import Authorized, Running, Tap, TwinRecord

TAP_MS: Final = 5_000
"""The most by which the times of both reports of a tap differ, by the charger's clock."""
DECIDED_WITHIN_MS: Final = 180_000
"""The oldest tap that is presented because of a start record: nobody waits longer for an answer."""
AUTHORIZED_MS: Final = 15 * 60_000
"""The longest time between an authorization and the start of a session that it counts for."""
_LENGTH: Final = 20


def same_token(one: str, other: str) -> bool:
    """Whether two texts are the same token, as OCPP 1.6 compares them."""
    return one[:_LENGTH].casefold() == other[:_LENGTH].casefold()


def is_news(record: TwinRecord, tag: str, at_ms: int, *, by_start: bool) -> bool:
    """Take note of a report of a tap; return whether it is the first one of that tap.

    Args:
        record: the state of the charger; it is changed in place.
        tag: the token.
        at_ms: the time of the report.
        by_start: whether a start record reports it, not observation 128.
    """
    last = record.tap
    if (
        last is not None
        and not last.paired
        and last.by_start is not by_start
        and same_token(last.tag, tag)
        and abs(at_ms - last.at_ms) <= TAP_MS
    ):
        record.tap = replace(last, paired=True)
        return False
    if last is None or at_ms >= last.at_ms:
        record.tap = Tap(tag, at_ms, by_start)
    return True


def note_authorized(record: TwinRecord, tag: str, at_ms: int) -> None:
    """Take note that a start record shows a token that is authorized already: no tap of it is news."""
    last = record.tap
    if last is not None and not last.by_start and not last.paired and same_token(last.tag, tag):
        record.tap = replace(last, paired=True)  # it has led to that authorization
    else:
        record.tap = Tap(tag, at_ms, by_start=True)


def forget_earlier(record: TwinRecord, session: int) -> None:
    """Take note that a token has come to a session after the one that is authorized."""
    authorized = record.authorized
    if authorized is not None and authorized.session == session:
        record.authorized = replace(authorized, session=None)


def refuse(record: TwinRecord, tag: str) -> None:
    """Take note that a token was refused: it is that of no session, unless energy flows."""
    tap, running = record.tap, record.running
    if tap is not None and same_token(tap.tag, tag):
        record.tap = replace(tap, refused=True)
    if running is not None and not running.reported and running.tag and same_token(running.tag, tag):
        record.running = replace(running, refused=True)


def was_refused(record: TwinRecord, tag: str, from_ms: int, to_ms: int) -> bool:
    """Whether this token was refused when it was presented between these times."""
    tap = record.tap
    if tap is None or not tap.refused or not same_token(tap.tag, tag):
        return False
    return from_ms - TAP_MS <= tap.at_ms <= to_ms


def authorized_for(record: TwinRecord, session: int, started_ms: int, until_ms: int) -> Authorized | None:
    """Return the newest authorization, if it counts for a session.

    Args:
        record: the state of the charger.
        session: the number of the session.
        started_ms: when it began.
        until_ms: the last time at which it can have been authorized.
    """
    authorized = record.authorized
    if authorized is None or (authorized.until_ms is not None and started_ms > authorized.until_ms):
        return None
    if authorized.session == session and authorized.until_ms is None:
        return authorized  # it waited for that: no clock has to be right
    return authorized if started_ms - AUTHORIZED_MS <= authorized.at_ms <= until_ms else None


def authorized_of(record: TwinRecord, running: Running) -> Authorized | None:
    """Return the newest authorization, if it counts for the running session."""
    return authorized_for(record, running.id, running.started_ms, running.recorded_ms + AUTHORIZED_MS)
