"""When the session of a start record has begun: it is authorized, or current flows anyway. Pure."""

from decimal import Decimal
from typing import Final

from chargebridge.chargers.easee.twin.measurements import number_of
from chargebridge.chargers.easee.twin.modes import FAULTS, OFFERS, OFFLINE, WAITS_FOR_TOKEN
from chargebridge.chargers.easee.twin.observations import Observation
from chargebridge.chargers.easee.twin.records import Running, Seen, TwinRecord
from chargebridge.chargers.easee.twin.taps import DECIDED_WITHIN_MS, authorized_of, same_token
from chargebridge.chargers.easee.twin.ticks import wh_of_uwh
from chargebridge.chargers.easee.twin.vocabulary import OpMode, ReasonForNoCurrent

FLOW_KW: Final = Decimal("0.1")
"""The power from which on current flows to a car; below, it is that of the charger, or noise."""


def flows(kilowatts: str) -> bool:
    """Whether current flows to a car; raise ValueError if the text is no number."""
    return number_of(kilowatts) >= FLOW_KW


def present(record: TwinRecord) -> Running | None:
    """Return the running session; None if there is none, or its car has gone and its record is missing."""
    running, mode = record.running, record.seen.get(Observation.CHARGER_OP_MODE)
    if running is None or running.gone:
        return None
    disconnected = mode is not None and int(mode.value) == OpMode.DISCONNECTED
    return None if mode and disconnected and mode.at_ms > running.started_ms else running


def begun_ms(record: TwinRecord, power: Seen | None, *, required: bool) -> int | None:
    """Return since when it is known that the session of the start record has begun; 0: no matter when.

    Args:
        record: the state of the charger.
        power: the newest power.
        required: whether the charger requires an authorization.

    Returns:
        A time of the charger's; None if the session has not begun, or is reported already.
    """
    running = record.running
    if running is None or running.reported or running.gone:
        return None
    if running.authorized or (not required and not running.found):
        return 0
    if present(record) is None:
        return None
    since_ms = running.started_ms if running.tapped_ms is None else running.tapped_ms
    seen, reason = (
        record.seen.get(one) for one in (Observation.CHARGER_OP_MODE, Observation.REASON_FOR_NO_CURRENT)
    )
    mode = None if seen is None else int(seen.value)
    if seen is not None and seen.at_ms >= since_ms:
        if mode == OpMode.CHARGING or (mode in OFFERS and not running.refused):
            return seen.at_ms
        if not required and mode not in FAULTS and mode not in OFFLINE:
            return seen.at_ms
    if power is not None and power.at_ms > since_ms and flows(power.value):
        return power.at_ms
    pending = reason is not None and int(number_of(reason.value)) == ReasonForNoCurrent.PENDING_AUTHORIZATION
    energy = record.seen.get(Observation.SESSION_ENERGY)
    if energy is None or wh_of_uwh(record.shown_uwh) <= 0 or pending or mode in WAITS_FOR_TOKEN:
        return None  # an energy while the charger waits for a token is a stale one
    return energy.at_ms


def may_be_by_another(record: TwinRecord, running: Running, begun_ms: int) -> bool:
    """Whether current flows that its record does not explain: another one may be on its way.

    That is: long after a token was scanned, while the charger has yet to carry out our authorization of
    another one, or nobody was let charge yet, by us or by Easee's app.
    """
    if running.tag is not None:
        ours = record.authorized
        under_way = ours is not None and ours.session == running.id and not ours.carried_out
        if ours is not None and under_way and not same_token(ours.tag, running.tag):
            return not running.authorized
        return begun_ms > running.recorded_ms + DECIDED_WITHIN_MS
    by_somebody = running.by_user or authorized_of(record, running) is not None
    return begun_ms > running.recorded_ms and not running.found and not by_somebody
