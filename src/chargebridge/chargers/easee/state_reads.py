"""Reads of the states of chargers by REST: at first contact, with an operator's queue.

The queue shows only what changes, so what it has not shown is read: one request for each charger, which has
its last sessions, too. Thousands of them take an hour and more within the limits of the cloud, so they go by
need, and nothing that a person wants waits for them.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

import structlog

from chargebridge import tasks
from chargebridge.chargers.easee.account.account import Account
from chargebridge.chargers.easee.account.failures import NoAnswer, NotSent, Refused
from chargebridge.chargers.easee.charger import Charger
from chargebridge.chargers.easee.reading import (
    RETRY_S,
    SESSIONS,
    STATE,
    WAIT_S,
    UnreadableError,
    read_observations,
)
from chargebridge.chargers.easee.turns import Pace, Waiting
from chargebridge.chargers.easee.twin.wire import Update
from chargebridge.clock import Clock
from chargebridge.log_bounds import BoundedLog, Later

AT_ONCE: Final = 3
"""The most reads of states in flight."""

_log = structlog.get_logger(__name__)


class Owner(Protocol):
    """Receives what was read."""

    def state_read(self, updates: Sequence[Update]) -> None:
        """Take the state of a charger."""

    def sessions_found(self, charger: Charger, updates: Sequence[Update]) -> None:
        """Take the last sessions of a charger of which nothing was known."""


class StateReads:
    """Chargers whose states are to be read, the neediest first.

    Args:
        account: calls to the REST API.
        clock: the clock of the cloud.
        owner: receives what was read.
        later: calls a function after so many real seconds.
        spacing_s: seconds from one read to the next that the limits allow.
    """

    def __init__(self, account: Account, clock: Clock, owner: Owner, later: Later, spacing_s: float) -> None:
        self._account = account
        self._clock = clock
        self._owner = owner
        self._bounded_log = BoundedLog(_log, later)
        self._pace = Pace(spacing_s)
        self._unknown: dict[str, Charger] = {}
        """Nothing can be said of them yet."""
        self._needed: dict[str, Charger] = {}
        """Settings wait until theirs are known."""
        self._unread: dict[str, Charger] = {}
        """Their last sessions are not known."""
        self._partly: dict[str, Charger] = {}
        """The queue has shown part of their state."""
        self._reading: set[str] = set()
        self._paused_until_s = 0.0
        self._failing = False
        self._work = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start to read."""
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._read_all()) for _ in range(AT_ONCE)]

    async def stop(self) -> None:
        """Stop reading."""
        await tasks.end(*self._tasks)

    def read_state(self, charger: Charger) -> None:
        """Read what is not known of the state of a charger."""
        serial = charger.serial
        if not charger.twin.state_known:
            self._unknown[serial] = charger
        elif serial not in self._reading:
            self._partly.pop(serial, None)
            self._needed[serial] = charger
        self._work.set()

    def read_sessions(self, charger: Charger) -> None:
        """Read the last sessions of a charger of which nothing was known."""
        self._unread[charger.serial] = charger
        self._work.set()

    def waiting(self) -> Waiting:
        """Return the reads that wait for their turn."""
        groups = (self._unknown, self._needed, self._unread, self._partly)
        return self._pace.left(len(set().union(*groups)))

    async def _read_all(self) -> None:
        while True:
            charger = self._next()
            if charger is None:
                if not self._reading:
                    self._pace.idle()
                self._work.clear()
                await self._work.wait()
                continue
            pause_s = (self._paused_until_s - self._clock.now().mono) / self._clock.speed
            if pause_s > 0:
                await asyncio.sleep(pause_s)
                continue
            for group in (self._unknown, self._needed, self._partly):
                group.pop(charger.serial, None)
            self._reading.add(charger.serial)
            try:
                await self._read(charger)
            except (NotSent, NoAnswer) as error:
                self._retry_later(charger, error)
            finally:
                self._reading.discard(charger.serial)

    def _next(self) -> Charger | None:
        for serial, charger in list(self._unknown.items()):
            if not charger.twin.state_known and charger.watched:
                return charger
            del self._unknown[serial]
            if charger.watched:
                self._partly[serial] = charger
        for group, wanted in (
            (self._needed, _needs_state),
            (self._unread, _needs_sessions),
            (self._partly, _needs_state),
        ):
            for serial, charger in list(group.items()):
                if serial not in self._reading and charger.watched and wanted(charger):
                    return charger
                if serial not in self._reading:
                    del group[serial]
        return None

    async def _read(self, charger: Charger) -> None:
        ids = _missing(charger) | (SESSIONS if charger.twin.record.unread else frozenset())
        try:
            updates = await read_observations(self._account, charger.serial, ids, WAIT_S)
        except (Refused, UnreadableError) as error:
            self._bounded_log.warning("charger state refused", charger=charger.serial, reason=str(error))
            self._unread.pop(charger.serial, None)
        else:
            self._failing = False
            self._owner.state_read([update for update in updates if update.id in STATE])
            # Once it can be reached its sessions are wanted, and they have just been read.
            if self._unread.pop(charger.serial, None) is not None:
                found = [update for update in updates if update.id in SESSIONS]
                self._owner.sessions_found(charger, found)
        charger.state_read = True
        self._pace.turn(self._clock.now().mono)

    def _retry_later(self, charger: Charger, error: NotSent | NoAnswer) -> None:
        now_s = self._clock.now().mono
        until_s = error.until_s if isinstance(error, NotSent) else None
        pause_s = max(RETRY_S, self._clock.speed) if until_s is None else min(until_s - now_s, 10 * RETRY_S)
        self._paused_until_s = max(self._paused_until_s, now_s + pause_s)
        if charger.twin.state_known:
            if charger.serial not in self._unread:
                self._needed[charger.serial] = charger
        else:
            self._unknown[charger.serial] = charger
        if not self._failing:
            self._failing = True
            _log.info("states of chargers cannot be read at present, retrying", reason=str(error))


_Wanted = Callable[[Charger], object]


def _needs_state(charger: Charger) -> Iterable[int]:
    return _missing(charger)


def _needs_sessions(charger: Charger) -> bool:
    return charger.twin.record.unread


def _missing(charger: Charger) -> frozenset[int]:
    """Return the observations of its state that a charger has not shown yet; none, if they were read."""
    if charger.state_read:
        return frozenset()
    return frozenset(STATE) - charger.twin.record.seen.keys()
