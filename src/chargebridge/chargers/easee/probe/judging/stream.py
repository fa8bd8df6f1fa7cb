"""Judges the hub: negotiation, pings, the replay of a charger, and how values are written."""

import itertools
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
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
from chargebridge.chargers.easee.probe.judging.shapes import text_kind, value_kind
from chargebridge.chargers.easee.twin.hub_messages import Unreadable, read_frame
from chargebridge.chargers.easee.twin.measurements import PHASES_IT, PHASES_TN, is_it_grid
from chargebridge.chargers.easee.twin.observations import DATA_TYPES, DataType, Observation
from chargebridge.chargers.easee.twin.vocabulary import GridType, OpMode, ReasonForNoCurrent

_O: Final = Observation
PING_S: Final = 20.0
"""Real seconds in which at least one ping comes."""
REPLAY_S: Final = 2.0
"""Real seconds for which the driver takes observations for a replay."""
OLD_MS: Final = 60_000
IDLE_S: Final = 1500
"""Seconds after which a silent charger counts as unreachable (`silent_after_s`)."""
_PING: Final = 6
_COMPLETION: Final = 3
_MAINS_V: Final = 80
LIMITS: Final = (
    _O.MAX_CHARGER_CURRENT,
    _O.DYNAMIC_CHARGER_CURRENT,
    _O.CIRCUIT_MAX_CURRENT_P1,
    _O.DYNAMIC_CIRCUIT_CURRENT_P1,
)
"""The limits of which the lowest is in force; those of the first phase stand for a circuit's."""


def negotiation(facts: Facts) -> Finding:
    """Judge the answer to the negotiation."""
    body = facts.answer("negotiate")
    if not isinstance(body, Mapping):
        return contradicted("no JSON object")
    version, transports = body.get("negotiateVersion"), body.get("availableTransports")
    names = [
        str(one.get("transport"))[:30]
        for one in (transports if isinstance(transports, list) else [])
        if isinstance(one, Mapping)
    ]
    good = isinstance(body.get("connectionId"), str) and version in (0, None) and "WebSockets" in names
    token = ", connectionToken" if "connectionToken" in body else ""
    return found(good, f"version {version}{token}; {', '.join(names) or 'no transports'}")


def handshake(facts: Facts) -> Finding:
    """Judge whether the hub accepts the JSON protocol."""
    stream = facts.stream
    if stream.failure.startswith("the stream's handshake"):
        return contradicted(stream.failure)
    if not stream.opened:
        raise NotSeenError(stream.failure or "there was no stream")
    return confirmed("opened")


def pings(facts: Facts) -> Finding:
    """Judge the pings of the hub."""
    stream = facts.stream
    if not stream.opened:
        raise NotSeenError(stream.failure or "there was no stream")
    times = [one.after_s for one in stream.messages if _type(one.message) == _PING]
    if not times and stream.listened_s < PING_S:
        raise NotSeenError(f"listened for {stream.listened_s:.0f} s only")
    if not times:
        return contradicted(f"none in {stream.listened_s:.0f} s")
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    rhythm = f", the longest gap {max(gaps):.1f} s" if gaps else ""
    return found(not gaps or max(gaps) <= PING_S, f"{len(times)} in {stream.listened_s:.0f} s{rhythm}")


def completion(facts: Facts) -> Finding:
    """Judge whether a subscription is completed."""
    if not facts.stream.opened:
        raise NotSeenError(facts.stream.failure or "there was no stream")
    ends = [one for one in facts.stream.messages if _type(one.message) == _COMPLETION]
    if not ends:
        return contradicted("no completion came")
    message = ends[0].message
    refused = isinstance(message, Mapping) and message.get("error") is not None
    return found(not refused, "refused" if refused else f"after {ends[0].after_s:.1f} s")


def readable(facts: Facts) -> Finding:
    """Judge whether the driver can read every message."""
    readings.replayed(facts)
    odd = [text for one in facts.stream.messages if (text := unreadable(one.message)) is not None]
    return found(
        not odd, f"{len(odd)}, such as: {odd[0]}" if odd else f"{len(facts.stream.messages)} messages"
    )


def one_object(facts: Facts) -> Finding:
    """Judge the arguments of an update."""
    readings.replayed(facts)
    odd: Counter[str] = Counter()
    count = 0
    for one in facts.stream.messages:
        message = one.message
        if isinstance(message, Mapping) and message.get("target") in readings.UPDATE_TARGETS:
            count += 1
            given = message.get("arguments")
            if not isinstance(given, list) or len(given) != 1 or not isinstance(given[0], Mapping):
                odd["other arguments"] += 1
            elif lacking := {"mid", "dataType", "id", "timestamp", "value"} - given[0].keys():
                odd[f"without {', '.join(sorted(lacking))}"] += 1
    if odd:
        return contradicted("; ".join(f"{number} {what}" for what, number in odd.items()))
    return confirmed(f"{count} updates")


