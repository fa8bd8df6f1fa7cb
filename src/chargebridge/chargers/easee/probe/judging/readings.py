"""Reads observations out of facts: from the stream's messages, and from the cloud's last values."""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import TypeVar

import msgspec
from msgspec import Struct

from chargebridge.chargers.easee.probe.judging.facts import Facts, NotSeenError, StreamMessage
from chargebridge.chargers.easee.twin.measurements import number_of
from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.chargers.easee.twin.records import SessionRecord, SessionStart
from chargebridge.chargers.easee.twin.ticks import parse_time

UPDATE_TARGETS = frozenset({"ProductUpdate", "ChargerUpdate"})
RESPONSE_TARGET = "CommandResponse"
_Record = TypeVar("_Record", SessionStart, SessionRecord)


class Seen(Struct, frozen=True):
    """One observation as it came."""

    id: int
    at_ms: int | None
    """None: its time cannot be read."""
    value: object
    data_type: object
    timestamp: object
    after_s: float


class SeenResponse(Struct, frozen=True):
    """One CommandResponse as it came."""

    command: int
    ticks: int
    accepted: object
    after_s: float


def arguments(messages: Iterable[StreamMessage], targets: Iterable[str]) -> list[tuple[float, object]]:
    """Return the arguments of all invocations of these targets, with their times."""
    wanted, result = frozenset(targets), []
    for one in messages:
        message = one.message
        if isinstance(message, Mapping) and message.get("target") in wanted:
            given = message.get("arguments")
            result += [(one.after_s, argument) for argument in given] if isinstance(given, list) else []
    return result


def updates(messages: Iterable[StreamMessage]) -> list[Seen]:
    """Return the observations among messages of the hub."""
    return [
        seen
        for after_s, argument in arguments(messages, UPDATE_TARGETS)
        if (seen := _seen(argument, after_s)) is not None
    ]


def responses(messages: Iterable[StreamMessage]) -> list[SeenResponse]:
    """Return the command responses among messages of the hub."""
    result = []
    for after_s, argument in arguments(messages, {RESPONSE_TARGET}):
        if isinstance(argument, Mapping):
            command, ticks = argument.get("id"), argument.get("ticks")
            if isinstance(command, int) and isinstance(ticks, int):
                result.append(SeenResponse(command, ticks, argument.get("wasAccepted"), after_s))
    return result


def replayed(facts: Facts) -> list[Seen]:
    """Return the observations of the stream.

    Raises:
        NotSeenError: there are none.
    """
    stream = facts.stream
    if not stream.opened:
        raise NotSeenError(stream.failure or "there was no stream")
    seen = updates(stream.messages)
    if not seen:
        raise NotSeenError(stream.failure or "the stream sent no observation")
    return seen


def last_values(facts: Facts) -> dict[int, Seen]:
    """Return the last values that the cloud gives by REST, by observation.

    Raises:
        NotSeenError: there are none.
    """
    body = facts.answer("last values")
    listed = body.get("observations") if isinstance(body, Mapping) else None
    if not isinstance(listed, list):
        raise NotSeenError("its answer is no list of observations")
    seen = (_seen(one, 0.0) for one in listed)
    return {one.id: one for one in seen if one is not None}


def values(facts: Facts) -> dict[int, Seen]:
    """Return the newest values: of the stream, otherwise of REST.

    Raises:
        NotSeenError: there are none at all.
    """
    try:
        result = dict(last_values(facts))
    except NotSeenError:
        result = {}
    for one in updates(facts.stream.messages):
        before = result.get(one.id)
        if before is None or before.at_ms is None or (one.at_ms is not None and one.at_ms >= before.at_ms):
            result[one.id] = one
    if not result:
        raise NotSeenError(facts.stream.failure or "no observations came")
    return result


def value_of(facts: Facts, observation: Observation) -> Seen:
    """Return the newest value of an observation.

    Raises:
        NotSeenError: there is none.
    """
    seen = values(facts).get(observation)
    if seen is None:
        raise NotSeenError(f"the charger has never reported {int(observation)}")
    return seen


def number(facts: Facts, observation: Observation) -> Decimal:
    """Return the newest value of an observation as a number.

    Raises:
        NotSeenError: there is none, or it is no number.
    """
    return as_number(value_of(facts, observation).value)


def as_number(value: object) -> Decimal:
    """Return a value as a number.

    Raises:
        NotSeenError: it is none.
    """
    try:
        return number_of(str(int(value)) if isinstance(value, bool) else str(value))
    except ValueError:
        raise NotSeenError("it is no number") from None


def record(seen: Seen, kind: type[_Record]) -> _Record:
    """Return a session's record as the driver reads it.

    Raises:
        ValueError: the driver cannot read it.
    """
    # What is no text is no JSON either.
    return msgspec.json.decode(str(seen.value), type=kind)


def first(items: Iterable[Seen], fits: Callable[[Seen], bool]) -> Seen | None:
    """Return the first observation that fits."""
    return next((one for one in items if fits(one)), None)


def _seen(argument: object, after_s: float) -> Seen | None:
    if not isinstance(argument, Mapping):
        return None
    id, timestamp = argument.get("id"), argument.get("timestamp")
    if not isinstance(id, int):
        return None
    try:
        at_ms = parse_time(timestamp) if isinstance(timestamp, str) else None
    except ValueError:
        at_ms = None
    return Seen(id, at_ms, argument.get("value"), argument.get("dataType"), timestamp, after_s)
