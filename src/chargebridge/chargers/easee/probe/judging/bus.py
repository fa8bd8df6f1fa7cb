"""Judges the operator's bus: its address, its queue, and what lies in the queue."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Final

import msgspec

from chargebridge.chargers.easee.probe.judging.facts import (
    BusFacts,
    BusMessage,
    Facts,
    Finding,
    NotSeenError,
    confirmed,
    contradicted,
    found,
)
from chargebridge.chargers.easee.probe.judging.shapes import shape, value_kind
from chargebridge.chargers.easee.twin.bus_messages import Kind, MessageReader, Patterns

ADDRESS_FIELDS: Final = ("server", "port", "queueName", "exchangeName", "username", "password")
_FIELDS: Final = {Kind.OBSERVATION: "value", Kind.RESPONSE: "wasaccepted", Kind.PULSE: "pulseid"}
"""The field, in lower case, by which a body shows its kind."""
_WORD: Final = re.compile(r"[A-Z]{1,3}|[A-Za-z]?[a-z]{2,14}", re.ASCII)


def address(facts: Facts) -> Finding:
    """Judge the answer with the broker's address."""
    _bus(facts)
    body = facts.answer("bus")
    if not isinstance(body, Mapping):
        return contradicted(shape(body))
    missing = [name for name in ADDRESS_FIELDS if body.get(name) in (None, "")]
    return found(not missing, f"without {', '.join(missing)}" if missing else shape(body))


def queue(facts: Facts) -> Finding:
    """Judge whether the queue is there."""
    bus = _bus(facts)
    if bus.missing:
        return contradicted("the broker has no such queue")
    if bus.consumers is None:
        raise NotSeenError(bus.failure or "the queue was not looked at")
    return confirmed(f"{bus.waiting} messages")


def alone(facts: Facts) -> Finding:
    """Judge whether nothing else consumes the queue."""
    bus = _bus(facts)
    if bus.consumers is None:
        raise NotSeenError(bus.failure or "no queue")
    return found(bus.consumers == 0, f"{bus.consumers} consumers")


def observation_keys(facts: Facts) -> Finding:
    """Judge the routing keys of observations."""
    return _keys(facts, Kind.OBSERVATION)


def response_keys(facts: Facts) -> Finding:
    """Judge the routing keys of responses."""
    return _keys(facts, Kind.RESPONSE)


def pulse_keys(facts: Facts) -> Finding:
    """Judge the routing keys of pulses."""
    return _keys(facts, Kind.PULSE)


def all_keys(facts: Facts) -> Finding:
    """Judge whether every routing key has a pattern."""
    kinds = _by_kind(facts)
    odd = Counter(key_shape(one.key) for one in kinds.get(None, ()))
    if odd:
        shown = ", ".join(f"{key} ({number})" for key, number in odd.most_common(5))
        return contradicted(f"others: {shown}")
    return confirmed(f"{sum(len(those) for those in kinds.values())} messages")


def observation_bodies(facts: Facts) -> Finding:
    """Judge the bodies of observations."""
    return _bodies(facts, Kind.OBSERVATION)


def response_bodies(facts: Facts) -> Finding:
    """Judge the bodies of responses."""
    return _bodies(facts, Kind.RESPONSE)


def text_values(facts: Facts) -> Finding:
    """Judge the JSON type of values in observations."""
    values = [
        one.body.get("Value")
        for one in _of(facts, Kind.OBSERVATION)
        if isinstance(one.body, Mapping) and "Value" in one.body
    ]
    if not values:
        raise NotSeenError("no observation has a Value")
    odd = [value for value in values if not isinstance(value, str)]
    return found(
        not odd, f"{value_kind(odd[0])}; {len(odd)} of {len(values)}" if odd else f"{len(values)} values"
    )


def arrival_header(facts: Facts) -> Finding:
    """Judge the header with the time of arrival."""
    messages = _of(facts, Kind.OBSERVATION)
    names = dict.fromkeys(name[:40] for one in messages for name in one.headers)
    without = [one for one in messages if "ArrivalTime" not in one.headers]
    return found(not without, f"headers: {', '.join(names) or 'none'}")


def key_shape(key: str) -> str:
    """Return a routing key with words, and marks for numbers and for everything else: `*.O.#`."""
    return ".".join(map(_part_shape, key[:200].split(".")))


def _part_shape(part: str) -> str:
    return "#" if part.isdecimal() else part if _WORD.fullmatch(part) else "*"


def _keys(facts: Facts, kind: Kind) -> Finding:
    """Judge the keys of one kind: one with another key is recognized by its body."""
    kinds = _by_kind(facts)
    others = [one for one in kinds.get(None, ()) if _looks_like(one, kind)]
    if others:
        return contradicted(f"{len(others)} with other keys, such as {key_shape(others[0].key)}")
    if kinds.get(kind):
        return confirmed(f"{len(kinds[kind])} messages, such as {key_shape(kinds[kind][0].key)}")
    raise NotSeenError("none among the messages")


def _looks_like(one: BusMessage, kind: Kind) -> bool:
    names = {str(name).lower() for name in one.body} if isinstance(one.body, Mapping) else set()
    return _FIELDS[kind] in names


def _bodies(facts: Facts, kind: Kind) -> Finding:
    reader = _reader(facts)
    messages = _of(facts, kind)
    for one in messages:
        try:
            reader.read(one.key, msgspec.json.encode(one.body), 0)
        except ValueError as error:
            return contradicted(f"{shape(one.body)[:160]}: {str(error)[:80]}")
    return confirmed(f"{len(messages)}: {shape([one.body for one in messages])[:200]}")


def _of(facts: Facts, kind: Kind) -> list[BusMessage]:
    messages = _by_kind(facts).get(kind)
    if not messages:
        raise NotSeenError("none among the messages")
    return messages


def _by_kind(facts: Facts) -> dict[Kind | None, list[BusMessage]]:
    """Return the messages by kind; those without a pattern under None."""
    bus = _bus(facts)
    if not bus.looked:
        raise NotSeenError(bus.failure or "the messages were not looked at")
    if not bus.messages:
        raise NotSeenError("the queue is empty")
    reader = _reader(facts)
    kinds: dict[Kind | None, list[BusMessage]] = {}
    for one in bus.messages:
        kinds.setdefault(reader.kind(one.key), []).append(one)
    return kinds


def _reader(facts: Facts) -> MessageReader:
    return MessageReader(Patterns(**facts.patterns))


def _bus(facts: Facts) -> BusFacts:
    if facts.bus is None:
        raise NotSeenError('way = "account"')
    if facts.bus.consumers is None and facts.last("bus") is not None:
        facts.answer("bus")  # its refusal is the reason
    return facts.bus