def text_values(facts: Facts) -> Finding:
    """Judge the JSON type of values."""
    seen = readings.replayed(facts)
    odd = [one for one in seen if not isinstance(one.value, str)]
    if odd:
        return contradicted(f"{odd[0].id}: {value_kind(odd[0].value)}; {len(odd)} of {len(seen)}")
    return confirmed(f"{len(seen)} values")


def time_notation(facts: Facts) -> Finding:
    """Judge the notation of times."""
    seen = readings.replayed(facts)
    unread = [one for one in seen if one.at_ms is None]
    kinds = Counter(text_kind(str(one.timestamp)) for one in unread or seen)
    shown = "; ".join(f"{kind} ({number})" for kind, number in kinds.most_common(6))
    return found(not unread, f"unreadable: {shown}" if unread else shown)


def boolean_notation(facts: Facts) -> Finding:
    """Judge the notation of booleans."""
    seen = [one for one in readings.replayed(facts) if DATA_TYPES.get(one.id) == DataType.BOOLEAN]  # type: ignore[call-overload]
    if not seen:
        raise NotSeenError("no boolean came")
    odd = [one for one in seen if str(one.value) not in {"0", "1"}]
    if odd:
        return contradicted(f"{odd[0].id}: {value_kind(odd[0].value)}; {len(odd)} of {len(seen)}")
    return confirmed(f"{len(seen)} values, all 0 or 1")


def data_types(facts: Facts) -> Finding:
    """Judge the data types of updates."""
    odd = {
        one.id: one.data_type
        for one in readings.replayed(facts)
        if one.id in DATA_TYPES and one.data_type != DATA_TYPES[Observation(one.id)]
    }
    shown = ", ".join(f"{id}: {kind}" for id, kind in sorted(odd.items())[:12])
    return found(not odd, f"other types: {shown}" if odd else "the types that are known")


def known_ids(facts: Facts) -> Finding:
    """Judge whether the stream sends observations that chargebridge does not know."""
    ids = {one.id for one in readings.replayed(facts)}
    unknown = sorted(id for id in ids if id not in DATA_TYPES)
    shown = ", ".join(map(str, unknown[:20]))
    return found(not unknown, f"unknown: {shown}" if unknown else f"{len(ids)} observations")


def targets(facts: Facts) -> Finding:
    """Judge the targets of the hub's messages."""
    readings.replayed(facts)
    names = other_targets(facts)
    shown = ", ".join(f"{name} ({number})" for name, number in names.items())
    return found(not names, f"others: {shown}" if names else "no other")


def other_targets(facts: Facts) -> dict[str, int]:
    """Return the numbers of messages with targets that the driver does not read."""
    read = {"ProductUpdate", readings.RESPONSE_TARGET}
    names = (one.message.get("target") for one in facts.stream.messages if isinstance(one.message, Mapping))
    return dict(Counter(str(name)[:60] for name in names if name is not None and name not in read))


# --- the replay ------------------------------------------------------------------------------------------


def replay_time(facts: Facts) -> Finding:
    """Judge how long a replay takes."""
    began_ms = facts.stream.subscribed_ms
    ids: set[int] = set()
    last_s = 0.0
    for one in readings.replayed(facts):
        # The first value of each observation is the replay's, if it is older than the subscription.
        if one.id not in ids and one.at_ms is not None and one.at_ms < began_ms:
            last_s = max(last_s, one.after_s)
            ids.add(one.id)
    if not ids:
        raise NotSeenError("no value is older than the subscription")
    return found(last_s <= REPLAY_S, f"{len(ids)} observations in {last_s:.1f} s")


def original_times(facts: Facts) -> Finding:
    """Judge whether a replay has the times at which its values were measured."""
    began_ms = facts.stream.subscribed_ms
    ages_s = [(began_ms - one.at_ms) / 1000 for one in readings.replayed(facts) if one.at_ms is not None]
    if not ages_s:
        raise NotSeenError("no time can be read")
    oldest_s = max(ages_s)
    return found(oldest_s * 1000 > OLD_MS, f"the oldest {age(oldest_s)}, the newest {age(min(ages_s))}")


