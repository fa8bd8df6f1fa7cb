"""What a gateway does from time to time: it drops charge points that have left, and prunes the store."""

import asyncio

import structlog

from chargebridge.gateway.leaving import drop_delivered
from chargebridge.gateway.roster import Roster
from chargebridge.store.errors import StoreError

_log = structlog.get_logger()


async def housekeep(roster: Roster) -> None:
    """Drop what is delivered, and prune what has been kept for long enough, until cancelled."""
    loop = asyncio.get_running_loop()
    prune_at = loop.time()
    while True:
        await asyncio.sleep(roster.limits.housekeeping_s)
        drop_delivered(roster)
        if loop.time() >= prune_at:
            prune_at = loop.time() + roster.limits.prune_s
            await _prune(roster)


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
