"""Judges the records of sessions, the cloud's last values, its list of sessions and its energy history."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Final

import msgspec

from chargebridge.chargers.easee.probe.judging import readings
from chargebridge.chargers.easee.probe.judging.facts import (
    Facts,
    Finding,
    NotSeenError,
    confirmed,
    contradicted,
    found,
)
from chargebridge.chargers.easee.probe.judging.shapes import shape, text_kind, value_kind
from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.chargers.easee.twin.records import SessionRecord, SessionStart
from chargebridge.chargers.easee.twin.ticks import parse_time, uwh_of_kwh

_O: Final = Observation
_TOKEN_NAMES: Final = ("token", "rfid", "auth")
_DECIMALS: Final = 6


def start_record(facts: Facts) -> Finding:
    """Judge the record of a session's start (223)."""
    seen = readings.value_of(facts, _O.CHARGING_SESSION_START)
    try:
        read = readings.record(seen, SessionStart)
        parse_time(read.start)
        uwh_of_kwh(read.meter_value)
    except (msgspec.MsgspecError, ValueError) as error:
        return contradicted(f"cannot be read: {_reason(error)}")
    return confirmed(_kind(seen.value))


def end_record(facts: Facts) -> Finding:
    """Judge the record of a session (129)."""
    seen = readings.value_of(facts, _O.CHARGING_SESSION)
    try:
        read = readings.record(seen, SessionRecord)
        parse_time(read.start)
        parse_time(read.stop)
        uwh_of_kwh(read.meter_value_start)
        uwh_of_kwh(read.meter_value_stop)
    except (msgspec.MsgspecError, ValueError) as error:
        return contradicted(f"cannot be read: {_reason(error)}")
    return confirmed(_kind(seen.value))


def register_decimals(facts: Facts) -> Finding:
    """Judge the precision of registers in records."""
    end = _end(facts)
    decimals = max(_decimals(end.meter_value_start), _decimals(end.meter_value_stop))
    # A register can end with zeros, so that only more digits than six contradict.
    return found(decimals <= _DECIMALS, f"up to {decimals} decimals of a kWh")


def record_energy(facts: Facts) -> Finding:
    """Judge whether the energy of a record is the difference of its registers."""
    end = _end(facts)
    if end.energy_kwh is None:
        raise NotSeenError("the record has no EnergyKwh")
    difference = end.meter_value_stop - end.meter_value_start - end.energy_kwh
    return found(abs(difference) <= Decimal("0.002"), f"they differ by {difference} kWh")


def session_numbers(facts: Facts) -> Finding:
    """Judge whether the numbers of sessions rise."""
    begun, ended = _start(facts).id, _end(facts).id
    seen = "the same" if begun == ended else f"{abs(begun - ended)} {'later' if begun > ended else 'earlier'}"
    return found(begun >= ended, f"the last session that began: {seen} as the last that ended")


def register_order(facts: Facts) -> Finding:
    """Judge whether the lifetime energy is the register of the records."""
    lifetime = readings.value_of(facts, _O.LIFETIME_ENERGY)
    end = _end(facts)
    try:
        stopped_ms = parse_time(end.stop)
    except ValueError:
        raise NotSeenError("the time of 129 cannot be read") from None
    if lifetime.at_ms is None or lifetime.at_ms < stopped_ms:
        raise NotSeenError("124 is older than 129")
    difference = readings.as_number(lifetime.value) - end.meter_value_stop
    return found(difference >= Decimal("-0.01"), f"124 is {difference:+} kWh from the register of 129")


def token(facts: Facts) -> Finding:
    """Judge the notation of a token (128)."""
    value = readings.value_of(facts, _O.USER_ID_TOKEN).value
    if value in ("", None):
        raise NotSeenError("it is empty")
    kind = text_kind(str(value))
    good = kind.endswith(("hex digits", "upper case"))
    return found(good and len(str(value)) % 2 == 0, kind)


# --- the last values by REST -----------------------------------------------------------------------------


def last_values_shape(facts: Facts) -> Finding:
    """Judge the answer with the last values."""
    body = facts.answer("last values")
    listed = body.get("observations") if isinstance(body, Mapping) else None
    if not isinstance(listed, list):
        return contradicted(shape(body)[:200])
    lacking = {"id", "timestamp", "value"} - {
        name for one in listed if isinstance(one, Mapping) for name in one
    }
    if listed and lacking:
        return contradicted(f"without {', '.join(sorted(lacking))}")
    return confirmed(f"{len(listed)} observations")


def typed_values(facts: Facts) -> Finding:
    """Judge the JSON types of the last values."""
    seen = readings.last_values(facts)
    kinds = {
        id: value_kind(seen[id].value)
        for id in (_O.CHARGER_OP_MODE, _O.LIFETIME_ENERGY, _O.IS_ENABLED, _O.CONNECTED_TO_CLOUD)
        if id in seen
    }
    if not kinds:
        raise NotSeenError("no number and no boolean among them")
    shown = ", ".join(f"{int(id)}: {kind}" for id, kind in kinds.items())
    return found(all(kind in {"number", "boolean"} for kind in kinds.values()), shown)


def same_as_stream(facts: Facts) -> Finding:
    """Judge whether the cloud's last values are those of the replay."""
    last = readings.last_values(facts)
    replayed = {one.id: one for one in readings.replayed(facts)}
    both = [id for id in last if id in replayed]
    if not both:
        raise NotSeenError("no observation is in both")
    older = [id for id in both if _before(last[id].at_ms, replayed[id].at_ms)]
    # One that arrived in between is newer in what was read later, which is no difference.
    differ = [
        id
        for id in both
        if last[id].at_ms == replayed[id].at_ms and not _same(last[id].value, replayed[id].value)
    ]
    if older or differ:
        parts = [f"older: {_ids(older)}" if older else "", f"other values: {_ids(differ)}" if differ else ""]
        return contradicted("; ".join(part for part in parts if part))
    return confirmed(f"{len(both)} observations")