def idle_life(facts: Facts) -> Finding:
    """Judge whether an idle charger sends something every 15 minutes."""
    seen = readings.replayed(facts)
    connected = next((one for one in reversed(seen) if one.id == _O.CONNECTED_TO_CLOUD), None)
    if connected is None or str(connected.value).lower() not in {"1", "true"}:
        raise NotSeenError("the charger does not say that it is connected (250)")
    times = [one.at_ms for one in seen if one.at_ms is not None and one.id != _O.CONNECTED_TO_CLOUD]
    if not times:
        raise NotSeenError("no time can be read")
    newest_s = max((facts.stream.subscribed_ms - max(times)) / 1000, 0.0)
    return found(newest_s <= IDLE_S, f"the newest value is {age(newest_s)} old")


def connected_flag(facts: Facts) -> Finding:
    """Judge whether the cloud says that the charger is connected."""
    value = readings.value_of(facts, _O.CONNECTED_TO_CLOUD).value
    good = str(value).lower() in {"0", "1", "true", "false"}
    return found(good, f"{value_kind(value)}")


def op_mode(facts: Facts) -> Finding:
    """Judge the op mode."""
    mode = int(readings.number(facts, _O.CHARGER_OP_MODE))
    return found(mode in set(OpMode), str(mode))


def reason(facts: Facts) -> Finding:
    """Judge the reason for no current."""
    number = int(readings.number(facts, _O.REASON_FOR_NO_CURRENT))
    return found(number in set(ReasonForNoCurrent), str(number))


def phases(facts: Facts) -> Finding:
    """Judge which terminals have a voltage, by grid type."""
    grid = int(readings.number(facts, _O.DETECTED_POWER_GRID_TYPE))
    if grid not in set(GridType):
        return contradicted(f"grid type {grid}")
    if grid == GridType.NOT_YET_DETECTED or grid >= GridType.ERROR_NO_VALID_POWER_GRID_FOUND:
        raise NotSeenError(f"grid type {grid}")
    seen = readings.values(facts)
    live = {
        id
        for id in range(_O.IN_VOLT_T2_T3, _O.IN_VOLT_T4_T5 + 1)
        if id in seen and _volts(seen[id].value) > _MAINS_V
    }
    if not live:
        raise NotSeenError("no voltage was reported")
    mapping = PHASES_IT if is_it_grid(grid) else PHASES_TN
    read = {id for id in mapping if id >= _O.IN_VOLT_T2_T3}
    shown = ", ".join(map(str, sorted(live)))
    return found(bool(live & read), f"grid type {grid}; voltages at {shown}")


def lowest_limit(facts: Facts) -> Finding:
    """Judge whether the lowest limit is in force while a car charges."""
    if readings.number(facts, _O.CHARGER_OP_MODE) != OpMode.CHARGING:
        raise NotSeenError("no car charges")
    offered = readings.number(facts, _O.OUTPUT_CURRENT)
    limit = lowest(facts)
    if limit is None:
        raise NotSeenError("no limit was reported")
    return found(offered <= limit + Decimal("0.5"), f"{offered} A offered, the lowest limit is {limit} A")


def lowest(facts: Facts) -> Decimal | None:
    """Return the lowest limit in amperes; None if none was reported."""
    found_limits = []
    for one in LIMITS:
        try:
            found_limits.append(readings.number(facts, one))
        except NotSeenError:
            continue
    return min(found_limits, default=None)


def power_and_mode(facts: Facts) -> Finding:
    """Judge whether power flows in the op mode for it only."""
    power = readings.number(facts, _O.TOTAL_POWER)
    if power < Decimal("0.1"):
        raise NotSeenError("no power flows")
    mode = int(readings.number(facts, _O.CHARGER_OP_MODE))
    return found(mode == OpMode.CHARGING, f"op mode {mode} at {power} kW")


def power_unit(facts: Facts) -> Finding:
    """Judge the unit of the power by currents and voltages."""
    power = readings.number(facts, _O.TOTAL_POWER)
    seen = readings.values(facts)
    currents = [_volts(seen[id].value) for id in range(_O.IN_CURRENT_T2, _O.IN_CURRENT_T5 + 1) if id in seen]
    amperes = sum(currents)
    if power <= 0 or amperes < 3:
        raise NotSeenError("no car charges")
    watt_an_ampere = power * 1000 / amperes
    return found(50 < watt_an_ampere < 500, f"{power} at {amperes} A in all lines")


def age(seconds: float) -> str:
    """Return an age in words."""
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def unreadable(message: object) -> str | None:
    """Return why the driver cannot read a message; None: it can."""
    text = message if isinstance(message, str) else msgspec.json.encode(message).decode()
    for one in read_frame(text):
        if isinstance(one, Unreadable):
            return one.reason
    return None


def _type(message: object) -> object:
    return message.get("type") if isinstance(message, Mapping) else None


def _volts(value: object) -> Decimal:
    try:
        return readings.as_number(value)
    except NotSeenError:
        return Decimal(0)
