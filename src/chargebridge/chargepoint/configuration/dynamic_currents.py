"""Dynamic currents: Easee's keys for balancing in real time, which never wear the charger's memory.

`DynamicChargerCurrent` and `DynamicCircuitCurrent` bound what is offered on top of any charging
profile; the lowest limit wins. A value is a current in ampere, or three of them for the phases,
optionally followed by a semicolon and the seconds for which it holds: `16`, `10.5;300`,
`10,16,16;600`. Nothing (an empty value) ends it.
"""

from decimal import Decimal
from typing import Final

from msgspec import structs

from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.model.state import DynamicCurrent

DYNAMIC_CURRENTS: Final = frozenset({"DynamicChargerCurrent", "DynamicCircuitCurrent"})


def write(charge_point: ChargePoint, key: str, value: str) -> None:
    """Put a normalized value into effect; its time begins now."""
    state = charge_point.state
    others = tuple(current for current in state.dynamic if current.key != key)
    if value:
        currents, _, seconds = value.partition(";")
        limit_ma = min(int(Decimal(text) * 1000) for text in currents.split(","))
        until_ms = charge_point.now.utc_ms + int(seconds) * 1000 if seconds else None
        others = (*others, DynamicCurrent(key, value, limit_ma, until_ms))
    state.dynamic = others
    charge_point.mark_dirty()


def _holding(charge_point: ChargePoint) -> tuple[DynamicCurrent, ...]:
    if not charge_point.settings.behaviour.easee_extensions:
        return ()  # by another behaviour than it was written under: nothing could end it any more
    if not charge_point.state.dynamic:
        return ()
    now_ms = charge_point.now.utc_ms
    return tuple(
        current
        for current in charge_point.state.dynamic
        if current.until_ms is None or current.until_ms > now_ms
    )


def text(charge_point: ChargePoint, key: str) -> str:
    """Return what was written while it holds, else nothing."""
    return next((current.text for current in _holding(charge_point) if current.key == key), "")


def limit_ma(charge_point: ChargePoint) -> int | None:
    """Return the lowest of these currents now, in mA; None if none holds."""
    return min((current.limit_ma for current in _holding(charge_point)), default=None)


def forget_expired(charge_point: ChargePoint) -> None:
    """Keep only what holds, and none for longer than was written, if the host's clock was set back since."""
    holding = tuple(_clamped(current, charge_point.now.utc_ms) for current in _holding(charge_point))
    if holding != charge_point.state.dynamic:
        charge_point.state.dynamic = holding
        charge_point.mark_dirty()


def _clamped(current: DynamicCurrent, now_ms: int) -> DynamicCurrent:
    if current.until_ms is None:
        return current
    longest_ms = int(current.text.partition(";")[2]) * 1000
    return structs.replace(current, until_ms=min(current.until_ms, now_ms + longest_ms))


def next_change_ms(charge_point: ChargePoint) -> int | None:
    """Return when the first of these currents ends by itself; None: never."""
    return min(
        (current.until_ms for current in charge_point.state.dynamic if current.until_ms is not None),
        default=None,
    )
