"""What a gateway does from time to time: it drops charge points that have left, and prunes the store."""

import asyncio

import structlog

from chargebridge.clock import Clock
from chargebridge.gateway.leaving import drop_delivered
from chargebridge.gateway.roster import Roster
from chargebridge.gateway.time_limits import TimeLimits
from chargebridge.store.errors import StoreError
from chargebridge.store.generation import Marker

_log = structlog.get_logger()


async def housekeep(roster: Roster, marker: Marker) -> None:
    """Drop what is delivered, mark the store, and prune what was kept for long enough, until cancelled."""
    loop = asyncio.get_running_loop()
    prune_at, mark_at = loop.time(), loop.time() + roster.limits.mark_s
    while True:
        await asyncio.sleep(roster.limits.housekeeping_s)
        drop_delivered(roster)
        if loop.time() >= mark_at:
            mark_at = loop.time() + roster.limits.mark_s
            await mark(marker, roster.clock, roster.limits)
        if loop.time() >= prune_at:
            prune_at = loop.time() + roster.limits.prune_s
            await _prune(roster)


async def mark(marker: Marker, clock: Clock, limits: TimeLimits) -> None:
    """Mark the store as in use, for a restore; it can be done without while there is no room.

    Args:
        marker: of the store.
        clock: the time.
        limits: how long it is to the next mark.
    """
    now_ms = clock.now().utc_ms
    next_s = (limits.mark_s + limits.housekeeping_s) * clock.speed
    try:
        await asyncio.to_thread(marker.mark, now_ms, now_ms + round(next_s * 1000))
    except (StoreError, OSError) as error:
        _log.warning("mark of the store not written", reason=str(error))


async def _prune(roster: Roster) -> None:
    now_ms = roster.clock.now().utc_ms
    keep_ms = roster.configuration.state.transactions_keep_days * 86_400_000
    try:
        pruned = await asyncio.to_thread(roster.store.prune, now_ms - keep_ms, now_ms)
    except StoreError as error:
        _log.error("delivered transactions could not be pruned", reason=str(error))
    else:
        if pruned:
            _log.info("delivered transactions pruned", count=pruned)
