"""Reads the cloud's lists of sessions, of used tokens, and of register values. Pure.

Field names are those of Easee's OpenAPI, and of its other lists where they differ. No list is worth more than
its readable entries: one that cannot be read is left out, and counted.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import msgspec

from chargebridge.chargers.easee.twin.rebuilding import ListedSession, RegisterReading
from chargebridge.chargers.easee.twin.ticks import parse_time, uwh_of_kwh, wh_of_uwh

_DAY_MS: Final = 86_400_000


class _Session(msgspec.Struct, frozen=True, rename="camel"):
    id: int | str | None = None
    session_id: int | str | None = None
    car_connected: str | None = None
    car_disconnected: str | None = None
    session_start: str | None = None
    session_end: str | None = None
    first_energy_transfer_period_started: str | None = None
    last_energy_transfer_period_end: str | None = None
    kilo_watt_hours: Decimal | None = None
    session_energy: Decimal | None = None
    rfid_key: str | None = None


class _TokenUse(msgspec.Struct, frozen=True, rename="camel"):
    rfid_key: str | None = None
    energy: Decimal | None = None


class _Summary(msgspec.Struct, frozen=True, rename="camel"):
    year: int | None = None
    month: int | None = None
    day_of_month: int | None = None
    auth_tokens_usage: list[_TokenUse] | None = None


class _Measurement(msgspec.Struct, frozen=True, rename="camel"):
    value: Decimal | None = None
    measured_at: str | None = None


class _Measurements(msgspec.Struct, frozen=True):
    measurements: list[msgspec.Raw] | None = None


def sessions(body: bytes) -> tuple[list[ListedSession], int]:
    """Return the sessions that are over, and the number of entries that cannot be read.

    Raises:
        msgspec.MsgspecError: it is no list.
    """
    found, unreadable = [], 0
    for entry in msgspec.json.decode(body, type=list[msgspec.Raw] | None) or ():
        try:
            session = _session(msgspec.json.decode(entry, type=_Session, strict=False))
        except (msgspec.MsgspecError, ValueError):
            unreadable += 1
        else:
            if session is not None:
                found.append(session)
    return found, unreadable


def _session(entry: _Session) -> ListedSession | None:
    start = entry.car_connected or entry.session_start or entry.first_energy_transfer_period_started
    end = entry.car_disconnected or entry.session_end or entry.last_energy_transfer_period_end
    energy = entry.session_energy if entry.kilo_watt_hours is None else entry.kilo_watt_hours
    if not start or not end or energy is None:
        return None
    known_id = entry.session_id if entry.id is None else entry.id
    number = int(known_id) if known_id is not None and str(known_id).isdecimal() else None
    started_ms = parse_time(start)
    return ListedSession(
        started_ms, max(parse_time(end), started_ms), uwh_of_kwh(energy), number, entry.rfid_key or None
    )


def used_tokens(body: bytes, from_ms: int, to_ms: int) -> tuple[dict[str, int], int]:
    """Return the energy of each token in millionths of a Wh, and the number of unreadable entries.

    Args:
        body: a list of daily summaries.
        from_ms: UTC; days that are certainly before, or after `to_ms`, do not count.
        to_ms: UTC.

    Raises:
        msgspec.MsgspecError: it is no list.
    """
    used: dict[str, int] = {}
    unreadable = 0
    for entry in msgspec.json.decode(body, type=list[msgspec.Raw] | None) or ():
        try:
            summary = msgspec.json.decode(entry, type=_Summary, strict=False)
            day_ms = _day_ms(summary)
            # Whose midnight it is, is not documented.
            if day_ms is not None and not from_ms - 2 * _DAY_MS < day_ms < to_ms + _DAY_MS:
                continue
            for one in summary.auth_tokens_usage or ():
                if one.rfid_key and one.energy:
                    used[one.rfid_key] = used.get(one.rfid_key, 0) + uwh_of_kwh(one.energy)
        except (msgspec.MsgspecError, ValueError):
            unreadable += 1
    return used, unreadable


def _day_ms(summary: _Summary) -> int | None:
    if summary.year is None or summary.month is None or summary.day_of_month is None:
        return None
    return parse_time(f"{summary.year:04}-{summary.month:02}-{summary.day_of_month:02}T00:00:00Z")


def registers(body: bytes) -> tuple[list[RegisterReading], int]:
    """Return values of the register, and the number of unreadable entries.

    Raises:
        msgspec.MsgspecError: it is no such answer.
    """
    found, unreadable = [], 0
    for entry in msgspec.json.decode(body, type=_Measurements).measurements or ():
        try:
            one = msgspec.json.decode(entry, type=_Measurement, strict=False)
            if one.value is not None and one.measured_at:
                at_ms, register_wh = parse_time(one.measured_at), wh_of_uwh(uwh_of_kwh(one.value))
                found.append(RegisterReading(at_ms, register_wh))
        except (msgspec.MsgspecError, ValueError):
            unreadable += 1
    return found, unreadable


def named(
    listed: Sequence[ListedSession], of_token: Sequence[tuple[str, Sequence[ListedSession]]]
) -> list[ListedSession]:
    """Return listed sessions with their tokens.

    Args:
        listed: the sessions.
        of_token: each token with its sessions, from the filtered list.
    """
    tokens: dict[tuple[int, int, int, int | None], set[str]] = {}
    for token, entries in of_token:
        for one in entries:
            tokens.setdefault(one[:4], set()).add(token)
    return [
        one._replace(tag=next(iter(found)))
        # A session that several tokens claim is nobody's: it must not get another one's token.
        if one.tag is None and len(found := tokens.get(one[:4], set())) == 1
        else one
        for one in listed
    ]