def last_sessions(facts: Facts) -> Finding:
    """Judge whether the last values have the records of the last sessions."""
    last = readings.last_values(facts)
    missing = [str(int(id)) for id in (_O.CHARGING_SESSION_START, _O.CHARGING_SESSION) if id not in last]
    if not missing:
        return confirmed("223 and 129")
    if not any(isinstance(one, Mapping) for one in _sessions(facts)):
        raise NotSeenError("there was no session yet")
    return contradicted(f"without {', '.join(missing)}")


# --- lists -----------------------------------------------------------------------------------------------


def session_fields(facts: Facts) -> Finding:
    """Judge the fields of a listed session."""
    item = _session(facts)
    lacking = [name for name in ("carConnected", "carDisconnected", "kiloWattHours") if name not in item]
    return found(not lacking, f"without {', '.join(lacking)}" if lacking else ", ".join(map(str, item)))


def session_id(facts: Facts) -> Finding:
    """Judge whether a listed session has its number."""
    item = _session(facts)
    names = [name for name in ("id", "sessionId") if item.get(name) is not None]
    return found(bool(names), " and ".join(names) or "neither id nor sessionId")


def session_token(facts: Facts) -> Finding:
    """Judge whether a listed session has its token."""
    names = [str(name) for name in _session(facts) if any(part in str(name).lower() for part in _TOKEN_NAMES)]
    return found(not names, ", ".join(names) or "no field for it")


def session_energy(facts: Facts) -> Finding:
    """Judge whether the newest listed session has the energy of its record."""
    items = [one for one in _sessions(facts) if isinstance(one, Mapping)]
    end = _end(facts)
    # By its times: the numbers of the list may be others than those of the charger.
    ended = [one for one in items if _spans(one, end)]
    if not ended:
        raise NotSeenError("the session of 129 is not in the list")
    try:
        listed = Decimal(str(ended[0].get("kiloWattHours")))
    except InvalidOperation:
        return contradicted(f"kiloWattHours is {value_kind(ended[0].get('kiloWattHours'))}")
    difference = listed - (end.meter_value_stop - end.meter_value_start)
    return found(abs(difference) < Decimal("0.001"), f"it differs by {difference} kWh")


def _spans(item: Mapping[object, object], end: SessionRecord) -> bool:
    """Whether a listed session is that of a record: the car was connected while it ran."""
    try:
        connected_ms, disconnected_ms = (
            parse_time(str(item.get(name))) for name in ("carConnected", "carDisconnected")
        )
        return connected_ms <= parse_time(end.stop) and disconnected_ms >= parse_time(end.start)
    except ValueError:
        return False


def energy_history(facts: Facts) -> Finding:
    """Judge the history of the lifetime energy."""
    exchange = facts.last("energy history")
    if exchange is not None and exchange.status in {400, 404, 405, 410}:
        return contradicted(f"HTTP {exchange.status}")
    body = facts.answer("energy history")
    listed = body.get("measurements") if isinstance(body, Mapping) else None
    if not isinstance(listed, list):
        return contradicted(shape(body)[:200])
    items = [one for one in listed if isinstance(one, Mapping)]
    lacking = {"value", "measuredAt"} - {name for one in items for name in one}
    if items and lacking:
        return contradicted(f"without {', '.join(sorted(lacking))}")
    return confirmed(f"{len(items)} values")


def _sessions(facts: Facts) -> list[object]:
    body = facts.answer("sessions")
    if not isinstance(body, list):
        raise NotSeenError("its answer is no list")
    return body


def _session(facts: Facts) -> Mapping[object, object]:
    items = [one for one in _sessions(facts) if isinstance(one, Mapping)]
    if not items:
        raise NotSeenError("there was no session yet")
    return items[0]


def _start(facts: Facts) -> SessionStart:
    try:
        return readings.record(readings.value_of(facts, _O.CHARGING_SESSION_START), SessionStart)
    except (msgspec.MsgspecError, ValueError):
        raise NotSeenError("223 cannot be read") from None


def _end(facts: Facts) -> SessionRecord:
    try:
        return readings.record(readings.value_of(facts, _O.CHARGING_SESSION), SessionRecord)
    except (msgspec.MsgspecError, ValueError):
        raise NotSeenError("129 cannot be read") from None


def _kind(value: object) -> str:
    return text_kind(str(value))[:200]


def _decimals(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return max(-exponent, 0) if isinstance(exponent, int) else 0


def _before(one_ms: int | None, other_ms: int | None) -> bool:
    return one_ms is not None and other_ms is not None and one_ms < other_ms


def _same(typed: object, text: object) -> bool:
    if isinstance(typed, bool):
        return str(text).lower() in ({"1", "true"} if typed else {"0", "false"})
    if isinstance(typed, int | float):
        try:
            return abs(Decimal(str(typed)) - Decimal(str(text))) <= Decimal("0.01")
        except InvalidOperation:
            return False
    return str(typed or "") == str(text or "")


def _ids(ids: list[int]) -> str:
    return ", ".join(str(int(id)) for id in sorted(ids)[:12])


def _reason(error: Exception) -> str:
    """Return the reason without the text that could not be read."""
    text = str(error)
    return text if isinstance(error, msgspec.MsgspecError) else text.partition(":")[0]
