"""The dispatcher: the loop, one coarse timer, the pacing and the resolver, shared by all links."""

import asyncio
import math
from random import Random
from typing import Final, Protocol

from chargebridge.clock import Clock
from chargebridge.link.endpoint import Endpoint
from chargebridge.link.pacing import Pacer
from chargebridge.link.resolver import Resolver
from chargebridge.link.schedule import Schedule, Scheduled

SLOT_S: Final = 0.05
"""Width of the timer's slots in seconds; no deadline of a link needs to be met more exactly."""


class Dispatched(Scheduled, Protocol):
    """A link, as the dispatcher knows it."""

    @property
    def endpoint(self) -> Endpoint:
        """The URL that is tried next. It stays the same from `queue` to `attempt_over`."""

    def connect(self) -> None:
        """Start an attempt: the pacer allows it."""

    def deadline_reached(self, now: float) -> None:
        """The deadline of the link is reached."""

    def go_away(self, reason: str) -> None:
        """Disconnect: this process ends."""

    def abort(self) -> None:
        """Drop a connection that is still closing."""


class Dispatcher:
    """Wakes links at their deadlines and lets them connect in turn.

    Args:
        pacer: decides which link may connect next.
        random: the source of jitter for back-offs and pings.
        clock: by which links note, for operators, when something happened.
    """

    def __init__(self, pacer: Pacer[str, Dispatched], random: Random, clock: Clock) -> None:
        self.random = random
        self.clock = clock
        self.awake: set[Dispatched] = set()
        """The links that are not down."""
        self._pacer = pacer
        self._schedule: Schedule[Dispatched] = Schedule(SLOT_S)
        self._runtime: tuple[asyncio.AbstractEventLoop, Resolver] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf
        self._pump_at = math.inf
        self._pump_soon = False
        self._asleep: asyncio.Future[None] | None = None

    @property
    def running(self) -> bool:
        """Whether links may connect."""
        return self._runtime is not None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The running loop; links read it only while there is one."""
        return self._started()[0]

    @property
    def resolver(self) -> Resolver:
        """The resolver of that loop."""
        return self._started()[1]

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let the links connect."""
        self._runtime = loop, Resolver(loop)
        self._request_pump()

    def stop(self) -> None:
        """Let no link connect any more, and stop the timer."""
        if self._runtime is not None:
            self._runtime[1].close()
            self._runtime = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_at = math.inf

    def wake_at(self, link: Dispatched, deadline: float) -> None:
        """Set the link's one deadline, in seconds of the loop's clock."""
        self._schedule.set(link, deadline)
        self._arm()

    def queue(self, link: Dispatched) -> None:
        """Let the link connect when it is its turn."""
        self._pacer.add(link.endpoint.authority, link)
        self._request_pump()

    def unqueue(self, link: Dispatched) -> None:
        """Take the link out of the queue."""
        self._pacer.remove(link.endpoint.authority, link)

    def attempt_over(self, link: Dispatched, *, answered: bool | None) -> None:
        """Give the place of the link's attempt to the next one; see `Pacer.finished`."""
        self._pacer.finished(link.endpoint.authority, answered=answered)
        self._request_pump()

    def link_down(self, link: Dispatched) -> None:
        """Forget a link that was taken down."""
        self.awake.discard(link)
        if not self.awake and self._asleep is not None and not self._asleep.done():
            self._asleep.set_result(None)

    async def all_down(self) -> None:
        """Return when no link is left that is not down."""
        if self.awake:
            self._asleep = self.loop.create_future()
            await self._asleep

    def _started(self) -> tuple[asyncio.AbstractEventLoop, Resolver]:
        if self._runtime is None:
            raise RuntimeError("the fleet is not started")
        return self._runtime

    def _request_pump(self) -> None:
        # Once for all links that ask in this iteration of the loop, so that the order is random.
        if self._runtime is not None and not self._pump_soon:
            self._pump_soon = True
            self._runtime[0].call_soon(self._pump)

    def _pump(self) -> None:
        self._pump_soon = False
        if self._runtime is None:
            return
        now = self._runtime[0].time()
        while (link := self._pacer.take(now)) is not None:
            link.connect()
        wanted_at = self._pacer.next_at(now)
        self._pump_at = math.inf if wanted_at is None else max(wanted_at, now + SLOT_S)
        self._arm()

    def _arm(self) -> None:
        if self._runtime is None:
            return
        at = min(self._schedule.next_at() or math.inf, self._pump_at)
        if at < self._timer_at:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_at = at
            self._timer = self._runtime[0].call_at(at, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._timer_at = math.inf
        if self._runtime is None:
            return
        now = self._runtime[0].time()
        for link in self._schedule.due(now):
            link.deadline_reached(now)
        if self._pump_at <= now:
            self._pump_at = math.inf
            self._request_pump()
        self._arm()
