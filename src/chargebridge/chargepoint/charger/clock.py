"""The times that a charger gives to its events: which of them the charge point believes."""

from typing import Final

from msgspec import structs

from chargebridge.chargepoint.model.charge_point import ChargePoint
from chargebridge.chargepoint.rules.replays import FUTURE_MS, REMEMBERED
from chargebridge.chargepoint.turn import NoticeKind
from chargebridge.chargers.model import ChargerEvent, SessionEnded, TokenPresented

EARLIEST_MS: Final = 946_684_800_000
"""The year 2000: no charger of today has lived before."""
LATEST_MS: Final = 4_102_444_800_000
"""The year 2100, for when the host knows the time even less."""


def with_plausible_times(charge_point: ChargePoint, event: ChargerEvent) -> ChargerEvent | None:
    """Return an event at a time that can be; None if it is a replay of one at a time that cannot.

    A charger that does not know the time must lose no energy by it: now stands in for the impossible.
    Timestamps of 1970 or of the far future would be refused by any central system.
    """
    state, now_ms = charge_point.state, charge_point.now.utc_ms
    # The charger has reported later times, or the host does not know the time at all.
    host_is_behind = now_ms < EARLIEST_MS or now_ms + FUTURE_MS < state.newest_ms
    latest_ms = LATEST_MS if host_is_behind else max(now_ms, state.newest_ms) + FUTURE_MS
    if not EARLIEST_MS <= event.at_ms <= latest_ms:
        charge_point.notice(NoticeKind.IMPLAUSIBLE_TIME, type(event).__name__)
        if isinstance(event, TokenPresented):
            if event.at_ms in state.timeless_tokens:
                return None
            state.timeless_tokens = (*state.timeless_tokens, event.at_ms)[-REMEMBERED:]
            charge_point.mark_dirty()
        event = structs.replace(event, at_ms=max(now_ms, state.newest_ms) if host_is_behind else now_ms)
    if isinstance(event, SessionEnded) and not EARLIEST_MS <= event.started_at_ms <= event.at_ms:
        event = structs.replace(event, started_at_ms=event.at_ms)
    return event


def advance(charge_point: ChargePoint, at_ms: int) -> None:
    """Note how far the charger's clock has come, by an event that changed the durable state."""
    state, now_ms = charge_point.state, charge_point.now.utc_ms
    if state.newest_ms < at_ms <= max(now_ms, state.newest_ms) + FUTURE_MS:
        state.newest_ms = at_ms
        charge_point.mark_dirty()
